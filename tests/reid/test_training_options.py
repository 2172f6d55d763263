"""Options of re-ID training."""

import pytest
from pydantic import ValidationError

from reidaug.reid.training_options import TrainingOptions


@pytest.mark.parametrize(
    "values",
    [{"people": 1}, {"ratio": -1}, {"warmup": 1.0}, {"optimiser": "lion"}, {"learning_rat": 1.0}],
)
def test_a_wrong_option_is_an_error(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrainingOptions.model_validate(values)
