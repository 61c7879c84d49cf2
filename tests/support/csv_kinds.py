"""Files as people write them: what each holds, and what becomes of every cure that is offered."""

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bayesgmm.data import Dataset
from bayesgmm.errors import DataError, DataWarning

_OPTION = re.compile(
    r"\b(sep|decimal|encoding|thousands|comment|na|row_labels|header|percent|currency|columns"
    r"|missing)=('[^']*'|\"[^\"]*\"|\[[^\]]*\]|True|False|\d+)"
)
_MOST_STEPS = 6


class Kind(NamedTuple):
    """A file and what it holds once it is read: the right answer.

    ``plain`` says that no option is needed; without it the first reading must say something.
    """

    name: str
    content: str | bytes
    values: list[list[float]]
    features: tuple[str, ...] = ("a", "b")
    labels: tuple[str, ...] | None = None
    plain: bool = False


class Reading(NamedTuple):
    """What one way of reading a file ends in: a data set, or the last thing said."""

    options: dict[str, Any]
    data: Dataset | None
    said: str

    def is_right(self, kind: Kind) -> bool:
        data = self.data
        return (
            data is not None
            and data.values.tolist() == kind.values
            and data.features == kind.features
            and data.row_labels == kind.labels
        )


def cures_in(message: str) -> list[dict[str, Any]]:
    """Return the sets of options that a message offers, one for each of its clauses."""
    found = []
    for clause in re.split(r"; |, or | or ", message):
        options = {name: ast.literal_eval(value) for name, value in _OPTION.findall(clause)}
        if options and options not in found:
            found.append(options)
    return found


def read(path: Path, options: dict[str, Any]) -> Reading:
    """Read once."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", DataWarning)
        try:
            data = Dataset.from_csv(path, **options)
        except DataError as error:
            return Reading(options, None, str(error))
    return Reading(options, data, " ".join(str(one.message) for one in told))


def followed(path: Path, options: dict[str, Any] | None = None) -> Iterator[Reading]:
    """Follow every cure of every message; yield where each ends.

    Raises
    ------
    AssertionError
        When a cure is refused as an argument, changes nothing, or leads round.
    """
    start = read(path, options or {})
    trail = [(start, [start.said])]
    while trail:
        reading, said = trail.pop()
        cures = cures_in(reading.said)
        if reading.data is not None or not cures:
            yield reading
        assert len(said) < _MOST_STEPS, said
        for cure in cures:
            assert not cure.items() <= reading.options.items(), (cure, reading.said)
            merged = {**reading.options, **cure}
            if isinstance(cure.get("na"), list):
                merged["na"] = [*reading.options.get("na", ()), *cure["na"]]
            following = read(path, merged)
            assert following.data is not None or following.said not in said, following.said
            trail.append((following, [*said, following.said]))


PAIRS = [[711.0, 12.5], [2148.0, 9.0], [650.0, 7.25], [12500.0, 8.0]]
SHORT = [[1.5, 7.0], [2.5, 3.0], [4.5, 5.0], [3.5, 9.0]]
ROWS = ["1.5,7", "2.5,3", "4.5,5", "3.5,9"]
LABELS = ("r1", "r2", "r3", "r4")
COUNTED = [[float(3 * i % 11), float(i * i % 13)] for i in range(12)]
COLUMNS = [f"{x:g},{y:g}" for x, y in COUNTED]
_CODED = [[2.5, 7.0], [1.5, 3.0], [4.5, 6.0], [3.5, 4.0], [2.0, 5.5], [5.0, 6.5]]


def lines(*rows: str, end: str = "\n") -> str:
    return end.join(rows) + end


def coded(code: str, place: int) -> str:
    """A file in which a code stands for missing values in two rows."""
    bad = [f"{code},3.5", f"{code},6.25"] if place == 0 else [f"3.25,{code}", f"1.25,{code}"]
    good = [f"{x},{y}" for x, y in _CODED]
    return lines("a,b", *good[:2], bad[0], *good[2:], bad[1])


THOUSANDS = [
    Kind(
        "semicolons and commas",
        lines("a;b", "711;12.5", "2,148;9", "650;7.25", "12,500;8"),
        PAIRS,
    ),
    Kind("quoted", lines("a,b", "711,12.5", '"2,148",9', "650,7.25", '"12,500",8'), PAIRS),
    Kind("tabs", lines("a\tb", "711\t12.5", "2,148\t9", "650\t7.25", "12,500\t8"), PAIRS),
    Kind(
        "points, decimal commas",
        lines("a;b", "711;12,5", "2.148;9", "650;7,25", "12.500;8"),
        PAIRS,
    ),
    Kind("blanks", lines("a;b", "711;12.5", "2 148;9", "650;7.25", "12 500;8"), PAIRS),
    Kind(
        "no-break blanks, decimal commas",
        lines("a;b", "711;12,5", "2\u202f148;9", "650;7,25", "12\u00a0500;8"),
        PAIRS,
    ),
    Kind("apostrophes", lines("a,b", "711,12.5", "2'148,9", "650,7.25", "12'500,8"), PAIRS),
    Kind("underscores", lines("a,b", "711,12.5", "2_148,9", "650,7.25", "12_500,8"), PAIRS),
    Kind(
        "points only",
        lines("a;b", "711;1", "2.148;9", "650;7", "12.500;8"),
        [[711, 1], [2148, 9], [650, 7], [12500, 8]],
    ),  # fmt: skip
    Kind(
        "all large",
        lines("a;b", "1,711;1", "2,148;9", "7,650;7", "12,500;8"),
        [[1711, 1], [2148, 9], [7650, 7], [12500, 8]],
    ),  # fmt: skip
    Kind(
        "millions",
        lines("a;b", "1,711,000;1", "2,148,500;9", "650;7", "12,500;8"),
        [[1711000, 1], [2148500, 9], [650, 7], [12500, 8]],
    ),  # fmt: skip
    Kind(
        "lakhs",
        lines("a;b", "1,71,100;1", "21,48,500;9", "650;7", "12,500;8"),
        [[171100, 1], [2148500, 9], [650, 7], [12500, 8]],
    ),  # fmt: skip
]
COMMENTS = [
    Kind("before the header", lines("# made by logger v2", "# 2026", "a,b", *ROWS), SHORT),
    Kind("one line", lines("# logger, version 2, of 2026", "a,b", *ROWS), SHORT),
    Kind("between rows", lines("a,b", *ROWS[:2], "# paused", *ROWS[2:]), SHORT),
    Kind("with as many fields", lines("# unit mm, unit kg", "# of 2026", "a,b", *ROWS), SHORT),
    Kind("per cent signs", lines("% exported", "%", "a,b", *ROWS), SHORT),
    Kind(
        "one column",
        lines("a", "# first", "1.5", "2.5", "# last", "4.5"),
        [[1.5], [2.5], [4.5]],
        ("a",),
    ),  # fmt: skip
    Kind("title", lines("Export of Monday", "a,b", *ROWS), SHORT),
    Kind(
        "title with a comma", lines("Export, of Monday", "a,b,c", *(f"{r},x" for r in ROWS)), SHORT
    ),
    Kind("slashes", lines("// logger", "a,b", *ROWS), SHORT),
]
MISSING = [
    Kind("-999", coded("-999", 1), _CODED),
    Kind("9999", coded("9999", 0), _CODED),
    Kind("-99.0", coded("-99.0", 1), _CODED),
    Kind("-999.25", coded("-999.25", 1), _CODED),
    Kind("1e20", coded("1e20", 0), _CODED),
    Kind("float32's least", coded("-3.4028234663852886e+38", 1), _CODED),
    Kind("-32768", coded("-32768", 0), _CODED),
    Kind("a line of units", lines("a,b", "cm,kg", *ROWS), SHORT),
    Kind("question mark", coded("?", 1), _CODED),
    Kind("point", coded(".", 0), _CODED),
    Kind("hyphen", coded("-", 1), _CODED),
    Kind("word", coded("missing", 1), _CODED),
    Kind("spreadsheet", coded("#N/A", 0), _CODED),
    Kind("empty", coded("", 0), _CODED),
    Kind("two markers", coded("?", 0).replace("?,6.25", "n.d.,6.25"), _CODED),
]
ROW_LABELS = [
    Kind("R", lines('"a","b"', *(f'"r{i + 1}",{row}' for i, row in enumerate(ROWS))),
         SHORT, labels=LABELS),  # fmt: skip
    Kind("R, numbered", lines('"a","b"', *(f'"{i + 1}",{row}' for i, row in enumerate(ROWS))),
         SHORT, labels=("1", "2", "3", "4")),  # fmt: skip
    Kind("R, one column", lines('"a"', '"r1",1.5', '"r2",2.5', '"r3",4.5', '"r4",3.5'),
         [[1.5], [2.5], [4.5], [3.5]], ("a",), LABELS),  # fmt: skip
    Kind("R, aligned", lines('"a" "b"', '"r1" 1.5 7', '"r2" 2.5 3', '"r3" 4.5 5', '"r4" 3.5 9'),
         SHORT, labels=LABELS),  # fmt: skip
    Kind("R, blank name", lines('"","a","b"', *(f'"r{i + 1}",{r}' for i, r in enumerate(ROWS))),
         SHORT, labels=LABELS),  # fmt: skip
    Kind("pandas", lines(",a,b", *(f"{i},{row}" for i, row in enumerate(ROWS))),
         SHORT, labels=("0", "1", "2", "3")),  # fmt: skip
    Kind("pandas twice", lines("Unnamed: 0,a,b", *(f"{i},{row}" for i, row in enumerate(COLUMNS))),
         COUNTED, labels=tuple(map(str, range(12)))),  # fmt: skip
    Kind("identifier", lines("CustomerID,a,b", *(f"{i + 1},{r}" for i, r in enumerate(COLUMNS))),
         COUNTED, labels=tuple(str(i + 1) for i in range(12))),  # fmt: skip
    Kind("identifier, sorted otherwise",
         lines("a,id,b", *(f"{x:g},{5 * i % 12 + 1},{y:g}" for i, (x, y) in enumerate(COUNTED))),
         COUNTED, labels=tuple(str(5 * i % 12 + 1) for i in range(12))),  # fmt: skip
    Kind("from 1001", lines("id,a,b", *(f"{i + 1001},{r}" for i, r in enumerate(COLUMNS))),
         COUNTED, labels=tuple(str(i + 1001) for i in range(12))),  # fmt: skip
]  # fmt: skip
SEPARATORS = [
    Kind("sep= semicolon", lines("sep=;", "a;b", "1.5;7", "2.5;3", "4.5;5", "3.5;9"), SHORT),
    Kind("sep= comma", lines("sep=,", "a,b", *ROWS), SHORT, plain=True),
    Kind("sep= tab", lines("sep=\t", "a\tb", "1.5\t7", "2.5\t3", "4.5\t5", "3.5\t9"), SHORT),
    Kind(
        "sep= quoted, mark",
        b"\xef\xbb\xbf"
        + lines('"sep=;"', "a;b", "1,5;7", "2,5;3", "4,5;5", "3,5;9", end="\r\n").encode(),
        SHORT,
    ),  # fmt: skip
    Kind("aligned", lines("  a     b", "1.5     7", "2.5     3", "4.5     5", "3.5     9"), SHORT),
    Kind("aligned right", lines("    a  b", "  1.5  7", " 2.50  3", "  4.5  5", "  3.5  9"), SHORT),
    Kind("blanks and tabs", lines("a \t b", "1.5\t 7", "2.5 3", "4.5\t\t5", "3.5  9"), SHORT),
    Kind("one blank", lines("a b", "1.5 7", "2.5 3", "4.5 5", "3.5 9"), SHORT),
    Kind("blanks, decimal commas", lines("a b", "1,5 7", "2,5 3", "4,5 5", "3,5 9"), SHORT),
    Kind("bars", lines("a|b", "1.5|7", "2.5|3", "4.5|5", "3.5|9"), SHORT),
    Kind("decimal commas", lines("a;b", "1,5;7", "2,5;3", "4,5;5", "3,5;9"), SHORT),
    Kind("decimal commas, tabs", lines("a\tb", "1,5\t7", "2,5\t3", "4,5\t5", "3,5\t9"), SHORT),
    Kind("blank lines around", "\n\n" + lines("a,b", *ROWS) + "\n\n", SHORT, plain=True),
]
SIGNS = [
    Kind("dollars", lines("a,b", "$1.5,7", "$2.5,3", "$4.5,5", "$3.5,9"), SHORT),
    Kind("euros after", lines("a;b", "1,5 €;7", "2,5 €;3", "4,5 €;5", "3,5 €;9"), SHORT),
    Kind("pounds, thousands", lines("a;b", "£711;12.5", "£2,148;9", "£650;7.25", "£12,500;8"),
         PAIRS),  # fmt: skip
    Kind("codes", lines("a,b", "1.5 EUR,7", "2.5 EUR,3", "4.5 EUR,5", "3.5 EUR,9"), SHORT),
    Kind("negative", lines("a,b", "-$1.5,7", "$-2.5,3", "+$4.5,5", "$3.5,9"),
         [[-1.5, 7], [-2.5, 3], [4.5, 5], [3.5, 9]]),  # fmt: skip
    Kind("per cent", lines("a,b", "1.5%,7", "2.5%,3", "4.5%,5", "3.5%,9"), SHORT),
    Kind("per cent, blank", lines("a,b", "1.5 %,7", "2.5 %,3", "4.5 %,5", "3.5 %,9"), SHORT),
    Kind("per cent, decimal commas", lines("a;b", "1,5%;7", "2,5%;3", "4,5%;5", "3,5%;9"), SHORT),
    Kind("per cent and dollars", lines("a,b", "1.5%,$7", "2.5%,$3", "4.5%,$5", "3.5%,$9"), SHORT),
]  # fmt: skip
NO_HEADER = [
    Kind("numbers", lines(*ROWS), SHORT, ("x1", "x2")),
    Kind(
        "whole numbers",
        lines("15,7", "25,3", "45,5", "35,9"),
        [[15, 7], [25, 3], [45, 5], [35, 9]],
        ("x1", "x2"),
    ),  # fmt: skip
    Kind("label last", lines(*(f"{row},kind-a" for row in ROWS)), SHORT, ("x1", "x2")),
    Kind("label first", lines(*(f"k{i},{row}" for i, row in enumerate(ROWS))), SHORT, ("x2", "x3")),
    Kind(
        "labels and one number",
        lines("u,v,15", "u,w,25", "u,v,45", "u,w,35"),
        [[15], [25], [45], [35]],
        ("x3",),
    ),  # fmt: skip
    Kind(
        "years are names",
        lines("country,1990,2000", "A,1.5,7", "B,2.5,3", "C,4.5,5", "D,3.5,9"),
        SHORT,
        ("1990", "2000"),
        plain=True,
    ),  # fmt: skip
    Kind("only years", lines("1990,2000", *ROWS), SHORT, ("1990", "2000")),
]

KINDS = {
    f"{group}: {kind.name}": kind
    for group, kinds in {
        "thousands": THOUSANDS,
        "comments": COMMENTS,
        "missing": MISSING,
        "row labels": ROW_LABELS,
        "separators": SEPARATORS,
        "signs": SIGNS,
        "no header": NO_HEADER,
    }.items()
    for kind in kinds
}
