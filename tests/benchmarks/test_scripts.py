"""Every benchmark can be imported and explains itself."""

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if "ArgumentParser" in path.read_text())


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_help(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(name).main()
    assert ended.value.code == 0


def test_every_benchmark_of_the_makefile_is_a_script() -> None:
    text = (FOLDER.parent / "Makefile").read_text()
    listed = text.split("BENCHMARKS := ")[1].split("\n\n")[0].replace("\\\n", " ").split()
    assert set(listed) <= {path.stem for path in FOLDER.glob("*.py")}
