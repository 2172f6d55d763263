"""Two runs on one folder, SIGTERM, and the workers of a run that is no more."""

import json
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from augmented import content
from commandline import reidaug
from drawn_person import drawn_person
from small_trainings import train_recipe
from stick_market import stick_market

sys.path.insert(0, str(Path(__file__).parent))
from processes import alive, children_of, started, wait_until

LINE = r"reidaug: .*: another run is at work on it \(process (\d+) on \S+, since 2\S+ \S+\); .*\n"


def augment(folder: Path, workers: int) -> Sequence[object]:
    """Options of an augmentation that lasts some seconds."""
    root = folder / "market"
    if not root.exists():
        stick_market(root, people=32, images=4, size=(128, 64))
    flags = ("--flow", "torso-affine", "--poses", 15, "--workers", workers)
    return ("augment", root, "--out", folder / "out", *flags)


def train(folder: Path, people: Path, **keys: object) -> Sequence[object]:
    """Options of a flow training that lasts for minutes."""
    recipe = folder / "recipe.yaml"
    values = train_recipe(people, schedule={"steps": 5000, "rate": 1e-3}, **keys)
    recipe.write_text(json.dumps(values.model_dump(mode="json", exclude_unset=True)))
    return ("train-flow", recipe, "--out", folder / "out")


def steps(folder: Path) -> int:
    return len(list(folder.glob("out/state-*")))


def records(folder: Path) -> list[Path]:
    return [path for path in (folder / "out").rglob("*.json") if path.name[:6].isdecimal()]


@pytest.mark.slow
def test_a_second_augmentation_names_the_first(tmp_path: Path, capfd) -> None:
    command = augment(tmp_path, 1)
    with started(*command, cwd=tmp_path) as first:
        wait_until((tmp_path / "out" / ".lock").exists)
        first.send_signal(signal.SIGSTOP)  # it would be done before the second looks
        assert reidaug(*command) == 1
        found = re.fullmatch(LINE, capfd.readouterr().err.splitlines(keepends=True)[-1])
        assert found and int(found[1]) == first.pid
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert reidaug(*command) == 0
    assert not (tmp_path / "out" / ".lock").exists()


@pytest.mark.slow
@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_augmentation_that_is_asked_to_end_ends_in_one_line_with_its_workers(
    tmp_path: Path, number: signal.Signals, group: bool
) -> None:
    command = augment(tmp_path, 2)
    with started(*command, cwd=tmp_path) as process:
        wait_until(lambda: records(tmp_path))
        workers = children_of(process)
        assert len(workers) >= 2
        for one in workers if group else ():
            one.send_signal(number)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        lines = [line for line in error.splitlines() if line.startswith("reidaug:")]
        word = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupted"}[number]
        assert lines == [
            f"reidaug: {word}; run the same command again to continue (with --resume, where it "
            "has that option)"
        ]
        assert "Traceback" not in error, error
        assert process.returncode == 128 + number
        wait_until(lambda: not alive(workers), seconds=20)
    assert not (tmp_path / "out" / ".lock").exists()
    assert not (tmp_path / "out" / "report.json").exists()


@pytest.mark.slow
def test_workers_end_with_a_killed_augmentation_which_goes_on_at_once(tmp_path: Path) -> None:
    command = augment(tmp_path, 2)
    with started(*command, cwd=tmp_path) as process:
        wait_until(lambda: records(tmp_path))
        workers = children_of(process)
        process.kill()
        process.wait()
        wait_until(lambda: not alive(workers), seconds=20)
    assert reidaug(*command) == 0
    assert len(content(tmp_path / "out")) > 128 * 15
    assert not (tmp_path / "out" / ".lock").exists()


@pytest.mark.slow
def test_data_loading_workers_end_with_a_killed_training_which_goes_on_at_once(
    people: Path, tmp_path: Path
) -> None:
    command = train(tmp_path, people, workers=2)
    with started(*command, cwd=tmp_path) as process:
        wait_until(lambda: steps(tmp_path))
        workers = children_of(process)
        assert len(workers) >= 2
        process.kill()
        process.wait()
        with started(*command, "--resume", cwd=tmp_path) as second:
            (tmp_path / "out" / "log.jsonl").unlink()
            wait_until(lambda: (tmp_path / "out" / "log.jsonl").exists() or second.poll())
            assert second.poll() is None
        assert not alive(workers)


@pytest.mark.slow
def test_a_training_asked_to_end_can_be_gone_on_with_and_a_second_one_is_refused(
    people: Path, tmp_path: Path, capfd
) -> None:
    command = train(tmp_path, people)
    with started(*command, cwd=tmp_path) as process:
        wait_until(lambda: steps(tmp_path))
        assert reidaug(*command, "--resume") == 1
        found = re.fullmatch(LINE, capfd.readouterr().err.splitlines(keepends=True)[-1])
        assert found and int(found[1]) == process.pid
        process.terminate()
        _, error = process.communicate(timeout=60)
        assert process.returncode == 143
        assert error.splitlines()[-1].startswith("reidaug: terminated; run the same command")
        assert "Traceback" not in error
    logged = [json.loads(x) for x in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert len({record["step"] for record in logged}) == len(logged)
    assert not (tmp_path / "out" / ".lock").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("blazepose")
def test_a_second_estimation_of_poses_names_the_first(tmp_path: Path, capfd) -> None:
    (tmp_path / "crops").mkdir()
    for k in range(400):
        drawn_person((64, 32), k)[0].save(tmp_path / "crops" / f"{k:03d}.png")
    command = ("pose", tmp_path / "crops", "--out", tmp_path / "p.csv", "--workers", 1)
    with started(*command, cwd=tmp_path) as first:
        wait_until((tmp_path / ".p.csv.lock").exists)
        assert reidaug(*command) == 1
        found = re.fullmatch(LINE, capfd.readouterr().err.splitlines(keepends=True)[-1])
        assert found and int(found[1]) == first.pid
    assert reidaug(*command) == 0
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())
