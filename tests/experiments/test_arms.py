"""Which crops an arm learns from."""

import itertools
import shutil
from pathlib import Path

import pytest

from reidaug.data.crop_names import warp_name
from reidaug.data.manifest import write_manifest
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.errors import ReidaugError
from reidaug.experiments.arms import LowData, fewer, gather, hold_out


def market(root: Path, people=6, cameras=2):
    for split, first in ((TRAIN, 1), ("query", 101), ("bounding_box_test", 101)):
        (root / split).mkdir(parents=True)
        for pid in range(first, first + people):
            for camera in range(1, cameras + 1):
                (root / split / f"{pid:04d}_c{camera}s1_000000_00.jpg").write_bytes(b"")
    return root


def warps(root: Path, source: Path, poses=3):
    (root / TRAIN).mkdir(parents=True)
    for path in (source / TRAIN).iterdir():
        for pose in range(poses):
            shutil.copy(path, root / TRAIN / warp_name(path.name, pose))
    return root


@pytest.fixture
def roots(tmp_path):
    real = market(tmp_path / "real")
    return real, warps(tmp_path / "warps", real)


def test_warps_share_the_labels_of_their_people(roots):
    material = gather(roots[0], {"real_only": (None,), "warps_grey": (roots[1],)})
    assert material.extra["real_only"] is material.train
    labels = material.labels(material.extra["warps_grey"])
    assert sorted(set(labels)) == list(range(6))
    assert len(labels) == 6 * 2 * 3
    for person, label in zip(material.extra["warps_grey"], labels, strict=True):
        assert material.pids[label] == person.pid == int(person.path.name[:4])


def test_the_held_out_are_nowhere_to_be_learnt_from(roots):
    material = gather(roots[0], {"warps_grey": (roots[1],)}, held_out=0.34, split_seed=3)
    held = {person.pid for person in material.query}
    assert len(held) == 2 and material.gallery is material.query
    assert len(material.query) == 4
    assert held.isdisjoint(material.pids)
    assert held.isdisjoint(person.pid for person in material.extra["warps_grey"])


def test_holding_out_is_decided_by_its_seed(roots):
    people = read_market1501(roots[0]).train
    assert hold_out(people, 0.3, seed=1) == hold_out(people, 0.3, seed=1)
    chosen = {hold_out(people, 0.3, seed=seed)[1] for seed in range(9)}
    assert len(chosen) > 1
    with pytest.raises(ReidaugError, match="leaves nobody"):
        hold_out(people, 0.99, seed=0)


def test_warps_of_strangers_are_told(roots, tmp_path):
    other = market(tmp_path / "other", people=9)
    with pytest.raises(ReidaugError, match="3 people of arm other are not among"):
        gather(roots[0], {"other": (other,)})


def test_quality_filters_and_the_unwarped_fall_back_on_real_crops(roots):
    names = sorted(path.name for path in (roots[1] / TRAIN).iterdir())
    rows = [
        {"file": f"{TRAIN}/{name}", "quality": 0.1 if name.startswith("0001") else 0.9}
        for name in names
    ]
    write_manifest(roots[1] / "manifest.parquet", rows)
    everything = gather(roots[0], {"w": (roots[1],)}).extra["w"]
    filtered = gather(roots[0], {"w": (roots[1],)}, min_quality=0.5).extra["w"]
    assert len(everything) == 36
    assert len(filtered) == 30 + 2
    assert all("_w" not in p.path.name for p in filtered if p.pid == 1)
    with pytest.raises(ReidaugError, match="no warp has a quality"):
        gather(roots[0], {"w": (roots[1],)}, min_quality=0.95)


def test_a_mix_holds_the_crops_of_all_its_roots(roots, tmp_path):
    more = warps(tmp_path / "more", roots[0], poses=1)
    material = gather(roots[0], {"mix": (roots[1], more, None), "alone": (more,)})
    assert len(material.extra["mix"]) == 36 + 12 + 12
    assert len(material.extra["alone"]) == 12
    assert material.roots == {"mix": (0,) * 36 + (1,) * 12 + (2,) * 12}


def test_what_was_warped_from_left_out_crops_is_left_out(roots):
    low = LowData(people=0.5, images=1)
    arms = {"warps": (roots[1],), "copies": (roots[0],), "real": (None,)}
    material = gather(roots[0], arms, low=low)
    assert len(material.train) == len(material.pids) == 3
    assert material.extra["real"] is material.train
    assert material.extra["copies"] == material.train
    kept = {person.path.stem for person in material.train}
    assert {p.path.stem.rpartition("_w")[0] for p in material.extra["warps"]} == kept
    assert len(material.extra["warps"]) == 3 * 3
    assert len(material.query) == 12  # the test set stays whole


def test_more_data_holds_less_data(roots):
    people = read_market1501(roots[0]).train
    assert fewer(people, LowData(), seed=3) == people
    sizes = [(0.1, 1), (0.5, 1), (0.5, 2), (1.0, 2)]
    sets = [set(fewer(people, LowData(*size), seed=3)) for size in sizes]
    assert [len(crops) for crops in sets] == [1, 3, 6, 12]
    assert all(small <= large for small, large in itertools.pairwise(sets))
    assert fewer(people, LowData(0.5), seed=3) != fewer(people, LowData(0.5), seed=4)
    with pytest.raises(ReidaugError, match="is nothing"):
        fewer(people, LowData(0.0), seed=0)
