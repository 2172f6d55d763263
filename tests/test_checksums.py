import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.checksums import (
    SUMS,
    Checksums,
    check_file,
    check_written,
    describe,
    flaw_of,
    sealed,
    unsealed,
)
from reidaug.errors import ReidaugError
from reidaug.files import checksum, write_atomically

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=9,
)  # fmt: skip


@given(value=JSON)
def test_values_are_read_back(value: object) -> None:
    assert unsealed(sealed(value).decode()) == value


@given(value=JSON, where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 6))
def test_a_changed_bit_is_noticed_or_changes_nothing(value: object, where: float, bit: int) -> None:
    content = bytearray(sealed(value))
    content[int(where * len(content))] ^= 1 << bit
    try:
        read = unsealed(content.decode())
    except ValueError:
        return
    assert read == value  # such as the case of a letter in \\u00E9


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9])
def test_a_value_cut_off_is_noticed(share: float) -> None:
    content = sealed({"rows": [1, 2.5, "x"]}).decode()
    with pytest.raises(ValueError):
        unsealed(content[: int(share * len(content))])


@pytest.mark.parametrize("value", [{"rows": []}, [1], 5, None])
def test_records_of_older_versions_are_read(value: object) -> None:
    assert unsealed(json.dumps(value)) == value


def test_files_are_compared_with_what_was_written(tmp_path: Path) -> None:
    sums = Checksums(tmp_path / SUMS)
    assert sums.read() is None
    assert sums.changed() == {}
    names = ["same", "other", "empty", "gone", "folder", "always empty"]
    for name in names:
        (tmp_path / name).write_text("" if name == "always empty" else name)
    sums.write({name: checksum(tmp_path / name) for name in names})
    assert sums.changed() == {}
    (tmp_path / "other").write_text("change")
    (tmp_path / "empty").write_text("")
    for name in ("gone", "folder"):
        (tmp_path / name).unlink()
    (tmp_path / "folder").mkdir()
    changed = sums.changed()
    assert changed == {
        "other": "not as it was written", "empty": "empty", "gone": "missing",
        "folder": "not readable",
    }  # fmt: skip
    assert describe(changed) == "other is not as it was written, and 3 more like it"
    for only in (None, (), ("same",)):
        sums.path.write_text("{")
        assert sums.changed(only) == {SUMS: "damaged"}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert flaw_of(tmp_path / "pipe", "0") == "not readable"
    assert flaw_of(tmp_path / "a\0b", "0") == "missing"


def test_a_file_of_a_run_is_asked_for_by_whoever_reads_it(tmp_path: Path) -> None:
    weights = tmp_path / "checkpoints" / "start.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    check_file(weights)  # of no run of ours
    sums = Checksums(tmp_path / SUMS)
    sums.write({"checkpoints/start.safetensors": checksum(weights), "gone": "0"})
    check_file(weights)
    weights.write_bytes(b"Weights")
    with pytest.raises(ReidaugError, match=r"start.safetensors is not as it was written; make it"):
        check_file(weights)
    sums.path.unlink()
    check_file(weights)


def test_whoever_reads_a_run_is_told_what_is_damaged(tmp_path: Path) -> None:
    check_written(tmp_path)  # of no run of ours
    for name in ("table.csv", "sheet.png"):
        write_atomically(tmp_path / name, b"content")
    sums = Checksums(tmp_path / SUMS)
    sums.write({name: checksum(tmp_path / name) for name in ("table.csv", "sheet.png")})
    check_written(tmp_path)
    (tmp_path / "table.csv").write_text("con")
    with pytest.raises(ReidaugError, match=r"table\.csv is not as it was written; make it again"):
        check_written(tmp_path)
    (tmp_path / "table.csv").write_bytes(b"content")
    (tmp_path / "sheet.png").unlink()  # which no command reads
    check_written(tmp_path)
    (tmp_path / "recipe.yaml").write_text("flow: identity")
    sums.write({**(sums.read() or {}), "recipe.yaml": checksum(tmp_path / "recipe.yaml")})
    with pytest.raises(ReidaugError, match="its command has not finished it; run it again"):
        check_written(tmp_path)
    check_written(tmp_path, finished=False)
    (tmp_path / "report.json").write_text("{}")
    check_written(tmp_path)
    (tmp_path / "recipe.yaml").write_text("flow: unwarpme")
    with pytest.raises(ReidaugError, match=r"recipe\.yaml is not as it was written; make it again"):
        check_written(tmp_path)
    (tmp_path / "table.csv").unlink()
    sums.path.unlink()
    check_written(tmp_path)
    sums.path.write_text("{")
    with pytest.raises(ReidaugError, match="is damaged, and what lies beside it"):
        check_written(tmp_path)
