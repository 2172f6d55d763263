import re

import torch

from reidaug import machine


def test_the_machine_is_described_on_one_line() -> None:
    text = machine.describe()
    assert "\n" not in text
    assert re.search(rf"\b{machine.cores()} cores?, ", text)
    assert "torch" in text


def test_half_precision_is_no_gain_everywhere() -> None:
    assert not machine.half_pays(torch.device("meta"))
    assert isinstance(machine.half_pays(torch.device("cpu")), bool)


def test_one_thread_is_given_back_also_after_an_error() -> None:
    before = torch.get_num_threads()
    try:
        with machine.one_thread():
            assert torch.get_num_threads() == 1
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert torch.get_num_threads() == before
