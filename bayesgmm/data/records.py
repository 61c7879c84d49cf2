"""From text to records: which lines count, where fields end, and what the header says."""

import csv
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.data.columns import plural
from bayesgmm.data.cures import advice
from bayesgmm.data.dialect import BLANK, PADDING, Dialect
from bayesgmm.errors import DataError

__all__ = ["Record", "Records", "check_separator", "header_of", "refuse_uneven"]

Record = tuple[int, list[str]]

HEAD = 400
_SEPARATOR_LINE = re.compile(r'"?sep=(.|\\t)"?\s*', re.I)
_COMMENT_MARKS = ("#", "%", "//", "!", "*")


class Records:
    """The records of a text, each with the line on which it starts, counted from 1.

    Comment lines, and a first line such as ``sep=;``, are left out; blank lines count only
    between records.
    """

    def __init__(self, stream: Iterable[str], dialect: Dialect, path: str) -> None:
        self._stream, self._dialect, self._path = iter(stream), dialect, path
        self._line, self._start = 0, 0
        self._waiting: list[str] = []

    def head_lines(self, n: int = 20) -> list[str]:
        """Return the first lines that are not blank, and leave them to be read."""
        self._waiting = list(itertools.islice(self._stream, HEAD))
        kept = [line for _, line in self._counting(enumerate(self._waiting, 1)) if line.strip()]
        return kept[:n]

    def _counting(self, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        comment = self._dialect.comment
        for number, line in lines:
            if comment and line.lstrip(PADDING).startswith(comment):
                continue
            if number == 1 and (found := _SEPARATOR_LINE.fullmatch(line)):
                self._check_named_separator(found[1].replace("\\t", "\t"))
                continue
            yield number, line

    def _check_named_separator(self, named: str) -> None:
        if named != self._dialect.sep:
            raise DataError(
                Advice(
                    f"the first line of {self._path!r} says that the separator is {named!r}: pass ",
                    Option("sep", named),
                    ".",
                ),
                path=self._path,
                sep=named,
            )

    def _lines(self) -> Iterator[str]:
        blank = self._dialect.sep == BLANK
        numbered = enumerate(itertools.chain(self._waiting, self._stream), 1)
        for number, line in self._counting(numbered):
            self._line, self._start = number, self._start or number
            yield " ".join(line.split()) + "\n" if blank and '"' not in line else line

    def __iter__(self) -> Iterator[Record]:
        """Yield the records."""
        sep = self._dialect.delimiter
        reader = csv.reader(
            self._lines(), delimiter=sep, strict=True, skipinitialspace=self._dialect.sep == BLANK
        )
        width = 0
        blank: list[Record] = []
        try:
            for fields in reader:
                start, self._start = self._start, 0
                if fields and self._dialect.sep == BLANK and len(fields) > 1 and not fields[-1]:
                    fields.pop()
                width = width or len(fields)
                if self._line > start and width > 1:
                    pieces = "\n".join(fields).split("\n")[1:-1]
                    if any(piece.count(sep) >= width - 1 for piece in pieces):
                        detail = f"its quoted cell swallows lines up to {self._line}"
                        raise self._unbalanced(start, detail)
                if fields:
                    yield from blank
                    blank = []
                    yield start, fields
                elif width:
                    blank.append((start, [""] if width == 1 else []))
        except csv.Error as error:
            raise self._unbalanced(self._start, str(error)) from None

    def _unbalanced(self, start: int, detail: str) -> DataError:
        return DataError(
            f"{self._path!r} has an unbalanced quote in the record of line {start} ({detail}); "
            "close or double the quote.",
            path=self._path,
            rows=(start,),
        )


def check_separator(lines: Sequence[str], dialect: Dialect, path: str) -> None:
    """Refuse a file that would be read as one column but splits evenly at another separator."""
    sep = dialect.sep
    if not lines or sep == BLANK or sep in lines[0]:
        return
    for other in ";\t|, :".replace(dialect.decimal, ""):
        count = lines[0].count(other)
        if not count or any(line.count(other) < count for line in lines[1:]):
            continue
        commas = other != "," and _has_decimal_commas(lines[1:])
        even = other != " " or all(line.strip().count(" ") == count for line in lines)
        changes = {"sep": other if even else BLANK} | ({"decimal": ","} if commas else {})
        raise _one_column(path, sep, other, changes)
    widths = {len(line.split()) for line in lines[1:]}
    first = len(lines[0].split())
    if len(widths) == 1 and widths <= {first, first + 1} and min(widths) > 1:
        raise _one_column(path, sep, " ", {"sep": BLANK})


def _has_decimal_commas(lines: Sequence[str]) -> bool:
    """Whether digits stand around commas otherwise than in groups of thousands."""
    found = [text for line in lines for text in re.findall(r"\d+(?:,\d+)+", line)]
    return any(not re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+", text) for text in found)


def _one_column(path: str, sep: str, other: str, changes: dict[str, str]) -> DataError:
    return DataError(
        Advice(
            f"{path!r} has one column when split at {sep!r}, but each line holds {other!r}: pass ",
            advice(changes),
            ".",
        ),
        path=path,
        sep=changes["sep"],
        decimal=changes.get("decimal", "."),
    )


def header_of(
    records: Iterator[Record], dialect: Dialect, columns: Sequence[str] | None, path: str
) -> tuple[list[str], Iterator[Record]]:
    """Return the names of all columns, and the records of data.

    A column without a name is named by its place; that is refused where `columns` is None, but
    for row labels.
    """
    line, fields = next(records, (1, []))
    names = [name.strip(PADDING) for name in fields]
    if not any(names):
        raise DataError(f"{path!r} is empty: a header and rows are needed.", path=path)
    if dialect.header is False:
        numbered = [f"x{j + 1}" for j in range(len(names))]
        return numbered, itertools.chain([(line, fields)], records)
    head = list(itertools.islice(records, HEAD))
    records = itertools.chain(head, records)
    _refuse_comments(names, line, head, dialect, path)
    if dialect.row_labels in (1, "1") and head and _one_short(names, head):
        names = ["", *names]
    if dialect.header is None:
        _refuse_data(names, head, dialect, path)
    labels = {0} if dialect.row_labels in (1, "1") else set()
    if columns is None:
        _refuse_names(names, labels, path)
    return [name or f"column {j + 1}" for j, name in enumerate(names)], records


def _one_short(names: Sequence[str], head: Sequence[Record]) -> bool:
    return all(len(fields) == len(names) + 1 for _, fields in head)


def _refuse_comments(
    names: Sequence[str], line: int, head: Sequence[Record], dialect: Dialect, path: str
) -> None:
    mark = next((mark for mark in _COMMENT_MARKS if names[0].startswith(mark)), None)
    if dialect.comment is not None or mark is None:
        return
    others = [fields for _, fields in head if not fields[:1] or not fields[0].startswith(mark)]
    again = len(others) < len(head)
    if again or (others and all(len(fields) != len(names) for fields in others)):
        raise DataError(
            Advice(
                f"line {line} of {path!r} starts with {mark!r}: if such lines are comments, pass ",
                Option("comment", mark),
                ".",
            ),
            path=path,
            rows=(line,),
        )


def _refuse_data(names: Sequence[str], head: Sequence[Record], dialect: Dialect, path: str) -> None:
    """Refuse a first line that is data: its numbers are like those below it."""
    cure = Advice(
        "if it is data, pass ",
        Option("header", False),
        "; if it holds names, pass ",
        Option("header", True),
        ".",
    )
    numbers = {j: cell.value for j, name in enumerate(names) if (cell := dialect.read(name))}
    numbers = {j: value for j, value in numbers.items() if value == value}
    named = [name for name in names if name]
    if len(numbers) == len(named):
        raise DataError(
            f"{path!r} has no header: its first line holds only numbers ({shown(list(names))}); "
            + cure,
            path=path,
            rows=(1,),
        )
    below = [[fields[j] for _, fields in head if j < len(fields)] for j in range(len(names))]
    if not numbers or not all(_fits(value, below[j], dialect) for j, value in numbers.items()):
        return
    recurs = any(name in below[j] for j, name in enumerate(names) if j not in numbers and name)
    fractions = any(not names[j].lstrip("+-").isdigit() for j in numbers)
    if recurs or fractions or 2 * len(numbers) >= len(named):
        raise DataError(
            f"the first line of {path!r} looks like data ({shown(list(names))}): its numbers are "
            "like those below; " + cure,
            path=path,
            rows=(1,),
        )


def _fits(value: float, cells: Sequence[str], dialect: Dialect) -> bool:
    """Whether a number lies among those of a column, within their range on either side."""
    read = [cell.value for text in cells if (cell := dialect.read(text))]
    found = [number for number in read if number == number]
    if 2 * len(found) < len(cells) or not found:
        return False
    low, high = min(found), max(found)
    room = (high - low) or abs(high) or 1.0
    return low - room <= value <= high + room


def _refuse_names(names: Sequence[str], labels: set[int], path: str) -> None:
    blank = [j for j, name in enumerate(names) if not name and j not in labels]
    known = [name for name in names if name]
    if blank:
        place, cure = blank[0] + 1, Advice("name it, or choose ", Option("columns", known), ".")
        if place == 1:
            labels_it = Option("row_labels", 1)
            cure = Advice("if it holds row names, pass ", labels_it, "; otherwise name it.")
        raise DataError(f"{path!r} has no name for column {place}; " + cure, path=path)
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise DataError(
            f"{path!r} has duplicate column names: {shown(twice)}; rename them.",
            path=path,
            column=twice[0],
        )


def refuse_uneven(
    wrong: Sequence[Record], n_rows: int, header: Sequence[str], dialect: Dialect, path: str
) -> None:
    """Refuse records that have more or fewer fields than the header, with their likely cause."""
    if not wrong:
        return
    width = len(header)
    named = ", ".join(f"line {line} has {len(fields)}" for line, fields in wrong[:3])
    raise DataError(
        f"{path!r}: the header has {plural(width, 'field')}, but {plural(len(wrong), 'line')} "
        f"longer or shorter: {named}; " + _uneven_cure(wrong, n_rows, header, dialect),
        path=path,
        rows=tuple(line for line, _ in wrong[:3]),
    )


def _is_title(header: Sequence[str], records: Sequence[Sequence[str]], dialect: Dialect) -> bool:
    """Whether the line taken for the header stands above the header."""
    first, rest = records[0], records[1:]
    numbers = [any(map(dialect.read, cells)) for cells in (first, *rest[:HEAD])]
    return (
        len(header) < len(first)
        and len({len(cells) for cells in records}) == 1
        and all(cell.strip(PADDING) for cell in first)
        and not numbers[0]
        and len(rest) > 1
        and all(numbers[1:])
        and '"' not in header[0]
    )


def _uneven_cure(
    wrong: Sequence[Record], n_rows: int, header: Sequence[str], dialect: Dialect
) -> str:
    width, fields = len(header), [record for _, record in wrong]
    if dialect.comment is None and len(fields) == n_rows and _is_title(header, fields, dialect):
        return Advice("if the first line is a title, pass ", Option("comment", header[0][:30]), ".")
    for mark in _COMMENT_MARKS:
        if dialect.comment is None and all(
            record[:1] and record[0].lstrip(PADDING).startswith(mark) for record in fields
        ):
            return Advice("if these lines are comments, pass ", Option("comment", mark), ".")
    cures: list[str | Option] = []
    if dialect.sep == "," and all(len(record) == 2 * width for record in fields):
        cure = "use" if width == 1 else "write the file again with"
        cures.append(
            Advice(
                f"if the comma is the decimal sign, {cure} another separator: ",
                Option("sep", ";"),
                ", ",
                Option("decimal", ","),
            )
        )
    if len(fields) == n_rows and all(len(record) == width + 1 for record in fields):
        if not any(record[-1].strip(PADDING) for record in fields):
            return "each line ends with a separator that the header lacks: add one to the header."
        named = Option("row_labels", 1)
        cures.append(Advice("if each line starts with the name of its row, pass ", named))
    if dialect.sep == " ":
        blanks = Option("sep", BLANK)
        cures.append(Advice("if fields are separated by runs of blanks, pass ", blanks))
    correct = "correct these lines, or quote cells that hold the separator"
    return Advice.joined("; ", cures or [correct]) + "."
