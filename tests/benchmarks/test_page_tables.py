"""Tables of docs/pose.md and docs/quality.md: every number of them is one of a file."""

import json

from pose_tables import accuracy, tries
from provenance import RESULTS
from quality_tables import floor, refused, steps, worth


def result(name: str) -> dict[str, object]:
    values: dict[str, object] = json.loads((RESULTS / f"{name}.json").read_text())
    return values


def cells(lines: list[str], first: str) -> list[str]:
    (line,) = (line for line in lines if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_a_row_of_joints_is_the_mean_of_its_joints_and_unknown_shares_stay_empty() -> None:
    values = result("pose_errors")
    joints = values["joints"]
    joints["left_elbow"] |= {"median": 0.02, "called_when_in_sight": 0.8}
    joints["right_elbow"] |= {"median": 0.03, "called_when_in_sight": 0.9}
    lines = accuracy(values)
    assert cells(lines, "elbows")[0] == "0.025"
    assert cells(lines, "elbows")[2] == "0.85"
    assert cells(lines, "neck")[3] == ""


def test_a_try_has_what_it_recovers_beside_it_and_the_first_and_the_untried_nothing() -> None:
    values = result("second_tries")
    values["photographs_missed_at_first"]["second"] = [5, 4, 3, 2, 1]
    lines = tries(values)
    assert cells(lines, "as it is")[-1] == ""
    assert cells(lines, "as it is, mirrored")[-1] == "5"
    assert cells(lines, "room of 0.25, mirrored")[-1] == "1"
    assert cells(lines, "room of 0.6")[-1] == "not tried"
    assert "recover 15" in lines[0]


def test_quality_is_tabulated_within_a_person_and_beside_others_among_all() -> None:
    values = result("warp_quality")
    numbers = values["trained"]["worth"]
    numbers["quality"] |= {"l1_within": -0.9, "stlpips_within": -0.8, "l1": -0.1, "stlpips": -0.2}
    lines = worth(values)
    assert cells(lines, "**`quality`**") == ["-0.90", "-0.80"]
    assert any("people mixed: -0.10 and -0.20" in line for line in lines)
    assert cells(steps(values), "2") == ["23.35", "0.740", "0.122"]  # the reference: no difference


def test_shares_are_of_the_crops_examined() -> None:
    test, tune = result("refused_poses_test"), result("refused_poses_tune")
    test |= {"examined": 500, "refused": 100, "flaws": {"half a person": 50}}
    tune |= {"examined": 100, "refused": 10, "flaws": {}}
    lines = refused({"test": test, "tune": tune})
    assert cells(lines, "half a person") == ["10.0%", "0.0%"]
    assert cells(lines, "all") == ["20.0%", "10.0%"]


def test_the_floor_has_its_interval() -> None:
    values = result("skeleton_floor")
    values["groups"]["both"] |= {"floor": 1.0, "floor_ci": [0.5, 1.5], "others": 2.0}
    assert cells(floor(values), "all of it, bones too")[:2] == ["1.00 (0.50 to 1.50)", "2.00"]
