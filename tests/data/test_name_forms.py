import re

import pytest

from reidaug.data.crop_names import read_name
from reidaug.data.name_forms import pattern_advice, suggest_pattern


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["0000_000_01_0303morning_0015_0.jpg", "0001_000_15_0303noon_0_1.jpg"],
            [("0000", "01"), ("0001", "15")],
        ),
        (
            ["1_001_1_01.jpg", "1_002_2_06.jpg", "5_003_1_01.jpg"],
            [("001", "1"), ("002", "2"), ("003", "1")],
        ),
        (["001_2_c10_015833.jpg", "002_1_c2_015834.jpg"], [("001", "10"), ("002", "2")]),
        (["cam3_0012_a.jpg", "cam1_0013_b.jpg"], [("0012", "3"), ("0013", "1")]),
        (["id12-camera02-7.jpg", "id13-camera11-8.jpg"], [("12", "02"), ("13", "11")]),
        (["id-1_c1s1_0.jpg", "id-2_c2s1_0.jpg"], [("1", "1"), ("2", "2")]),
        (["c1_002_90.jpg", "c2_003_91.jpg"], [("002", "1"), ("003", "2")]),
        (["anna7_c1.jpg", "bert7_c2.jpg"], [("anna7", "1"), ("bert7", "2")]),
        (["0012_cam2.jpg", "0013_cam1.jpg"], [("0012", "2"), ("0013", "1")]),
        (["12_3_88.jpg", "13_1_89.jpg"], [("12", "3"), ("13", "1")]),
        (["person12.jpg", "person13.jpg"], [("12", "1"), ("13", "1")]),
    ],
)
def test_a_pattern_is_suggested_that_reads_the_names(
    names: list[str], expected: list[tuple[str, str]]
) -> None:
    suggested = suggest_pattern(names)
    assert suggested is not None
    assert [read_name(re.compile(suggested), name) for name in names] == expected
    person, camera = expected[0]
    assert f"reads person {person}, camera {camera} from {names[0]}" in pattern_advice(names)


@pytest.mark.parametrize(
    "names",
    [
        [f"2024-03-01_cam{k % 2}_{k:04d}.jpg" for k in range(8)],
        ["anna.jpg", "0002_c1.jpg"],
        ["anna7.jpg", "bert7.jpg"],
        ["crop_000.jpg", "crop_001.jpg"],
        [],
    ],
)
def test_no_pattern_is_suggested_where_names_say_nothing(names: list[str]) -> None:
    assert suggest_pattern(names) is None
    assert "or give a --pattern" in pattern_advice(names)
