import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.data.crop_names import (
    PATTERN,
    compile_pattern,
    frame_of,
    id_of,
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
        found = re.search(r"([-\d]+)_c(\d+)", each)  # as torchreid reads it
        assert found is not None
        assert (int(found[1]), int(found[2])) == (pid, camid)
        assert ids_in(compile_pattern(PATTERN), each) == (pid, camid)
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


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        (PATTERN, "-1_c1s1_000401_04.jpg", (-1, 1)),
        (PATTERN, "-2_c1s1_000401_04.jpg", None),
        (PATTERN, "x_0002_c1.jpg", None),
        (PATTERN, "001_2_c10_015833.png", None),
        (PATTERN, "0-1_c1.jpg", None),
        (r"([-\d]+)_c(\d+)", "id-1_c2.jpg", (1, 2)),  # the dash is none of a number
        (r"([-\d]+)_c(\d+)", "-1_c2.jpg", (-1, 2)),
        (r"([-\d]+)_c(\d+)", "-7_c2.jpg", None),
        (r"([-\d]+)_c(\d+)", "---_c2.jpg", None),
        (r"id(?P<pid>-1)", "id-1.jpg", (1, 1)),
        (r"^(?P<pid>\d+)(?:_c(?P<camid>\d+))?", "7_x.jpg", None),
    ],
)
def test_junk_and_negative_numbers(
    pattern: str, name: str, expected: tuple[int, int] | None
) -> None:
    assert ids_in(compile_pattern(pattern), name) == expected


@given(st.integers(0, 10**30), st.text(min_size=1))
def test_ids_fit_arrays_and_stay_apart(number: int, word: str) -> None:
    assert 0 <= id_of(str(number)) < 2**63
    assert id_of(str(number)) == id_of(f"00{number}") != id_of(str(number + 1))
    assert id_of(str(id_of(word))) == id_of(word)  # as a warp's name gives it back


def test_numbers_that_python_does_not_read() -> None:
    long = "7" * 5000
    assert id_of(long) != id_of(f"{long}7")
    assert 0 <= id_of(long) < 2**63
    assert warp_source(f"a_w{long}.jpg") is None
    assert frame_of(f"0002_c1s{long}_000451_03.jpg") is None
    assert frame_of(f"0002_c1s1_{long}_03.jpg") is None


def test_words_are_persons() -> None:
    compiled = compile_pattern(r"^(?P<pid>[a-z]+\d)_c(?P<camid>\d)")
    anna, bert = (ids_in(compiled, f"{name}7_c1.jpg") for name in ("anna", "bert"))
    assert anna is not None
    assert bert is not None
    assert anna[0] != bert[0]
    assert anna[1] == bert[1] == 1
