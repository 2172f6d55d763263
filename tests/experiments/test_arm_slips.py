from pathlib import Path

import pytest
from PIL import Image

from reidaug.data.market1501 import Person
from reidaug.experiments.arm_slips import tell_shapes, tell_slips
from reidaug.experiments.arms import ExperimentOptions


def crops(folder: Path, size: tuple[int, int], count: int = 3) -> list[Person]:
    folder.mkdir()
    people = [Person(folder / f"{k}.png", k, 1) for k in range(count)]
    for person in people:
        Image.new("RGB", size[::-1]).save(person.path)
    return people


@pytest.mark.parametrize(
    ("size", "told"),
    [((64, 32), ""), ((48, 48), ""), ((32, 64), "size: 32 x 64, and most crops have 64 x 32")],
)
def test_a_size_that_lies_beside_crops_that_stand_is_told(
    tmp_path: Path, capsys, size: tuple[int, int], told: str
) -> None:
    real = crops(tmp_path / "real", (64, 32))
    tell_shapes(size, real)
    tell_shapes(size, [])
    assert told in (err := capsys.readouterr().err) and bool(told) == bool(err)


@pytest.mark.parametrize(
    ("shape", "told"),
    [((64, 32), ""), ((128, 64), ""), ((60, 32), ""), ((32, 32), "32 x 32"), ((8, 4), "8 x 4")],
)
def test_an_arm_of_another_shape_is_told(
    tmp_path: Path, capsys, shape: tuple[int, int], told: str
) -> None:
    real, extra = crops(tmp_path / "real", (64, 32)), crops(tmp_path / "arm", shape)
    tell_shapes((64, 32), real, {"real_only": real, "warps": [*extra, real[0]]})
    err = capsys.readouterr().err
    assert bool(told) == bool(err)
    assert not told or f"arm warps: most of its crops have {told} pixels, and real ones" in err


def test_equal_arms_and_controls_by_other_flows_are_told(tmp_path: Path, capsys) -> None:
    for name, flow in (("a", "torso-affine"), ("b/market1501", "identity")):
        (tmp_path / name / "bounding_box_train").mkdir(parents=True)
        (tmp_path / name / "recipe.yaml").write_text(f"command: augment\nflow: {flow}\n")
    arms = {"real_only": None, "warps_grey": tmp_path / "a", "identity_grey": tmp_path / "b"}
    shared = {"protocol": "supervised", "dataset": tmp_path}
    tell_slips(ExperimentOptions(**shared, arms=arms))
    assert capsys.readouterr().err == ""
    arms |= {"affine_grey": tmp_path / "b", "more": {"crops": tmp_path / "b", "only": True}}
    tell_slips(ExperimentOptions(**shared, arms=arms))
    assert capsys.readouterr().err.splitlines() == [
        "arms identity_grey and affine_grey are the same: the same crops, no differences; what "
        "they differ by is chance",
        "arm affine_grey: its crops were made by --flow identity, not torso-affine, after which it "
        "is named: is it the right folder?",
    ]
