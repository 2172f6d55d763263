"""Pages made of sections, and sections made of blocks: what every page of the package consists of.

A block is a record that a macro of ``templates/blocks.html`` shows; a section is a heading with
blocks. Several runs on one page stand side by side, section by section.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reidaug.report.html import PageChart, PageImage, render

GENERATOR = '<meta name="generator" content="reidaug">'
"""Line of the head by which a page of ours is known."""

RECIPE = "recipe"  # the anchor of the last section


class Tile(NamedTuple):
    """A number at the head of a page: its value, its unit, what it is."""

    value: str
    unit: str
    label: str
    main: bool = False


class Text(NamedTuple):
    """Paragraphs."""

    lines: Sequence[str]
    macro: str = "text"


class Heading(NamedTuple):
    """A heading inside a section."""

    text: str
    macro: str = "heading"


class Cell(NamedTuple):
    """A cell of a table: its text, small print below it, and whether it is the best."""

    text: str
    small: str = ""
    best: bool = False


class Row(NamedTuple):
    """A row of a table: its name, small print below it, and its cells."""

    name: str
    cells: Sequence[Cell]
    note: str = ""
    strong: bool = False


class Table(NamedTuple):
    """A table of numbers; where a row has fewer cells than the head, the last ones are empty."""

    label: str  # what it shows, for those who do not see it
    head: Sequence[str]  # the heading of the names, then of each column
    rows: Sequence[Row]
    caption: str = ""
    macro: str = "table"


class Charts(NamedTuple):
    """Charts beside each other, each with a caption."""

    images: Sequence[tuple[PageChart, str]]
    caption: str = ""
    small: bool = False
    macro: str = "charts"


class Crops(NamedTuple):
    """Crops, each with further pictures of the same person on its right."""

    groups: Sequence[Sequence[PageImage]]
    caption: str = ""
    macro: str = "crops"


class Sheet(NamedTuple):
    """A large picture, which can be enlarged."""

    image: PageImage
    caption: str = ""
    macro: str = "sheet"


class Pictures(NamedTuple):
    """Tables of pictures, a row an example; several stand side by side where there is room."""

    label: str
    head: Sequence[str]
    tables: Sequence[Sequence[Sequence[PageImage]]]
    legend: PageImage | None = None
    caption: str = ""
    macro: str = "pictures"


class GridRow(NamedTuple):
    """A row of people in poses: its name, the source where a person begins, one image a pose."""

    name: str
    source: PageImage | None
    cells: Sequence[PageImage | None]


class People(NamedTuple):
    """People in poses: rows are people, columns poses."""

    label: str
    poses: Sequence[PageImage]
    rows: Sequence[GridRow]
    caption: str = ""
    macro: str = "people"


class Code(NamedTuple):
    """Lines of a file or of a shell, as they are."""

    label: str
    text: str
    macro: str = "code"


class Times(NamedTuple):
    """Times of stages in seconds, with their sum."""

    stages: Sequence[tuple[str, float]]
    macro: str = "times"

    @property
    def bars(self) -> list[tuple[str, float, float]]:
        """Give each stage with its seconds and their share (percent) of the longest."""
        longest = max([seconds for _, seconds in self.stages], default=0.0) or 1.0
        return [(name, seconds, 100 * seconds / longest) for name, seconds in self.stages]

    @property
    def total(self) -> float:
        """Add the seconds up."""
        return sum(seconds for _, seconds in self.stages)


Block = (
    Text | Heading | Table | Charts | Crops | Sheet | Pictures | People | Code | Times
)  # what a section is made of


class Section(NamedTuple):
    """A part of a page: sections of one name of several runs stand side by side."""

    id: str  # its anchor, letters only
    title: str
    blocks: Sequence[Block]


class Part(NamedTuple):
    """What a page shows of one run."""

    name: str  # the run, where there are several
    sections: Sequence[Section]


class Page(NamedTuple):
    """Content of a page."""

    eyebrow: str  # what made it
    title: str  # the result in one line
    lede: Sequence[str]  # paragraphs below it
    parts: Sequence[Part]  # the runs, at least one
    tiles: Sequence[Tile] = ()
    warnings: Sequence[str] = ()  # what has to be known before anything else
    include: str = ""  # a template that goes below the tiles
    footer: str = ""


class Group(NamedTuple):
    """Sections of one name, with the runs that they are of."""

    id: str
    title: str
    parts: Sequence[tuple[str, Section]]


def grouped(parts: Iterable[Part]) -> list[Group]:
    """Bring sections of one name together, in the order in which they first occur, recipes last."""
    found: dict[str, list[tuple[str, Section]]] = {}
    for part in parts:
        for section in part.sections:
            found.setdefault(section.id, []).append((part.name, section))
    order = sorted(found, key=lambda key: key == RECIPE)
    return [Group(key, found[key][0][1].title, found[key]) for key in order]


def render_page(page: Page) -> str:
    """Fill a page; it is self-contained HTML, and the same for the same content."""
    groups = grouped(page.parts)
    return render("page.html", {"page": page, "groups": groups, "several": len(page.parts) > 1})


def numbers_table(
    label: str, values: Mapping[str, str], *, head: tuple[str, str] = ("", ""), caption: str = ""
) -> Table:
    """Make a table of two columns: names and values."""
    rows = [Row(name, (Cell(value),)) for name, value in values.items()]
    return Table(label, head, rows, caption)
