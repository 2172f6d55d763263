import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.data.images import encode_jpeg
from reidaug.report.html import (
    MINUS,
    drawing,
    duration,
    mean_and_spread,
    number,
    photo,
    signed,
    spelt,
    thousands,
)


def test_a_photo_goes_in_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encode_jpeg(torch.zeros(3, 4, 6, dtype=torch.uint8)))
    image = photo(path, "black")
    assert image.source.startswith("data:image/jpeg;base64,")
    assert (image.width, image.height) == (6, 4)
    assert drawing(torch.zeros(3, 4, 6, dtype=torch.uint8), "black").width == 6


@given(st.floats(-1e5, 1e5), st.integers(0, 3))
def test_numbers_can_be_read_back(value: float, decimals: int) -> None:
    text = number(value, decimals)
    assert float(text.replace(MINUS, "-")) == pytest.approx(value, abs=0.51 * 10**-decimals)
    assert "-" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.26, "+1.3"), (-1.26, f"{MINUS}1.3"), (-0.01, "0.0"), (0.0, "0.0"), (math.nan, "–")],
)
def test_differences_show_their_sign(value: float, text: str) -> None:
    assert signed(value) == text


def test_spans_and_counts() -> None:
    assert [duration(s) for s in (0.4, 59.4, 59.6, 605.0)] == [
        "0 s",
        "59 s",
        "1 min 00 s",
        "10 min 05 s",
    ]
    assert thousands(6000.4) == "6\u202f000"
    assert mean_and_spread([1.0, 3.0]) == "2.0 ± 1.4"
    assert mean_and_spread([2.0]) == "2.0"
    assert [spelt(3), spelt(12)] == ["three", "12"]
