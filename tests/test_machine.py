import re

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
