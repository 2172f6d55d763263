import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from augmented import augmented
from hypothesis import given
from hypothesis import strategies as st
from layout_roots import layout_root
from stick_market import stick_market

from reidaug.augment.toolkits import draw_warps, torchreid_dataset
from reidaug.data.crop_names import warp_name
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, Person
from reidaug.errors import ReidaugError, UsageError


def some(sources: int, each: int) -> list[Person]:
    names = [f"{pid:04d}_c1s1_000001_00.jpg" for pid in range(1, sources + 1)]
    return [
        Person(Path(warp_name(name, k)), pid, 1)
        for pid, name in enumerate(names, 1)
        for k in range(each)
    ]


@given(st.integers(1, 40), st.integers(0, 6), st.floats(0, 8), st.integers(0, 9))
def test_a_ratio_is_kept_by_every_source(sources: int, each: int, ratio: float, seed: int) -> None:
    warps = some(sources, each)
    kept = draw_warps(warps, ratio, seed=seed)
    assert kept == draw_warps(warps, ratio, seed=seed)
    assert len(set(kept)) == len(kept)
    assert set(kept) <= set(warps)
    assert [p.pid for p in kept] == sorted(p.pid for p in kept)
    counts = Counter(p.pid for p in kept)
    for pid in {p.pid for p in warps}:
        assert min(each, int(ratio)) <= counts[pid] <= min(each, int(ratio) + 1)


def test_the_mean_of_many_sources_is_the_ratio() -> None:
    assert len(draw_warps(some(400, 5), 2.5, seed=0)) == pytest.approx(1000, abs=40)
    assert draw_warps(some(3, 2), None, seed=0) == some(3, 2)


@pytest.fixture(scope="module")
def torchreid() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torchreid", reason="needs the extra [torchreid]")


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset with cameras of several digits, and its warps."""
    folder = tmp_path_factory.mktemp("roots")
    market = stick_market(folder / "market")
    for split in (TRAIN, QUERY, GALLERY):
        for path in (market / split).iterdir():
            path.rename(path.with_name(path.name.replace("_c2", "_c12")))
    keypoints = market / "market-annotation-train.csv"
    keypoints.write_text(keypoints.read_text().replace("_c2", "_c12"))
    augmented(market, folder / "warps", flow="torso-affine", poses=4, workers=1)
    return market, folder / "warps"


def made(torchreid: Any, roots: tuple[Path, Path], **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make: Callable[..., Any] = torchreid_dataset(roots[1], **options)
        # The keywords that torchreid's data manager hands to every dataset.
        return make(root="", transform=None, mode="train", split_id=0, market1501_500k=False)


def test_torchreid_gets_warps_beside_originals(torchreid: Any, roots: tuple[Path, Path]) -> None:
    dataset = made(torchreid, roots, originals=roots[0])
    assert isinstance(dataset, torchreid.data.ImageDataset)
    assert (len(dataset.train), len(dataset.query), len(dataset.gallery)) == (6 * 5, 6, 6)
    assert {label for _, label, *_ in dataset.train} == {0, 1, 2}
    assert {pid for _, pid, *_ in dataset.query} == {901, 902, 903}
    for part in (dataset.train, dataset.query, dataset.gallery):
        for path, _, camera, _ in part:
            assert camera == ("_c12" in path)
    names = Counter("_w" in Path(path).name for path, *_ in dataset.train)
    assert names == {True: 24, False: 6}
    assert dataset[0]["img"].size == (32, 64)


@pytest.mark.parametrize(
    ("options", "warped", "real"),
    [
        ({}, 24, 0),
        ({"originals": True, "ratio": 1.0}, 6, 6),
        ({"originals": True, "ratio": 0.0}, 0, 6),
        ({"originals": True, "ratio": 2.0, "repeat": 2}, 12, 12),
        ({"ratio": 3.0}, 18, 0),
    ],
)
def test_ratios_are_kept(
    torchreid: Any,
    roots: tuple[Path, Path],
    options: dict[str, Any],
    warped: int,
    real: int,
) -> None:
    if options.get("originals"):
        options = options | {"originals": roots[0]}
    train = made(torchreid, roots, **options).train
    counts = Counter("_w" in Path(path).name for path, *_ in train)
    assert (counts[True], counts[False]) == (warped, real)


def test_originals_kept_beside_the_warps_are_found(
    torchreid: Any, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "kept"
    augmented(roots[0], out, flow="torso-affine", poses=2, workers=1, keep_original=True)
    train = made(torchreid, (roots[0], out), ratio=1.0).train
    assert Counter("_w" in Path(path).name for path, *_ in train) == {True: 6, False: 6}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ratio": -1.0}, "ratio at least 0"),
        ({"ratio": float("nan")}, "ratio at least 0"),
        ({"ratio": float("inf")}, "ratio at least 0"),
        ({"seed": -1}, "seed from 0"),
        ({"repeat": 0}, "repeat is a whole number from 1"),
        ({"ratio": 0.0}, "leaves nothing to train on"),
        ({"originals": "nowhere"}, "nowhere: no such folder"),
    ],
)
def test_wrong_arguments_are_refused_at_once(
    torchreid: Any, roots: tuple[Path, Path], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ReidaugError, match=says):
        made(torchreid, roots, **options)


def test_a_folder_without_warps_is_refused(torchreid: Any, roots: tuple[Path, Path]) -> None:
    with pytest.raises(ReidaugError, match=r"market: no image in it has the name of a warp"):
        torchreid_dataset(roots[0], originals=roots[0])


def test_originals_have_the_layout_of_their_warps(torchreid: Any, tmp_path: Path) -> None:
    root = layout_root(tmp_path / "folders", "image-folder")
    augmented(
        root, tmp_path / "warps", layout="image-folder", flow="torso-affine", poses=2, workers=1
    )
    data = made(torchreid, (root, tmp_path / "warps"), originals=root, ratio=0.0)
    assert sorted(row[0] for row in data.train) == sorted(map(str, root.glob("train_all/*/*.jpg")))


def test_without_torchreid_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reidaug.errors.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'reidaug\[torchreid\]'"):
        torchreid_dataset("anywhere")


def test_one_pattern_reads_originals_query_and_gallery(torchreid: Any, tmp_path: Path) -> None:
    market = stick_market(tmp_path / "market")
    keypoints = market / "market-annotation-train.csv"
    text = keypoints.read_text()
    for split in (TRAIN, QUERY, GALLERY):
        for k, path in enumerate(sorted((market / split).iterdir())):
            name = f"{path.name[:4]}_{k % 2}_c{path.name[6]}_{k}.jpg"  # the clothes come second
            text = text.replace(path.name, name)
            path.rename(path.with_name(name))
    keypoints.write_text(text)
    pattern = r"^(?P<pid>\d+)_\d_c(?P<camid>\d+)"
    roots = market, tmp_path / "warps"
    augmented(market, roots[1], flow="torso-affine", poses=2, workers=1, pattern=pattern)
    dataset = made(torchreid, roots, originals=market, pattern=pattern)
    assert {label for _, label, *_ in dataset.train} == {0, 1, 2}
    assert {pid for _, pid, *_ in dataset.query} == {901, 902, 903}
    for path, label, camera, _ in dataset.train:
        assert Path(path).name.startswith(f"{label + 1:04d}_")
        assert f"_c{camera + 1}_" in path
    with pytest.raises(ReidaugError, match="try --pattern"):
        made(torchreid, roots, originals=market)


@pytest.mark.usefixtures("torchreid")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("{}.jpg", ", and each crop counts as a person of its own, as in warps of a plain folder"),
        ("{:04d}_c1s1_000001_00.jpg", ", and each crop counts as"),
        ("0001_c1s1_{:06d}_00.jpg", ", as in warps of a plain folder of crops; run `reidaug augm"),
    ],
)
def test_warps_of_a_folder_of_crops_lack_queries(
    roots: tuple[Path, Path], tmp_path: Path, name: str, told: str
) -> None:
    crops, keypoints, warps = (tmp_path / part for part in ("crops", "joints.csv", "warps"))
    crops.mkdir()
    text = (roots[0] / "market-annotation-train.csv").read_text()
    for k, path in enumerate(sorted((roots[0] / TRAIN).iterdir()), 1):
        shutil.copy(path, crops / name.format(k))
        text = text.replace(path.name, name.format(k))
    keypoints.write_text(text)
    augmented(
        crops, warps, flow="torso-affine", poses=2, workers=1, keypoints=keypoints,
        background="grey",
    )  # fmt: skip
    with pytest.raises(
        ReidaugError, match=f"no query and bounding_box_test, which torchreid tests with{told}"
    ):
        torchreid_dataset(warps)
    for split in (QUERY, GALLERY):
        shutil.copytree(roots[0] / split, warps / split)
    torchreid_dataset(warps)


def test_warps_of_other_images_are_refused(
    torchreid: Any, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    market, warps = roots
    other = tmp_path / "other"
    shutil.copytree(market, other)
    torchreid_dataset(warps, originals=other)
    first, second = sorted((other / TRAIN).iterdir())[:2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    with pytest.raises(ReidaugError, match=rf"1 of 6 differ, such as {first.name}; name the data"):
        torchreid_dataset(warps, originals=other)
    first.write_bytes(content)
    for path in (other / TRAIN).iterdir():
        path.rename(path.with_name(f"1{path.name}"))
    for originals in (other, warps):
        with pytest.raises(ReidaugError, match="6 of 6 images that it has warps of, such as 0001_"):
            torchreid_dataset(warps, originals=originals)


def test_warps_that_are_not_whole_are_refused(
    torchreid: Any, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    warps = tmp_path / "warps"
    shutil.copytree(roots[1], warps)
    next((warps / TRAIN).iterdir()).write_bytes(b"")
    with pytest.raises(ReidaugError, match=r"warps: .*; make it again by the command that wrote"):
        torchreid_dataset(warps)
    for name in ("checksums.json", "report.json"):
        (warps / name).unlink()
    with pytest.raises(ReidaugError, match="has not finished it; run it again as it was"):
        torchreid_dataset(warps)
