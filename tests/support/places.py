"""Where the repository keeps what tests read."""

from pathlib import Path

__all__ = [
    *("CASES", "DATA", "MODELS", "PACKAGE", "PAGES_OF_THE_SITE", "REFERENCE", "ROOT", "TESTS"),
]

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bayesgmm"
TESTS = ROOT / "tests"
MODELS = ROOT / "models"
DATA = MODELS / "data"
REFERENCE = TESTS / "reference"  # numbers of other programs, beside their scripts
CASES = TESTS / "cases"
PAGES_OF_THE_SITE = sorted(  # but those that the build makes
    path
    for path in (ROOT / "docs").rglob("*.md")
    if not {"notebooks", "api"} & set(path.relative_to(ROOT / "docs").parts)
)
