import re
import subprocess
import sys

import pytest
import torch

from reidaug import machine


def test_the_machine_is_described_on_one_line() -> None:
    text = machine.describe()
    assert "\n" not in text
    assert re.search(rf"\b{machine.cores()} cores?, ", text)
    assert "torch" in text


def test_half_precision_is_no_gain_everywhere() -> None:
    assert not machine.bfloat16_is_faster(torch.device("meta"))
    assert isinstance(machine.bfloat16_is_faster(torch.device("cpu")), bool)


@pytest.mark.parametrize(("faster", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_the_fast_precision_is_that_of_the_device(
    faster: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "bfloat16_is_faster", lambda device: faster)
    assert machine.fast_precision(torch.device("cpu")) == precision


def test_one_thread_is_given_back_also_after_an_error() -> None:
    before = torch.get_num_threads()
    try:
        with machine.one_thread():
            assert torch.get_num_threads() == 1
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert torch.get_num_threads() == before


def test_a_worker_ends_with_the_process_that_started_it() -> None:
    worker = (
        "import time; from reidaug.machine import end_with_parent; end_with_parent(); "
        "print('ready', flush=True); time.sleep(60)"
    )
    command = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {worker!r}])"
    parent = subprocess.Popen(
        [sys.executable, "-c", command], stdout=subprocess.PIPE, start_new_session=True
    )
    assert parent.stdout is not None
    with parent.stdout as told:
        assert told.readline() == b"ready\n"
        parent.kill()  # the worker hears nothing of it
        parent.wait()
        assert told.read() == b""  # ends only when the worker, who holds the pipe too, has ended
