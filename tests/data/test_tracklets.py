from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from reidaug.data.layouts import LAYOUTS, Tracks
from reidaug.data.tracklets import read_query_frames
from reidaug.errors import ReidaugError

NAMES = [f"0001C1T0001F{k:03d}.jpg" for k in range(6)]


def tracks(root: Path, layout: str, rows: list[list[int]], queries: list[int]) -> Tracks:
    kind = LAYOUTS[layout].tracks
    assert kind is not None
    (root / "info").mkdir(exist_ok=True)
    (root / kind.names).write_text("\n".join(NAMES) + "\n")
    if layout == "mars":
        savemat(root / kind.info, {"track_test_info": rows})
        savemat(root / kind.queries, {"query_IDX": queries})
    else:
        np.savetxt(root / kind.info, rows)
        np.savetxt(root / kind.queries, queries)
    return kind


@pytest.mark.parametrize(("layout", "first"), [("mars", 1), ("mevid", 0)])
def test_the_first_frame_of_a_query_tracklet_is_searched_for(
    tmp_path: Path, layout: str, first: int
) -> None:
    rows = [[first, first + 1, 1, 1], [first + 2, first + 4, 1, 2], [first + 5, first + 5, 2, 1]]
    found = read_query_frames(tmp_path, tracks(tmp_path, layout, rows, [first + 1]))
    assert found.queries == {NAMES[2]}
    assert found.others == {NAMES[3], NAMES[4]}


@pytest.mark.parametrize(
    ("rows", "queries", "told"),
    [
        ([[1, 9, 1, 1]], [1], "lines 1 to 9, but info/test_name.txt has 6"),
        ([[3, 2, 1, 1]], [1], "lines 3 to 2"),
        ([[1, 2, 1, 1]], [2], "names tracklets beyond the 1 of"),
        ([[1, 2, 1, 1]], [0], "names tracklets beyond"),
    ],
)
def test_files_that_contradict_each_other_are_told(tmp_path: Path, rows, queries, told) -> None:
    with pytest.raises(ReidaugError, match=told):
        read_query_frames(tmp_path, tracks(tmp_path, "mars", rows, queries))


@pytest.mark.parametrize("content", [b"", b"no table", b"1.5 2\n", b"nan 1\n"])
def test_damaged_files_are_told(tmp_path: Path, content: bytes) -> None:
    for layout in ("mars", "mevid"):
        kind = tracks(tmp_path, layout, [[1, 2, 1, 1]], [1])
        (tmp_path / kind.info).write_bytes(content)
        with pytest.raises(ReidaugError, match=r"whole numbers|first and last line"):
            read_query_frames(tmp_path, kind)
        (tmp_path / kind.names).unlink()
        with pytest.raises(ReidaugError, match="test_name"):
            read_query_frames(tmp_path, kind)
