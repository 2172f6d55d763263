"""Losses and weights that are not finite."""

import pytest
import torch

from reidaug.errors import ReidaugError
from reidaug.finite import (
    NotFiniteError,
    check_losses,
    check_weights,
    first_not_finite,
    keep_last_good,
)

NAN, INFINITE = torch.tensor([1.0, torch.nan]), torch.tensor([-torch.inf, 0.0])


@pytest.mark.parametrize(
    "bad",
    [NAN, INFINITE, torch.tensor([1e300, 0.0], dtype=torch.float64), NAN.to(torch.float8_e4m3fn)],
)
def test_the_first_bad_one_is_named(bad, tmp_path):
    fine = {"count": torch.tensor([3]), "half": torch.ones(2, dtype=torch.bfloat16)}
    check_losses(fine)
    check_weights(fine, tmp_path)
    assert first_not_finite({**fine, "bad": bad, "later": bad}) == "bad"
    with pytest.raises(NotFiniteError, match="the loss 'l1' is not finite"):
        check_losses({"ssim": torch.ones(()), "l1": NAN.sum()})
    with pytest.raises(ReidaugError, match=r"m\.pth: the tensor bad holds .* not finite"):
        check_weights({"bad": bad}, tmp_path / "m.pth")


def test_weights_are_kept_where_they_are_finite(tmp_path):
    path, kept = tmp_path / "w", []
    line = keep_last_good({"a": torch.ones(2)}, kept.append, path, else_kept="nothing is")
    assert (line, kept) == (f"the weights from before it are in {path}", [path])
    assert keep_last_good({"a": NAN}, kept.append, path, else_kept="nothing is") == "nothing is"
    assert kept == [path]


def test_a_variance_is_not_below_zero(tmp_path):
    fine = {"bn.running_var": torch.zeros(2), "bn.running_mean": torch.tensor([-1.0])}
    check_weights(fine, tmp_path)
    with pytest.raises(ReidaugError, match=r"m: the tensor bn\.running_var .* variance below 0"):
        check_weights(fine | {"bn.running_var": torch.tensor([1.0, -0.1])}, tmp_path / "m")
