"""Experiments on photographs, on drawn crops: their roots, settings and comparisons."""

from pathlib import Path

import photographs
import pytest
from photograph_arms import ARMS, CONTROLS, RECIPES, recipe_of
from photograph_crops import link_crops, sizes, write_split
from photograph_grid import Setting
from stick_market import stick_market

from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, read_market1501
from reidaug.data.people_split import split_people
from reidaug.errors import ReidaugError


@pytest.fixture
def drawn_people(tmp_path: Path) -> Path:
    """Eleven people with eight crops each."""
    return stick_market(tmp_path / "market", people=11, images=8)


def test_a_split_is_a_root_of_links(drawn_people: Path, tmp_path: Path) -> None:
    crops = read_market1501(drawn_people, splits=(TRAIN,)).train
    pids = sorted({crop.pid for crop in crops})
    root = write_split(drawn_people, tmp_path / "test", "test")
    read = read_market1501(root)
    assert {crop.pid for crop in (*read.query, *read.gallery)} == set(pids[::5])
    assert {crop.pid for crop in read.train} == {
        pid for index, pid in enumerate(pids) if index % 5 not in (0, 1)
    }
    assert len({(crop.pid, crop.camid) for crop in read.query}) == len(read.query)
    assert all((root / TRAIN / crop.path.name).is_symlink() for crop in read.train)
    assert write_split(drawn_people, tmp_path / "test", "test") == root


def test_links_of_two_splits_are_not_mixed(drawn_people: Path, tmp_path: Path) -> None:
    root = write_split(drawn_people, tmp_path / "tune", "tune")
    read = read_market1501(root)
    with pytest.raises(ReidaugError, match="another split"):
        link_crops(read.query, root / GALLERY)
    split = split_people(read_market1501(drawn_people, splits=(TRAIN,)).train, "tune")
    link = root / QUERY / split.query[0].path.name
    link.unlink()
    link.symlink_to(split.train[0].path)
    with pytest.raises(ReidaugError, match="shows another file"):
        link_crops(split.query, root / QUERY)


def test_a_part_of_market_is_told(drawn_people: Path, capfd: pytest.CaptureFixture[str]) -> None:
    crops = read_market1501(drawn_people, splits=(TRAIN,)).train
    found = sizes(drawn_people)
    assert found == {"people": len({crop.pid for crop in crops}), "crops": len(crops)}
    assert "figures do not compare" in capfd.readouterr().out


def test_without_photographs_one_line_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["photographs.py", "arms"])
    photographs.main()
    printed = capfd.readouterr().out
    assert printed.startswith("skipped: ") and printed.count("\n") == 1


@pytest.mark.parametrize("what", ["job", "grid", "gpu"])
def test_a_part_without_a_small_form_says_so(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["photographs.py", what, "--market", str(tmp_path), "--small"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        photographs.main()
    assert ended.value.code == 2
    assert "--small: only round-trips and arms" in capfd.readouterr().err


@pytest.mark.parametrize("path", sorted(RECIPES.iterdir()), ids=lambda path: path.stem)
def test_every_arm_of_a_recipe_is_made_and_has_its_controls(path: Path, tmp_path: Path) -> None:
    recipe = recipe_of(path, tmp_path, "tune", 3)
    assert recipe.dataset == tmp_path / "tune"
    assert recipe.start_per_seed and str(recipe.weights) == "imagenet"
    for name, arm in recipe.arms.items():
        root = None if name in ("real_only", "grounds") else tmp_path / "warps-3" / name
        assert arm.crops == (root,)
        assert name in ARMS or root is None
        if name in CONTROLS:
            background = ARMS[name][1].get("background", "grey")
            own_and_affine = {
                control for control in CONTROLS[name] if ARMS.get(control, ("",))[0] in
                ("identity", "torso-affine")
            }  # fmt: skip
            assert len(own_and_affine) == 2
            assert all(
                ARMS[control][1].get("background", "grey") == background
                for control in own_and_affine
            )
            assert "real_only" in CONTROLS[name]


def test_a_setting_changes_the_recipe(tmp_path: Path) -> None:
    few = Setting(0.1, 4, 1)
    recipe = recipe_of(RECIPES / "grid.yaml", tmp_path, "tune", 4, few.keys())
    assert (recipe.people_share, recipe.images_each, recipe.cameras_each) == (0.1, 4, 1)
    assert few.name == "people10-images_4-cameras_1"
    everything = Setting(1.0, None, None)
    whole = recipe_of(RECIPES / "grid.yaml", tmp_path, "tune", 4, everything.keys())
    assert (whole.people_share, whole.images_each, whole.cameras_each) == (1.0, None, None)
    assert everything.name == "people100-images_all-cameras_all"
