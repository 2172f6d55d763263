"""Training batches of arms: what is known of extra crops."""

import shutil
from pathlib import Path

import pytest
import torch
from small_experiment import draw_roots, recipe

from reidaug.data.crop_names import warp_source
from reidaug.data.images import encode_png
from reidaug.data.manifest import write_manifest
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments import finetune as finetune_module
from reidaug.experiments.arm_batches import arm_batches, check_arms
from reidaug.experiments.finetune import finetune
from reidaug.experiments.finetune_config import START, read_data
from reidaug.experiments.warp_quality import MANIFEST
from reidaug.files import write_atomically


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return draw_roots(tmp_path_factory.mktemp("reid"))


@pytest.fixture(scope="module")
def masks(root: Path) -> Path:
    folder = root / "masks"
    folder.mkdir()
    mask = torch.zeros(64, 32, dtype=torch.bool)
    mask[8:60, 10:22] = True
    for path in (root / "market" / TRAIN).iterdir():
        write_atomically(folder / f"{path.stem}.png", encode_png(mask))
    return folder


def batches_of(root: Path, name: str = "warps_grey", **changes):
    settings = recipe(root, **changes)
    return arm_batches(settings, read_data(settings), name)


def test_extra_crops_know_the_main_crops_they_are_of(root) -> None:
    batches = batches_of(root, extra_of="crop")
    assert len(batches.extra_sources) == len(batches.extra) > 0
    for path, number in zip(batches.extra.paths, batches.extra_sources, strict=True):
        source = warp_source(path.name)
        assert source is not None
        assert batches.real.paths[number].name == source[0]
    assert batches_of(root).extra_sources == ()


def test_real_crops_are_their_own_views(root) -> None:
    batches = batches_of(root, "real_only", extra_of="crop")
    assert list(batches.extra_sources) == list(range(len(batches.real)))


def test_extra_crops_of_no_training_crop_are_refused(root, tmp_path) -> None:
    odd = tmp_path / TRAIN
    odd.mkdir()
    source = next((root / "market" / TRAIN).iterdir())
    (odd / "0001_c9s1_000999_01.jpg").write_bytes(source.read_bytes())
    arms = {"odd": {"crops": [str(tmp_path)], "changes": {"extra_of": "crop"}}}
    with pytest.raises(UsageError, match="arm odd is a warp of no training crop"):
        batches_of(root, "odd", arms=arms)
    with pytest.raises(UsageError, match="arm odd is a warp of no training crop"):
        finetune(recipe(root, arms=arms), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_quality_is_that_of_the_manifest(root) -> None:
    table = root / "warps" / MANIFEST
    files = sorted((root / "warps" / TRAIN).iterdir())
    values = {path.name: k / len(files) for k, path in enumerate(files)}
    weighted = {"extra_quality": 1.0}
    with pytest.raises(ReidaugError, match="no such table"):
        batches_of(root, objective=weighted)
    write_manifest(table, [{"file": f"{TRAIN}/{n}", "quality": q} for n, q in values.items()])
    try:
        batches = batches_of(root, objective=weighted)
        assert [values[path.name] for path in batches.extra.paths] == list(batches.extra_quality)
        assert set(batches_of(root, "real_only", objective=weighted).extra_quality) == {1.0}
        write_manifest(table, [{"file": "a.jpg"}])
        with pytest.raises(ReidaugError, match=r"column .* is missing"):
            batches_of(root, objective=weighted)
    finally:
        table.unlink()
    assert batches_of(root).extra_quality == ()


def test_grounds_belong_to_the_arm_that_asks_for_them(root, masks) -> None:
    arms = {
        "real_only": None,
        "warps_grey": {"crops": [str(root / "warps")], "changes": {"grounds": 0.5}},
    }
    (masks / "spare.png").write_bytes(b"")
    with_grounds = batches_of(root, arms=arms, masks=str(masks))
    assert with_grounds.grounds is not None
    for mask, path in zip(with_grounds.grounds.masks, with_grounds.real.paths, strict=True):
        assert mask == masks / f"{path.stem}.png"
    assert batches_of(root, "real_only", arms=arms, masks=str(masks)).grounds is None
    assert batches_of(root, START, arms=arms, masks=str(masks)).grounds is None


def test_crops_without_a_mask_are_counted(root, masks, tmp_path, capsys) -> None:
    some = shutil.copytree(masks, tmp_path / "some")
    first = min(some.iterdir())
    settings = recipe(root, grounds=0.5, masks=str(some))
    data = read_data(settings)
    check_arms(settings, data)
    assert not capsys.readouterr().err
    first.unlink()
    check_arms(settings, data)
    told = f"{some}: no mask of 1 of {len(data.train)} training crops, such as {first.stem}.jpg; "
    assert capsys.readouterr().err.startswith(told)


def test_grounds_without_one_mask_are_refused_before_anything_is_written(root, tmp_path) -> None:
    (tmp_path / "none").mkdir()
    settings = recipe(root, grounds=0.5, masks=str(tmp_path / "none"))
    with pytest.raises(ReidaugError, match="fewer than two people have masks"):
        finetune(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_every_use_trains(root, masks, tmp_path) -> None:
    views = {"extra_of": "crop", "objective": {"extra_consistency": 1.0, "teacher": "average"}}
    arms = {
        "views": {"crops": [str(root / "warps")], "changes": views},
        "recognised": {
            "crops": [str(root / "warps")],
            "changes": {"objective": {"extra_recognised": True}},
        },
        "grounds": {"changes": {"grounds": 1.0, "light": 0.5}},
    }
    settings = recipe(root, arms=arms, seeds=[0], masks=str(masks), method="views")
    report = finetune(settings, tmp_path / "run", workers=1)
    assert len({tuple(report.arms[name]["mAP"]) for name in arms}) == len(arms)
    again = finetune(settings, tmp_path / "again", workers=1)
    assert again.arms == report.arms


def test_an_arm_of_extra_crops_only_sees_no_real_crop(root) -> None:
    warps = str(root / "warps")
    arms = {"warps_only": {"crops": warps, "only": True}, "warps_grey": warps, "real_only": None}
    names = {"warps_only": {"warps"}, "warps_grey": {"market", "warps"}, "real_only": {"market"}}
    data = read_data(recipe(root, arms=arms))
    for name, folders in names.items():
        found = batches_of(root, name, arms=arms)
        paths = [*found.real.paths, *found.extra.paths]
        assert {path.parents[1].name for path in paths} == folders
        for crops, labels in ((found.real, found.labels), (found.extra, found.extra_labels)):
            people = [data.pids[label] for label in labels]
            assert [int(path.name[:4]) for path in crops.paths] == people
    # The start of all arms is trained on real crops, and sees no others.
    start = batches_of(root, START, arms=arms)
    assert {path.parents[1].name for path in (*start.real.paths, *start.extra.paths)} == {"market"}


def test_batch_norm_of_warps_alone_is_measured_on_what_the_arm_is_trained_on(
    root, monkeypatch, tmp_path
) -> None:
    """Recorded in the run: every arm's crops, seeds and lengths as they reach the training loop."""
    train, seen = finetune_module.train, []

    def record(model, crops, options, *, steps, seed, **rest):
        seen.append((crops, options, steps, seed))
        return train(model, crops, options, steps=steps, seed=seed, **rest)

    monkeypatch.setattr(finetune_module, "train", record)
    late = {"changes": {"real_only_share": 0.75, "average_share": 0.5, "recalibrate_norm": False}}
    arms = {"warps_only": {"crops": str(root / "warps"), "only": True}, "late": late}
    settings = recipe(root, arms=arms, seeds=[3], method="late", real_only_share=0.25)
    finetune(settings, tmp_path / "run", workers=1)
    assert [(steps, seed) for _, _, steps, seed in seen] == [(6, 3), (4, 3), (4, 3)]
    folders = [{path.parents[1].name for path in crops.real.paths} for crops, *_ in seen]
    assert sorted(map(sorted, folders)) == [["market"], ["market"], ["warps"]]
    assert folders[0] == {"market"}  # the start
    options = {
        tuple(folder): options
        for folder, (_, options, *_) in zip(folders[1:], seen[1:], strict=True)
    }
    told = [(o.real_only_share, o.average_share, o.recalibrate_norm) for o in options.values()]
    assert sorted(told) == [(0.25, 0.0, True), (0.75, 0.5, False)]
    assert options[("warps",)].real_only_share == 0.25
    # Evaluated on real crops, both arms have the statistics of these.
    by_main = {crops.real.paths[0].parents[1].name: crops.calibration for crops, *_ in seen[1:]}
    assert by_main["market"] is None and by_main["warps"] is not None
    assert {path.parents[1].name for path in by_main["warps"].paths} == {"market"}
