from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.data.images import encode_png
from reidaug.report.figures import blank
from reidaug.report.ranked import (
    CAPTION,
    CROP,
    FRAME,
    GAP,
    INK,
    RIGHT,
    ROW,
    STEP,
    WRONG,
    RankedQuery,
    Result,
    choose_queries,
    ranked_sheet,
)

APS = st.lists(st.one_of(st.none(), st.sampled_from([0.0, 12.5, 50.0, 100.0])), max_size=30)


@given(APS, st.integers(1, 4))
def test_the_chosen_are_worst_median_and_best(ap: list[float | None], each: int) -> None:
    chosen = choose_queries(ap, each=each)
    places = [place for place, _ in chosen]
    counted = sorted((score, place) for place, score in enumerate(ap) if score is not None)
    assert len(set(places)) == len(places) == min(len(chosen), 3 * each)
    assert len(places) >= min(len(counted), each)
    assert all(ap[place] is not None for place in places)
    kinds = [kind for _, kind in chosen]
    assert kinds == sorted(kinds, key=["worst", "median", "best"].index)
    assert places[: min(each, len(counted))] == [place for _, place in counted[:each]]
    if len(counted) >= 3 * each and len({score for score, _ in counted}) == len(counted):
        assert places[-1] == counted[-1][1]
        assert counted[(len(counted) - 1) // 2][1] in places


def test_equal_queries_are_taken_in_order() -> None:
    assert choose_queries([100.0] * 9) == [
        (0, "worst"), (1, "worst"), (3, "median"), (4, "median"),
    ]  # fmt: skip
    assert choose_queries([None, 5.0, None]) == [(1, "worst")]
    assert choose_queries([]) == []


def crop(folder: Path, colour: tuple[int, int, int], size: tuple[int, int] = (128, 64)) -> Path:
    path = folder / f"{'_'.join(map(str, colour))}_{size[0]}.png"
    path.write_bytes(encode_png(blank(size, colour)))
    return path


@pytest.fixture
def rows(tmp_path: Path) -> list[RankedQuery]:
    red, green = crop(tmp_path, (200, 0, 0)), crop(tmp_path, (0, 200, 0))
    wide = crop(tmp_path, (9, 9, 200), (30, 60))
    first = RankedQuery(red, "worst", 1.25, (Result(green, 0.1, False), Result(red, 0.2, True)))
    return [first, RankedQuery(wide, "best", 100.0, (Result(green, 0.0, True),))]


def pixel(picture: torch.Tensor, row: int, column: int, y: int, x: int) -> tuple[int, ...]:
    """A pixel of a cell, (0, 0) the corner of its frame; column 0 is the query."""
    left = 2 * GAP + column * STEP if column else GAP
    return tuple(picture[:, GAP + row * ROW + CAPTION + y, left + x].tolist())


def test_frames_say_what_is_right(rows: list[RankedQuery]) -> None:
    picture = ranked_sheet(rows)
    assert picture.shape == (3, 2 * ROW + GAP, 3 * STEP + 3 * GAP)
    frames = [[pixel(picture, r, c, 1, 1) for c in range(3)] for r in range(2)]
    assert frames == [[INK, WRONG, RIGHT], [INK, RIGHT, (255, 255, 255)]]
    middle = (FRAME + CROP[0] // 2, FRAME + CROP[1] // 2)
    assert pixel(picture, 0, 0, *middle) == (200, 0, 0)
    assert pixel(picture, 0, 1, *middle) == (0, 200, 0)


def test_crops_keep_their_shape(rows: list[RankedQuery]) -> None:
    picture = ranked_sheet(rows)
    column = [pixel(picture, 1, 0, FRAME + y, FRAME + CROP[1] // 2) for y in range(CROP[0])]
    assert column.count((9, 9, 200)) == CROP[1] // 2
    assert column.count((255, 255, 255)) == CROP[0] - CROP[1] // 2


def test_pictures_are_the_same_bytes_every_time(rows: list[RankedQuery]) -> None:
    assert encode_png(ranked_sheet(rows)) == encode_png(ranked_sheet(rows))
