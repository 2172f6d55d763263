from pathlib import Path

import pytest

from reidaug.errors import ReidaugError
from reidaug.fingerprint import Inputs
from reidaug.kept_recipe import (
    COPY,
    Move,
    at_new_places,
    check_moves,
    keep_copy,
    read_copy,
    values_of,
    without_places,
)

TEXT = "command: train-flow\nsteps: 3\n"
PLACES = ("dataset", "crops")


@pytest.mark.parametrize("text", [None, "", "{", "[1]", '{"sha256":"0","value":"command: x"}'])
def test_a_copy_is_read_back_unless_it_is_damaged(tmp_path: Path, text: str | None) -> None:
    assert read_copy(tmp_path) is None
    keep_copy(tmp_path, TEXT)
    assert read_copy(tmp_path) == TEXT
    if text is None:
        (tmp_path / COPY).unlink()
    else:
        (tmp_path / COPY).write_text(text)
    assert read_copy(tmp_path) is None


@pytest.mark.parametrize("text", ["- a list", "a: [", "", "text"])
def test_what_is_no_recipe_has_no_values(text: str) -> None:
    assert values_of(text) == {}


def test_places_move_at_any_depth_and_nothing_else_does() -> None:
    begun = {
        "dataset": "/old", "name": "a", "size": [1, 2],
        "arms": {"warps": {"crops": ["/old/warps", None], "only": False}, "gone": {"crops": []}},
    }  # fmt: skip
    wanted = {
        "dataset": "new", "name": "b", "size": [1, 3],
        "arms": {"warps": {"crops": ["new/warps", None], "only": True}, "more": {"crops": ["/x"]}},
    }  # fmt: skip
    moved, moves = at_new_places(begun, wanted, PLACES)
    assert moves == (
        Move("dataset", "/old", "new"), Move("arms.warps.crops", "/old/warps", "new/warps")
    )  # fmt: skip
    assert moved == {
        "dataset": "new", "name": "a", "size": [1, 2],
        "arms": {
            "warps": {"crops": ["new/warps", None], "only": False}, "gone": {"crops": []},
        },
    }  # fmt: skip
    assert begun["dataset"] == "/old"


def test_a_recipe_without_places_has_all_other_values() -> None:
    values = {"dataset": "/a", "arms": {"w": {"crops": ["/b"], "only": True}}, "size": [1, 2]}
    assert without_places(values, PLACES) == {"arms": {"w": {"only": True}}, "size": [1, 2]}


@pytest.mark.parametrize("other", [None, 5, {"a": "b"}, ["/new", "/more"]])
def test_a_place_that_was_given_otherwise_is_another_recipe(other: object) -> None:
    begun = {"dataset": "/old", "crops": ["/old"]}
    wanted = {"dataset": other, "crops": other}
    assert at_new_places(begun, wanted, PLACES) == (begun, ())
    assert at_new_places(begun, begun, PLACES) == (begun, ())


def test_what_moved_has_to_be_what_it_was(tmp_path: Path) -> None:
    old, new, run = tmp_path / "old", tmp_path / "new", tmp_path / "run"
    moves = [Move("dataset", str(old), str(new))]
    for folder in (old, new, run):
        folder.mkdir()
        (folder / "a.jpg").write_text("image")

    def inputs(folder: Path) -> Inputs:
        kept = Inputs(run)
        kept.add("images", folder.glob("*.jpg"))
        return kept

    assert check_moves(run, [], None) == ""
    for unknown in (None, inputs(new)):
        with pytest.raises(ReidaugError, match=r"its files were moved: dataset was .* move them"):
            check_moves(run, moves, unknown)
    inputs(old).save()
    line = check_moves(run, moves, inputs(new))
    assert line.endswith(f"dataset was {old} and is {new} now; the content is the same, and the "
                         "run goes on")  # fmt: skip
    (new / "a.jpg").write_text("another image")
    with pytest.raises(ReidaugError, match=r"other content \(images: 1 changed \(a.jpg\)\)"):
        check_moves(run, moves, inputs(new))
