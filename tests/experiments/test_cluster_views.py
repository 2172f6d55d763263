"""Views of target crops for clustering: whose they are, how many, and how good."""

import shutil
from pathlib import Path

import pytest

from reidaug.data.crop_names import warp_name
from reidaug.data.manifest import write_manifest
from reidaug.data.market1501 import TRAIN, Person, read_market1501
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.arms import ExperimentOptions
from reidaug.experiments.cluster_views import ClusterViews, TargetViews, read_cluster_views

NAMES = [f"{pid:04d}_c{camera}s1_000000_00.jpg" for pid in (1, 2, 3) for camera in (1, 2)]


def root_of(folder: Path, names: list[str], quality: dict[str, float] | None = None) -> Path:
    (folder / TRAIN).mkdir(parents=True)
    for name in names:
        (folder / TRAIN / name).write_bytes(b"")
    if quality is not None:
        rows = [{"file": name, "quality": q} for name, q in quality.items()]
        write_manifest(folder / "manifest.parquet", rows)
    return folder


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return root_of(tmp_path / "real", NAMES)


def read(real: Path, *roots: Path, people: int = 3, **options) -> TargetViews:
    train = read_market1501(real, splits=(TRAIN,)).train
    stay = tuple(person for person in train if person.pid <= people)
    held_out = tuple(person for person in train if person.pid > people)
    shared = {key: options.pop(key) for key in ("min_quality",) if key in options}
    experiment = ExperimentOptions(protocol="uda", dataset=real, arms={"a": None}, **shared)
    return read_cluster_views(
        ClusterViews(roots, **options), experiment, stay, held_out, name="averaged"
    )


def test_views_know_their_crops_and_their_quality_of_their_own_root(
    real: Path, tmp_path: Path
) -> None:
    both = [warp_name(NAMES[0], 0), warp_name(NAMES[3], 0)]
    first = root_of(tmp_path / "first", both, dict(zip(both, (0.25, 0.5), strict=True)))
    second = root_of(tmp_path / "second", both[:1], {both[0]: 0.75})
    third = root_of(tmp_path / "third", [warp_name(NAMES[5], 2)])  # of no known quality
    views = read(real, first, second, third)
    assert [person.path.parents[1].name for person in views.people] == [
        "second", "first", "first", "third"
    ]  # fmt: skip
    assert views.crop.tolist() == [0, 0, 3, 5]
    assert views.quality.tolist() == [0.75, 0.25, 0.5, 1.0]
    counts = views.counts(len(NAMES))
    assert (counts.views, counts.crops, counts.without, counts.passes) == (4, 3, 3, 1.67)
    assert counts.text() == (
        "3 of 6 target crops have views, 4 in all (1.7 passes of the network a crop); "
        "3 are clustered by their own feature"
    )
    few = views.subset(1)
    assert few.crop.tolist() == [0, 0] and len(few.people) == 2
    assert views.subset(6) == (views.people, *(pytest.approx(part) for part in views[1:3]), ())


def test_the_best_views_of_a_crop_count_where_there_are_too_many(
    real: Path, tmp_path: Path
) -> None:
    names = [warp_name(NAMES[1], pose) for pose in range(4)]
    quality = dict(zip(names, (0.2, 0.9, 0.4, 0.9), strict=True))
    root = root_of(tmp_path / "warps", names, quality)
    assert [person.path.name for person in read(real, root, each=3).people] == [
        names[1], names[3], names[2]
    ]  # fmt: skip
    assert read(real, root, min_quality=0.5).quality.tolist() == [0.9, 0.9]


def test_views_of_held_out_people_are_left_out(real: Path, tmp_path: Path) -> None:
    root = root_of(tmp_path / "warps", [warp_name(name, 0) for name in NAMES])
    assert read(real, root, people=2).crop.tolist() == [0, 1, 2, 3]


def test_views_of_other_crops_are_refused(real: Path, tmp_path: Path) -> None:
    odd = root_of(tmp_path / "odd", [warp_name("0001_c1s1_000009_00.jpg", 0)])
    with pytest.raises(ReidaugError, match="warps of arm averaged, cluster_views are of no"):
        read(real, odd)
    stranger = root_of(tmp_path / "stranger", [warp_name("0009_c1s1_000000_00.jpg", 0)])
    with pytest.raises(ReidaugError, match="people of arm averaged, cluster_views are not among"):
        read(real, stranger)


def test_no_view_of_any_training_crop_is_an_error(real: Path, tmp_path: Path) -> None:
    root = root_of(tmp_path / "warps", [warp_name(NAMES[5], 0)])
    with pytest.raises(UsageError, match=r"averaged: cluster_views: .*warps: no training crop"):
        read(real, root, people=2)


def test_a_manifest_without_qualities_is_an_error(real: Path, tmp_path: Path) -> None:
    root = root_of(tmp_path / "warps", [warp_name(NAMES[0], 0)])
    write_manifest(root / "manifest.parquet", [{"file": "a.jpg"}])
    with pytest.raises(ReidaugError, match="column 'quality' is missing"):
        read(real, root)
    shutil.rmtree(root / TRAIN)
    with pytest.raises(ReidaugError, match="warps"):
        read(real, root)


def test_the_crops_themselves_are_views_too(real: Path) -> None:
    views = read(real, real)
    assert views.crop.tolist() == list(range(6))
    assert all(isinstance(person, Person) for person in views.people)
