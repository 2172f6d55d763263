import os
from pathlib import Path

import numpy as np
import pytest
from damage import HOWS, spoil
from drawn_person import drawn_person

from reidaug.data.images import channels_last, read_image, read_mask
from reidaug.fingerprint import content_digest
from reidaug.perception import pose_records
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import shows_outline
from reidaug.perception.pose_records import (
    CropChunk,
    PoseJob,
    chunk_tasks,
    crop_digests,
    into_chunks,
    make_chunk,
    read_chunks,
    remove_former,
)
from reidaug.perception.second_tries import find_person


@pytest.fixture
def job(tmp_path: Path, model: Path) -> PoseJob:
    for name in ("records", "masks"):
        (tmp_path / name).mkdir()
    return PoseJob(tmp_path / "records", tmp_path / "masks", model, "full")


def chunk(job: PoseJob, crops: list[Path]) -> CropChunk:
    content = {path: content_digest(path) for path in crops}
    (only,) = into_chunks(crops, crop_digests(job, crops, content))
    return only


def test_a_record_keeps_the_estimate(job: PoseJob, crops: list[Path], estimator: BlazePose) -> None:
    assert make_chunk(job, chunk(job, crops)) == (5, 5)
    (found,) = read_chunks(job, [chunk(job, crops)])
    assert [r.name for r in found.rows] == [p.name for p in crops if p.name != "text.jpg"]
    (line,) = found.left_out
    assert line.startswith(f"{crops[-1]}: not a readable image (unknown format")
    for kept, path in zip(found.rows, crops, strict=False):
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
    assert sum(r.found for r in found.rows) == 3


def test_only_what_is_missing_or_changed_is_read_again(job: PoseJob, crops: list[Path]) -> None:
    first = chunk(job, crops)
    record = job.records.path(first.key)
    assert make_chunk(job, first) == (5, 5)
    before = record.read_bytes()
    assert make_chunk(job, first) == (5, 0)
    mask = next(job.masks.iterdir())
    drawn = mask.read_bytes()
    for how in HOWS:
        spoil(mask, how)
        assert make_chunk(job, first) == (5, 2)  # its crop, and the one that cannot be read
        assert mask.read_bytes() == drawn
    record.write_bytes(before[:100])
    assert make_chunk(job, first) == (5, 5)
    assert record.read_bytes() == before
    drawn_person((128, 64), 99)[0].save(crops[-1])
    second = chunk(job, crops)
    ((_, (_, given, known), _),) = chunk_tasks(job, [second])
    assert known == (first.key,)
    assert make_chunk(job, given, known) == (5, 1)
    assert [row.name for row in next(read_chunks(job, [second])).rows] == [p.name for p in crops]
    other = job._replace(network="lite")
    assert make_chunk(other, chunk(other, crops)) == (5, 5)


def test_a_crop_that_is_no_more_leaves_no_record_or_mask(job: PoseJob, crops: list[Path]) -> None:
    first, second = chunk(job, crops), chunk(job, crops[1:])
    make_chunk(job, first)
    mask = job.masks / f"{crops[0].stem}.png"
    assert mask.exists()
    make_chunk(job, second, (first.key,))
    remove_former(job, [second], masks=False)
    assert mask.exists()
    make_chunk(job, first)
    remove_former(job, [second], masks=True)
    assert not mask.exists()
    assert [path.stem for path in job.folder.iterdir()] == [second.key]
    assert (job.masks / f"{crops[1].stem}.png").exists()


def test_the_fingerprint_knows_names_content_and_the_network(
    job: PoseJob, crops: list[Path], tmp_path: Path
) -> None:
    first = chunk(job, crops).key
    os.utime(crops[0])
    assert chunk(job, crops).key == first
    assert chunk(job._replace(network="lite"), crops).key != first
    assert chunk(job._replace(in_folders=True), crops).key != first
    assert chunk(job, crops[::-1]).key != first
    content = crops[0].read_bytes()
    crops[0].write_bytes(content[:-1] + b"1")  # as long as before
    assert chunk(job, crops).key != first


def test_the_fingerprint_knows_every_rule(
    job: PoseJob, crops: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {chunk(job, crops).key}
    rules = ("SECOND_TRIES", "MIN_PERSON_AGAIN", "LEAST_STANDING", "LEAST_IN_LOW_CROP", "LOW_CROP")
    for rule in rules:
        with monkeypatch.context() as patch:
            patch.setattr(pose_records, rule, 0.123)
            keys.add(chunk(job, crops).key)
    assert len(keys) == 6
