import json
from pathlib import Path

import pytest
from damage import HOWS, spoil
from joblib import delayed

from reidaug.errors import UsageError
from reidaug.files import write_atomically
from reidaug.people3d.pair_dataset import PairOptions
from reidaug.people3d.render_run import (
    PersonRecord,
    parse_size,
    poses_of,
    render_people,
    size_text,
)


def test_sizes_are_read_or_refused():
    assert parse_size("256x256") == (256, 256)
    assert size_text((128, 64)) == "128x64"
    for wrong in ("128", "128x", "ax64", "8x8", "128x64x3", f"64x{5000 * chr(57)}"):
        with pytest.raises(UsageError, match="such as 128x64"):
            parse_size(wrong)
    for large in ("100000x64", "6000x6000"):
        with pytest.raises(UsageError, match="at most 25 million pixels, 16,384 on a side"):
            parse_size(large)


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


def draw(out: Path, person: int) -> PersonRecord:
    """Stand in for the rendering of a person, which takes seconds."""
    write_atomically(out / f"{person}.jpg", bytes(range(person, 99)))
    return PersonRecord(1, {})


def drawn(out: Path, *, killed: bool = False) -> list[int]:
    """Run until the tables are written, or to the end; the numbers of people drawn, by run."""

    def write_tables(records: list[PersonRecord]) -> dict[str, int]:
        if killed:
            raise KeyboardInterrupt
        write_atomically(out / "table.csv", b"name\n" * len(records))
        return {"people": len(records)}

    def tasks():
        return {person: delayed(draw)(out, person) for person in (1, 2, 3)}

    render_people(out, {"command": "synth"}, tasks, write_tables, crops=3, workers=1)
    lines = (out / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["persons"] for line in lines]


@pytest.mark.parametrize("how", HOWS)
def test_a_picture_that_is_damaged_or_gone_is_made_again(tmp_path: Path, how: str, capfd) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        drawn(out, killed=True)
    spoil(out / "2.jpg", how)
    assert drawn(out) == [1]
    wanted = {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".jsonl"}
    assert drawn(out) == [1]  # nothing was done
    for number, name in enumerate(("2.jpg", "table.csv", "report.json", "recipe.yaml"), 2):
        spoil(out / name, how)
        said = f"{name} is " if (name, how) != ("report.json", "removed") else ""
        assert len(drawn(out)) == (number if name != "recipe.yaml" else number - 1)
        assert said in capfd.readouterr().err
        found = {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".jsonl"}
        assert found == wanted


@pytest.mark.parametrize("how", HOWS)
def test_a_damaged_record_of_a_person_is_made_again(tmp_path: Path, how: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        drawn(out, killed=True)
    (out / ".parts" / ".000001.json.77.part").write_text("{")  # as a kill leaves it
    spoil(out / ".parts" / "000003.json", how)
    assert drawn(out) == [1]
    assert not (out / ".parts").exists()
