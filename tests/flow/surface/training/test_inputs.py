"""Surface trainings whose files changed since they began."""

import shutil
from pathlib import Path

import pytest
from small_surfaces import surface_recipe

from reidaug.errors import ReidaugError
from reidaug.flow.surface.training.train import SurfaceTrainer, train_surface


def test_changed_files_are_told(
    surfaces: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place, out = tmp_path / "surfaces", tmp_path / "out"
    shutil.copytree(surfaces, place)
    (place / "checksums.json").unlink()  # changes are meant
    settings = surface_recipe(place, schedule={"steps": 1, "rate": 1e-3}, test_samples=2)
    gone, aside = min((place / "masks").iterdir()), tmp_path / "aside"
    gone.rename(aside)
    with pytest.raises(ReidaugError, match=gone.name):
        train_surface(settings, out)
    aside.rename(gone)  # what was missing at the first start is there now
    first = train_surface(settings, out, resume=True)
    for path in place.rglob("*"):
        path.touch()
    assert train_surface(settings, out, resume=True) == first
    assert "again" not in capfd.readouterr().err
    one, other, *_ = sorted((place / "test").iterdir())
    one.write_bytes(other.read_bytes())
    monkeypatch.setattr(SurfaceTrainer, "step", None)  # it is not trained
    second = train_surface(settings, out, resume=True)
    assert f"test files: 1 changed (test/{one.name}); it is scored again" in capfd.readouterr().err
    assert train_surface(settings, out, resume=True) == second
    one, other, *_ = sorted((place / "train").iterdir())
    one.write_bytes(other.read_bytes())
    told = rf"training files: 1 changed \(train/{one.name}\); name another folder with --out"
    with pytest.raises(ReidaugError, match=told):
        train_surface(settings, out, resume=True)
