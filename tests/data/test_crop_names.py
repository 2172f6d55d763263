import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.data.crop_names import (
    PATTERN,
    compile_pattern,
    ids_in,
    market_name,
    warp_name,
    warp_source,
)
from reidaug.errors import UsageError


@given(
    st.integers(-1, 99999),
    st.integers(1, 20),
    st.integers(1, 6),
    st.integers(0, 999999),
    st.integers(0, 99),
    st.integers(0, 999),
)
def test_names_keep_person_and_camera(
    pid: int, camid: int, sequence: int, frame: int, detection: int, pose: int
) -> None:
    name = market_name(pid, camid, sequence, frame, detection)
    warped = warp_name(name, pose)
    for each in (name, warped):
        found = re.search(r"([-\d]+)_c(\d+)", each)
        assert found is not None
        assert (int(found[1]), int(found[2])) == (pid, camid)
    assert warp_source(warped) == (name, pose)
    assert warp_source(name) is None


def test_names_look_as_market_1501_has_them() -> None:
    assert market_name(2, 1, 1, 451, 3) == "0002_c1s1_000451_03.jpg"
    assert market_name(-1, 1, 1, 451, 3) == "-1_c1s1_000451_03.jpg"
    assert warp_name("0002_c1s1_000451_03.jpg", 7) == "0002_c1s1_000451_03_w07.jpg"


def test_a_pattern_reads_person_and_camera() -> None:
    assert ids_in(compile_pattern(PATTERN), "-1_c12s1_000401_04.jpg") == (-1, 12)
    assert ids_in(compile_pattern(r"(?P<pid>\d+)_"), "0007_x.jpg") == (7, 1)
    assert ids_in(compile_pattern(PATTERN), "anna.jpg") is None
    with pytest.raises(UsageError, match="name its groups"):
        compile_pattern(r"\d+")
