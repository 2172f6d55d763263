import errno
import threading
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reidaug.flow.training.curves import open_curves


def test_points_are_those_of_tensorboard(tmp_path: Path) -> None:
    hook = threading.excepthook
    with open_curves(tmp_path / "tensorboard", step=0) as curves:
        for step in range(3):
            curves.add(step, {"l1": 0.5 * step})
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert [(p.step, p.value) for p in read.Scalars("l1")] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert threading.excepthook is hook


def test_an_error_of_writing_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as error, open_curves(tmp_path / "file" / "a", step=0):
        pass
    assert error.value.errno == errno.ENOTDIR
    assert error.value.filename == str(tmp_path / "file" / "a")


def test_the_error_of_a_training_stays(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_curves(tmp_path, step=0) as curves:
        curves.add(1, {"l1": 1 / 0})
