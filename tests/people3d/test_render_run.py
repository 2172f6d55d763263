import pytest

from reidaug.errors import UsageError
from reidaug.people3d.pair_dataset import PairOptions
from reidaug.people3d.render_run import PersonRecord, parse_size, poses_of, size_text


def test_sizes_are_read_or_refused():
    assert parse_size("256x256") == (256, 256)
    assert size_text((128, 64)) == "128x64"
    for wrong in ("128", "128x", "ax64", "8x8", "128x64x3"):
        with pytest.raises(UsageError, match="such as 128x64"):
            parse_size(wrong)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"people": 10**12}, "--people 1000000000000: at most 1000000"),
        ({"people": -1}, "--people -1: at least 1"),
        ({"seed": 2**70}, "--seed .* at most 4294967295"),
    ],
)
def test_numbers_beyond_all_bounds_are_refused(changes, says):
    with pytest.raises(UsageError, match=says):
        PairOptions(**{"people": 2, **changes})


def test_poses_of_records_mark_the_visible_joints():
    records = [PersonRecord(1, {"a.jpg": [[1.5, 2.0, 1.0], [0.0, 0.0, 0.0]]}), PersonRecord(1, {})]
    poses = poses_of(records)
    assert poses.keys() == {"a.jpg"}
    assert poses["a.jpg"].xy.tolist()[0] == [1.5, 2.0]
    assert poses["a.jpg"].visible.tolist() == [True, False]
