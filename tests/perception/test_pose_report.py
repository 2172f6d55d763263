from pathlib import Path

from reidaug.geometry.pose import OPENPOSE_18
from reidaug.perception.pose_records import (
    PoseChunk,
    PoseRecord,
)
from reidaug.perception.pose_report import BODY, SHOWN, PoseStatistics, trust


def row(name: str, person: float, certainty: float, attempt: int = 1) -> PoseRecord:
    joints = [[float(k), 2.0 * k, k % 2] for k in range(18)]
    return PoseRecord(name, joints, [certainty] * 18, person, 0.4, attempt, outlined=True)


def test_statistics_count_all_estimates() -> None:
    names = [f"{k:03d}.jpg" for k in range(100)]
    rows = [row(name, 0.9, 0.5 + k / 300) for k, name in enumerate(names)]
    rows[70] = row(names[70], 0.9, 0.01)
    rows[80] = row(names[80], 0.3, 0.9, attempt=0)._replace(outlined=False)
    rows[90] = row(names[90], 0.9, 0.8, attempt=3)
    paths = {name: Path("d", name) for name in names}
    statistics = PoseStatistics()
    chunks = [
        PoseChunk({name: paths[name] for name in names[:64]}, rows[:64], []),
        PoseChunk({name: paths[name] for name in names[64:]}, rows[64:-1], ["d/099.jpg: torn"]),
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
    counts = {"crops": 100, "people": 98, "at_second_try": 1, "outlines": 98, "without_person": 1}
    assert {key: getattr(report, key) for key in counts} == counts
    assert report.not_readable == 1
    assert list(report.joints) == list(OPENPOSE_18)
    assert list(report.joints.values()) == [0.0, 1.0] * 9
    assert report.foreground == 0.4
    assert statistics.left_out == ["d/099.jpg: torn", "d/080.jpg: nobody found in it (0.30)"]


def test_trust_is_that_of_the_body() -> None:
    assert [OPENPOSE_18[k] for k in BODY][:3] == ["neck", "right_shoulder", "right_elbow"]
    assert len(BODY) == 13
    face_only = PoseRecord("a", [[0, 0, 1]] * 18, [1.0] + [0.0] * 13 + [1.0] * 4, 1.0, 0.4, 1, True)
    assert trust(face_only) == 0
    assert trust(row("a", 0.5, 0.5)) == 0.25
    assert trust(row("a", 0.5, 0.5, attempt=0)) == 0
