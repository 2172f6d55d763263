import os
from pathlib import Path

import numpy as np
import pytest
from drawn_person import drawn_market, drawn_person
from PIL import Image

from reidaug.data.contact_sheet import GAP
from reidaug.data.images import image_files, read_image, read_mask
from reidaug.data.market1501 import TRAIN
from reidaug.geometry.pose import OPENPOSE_18
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import shows_person
from reidaug.perception.pose_records import (
    PoseChunk,
    PoseJob,
    PoseRecord,
    fingerprint,
    make_chunk,
    read_chunks,
)
from reidaug.perception.pose_report import BODY, SHOWN, PoseStatistics, trust
from reidaug.perception.pose_sheet import CELL, edge, pose_sheet


@pytest.fixture
def job(tmp_path: Path, model: Path) -> PoseJob:
    for name in ("records", "masks"):
        (tmp_path / name).mkdir()
    return PoseJob(tmp_path / "records", tmp_path / "masks", model, "full")


@pytest.fixture
def crops(tmp_path: Path) -> list[Path]:
    folder = drawn_market(tmp_path / "market", people=1) / TRAIN
    Image.new("RGB", (64, 128)).save(folder / "nobody.png")
    (folder / "text.jpg").write_text("text")
    (folder / "note.txt").write_text("no image")
    return list(image_files(folder))


def row(name: str, person: float, certainty: float, found: bool = True) -> PoseRecord:
    joints = [[float(k), 2.0 * k, k % 2] for k in range(18)]
    return PoseRecord(name, joints, [certainty] * 18, person, 0.4, found)


def test_a_record_keeps_the_estimate(job: PoseJob, crops: list[Path], estimator: BlazePose) -> None:
    assert make_chunk(job, 0, crops) == (5, 5)
    (chunk,) = read_chunks(job, [crops])
    assert [r.name for r in chunk.rows] == [p.name for p in crops if p.name != "text.jpg"]
    assert chunk.left_out == [f"{crops[-1]}: not a readable image (unknown format)"]
    for kept, path in zip(chunk.rows, crops, strict=False):
        estimate = estimator.estimate(
            np.ascontiguousarray(read_image(path).permute(1, 2, 0).numpy())
        )
        assert kept.found is shows_person(estimate)
        assert kept.pose.visible.tolist() == [
            kept.found and seen for seen in estimate.pose.visible.tolist()
        ]
        assert float((kept.pose.xy - estimate.pose.xy).abs().max()) <= 0.0051
        mask = job.masks / f"{path.stem}.png"
        assert mask.exists() is kept.found
        if kept.found:
            assert np.array_equal(read_mask(mask).numpy(), estimate.mask)
    assert sum(r.found for r in chunk.rows) == 3


def test_only_what_is_missing_or_changed_is_read_again(job: PoseJob, crops: list[Path]) -> None:
    record = job.records / "000000.json"
    make_chunk(job, 0, crops)
    before = record.read_bytes()
    assert make_chunk(job, 0, crops) == (5, 0)
    next(job.masks.iterdir()).unlink()
    assert make_chunk(job, 0, crops) == (5, 5)
    record.write_bytes(before[:100])
    assert make_chunk(job, 0, crops) == (5, 5)
    assert record.read_bytes() == before
    drawn_person((128, 64), 99)[0].save(crops[-1])
    assert make_chunk(job, 0, crops) == (5, 5)
    assert record.read_bytes() != before
    assert make_chunk(job._replace(network="lite"), 0, crops) == (5, 5)


def test_the_fingerprint_knows_names_sizes_and_the_network(crops: list[Path]) -> None:
    first = fingerprint("full", crops)
    os.utime(crops[0])
    assert fingerprint("full", crops) == first
    assert fingerprint("lite", crops) != first
    assert fingerprint("full", crops[::-1]) != first
    crops[0].write_bytes(crops[0].read_bytes() + b"1")
    assert fingerprint("full", crops) != first


def test_statistics_count_all_estimates() -> None:
    names = [f"{k:03d}.jpg" for k in range(100)]
    rows = [row(name, 0.9, 0.5 + k / 300) for k, name in enumerate(names)]
    rows[70] = row(names[70], 0.9, 0.01)
    rows[80] = row(names[80], 0.3, 0.9, found=False)
    paths = [Path("d", name) for name in names]
    statistics = PoseStatistics()
    chunks = [
        PoseChunk(paths[:64], rows[:64], []),
        PoseChunk(paths[64:], rows[64:-1], ["d/099.jpg: torn"]),
    ]
    poses = dict(statistics.poses(chunks))
    assert list(poses) == names[:-1]
    assert not poses[names[80]].visible.any()
    assert [path.name for path, _ in statistics.doubtful()][:4] == [
        names[k] for k in (80, 70, 0, 1)
    ]
    run = {"network": "full", "masks": True, "inputs": "0", "crops_per_s": 1.0}
    report = statistics.report(**run, seconds=1.0, workers=1)
    assert len(report.least_certain) == SHOWN
    counts = {"crops": 100, "people": 98, "without_person": 1, "not_readable": 1}
    assert {key: getattr(report, key) for key in counts} == counts
    assert list(report.joints) == list(OPENPOSE_18)
    assert list(report.joints.values()) == [0.0, 1.0] * 9
    assert report.foreground == 0.4
    assert statistics.left_out == ["d/099.jpg: torn", "d/080.jpg: nobody found in it (0.30)"]


def test_trust_is_that_of_the_body() -> None:
    assert [OPENPOSE_18[k] for k in BODY][:3] == ["neck", "right_shoulder", "right_elbow"]
    assert len(BODY) == 13
    face_only = PoseRecord("a", [[0, 0, 1]] * 18, [1.0] + [0.0] * 13 + [1.0] * 4, 1.0, 0.4, True)
    assert trust(face_only) == 0
    assert trust(row("a", 0.5, 0.5)) == 0.25
    assert trust(row("a", 0.5, 0.5, found=False)) == 0


def test_the_edge_of_a_mask_is_one_pixel_wide() -> None:
    mask = np.zeros((7, 6), dtype=bool)
    mask[1:6, :4] = True
    expected = mask.copy()
    expected[2:5, :3] = False
    assert np.array_equal(edge(mask), expected)
    assert not edge(np.ones((3, 3), dtype=bool)).any()


def test_the_sheet_shows_skeleton_and_outline(
    estimator: BlazePose, crops: list[Path], tmp_path: Path
) -> None:
    sheet = pose_sheet(estimator, crops, [path.stem for path in crops])
    assert sheet == pose_sheet(estimator, crops, [path.stem for path in crops])
    (tmp_path / "sheet.png").write_bytes(sheet)
    pixels = read_image(tmp_path / "sheet.png").permute(1, 2, 0).numpy()
    cells = [
        pixels[GAP : GAP + CELL[0], GAP + k * (CELL[1] + GAP) :][:, : CELL[1]] for k in range(5)
    ]
    orange = [int((cell == (230, 97, 1)).all(-1).sum()) for cell in cells]
    green = [int((cell == (80, 230, 120)).all(-1).sum()) for cell in cells]
    assert min(orange[:3]) > 50 and min(green[:3]) > 100
    assert orange[3:] == green[3:] == [0, 0]
    assert (cells[4] == 255).all()
