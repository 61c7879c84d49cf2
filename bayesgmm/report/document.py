"""What a report is made of, apart from how it is written down."""

from dataclasses import dataclass, field

from bayesgmm.limits import FOLDED_ROWS

__all__ = [
    "Beside",
    "Block",
    "Code",
    "Document",
    "Facts",
    "Formula",
    "Notice",
    "Picture",
    "Section",
    "Table",
    "Text",
]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Notice:
    """What the reader must see first: a verdict, or warnings.

    Parameters
    ----------
    tone : {"good", "limited", "bad"}
    title : str
    lines : tuple of str
    """

    tone: str
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """Names and values, in order."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """Lines to be read by a machine.

    Parameters
    ----------
    text : str
    printed : bool
        Whether they belong on paper too.
    """

    text: str
    printed: bool = True


@dataclass(frozen=True)
class Formula:
    """A formula by its name in the templates' file of formulas."""

    name: str


@dataclass(frozen=True)
class Table:
    """A table of finished text; the first column names the rows.

    Parameters
    ----------
    caption : str
        Full sentences.
    columns : tuple of str
    rows : tuple of tuple of str
    marked : int or None
        The row to stress.
    words : tuple of int
        Columns that hold words rather than numbers, beside the first.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: int | None = None
    words: tuple[int, ...] = ()

    @property
    def folded(self) -> bool:
        """Whether it is too long to stand open on the page."""
        return len(self.rows) > FOLDED_ROWS


@dataclass(frozen=True)
class Picture:
    """A figure as SVG text.

    Parameters
    ----------
    name : str
        Its file's name where figures are files.
    caption : str
        Full sentences.
    alt : str
        What the picture shows, for those who do not see it.
    svg : str
    """

    name: str
    caption: str
    alt: str
    svg: str = field(repr=False)


@dataclass(frozen=True)
class Beside:
    """Pictures that stand side by side where there is room."""

    pictures: tuple[Picture, ...]


Block = Text | Facts | Code | Formula | Table | Picture | Beside


@dataclass(frozen=True)
class Section:
    """A numbered section.

    Parameters
    ----------
    key : str
        Its anchor.
    title : str
    blocks : tuple of Block
    """

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """The report."""

    title: str
    subtitle: str
    verdict: Notice
    cautions: Notice | None
    sections: tuple[Section, ...]

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All figures in order."""
        found: list[Picture] = []
        for block in (block for section in self.sections for block in section.blocks):
            if isinstance(block, Picture):
                found.append(block)
            elif isinstance(block, Beside):
                found += block.pictures
        return tuple(found)
