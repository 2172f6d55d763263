import os
import pickle
import signal
import subprocess
import sys
import warnings
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
import torch
from damage import HOWS, spoil
from hypothesis import given
from hypothesis import strategies as st
from joblib import delayed
from joblib.externals.loky import process_executor
from torch.utils.data import DataLoader, Dataset

from reidaug.errors import ReidaugError, UsageError
from reidaug.jobs import (
    Records,
    StateFile,
    States,
    chunks_of,
    derive_seed,
    explain_killed_worker,
    numpy_generator,
    run_chunks,
    run_tasks,
    torch_generator,
)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("ordered", [True, False])
def test_every_task_is_done_once_and_in_order_where_ordered(workers: int, ordered: bool) -> None:
    tasks = (delayed(divmod)(k, 3) for k in range(9))
    results = list(run_tasks(tasks, workers, ordered=ordered))
    assert (results if ordered else sorted(results)) == [divmod(k, 3) for k in range(9)]


def test_a_killed_worker_is_one_line() -> None:
    tasks = [delayed(signal.raise_signal)(number) for number in (signal.SIGKILL,)]
    with pytest.raises(ReidaugError, match=r"^a worker was killed.*; try fewer --workers$"):
        list(run_tasks(tasks, 2, advice="try fewer --workers"))


SEEM_TO_LEAK = f"""(
    vars(__import__("{process_executor.__name__}", fromlist=["_"])).update(
        _MEMORY_LEAK_CHECK_DELAY=-1.0, _MAX_MEMORY_LEAK_SIZE=-(10**12)
    )
    or __import__("os").getpid()
)"""


def test_a_worker_that_is_replaced_is_no_warning() -> None:
    """One that loads a network in its second task seems to leak memory."""
    workers = list(run_tasks([delayed(eval)(SEEM_TO_LEAK)] * 5, 2))
    assert len({*workers}) > 2
    with pytest.raises(UserWarning, match="another"):  # nothing else is hidden
        warnings.warn_explicit("another", UserWarning, "", 1, process_executor.__name__)


HEARD = """
import signal, sys
from joblib import delayed
from joblib.externals.loky import process_executor
from reidaug.jobs import run_tasks
look = (signal.SIG_BLOCK, [])
for _ in range(2):
    for heard in run_tasks([delayed(signal.pthread_sigmask)(*look)] * 2, 2):
        print(*sorted(heard))
print(*signal.pthread_sigmask(*look))
def say():
    sys.stderr.write("a line that nobody reads")
    sys.stderr.flush()
print(list(run_tasks([delayed(say)()] * 2, 2)))
"""


@pytest.mark.usefixtures("heard_signals")
def test_workers_neither_hear_nor_need_their_terminal_and_their_parent_hears_it() -> None:
    """It signals all: workers that are being started would print tracebacks."""
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-c", HEARD], stdout=subprocess.PIPE, stderr=writer, text=True, check=True,
        timeout=120,
    )  # fmt: skip
    os.close(writer)
    deaf = f"{signal.SIGHUP:d} {signal.SIGINT:d}"
    assert ran.stdout.splitlines() == [*[deaf] * 4, "", "[None, None]"]


class Deadly(Dataset[int]):
    """Kills the process that reads it."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: int) -> int:
        signal.raise_signal(signal.SIGKILL)
        return number


def test_a_killed_worker_that_loads_data_is_one_line() -> None:
    told = r"^a worker was killed.*; try again$"
    with pytest.raises(ReidaugError, match=told), explain_killed_worker("try again"):
        list(DataLoader(Deadly(), num_workers=1))
    with pytest.raises(ReidaugError, match=told), explain_killed_worker("try again"):
        raise UsageError("'size': DataLoader worker (pid 7) is killed by signal: Killed.")
    with pytest.raises(RuntimeError, match="sizes"), explain_killed_worker("try again"):
        raise RuntimeError("sizes differ")


class Unreadable:
    """Raises where it is read."""

    def __reduce__(self) -> tuple[object, ...]:
        return int, ("no number",)


def test_a_task_that_a_worker_cannot_read_is_not_blamed_on_memory() -> None:
    tasks = [delayed(str)(Unreadable()) for _ in range(2)]
    with pytest.raises(BrokenProcessPool, match="un-serialize"):
        list(run_tasks(tasks, 2))


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(UsageError, match="loky, dask"):
        list(run_tasks([], 1, backend="carrier pigeon"))


def test_a_record_is_read_back_and_a_damaged_one_is_missing(tmp_path: Path) -> None:
    records = Records(tmp_path / "records")
    assert records.read(3) is None
    records.write(3, {"rows": [1, 2.5, None]})
    records.write("arm-seed0", [])
    assert records.read(3) == {"rows": [1, 2.5, None]}
    assert records.read("arm-seed0") == []
    records.path(3).write_text('{"rows": [1, 2.')
    assert records.read(3) is None
    with pytest.raises(ValueError, match="JSON"):
        records.write(4, float("nan"))
    assert records.read(4) is None
    others = [records.folder / name for name in (".000004.json.77.part", ".000005.json.77.part")]
    for partial in others:  # of a killed run
        partial.write_text("[")
    records.write(4, [])
    assert [partial.exists() for partial in others] == [False, True]
    records.remove()
    assert not records.folder.exists()


def test_the_latest_whole_state_counts(tmp_path: Path) -> None:
    states = States(tmp_path)
    assert states.latest() is None
    for step in (500, 1000):
        states.partial.mkdir()
        (states.partial / "weights").write_text(str(step))
        states.commit(step)
    states.partial.mkdir()  # killed while it was written
    step, folder = states.latest() or pytest.fail("no state")
    assert step == 1000
    assert (folder / "weights").read_text() == "1000"
    assert len(list(tmp_path.glob("state-*"))) == 1
    (tmp_path / "state-of-the-art").mkdir()
    assert states.latest() == (1000, folder)
    states.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["state-of-the-art"]


@pytest.mark.parametrize("how", HOWS)
def test_a_damaged_record_is_none(tmp_path: Path, how: str) -> None:
    records = Records(tmp_path / "records")
    for key in (1, 2):
        records.write(key, {"rows": [[1, 2.5, "a"]] * 9})
    assert records.read_all() == [{"rows": [[1, 2.5, "a"]] * 9}] * 2
    spoil(records.path(1), how)
    assert records.read(1) is None
    assert records.read(2) == {"rows": [[1, 2.5, "a"]] * 9}


def test_seeds_depend_on_every_number_and_on_nothing_else() -> None:
    places = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2**40), (2**40, 0)]
    seeds = [derive_seed(*place) for place in places]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(0, 1) == seeds[1]
    one, again = (torch.rand(3, generator=torch_generator(5, 2)) for _ in range(2))
    assert torch.equal(one, again)
    assert np.array_equal(numpy_generator(5, 2).random(3), numpy_generator(5, 2).random(3))
    assert not np.array_equal(numpy_generator(5, 2).random(3), numpy_generator(5, 3).random(3))


def test_a_state_is_read_back_until_it_is_removed(tmp_path: Path) -> None:
    state, cpu = StateFile(tmp_path / "arm.state.pt"), torch.device("cpu")
    assert state.read(cpu) is None
    for step in (1, 2):
        state.write({"step": step, "weights": {"w": torch.full((2,), step)}})
    found = state.read(cpu)
    assert found is not None
    assert found["step"] == 2
    assert found["weights"]["w"].tolist() == [2, 2]
    state.remove()
    state.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.9])
def test_a_bit_of_a_state_that_changed_is_told(tmp_path: Path, share: float) -> None:
    """The file is read as it is otherwise, and the training ends with other weights."""
    state, cpu = StateFile(tmp_path / "arm.state.pt"), torch.device("cpu")
    state.write({"step": 2, "weights": {"w": torch.ones(4000)}})
    content = bytearray(state.path.read_bytes())
    content[int(share * len(content))] ^= 1
    state.path.write_bytes(content)
    with pytest.raises(ReidaugError, match="not a readable training state; remove it"):
        state.read(cpu)


@given(count=st.integers(0, 300), length=st.integers(1, 70))
def test_chunks_keep_the_order(count: int, length: int) -> None:
    items = list(range(count))
    chunks = chunks_of(items, length)
    assert [item for chunk in chunks for item in chunk] == items
    assert all(len(chunk) == length for chunk in chunks[:-1])


def test_chunks_show_progress_and_count_what_was_made_just_now(
    capfd: pytest.CaptureFixture[str],
) -> None:
    tasks = [delayed(divmod)(*pair) for pair in ((9, 2), (4, 4))]  # (4, 1) and (1, 0)
    made = run_chunks(tasks, 1, total=10, step=2, what="warp", unit="image")
    assert made.pieces == 1
    assert made.rate == pytest.approx(1 / made.seconds, rel=0.01, abs=0.1)
    assert "warp: 10/10" in capfd.readouterr().err


@pytest.mark.parametrize("content", [b"", b"PK", b"text", pickle.dumps(Path("a")), None])
def test_a_damaged_state_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "arm.state.pt"
    if content is None:
        torch.save([1], path)
    else:
        path.write_bytes(content)
    with pytest.raises(ReidaugError, match=r"arm\.state\.pt: not a readable training state; remov"):
        StateFile(path).read(torch.device("cpu"))
