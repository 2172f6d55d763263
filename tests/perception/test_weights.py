import shutil
from pathlib import Path

import pytest

from reidaug.errors import ReidaugError
from reidaug.perception.weights import FULL, find_model, model_name


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("REIDAUG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def one_line(error: pytest.ExceptionInfo[ReidaugError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_file_of_the_users_is_taken(model: Path, tmp_path: Path, cache: Path) -> None:
    copy = Path(shutil.copy(model, tmp_path / "mine.tflite"))
    assert find_model(copy) == copy
    assert model_name(copy) == "full"
    assert not cache.exists()


def test_a_damaged_file_is_recognised_by_its_sha256(
    model: Path, tmp_path: Path, cache: Path
) -> None:
    content = model.read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[:-1])
    with pytest.raises(ReidaugError, match=r"cut\.tflite: not a known pose model") as error:
        find_model(tmp_path / "cut.tflite")
    assert "SHA-256" in one_line(error) and FULL.sha256[:12] in one_line(error)
    cache.mkdir()
    FULL.path.write_bytes(content)
    assert find_model() == FULL.path
    FULL.path.write_bytes(content[:-1] + b"?")
    with pytest.raises(ReidaugError, match=r"full\.tflite: .*SHA-256"):
        find_model()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReidaugError, match=r"gone\.tflite: no pose model to read"):
        find_model(tmp_path / "gone.tflite")
    with pytest.raises(ReidaugError, match="is a folder; only regular files are read"):
        find_model(tmp_path)


def test_without_a_network_the_error_names_the_option(cache: Path) -> None:
    with pytest.raises(ReidaugError, match=r"pip could not fetch mediapipe==0\.10\.21") as error:
        find_model()
    assert "--model PATH" in one_line(error)


def test_an_unwritable_cache_is_reported_before_anything_is_fetched(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(ReidaugError, match="the cache cannot be written") as error:
        find_model()
    assert "--model PATH" in one_line(error) and "REIDAUG_CACHE" in one_line(error)
