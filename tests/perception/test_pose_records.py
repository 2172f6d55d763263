import os
from pathlib import Path

import numpy as np
import pytest
from drawn_person import drawn_person

from reidaug.data.images import channels_last, read_image, read_mask
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import shows_outline
from reidaug.perception.pose_records import (
    PoseJob,
    fingerprint,
    make_chunk,
    read_chunks,
)
from reidaug.perception.second_tries import find_person


@pytest.fixture
def job(tmp_path: Path, model: Path) -> PoseJob:
    for name in ("records", "masks"):
        (tmp_path / name).mkdir()
    return PoseJob(tmp_path / "records", tmp_path / "masks", model, "full")


def test_a_record_keeps_the_estimate(job: PoseJob, crops: list[Path], estimator: BlazePose) -> None:
    assert make_chunk(job, 0, crops) == (5, 5)
    (chunk,) = read_chunks(job, [crops])
    assert [r.name for r in chunk.rows] == [p.name for p in crops if p.name != "text.jpg"]
    (line,) = chunk.left_out
    assert line.startswith(f"{crops[-1]}: not a readable image (unknown format")
    for kept, path in zip(chunk.rows, crops, strict=False):
        estimate, attempt = find_person(estimator, channels_last(read_image(path)))
        assert (kept.attempt, kept.found) == (attempt, attempt > 0)
        assert kept.pose.visible.tolist() == [
            kept.found and seen for seen in estimate.pose.visible.tolist()
        ]
        assert float((kept.pose.xy - estimate.pose.xy).abs().max()) <= 0.0051
        mask = job.masks / f"{path.stem}.png"
        assert mask.exists() is kept.outlined is shows_outline(estimate)
        if mask.exists():
            assert np.array_equal(read_mask(mask).numpy(), estimate.mask)
    assert sum(r.found for r in chunk.rows) == 3


def test_only_what_is_missing_or_changed_is_read_again(job: PoseJob, crops: list[Path]) -> None:
    record = job.records.path(0)
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
