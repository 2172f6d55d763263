import shutil
from pathlib import Path

import torch
from augmented import augmented
from stick_market import stick_market

from reidaug.augment.target_poses import POSES, read_poses
from reidaug.report.augment_samples import UNKNOWN, read_samples
from reidaug.runs import stored_recipe


def test_every_sample_goes_into_the_pose_of_another_image(tmp_path: Path) -> None:
    out = tmp_path / "warps"
    augmented(stick_market(tmp_path / "market", people=3, images=2), out, poses=6)
    targets = read_poses(out / POSES).images
    samples = read_samples(out, stored_recipe(out)).samples
    assert len(samples) == 6
    into = [int(sample.warp.stem[-2:]) for sample in samples]
    assert all(targets[k] != s.source.name for k, s in zip(into, samples, strict=True))
    assert len({*into}) > 3

    alone = stick_market(tmp_path / "alone", people=1, images=1)
    augmented(alone, tmp_path / "own", poses=1)
    found = read_samples(tmp_path / "own", stored_recipe(tmp_path / "own"))
    assert found.why_not == "no warp into another image's pose is kept"
    augmented(alone, tmp_path / "identity", flow="identity")
    kept = read_samples(tmp_path / "identity", stored_recipe(tmp_path / "identity"))
    assert len(kept.samples) == 1
    assert not kept.borrowed


def test_flows_are_made_again_and_warps_counted_by_view(tmp_path: Path) -> None:
    market = stick_market(tmp_path / "market", people=3, images=2)
    out = tmp_path / "warps"
    report = augmented(market, out, flow="joint-blend", poses=3)
    found = read_samples(out, stored_recipe(out), shown=2)
    assert len(found.samples) == 2
    for sample in found.samples:
        assert sample.source.parent == market / "bounding_box_train"
        assert sample.warp.is_file()
        assert tuple(sample.flow.shape[-2:]) == tuple(report.size)
        assert bool(torch.isfinite(sample.flow).all())
        assert bool(sample.outline.any())
    assert len({sample.source for sample in found.samples}) == 2
    assert sum(cell.made for cell in found.views.values()) == report.images
    assert all(key[0] != UNKNOWN for key in found.views)
    assert found.borrowed
    mean = sum(cell.kept * cell.quality for cell in found.views.values()) / report.images
    assert abs(mean - report.quality) < 1e-3

    shutil.rmtree(market)
    gone = read_samples(out, stored_recipe(out))
    assert gone.samples == []
    assert gone.why_not
    assert {key[0] for key in gone.views} == {UNKNOWN}
    assert sum(cell.made for cell in gone.views.values()) == report.images
