"""Self-contained pages: one file, nothing fetched, light and dark, screen and paper."""

import base64
import io
import math
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from reidaug.data.images import encode_png
from reidaug.errors import ReidaugError
from reidaug.files import check_regular
from reidaug.report.charts import LIGHT, Theme
from reidaug.report.figures import Picture
from reidaug.report.svg import chart_colours, drawn

QUALITY = 85  # of JPEGs that are made smaller
MOST_PIXELS = 10**8  # of a contact sheet that is read
MINUS = "\N{MINUS SIGN}"


class PageImage(NamedTuple):
    """An image inside a page."""

    source: str  # data URI of the file
    alt: str  # what it shows, in words
    width: int  # columns of the file
    height: int  # rows of the file


class PageChart(NamedTuple):
    """A chart inside a page."""

    svg: Markup  # its paths and texts
    alt: str  # what it shows, in words
    width: int  # of its coordinates
    height: int


def photo(path: Path, alt: str) -> PageImage:
    """Embed a JPEG or PNG file, byte for byte."""
    content = path.read_bytes()
    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
        (width, height), kind = image.size, image.get_format_mimetype()
    return PageImage(_data_uri(content, kind or "image/jpeg"), alt, width, height)


def scaled(path: Path, alt: str, most: int) -> PageImage:
    """Embed an image file of at most so many pixels; a larger one as a smaller JPEG.

    The file as it is where it is a small JPEG or PNG already.

    Raises:
        ReidaugError: It cannot be read as an image.
    """
    with open_picture(path) as image:
        pixels = image.width * image.height
        if pixels <= most and path.stat().st_size <= most // 2:
            return photo(path, alt)
        share = min(1.0, math.sqrt(most / pixels))
        size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
        content = io.BytesIO()
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(
            content, "JPEG", quality=QUALITY
        )
    return PageImage(_data_uri(content.getvalue(), "image/jpeg"), alt, *size)


@contextmanager
def open_picture(path: Path) -> Iterator[Image.Image]:
    """Open a JPEG or PNG file of at most `MOST_PIXELS`; `ReidaugError` where there is none."""
    check_regular(path, what="picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=("JPEG", "PNG")) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise ReidaugError(f"{path}: more than {MOST_PIXELS:,} pixels")
                yield image
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise ReidaugError(f"{path}: not readable as a picture") from None


def drawing(picture: Picture, alt: str) -> PageImage:
    """Embed a picture of RGB bytes (3, H, W) without loss."""
    height, width = picture.shape[-2:]
    return PageImage(_data_uri(encode_png(picture), "image/png"), alt, width, height)


def chart(draw: Callable[[Theme], Figure], alt: str) -> PageChart:
    """Embed a chart, whose colours are those of the page, light or dark.

    Args:
        draw: Draws the chart in a theme.
        alt: Its content in words; the numbers themselves belong into a table.
    """
    content, width, height = drawn(draw(LIGHT))
    return PageChart(content, alt, width, height)


def render(template: str, values: dict[str, Any]) -> str:
    """Fill a template, a file in ``templates``, with values by name; gives HTML."""
    environment = Environment(
        loader=PackageLoader("reidaug.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number,
        signed=signed,
        duration=duration,
        pm=mean_and_spread,
        thousands=thousands,
        spelt=spelt,
    )
    environment.globals["chart_colours"] = chart_colours()
    return environment.get_template(template).render(values)


def number(value: float | int | None, decimals: int = 1) -> str:
    """Format a number with a real minus sign; None and NaN become a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def signed(value: float | int | None, decimals: int = 1) -> str:
    """Format a difference with its sign; None and NaN become a dash."""
    text = number(value, decimals)
    rounded_to_nothing = text.strip("0.") == ""
    return text if text[0] in f"{MINUS}–" or rounded_to_nothing else f"+{text}"


def mean_and_spread(values: Sequence[float], decimals: int = 1) -> str:
    """Format ``mean ± std`` of one or more values; the mean alone for one."""
    mean = number(statistics.fmean(values), decimals)
    if len(values) == 1:
        return mean
    return f"{mean} ± {number(statistics.stdev(values), decimals)}"


def thousands(value: float | int) -> str:
    """Format a count with thin spaces between groups of three digits."""
    return f"{round(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def spelt(count: int) -> str:
    """Spell a count up to ten as a word, beyond in digits."""
    small = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    return small[count] if count < len(small) else str(count)


def duration(seconds: float | int) -> str:
    """Format a time span: ``42 s`` or ``3 min 05 s``."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
