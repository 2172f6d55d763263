"""Charts as SVG for the inside of a page: sharp at every size, their text is text, both themes.

matplotlib writes a document with identifiers, clip paths, and fonts and colours at every element;
in a page several documents would share identifiers, and a style of one would be that of all. Only
paths and texts are kept here, in numbers of two decimals, and colours are variables of the page,
see `chart_colours`.
"""

import io
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.etree import ElementTree as ET

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from reidaug.report.charts import DARK, LIGHT, Theme

SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
OPACITIES = ("opacity", "stroke-opacity", "fill-opacity")
DROPPED = ("font-family", "stroke-dashoffset")  # one of the page, and always 0
Style = Mapping[str, str]


class Drawn(NamedTuple):
    """A chart without the element ``svg`` around it."""

    content: Markup  # paths and texts, without identifiers
    width: int  # in points; of its coordinates
    height: int


def drawn(figure: Figure) -> Drawn:
    """Write a figure that was drawn in the light theme; the same figure gives the same text."""
    file = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "reidaug"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = ET.fromstring(file.getvalue())
    width, height = (round(float(size)) for size in root.attrib["viewBox"].split()[2:])
    marks = {one.attrib["id"]: one for one in root.iter(f"{SVG}path") if "id" in one.attrib}
    return Drawn(Markup("").join(_elements(root, marks)), width, height)


def chart_colours() -> Markup:
    """Give the style sheet of the colours of charts: light, and dark on screens that are dark."""
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}"
    return Markup(f":root {{ {_variables(LIGHT)} }}\n{dark}\n")


def _elements(element: ET.Element, marks: Mapping[str, ET.Element]) -> Iterator[Markup]:
    """Give paths and texts in the order in which they are painted."""
    for child in element:
        kind = child.tag.removeprefix(SVG)
        if kind == "g":
            yield from _elements(child, marks)
        elif kind == "path":
            yield _path(child, _style(child))
        elif kind == "use":
            mark = marks[child.attrib[LINK].removeprefix("#")]
            place = f"translate({child.attrib['x']} {child.attrib['y']})"
            yield _path(mark, {**_style(mark), **_style(child)}, place)
        elif kind == "text":
            yield _text(child, _style(child))


def _path(element: ET.Element, style: Style, transform: str = "") -> Markup:
    if {style.get("fill"), style.get("stroke", "none")} == {"none"}:
        return Markup("")
    moved = Markup(' transform="{}"').format(_short(transform)) if transform else ""
    outline = " ".join(_short(element.attrib["d"]).split())
    return Markup('<path d="{}"{} style="{}"/>\n').format(outline, moved, _written(style))


def _text(element: ET.Element, style: Style) -> Markup:
    x, y = (element.attrib[name] for name in "xy")
    transform = element.attrib.get("transform", "")
    turned = "" if transform.startswith(("rotate(-0 ", "rotate(0 ")) else transform
    moved = Markup(' transform="{}"').format(_short(turned)) if turned else ""
    words = escape("".join(element.itertext()))
    return Markup('<text x="{}" y="{}"{} style="{}">{}</text>\n').format(
        _short(x), _short(y), moved, _written(style), words
    )


def _style(element: ET.Element) -> Style:
    pairs = (part.split(":", 1) for part in element.attrib.get("style", "").split(";") if part)
    return {name.strip(): value.strip() for name, value in pairs}


def _written(style: Style) -> str:
    return ";".join(f"{k}:{_variable(k, v)}" for k, v in style.items() if k not in DROPPED)


def _variable(name: str, value: str) -> str:
    """Name the variable of a value of the theme, or give the value."""
    known = _named(LIGHT)
    if name in OPACITIES:
        return "var(--chart-faint)" if value == known["faint"] else value
    return next((f"var(--chart-{key})" for key, own in known.items() if own == value), value)


def _variables(theme: Theme) -> str:
    return " ".join(f"--chart-{name}: {value};" for name, value in _named(theme).items())


def _named(theme: Theme) -> dict[str, str]:
    named = {name: str(getattr(theme, name)) for name in ("ink", "muted", "rule", "faint")}
    return named | {str(k): colour for k, colour in enumerate(theme.series)}


def _short(text: str) -> str:
    """Round the numbers in a text to two decimals."""
    return re.sub(
        r"-?\d+\.\d+", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), text
    )
