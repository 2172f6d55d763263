"""Crops of an adaptation."""

import shutil
from pathlib import Path

import pytest
import yaml
from small_adaptation import draw_roots, recipe

from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.adaptation_config import AdaptationRecipe
from reidaug.experiments.adaptation_data import read_adaptation_data
from reidaug.recipes import load

RECIPES = Path(__file__).parents[2] / "recipes" / "market1501"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_roots(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("name", ["table5_uda", "table5_uda_small"])
def test_table_5_runs_on_any_roots_of_the_layout(root: Path, name: str) -> None:
    path = RECIPES / f"{name}.yaml"
    arms = yaml.safe_load(path.read_text())["arms"]
    made = [arm for arm, crops in arms.items() if isinstance(crops, str)]
    changes = [
        f"source={root / 'source'}",
        f"dataset={root / 'target'}",
        *(f"arms.{arm}={root / 'warps'}" for arm in made),
        *("preset=small", "batch=4", "pretrained=null", "teacher.people=3", "teacher.images=2"),
    ]
    experiment = load(path, AdaptationRecipe, changes)
    assert {experiment.method, experiment.baseline, *experiment.controls} <= set(arms)
    assert read_adaptation_data(experiment).target.extra.keys() == set(arms)


def test_extra_crops_belong_to_the_crops_they_were_warped_from(root: Path) -> None:
    data = read_adaptation_data(recipe(root))
    train = data.target.train
    pairs = zip(data.target.extra["warps_grey"], data.origins("warps_grey"), strict=True)
    for person, origin in pairs:
        assert person.path.stem == f"{train[origin].path.stem}_w00"


def test_a_subset_keeps_the_extra_crops_of_its_crops(root: Path) -> None:
    few = read_adaptation_data(recipe(root)).subset(6)
    assert len(few.target.train) == len(few.target.extra["warps_grey"]) == 6
    assert sorted(few.origins("warps_grey")) == list(range(6))


def test_extra_crops_without_an_original_are_an_error(root: Path, tmp_path: Path) -> None:
    strange = shutil.copytree(root / "warps", tmp_path / "strange")
    path = next((strange / TRAIN).iterdir())
    path.rename(path.with_name(path.name.replace("_w00", "x_w00")))
    with pytest.raises(ReidaugError, match=r"arm warps_grey are of no .*x_w00\.jpg"):
        read_adaptation_data(recipe(root, arms={"warps_grey": str(strange)}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": {"people": 9}}, "teacher.people: 9 .* 4"),
        ({"batch": 16}, "source: 12 training crops .* 16"),
    ],
)
def test_less_than_a_batch_is_an_error(root: Path, changes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_adaptation_data(recipe(root, **changes))


def test_each_domain_has_its_own_pattern(root: Path, tmp_path: Path) -> None:
    source = shutil.copytree(root / "source", tmp_path / "source")
    for path in (source / TRAIN).iterdir():
        path.rename(path.with_name(f"{path.name[:4]}_7_{path.name[5:]}"))
    with pytest.raises(ReidaugError, match="and none that counts"):
        read_adaptation_data(recipe(root, source=str(source)))
    pattern = r"^(?P<pid>\d+)_7_c(?P<camid>\d+)"
    data = read_adaptation_data(recipe(root, source=str(source), source_pattern=pattern))
    assert data.pids == read_adaptation_data(recipe(root)).pids


def test_clusters_larger_than_the_target_are_an_error(root: Path) -> None:
    cluster = {"eps": 0.69, "min_samples": 21, "k1": 4, "k2": 2}
    with pytest.raises(UsageError, match=r"min_samples: no cluster of 21 crops is among the 20"):
        read_adaptation_data(recipe(root, cluster=cluster))


def test_a_source_that_is_the_target_is_told(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read_adaptation_data(recipe(root, source=str(root / "target")))
    assert "is no adaptation" in capsys.readouterr().err
    read_adaptation_data(recipe(root))
    assert "is no adaptation" not in capsys.readouterr().err
