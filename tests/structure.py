"""The figures of the package's structure.

    python -m tests.structure [CHECKOUT]

prints circles and upward imports, where structures' flags and the engine's memory are known,
duplicated blocks, what is longest, and how many modules a change of five kinds touches.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.support.places import ROOT

LAYERS = [
    {"advice", "cards", "criterion", "limits", "typing"},
    {"errors"},
    {"runtime"},
    {"arguments"},
    {"data"},
    {"model"},
    {"likelihood"},
    {"posterior"},
    {"fit", "labels"},
    {"sampling"},
    {"evidence"},
    {"elpd", "prediction"},
    {"adoption"},
    {"diagnosis", "summary"},
    {"comparison"},
    {"plots"},
    {"report"},
    {"analysis"},
    {"cli", "estimator"},
    {"__main__", ""},  # the empty name is the package's own face
]
LAYER_OF = {name: i for i, names in enumerate(LAYERS) for name in names}
FLAGS = {"shared", "scalar", "correlated", "one_scale", "scales", "correlations"}
MEMORY = re.compile(
    r"\w\.flat\b(?!`|\()|likelihood\.compiled\."
    r"(annotations|augmentation|block|coordinates|framed|fused|gibbs|grouped|kernels|memory|row_groups)\b"
)
KINDS = {
    "a structure": r"\btied_spherical\b|structure\.(shared|scalar|correlated)\b",
    "a row annotation (row labels)": r"\brow_labels\b",
    "a criterion (WAIC)": r"\bwaic\b",
    "a plot (forest)": r"\bforest\b",
    "an option of run (target_accept)": r"\btarget_accept\b",
}


@dataclass(frozen=True)
class Package:
    """The modules of a checkout."""

    root: Path

    @cached_property
    def texts(self) -> dict[str, str]:
        """Return the source of each module, by dotted name."""
        found = {}
        for path in sorted((self.root / "bayesgmm").rglob("*.py")):
            parts = path.relative_to(self.root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
        return found

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """Return the syntax tree of each module."""
        return {name: ast.parse(text) for name, text in self.texts.items()}

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Return the modules of the package that each module imports when it is loaded."""
        return {name: set(self._imported(tree)) for name, tree in self.trees.items()}

    def _imported(self, tree: ast.Module) -> Iterator[str]:
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bayesgmm"):
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    yield full if full in self.texts else str(node.module)

    def circles(self) -> list[list[str]]:
        """Return modules that can be reached from themselves."""
        return [[name] for name in self.imports if name in self._reached(name)]

    def _reached(self, start: str) -> set[str]:
        seen: set[str] = set()
        ahead = list(self.imports[start])
        while ahead:
            name = ahead.pop()
            if name not in seen and name in self.imports:
                seen.add(name)
                ahead += self.imports[name]
        return seen

    def upward(self) -> list[tuple[str, str]]:
        """Return imports that go up the layers."""
        return [
            (name, other)
            for name, others in self.imports.items()
            for other in others
            if _part(name) != _part(other) and _layer(other) >= _layer(name)
        ]

    def flag_readers(self) -> list[str]:
        """Return the places outside model/components that read what a structure shares."""
        return [
            f"{name}:{node.lineno}"
            for name, tree in self.trees.items()
            if not name.startswith("bayesgmm.model.components")
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr in FLAGS
            and ast.unparse(node.value).endswith(("structure", "STRUCTURES[spec.covariance]"))
        ]

    def memory_readers(self) -> list[str]:
        """Return the modules outside likelihood/ that know how the engine lays out its memory."""
        return [
            name
            for name, text in self.texts.items()
            if not name.startswith("bayesgmm.likelihood") and MEMORY.search(text)
        ]

    def longest(self) -> tuple[str, str]:
        """Return the longest function and the longest module, with their lines."""
        functions = [
            (node.body[-1].end_lineno - node.body[docstring].lineno + 1, f"{name}.{node.name}")
            for name, tree in self.trees.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            and len(node.body) > (docstring := int(ast.get_docstring(node) is not None))
        ]
        modules = [(len(text.splitlines()), name) for name, text in self.texts.items()]
        return tuple(f"{name}, {lines} lines" for lines, name in (max(functions), max(modules)))

    def touched(self, pattern: str) -> int:
        """Return the number of modules in which a pattern stands."""
        return sum(bool(re.search(pattern, text)) for text in self.texts.values())

    def duplicates(self) -> list[str]:
        """Return the blocks of six lines or more that stand twice, as pylint finds them."""
        command = ["-m", "pylint", "--disable=all", "--enable=duplicate-code"]
        run = subprocess.run(
            [sys.executable, *command, "--min-similarity-lines=6", "bayesgmm"],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        if "R0801" not in run.stdout and "rated" not in run.stdout:
            raise RuntimeError(f"pylint did not run: {run.stderr:.200}")
        place = r"(\S+:\[\d+:\d+\])"
        found = re.findall(f"^=={place}\n=={place}", run.stdout, re.MULTILINE)
        return [" ~ ".join(pair) for pair in found]


def _part(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def _layer(name: str) -> int:
    return LAYER_OF.get(_part(name), -1)


def main(arguments: list[str]) -> int:
    """Print the figures of this checkout, or of another."""
    package = Package(Path(arguments[0]).resolve() if arguments else ROOT)
    lines = sum(len(text.splitlines()) for text in package.texts.values())
    print(f"modules {len(package.texts)}, lines {lines}")
    for title, found in (
        ("circles", package.circles()),
        ("imports that go up", package.upward()),
        ("places that read structure flags outside model/components/", package.flag_readers()),
        ("modules that know the engine's memory outside likelihood/", package.memory_readers()),
        ("duplicated blocks of six lines or more", package.duplicates()),
    ):
        print(f"{title}: {len(found)}")
        for each in found:
            print(f"    {each}")
    function, module = package.longest()
    print(f"longest function: {function}\nlongest module: {module}")
    for kind, pattern in KINDS.items():
        print(f"modules that know of {kind}: {package.touched(pattern)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
