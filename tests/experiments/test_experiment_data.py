"""Crops of an experiment: labels, held-out people, subsets, quality, mixes."""

import itertools
import shutil
from pathlib import Path

import pytest
from augmented import augmented
from layout_roots import layout_root

from reidaug.augment.output_folder import base_name, origin_stem, warp_stem
from reidaug.data.crop_names import warp_name
from reidaug.data.manifest import write_manifest
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.arms import ExperimentOptions
from reidaug.experiments.experiment_data import hold_out, read_experiment_data, subset


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


def read(root, arms, *, people_share=1.0, images_each=None, **options):
    options = ExperimentOptions(protocol="supervised", dataset=root, arms=arms, **options)
    return read_experiment_data(options, people_share=people_share, images_each=images_each)


@pytest.fixture
def roots(tmp_path):
    real = market(tmp_path / "real")
    return real, warps(tmp_path / "warps", real)


def test_warps_share_the_labels_of_their_people(roots):
    data = read(roots[0], {"real_only": None, "warps_grey": roots[1]})
    assert data.extra["real_only"] is data.train
    labels = data.labels(data.extra["warps_grey"])
    assert sorted(set(labels)) == list(range(6))
    assert len(labels) == 6 * 2 * 3
    for person, label in zip(data.extra["warps_grey"], labels, strict=True):
        assert data.pids[label] == person.pid == int(person.path.name[:4])


def test_held_out_people_are_not_trained_on(roots):
    data = read(
        roots[0], {"warps_grey": roots[1]}, evaluate_on="held_out", held_out=0.34, split_seed=3
    )
    held = {person.pid for person in data.query}
    assert len(held) == 2 and data.gallery is data.query
    assert len(data.query) == 4
    assert held.isdisjoint(data.pids)
    assert held.isdisjoint(person.pid for person in data.extra["warps_grey"])


def test_held_out_people_depend_on_the_seed_alone(roots):
    people = read_market1501(roots[0]).train
    assert hold_out(people, 0.3, seed=1) == hold_out(people, 0.3, seed=1)
    chosen = {hold_out(people, 0.3, seed=seed)[1] for seed in range(9)}
    assert len(chosen) > 1
    with pytest.raises(ReidaugError, match="99%"):
        hold_out(people, 0.99, seed=0)


def test_warps_of_people_outside_the_dataset_are_an_error(roots, tmp_path):
    other = market(tmp_path / "other", people=9)
    with pytest.raises(ReidaugError, match="3 people of arm other"):
        read(roots[0], {"other": other})


def test_people_whose_warps_are_all_filtered_out_get_real_crops_and_are_counted(roots, capsys):
    names = sorted(path.name for path in (roots[1] / TRAIN).iterdir())
    rows = [
        {"file": f"{TRAIN}/{name}", "quality": 0.1 if name.startswith("0001") else 0.9}
        for name in names
    ]
    write_manifest(roots[1] / "manifest.parquet", rows)
    data = read(roots[0], {"w": roots[1], "real": None})
    everything, told = data.extra["w"], capsys.readouterr().err
    assert not data.without_extra and not told
    data = read(roots[0], {"w": roots[1], "real": None}, min_quality=0.5)
    filtered, told = data.extra["w"], capsys.readouterr().err
    assert data.without_extra == {"w": 1}
    assert told == (
        f"arm w: no crop of a quality from 0.5 in {roots[1]} of 1 of 6 training people, such as "
        "1; their real crops stand in\n"
    )
    assert len(everything) == 36
    assert len(filtered) == 30 + 2
    assert all("_w" not in p.path.name for p in filtered if p.pid == 1)
    with pytest.raises(ReidaugError, match="quality"):
        read(roots[0], {"w": roots[1]}, min_quality=0.95)


def test_a_mix_holds_the_crops_of_all_its_roots(roots, tmp_path):
    more = warps(tmp_path / "more", roots[0], poses=1)
    data = read(roots[0], {"mix": [roots[1], more, None], "alone": more})
    assert len(data.extra["mix"]) == 36 + 12 + 12
    assert len(data.extra["alone"]) == 12
    assert data.extra_roots == {"mix": (0,) * 36 + (1,) * 12 + (2,) * 12}


def test_warps_of_crops_outside_the_subset_are_left_out(roots):
    arms = {"warps": roots[1], "copies": roots[0], "real": None}
    data = read(roots[0], arms, people_share=0.5, images_each=1)
    assert len(data.train) == len(data.pids) == 3
    assert data.extra["real"] is data.train
    assert data.extra["copies"] == data.train
    kept = {person.path.stem for person in data.train}
    assert {p.path.stem.rpartition("_w")[0] for p in data.extra["warps"]} == kept
    assert len(data.extra["warps"]) == 3 * 3
    assert len(data.query) == 12  # the test set stays whole


def test_larger_subsets_hold_the_smaller_ones(roots):
    people = read_market1501(roots[0]).train
    assert subset(people, 1.0, None, seed=3) == people
    sizes = [(0.1, 1), (0.5, 1), (0.5, 2), (1.0, 2)]
    sets = [set(subset(people, *size, seed=3)) for size in sizes]
    assert [len(crops) for crops in sets] == [1, 3, 6, 12]
    assert all(small <= large for small, large in itertools.pairwise(sets))
    assert subset(people, 0.5, None, seed=3) != subset(people, 0.5, None, seed=4)


def test_a_person_seen_by_one_camera_keeps_its_crops_and_their_warps(roots):
    options = ExperimentOptions(protocol="supervised", dataset=roots[0], arms={"w": roots[1]})
    data = read_experiment_data(options, cameras_each=1)
    assert len(data.train) == len({person.pid for person in data.train}) == 6
    assert {person.camid for person in data.train} == {1, 2}, "people, not the dataset, lose one"
    kept = {person.path.stem for person in data.train}
    assert {p.path.stem.rpartition("_w")[0] for p in data.extra["w"]} == kept


def test_crops_are_counted_within_the_cameras_that_are_left(roots):
    people = [
        person._replace(path=person.path.with_stem(f"{person.path.stem}{k}"))
        for person in read_market1501(roots[0]).train
        for k in range(3)
    ]
    whole = subset(people, 1.0, None, cameras_each=1, seed=3)
    assert len(whole) == 18
    few = subset(people, 1.0, 2, cameras_each=1, seed=3)
    assert len(few) == 12 and set(few) <= set(whole)
    assert subset(people, 1.0, 2, cameras_each=2, seed=3) == subset(people, 1.0, 2, seed=3)


def clothes(root: Path) -> Path:
    """Rename the crops of a root: the second number is the clothes."""
    for path in sorted(root.rglob("*.jpg")):
        path.rename(path.with_name(f"{path.name[:4]}_7_c{path.name[6]}_0.png"))
    return root


def test_one_pattern_reads_the_dataset_and_warps_need_none(tmp_path):
    real, out = clothes(market(tmp_path / "real")), tmp_path / "warps"
    pattern = r"^(?P<pid>\d+)_\d+_c(?P<camid>\d+)"
    with pytest.raises(ReidaugError, match=r"and none that counts.*try --pattern"):
        read(real, {"real_only": None})
    (out / TRAIN).mkdir(parents=True)
    for person in read_market1501(real, pattern=pattern).train:
        (out / TRAIN / warp_name(base_name(person), 0)).touch()
    names = [path.name for path in (out / TRAIN).iterdir()]
    write_manifest(out / "manifest.parquet", ({"file": f, "quality": 1.0} for f in names))
    arms = {"warps_grey": out, "real_only": None, "again": real}
    data = read(real, arms, pattern=pattern)
    assert [len(part) for part in data[:3]] == [12, 12, 12]
    assert {person.pid for person in data.query} == set(range(101, 107))
    assert data.labels(data.extra["warps_grey"]) == data.labels(data.train)
    # Warps of crops that are not left are left out too.
    few = read(real, arms, pattern=pattern, images_each=1)
    assert [len(crops) for crops in few.extra.values()] == [6, 6, 6]


def test_what_is_left_out_is_told(roots):
    (roots[0] / TRAIN / "poster.jpg").touch()
    (roots[0] / "query" / "poster.heic").touch()
    data = read(roots[0], {"real_only": None})
    assert len(data.left_out) == 2
    assert data.summary_of_left_out().startswith("2 of 38 images left out:\n")
    (roots[0] / TRAIN / "poster2.jpg").touch()
    with pytest.raises(ReidaugError, match=r"2 of 14 images would be left out"):
        read(roots[0], {"real_only": None})
    assert len(read(roots[0], {"real_only": None}, allow_left_out=True).left_out) == 3


def test_folders_of_persons_are_held_out(tmp_path):
    for person in ("anna", "bert", "cleo"):
        (tmp_path / "people" / person).mkdir(parents=True)
        (tmp_path / "people" / person / "1.jpg").touch()
    with pytest.raises(ReidaugError, match=r"has no query and gallery; .*evaluate_on: held_out"):
        read(tmp_path / "people", {"real_only": None})
    data = read(tmp_path / "people", {"real_only": None}, evaluate_on="held_out")
    assert (len(data.train), len(data.query)) == (2, 1)


@pytest.mark.parametrize("layout", ["mars", "image-folder", "prcc"])
def test_an_arm_in_the_layout_of_the_dataset_needs_no_names(tmp_path, layout):
    root, out = layout_root(tmp_path / "root", layout), tmp_path / "out"
    augmented(root, out, flow="identity", layout=layout)
    data = read(root, {"real": None, "w": out}, layout=layout, min_quality=0.01)
    assert data.labels(data.extra["w"]) == data.labels(data.train)
    assert sorted(data.labels(data.train)) == [0, 0, 1, 1, 2, 2]
    assert len(data.query) == 2 and not data.without_extra
    quarter = read(root, {"w": out}, layout=layout, images_each=1)
    assert len(quarter.extra["w"]) == len(quarter.train) == 3
    assert [origin_stem(p) for p in quarter.extra["w"]] == [warp_stem(p) for p in quarter.train]
    if layout == "image-folder":
        with pytest.raises(UsageError, match=r"arm w is in the layout image-folder.*set layout"):
            read(root, {"w": out})


def test_a_layout_and_a_pattern_exclude_each_other(tmp_path):
    with pytest.raises(ValueError, match="layout and pattern exclude each other"):
        read(tmp_path, {"w": None}, layout="mars", pattern="x")
    with pytest.raises(ValueError, match="did you mean 'mars'"):
        read(tmp_path, {"w": None}, layout="marz")
