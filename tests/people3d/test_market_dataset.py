import json
from dataclasses import replace

import pytest
from rendered import MARKET, contents

from reidaug.data.images import read_image, read_mask
from reidaug.data.keypoints import read_keypoints
from reidaug.data.manifest import read_manifest
from reidaug.data.market1501 import read_market1501
from reidaug.errors import ReidaugError, UsageError
from reidaug.people3d import market_dataset
from reidaug.people3d.market_dataset import MarketOptions, read_rendered_market, render_market


def test_a_rendered_dataset_is_a_market_root(rendered_market):
    found = read_market1501(rendered_market)
    report = json.loads((rendered_market / "report.json").read_text())
    assert report["crops"] == MARKET.crops == 12
    assert len(found.train) == 4 and {p.pid for p in found.train} == {1, 2}
    assert len(found.query) == 2 and {p.pid for p in found.query} == {3, 4}
    assert sorted({p.pid for p in found.gallery}) == [0, 3, 4]  # junk is left out
    for person in found.query:
        assert any(g.pid == person.pid and g.camid != person.camid for g in found.gallery)
    poses = read_keypoints(rendered_market / "market-annotation-train.csv").poses
    assert set(poses) == {p.path.name for p in found.train}
    table = read_manifest(rendered_market / "renders.parquet")
    assert len(table) == 12 and {"name", "person", "camera", "view.yaw"} <= set(table[0])


def test_every_image_has_a_mask_that_fits_it(rendered_market):
    images = list(rendered_market.rglob("*.jpg"))
    assert len(images) == 12
    for image in images:
        mask = read_mask(rendered_market / "masks" / f"{image.stem}.png")
        assert mask.shape == read_image(image).shape[1:] and mask.any()


def test_what_was_rendered_is_read_back(rendered_market):
    found = read_rendered_market(rendered_market)
    assert (found.world, found.seed, found.size) == (MARKET.world, MARKET.seed, MARKET.size)
    assert len(found.training) == 4


def test_workers_and_interruptions_do_not_change_a_byte(rendered_market, tmp_path, monkeypatch):
    again = tmp_path / "again"
    # Stop after the second person, as a kill would.
    work, calls = market_dataset.render_person, []

    def stops(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return work(*arguments)

    monkeypatch.setattr(market_dataset, "render_person", stops)
    with pytest.raises(KeyboardInterrupt):
        render_market(again, MARKET, workers=1)
    assert not (again / "report.json").exists()
    monkeypatch.undo()
    render_market(again, MARKET, workers=2)
    assert contents(again) == contents(rendered_market)


def test_a_finished_run_is_not_repeated_and_another_one_not_overwritten(rendered_market):
    before = contents(rendered_market)
    assert render_market(rendered_market, MARKET)["crops"] == 12
    assert contents(rendered_market) == before
    with pytest.raises(ReidaugError, match="another run"):
        render_market(rendered_market, replace(MARKET, seed=1))


def test_numbers_too_small_are_refused():
    with pytest.raises(UsageError, match="--people 0: at least 1"):
        MarketOptions(people=0)
    with pytest.raises(UsageError, match="--seed -1: at least 0"):
        MarketOptions(people=1, seed=-1)


def test_a_world_says_how_strongly_its_files_are_compressed(tmp_path):
    small = MarketOptions(people=1, test_people=0, train_crops=1)
    sizes = {}
    for quality in (95, 60):
        root = tmp_path / str(quality)
        world = replace(small.world, jpeg_quality=quality)
        render_market(root, replace(small, world=world), workers=1)
        sizes[quality] = next(root.rglob("*.jpg")).stat().st_size
        assert read_rendered_market(root).world == world
    assert sizes[60] < 0.6 * sizes[95]
