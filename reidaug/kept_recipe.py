"""The recipe that a run keeps: a second copy of it, and the same recipe with its files moved.

``.recipe.json`` in a run folder holds the text of ``recipe.yaml`` with a checksum: a run that lost
both that file and its checksums still knows whose it is.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reidaug.checksums import sealed, unsealed
from reidaug.errors import ReidaugError
from reidaug.files import read_text, write_atomically
from reidaug.fingerprint import Inputs
from reidaug.yaml_values import YamlError, parse_yaml

COPY = ".recipe.json"
Values = Mapping[str, Any]


def keep_copy(folder: Path, text: str) -> None:
    """Keep the text of a run's recipe a second time."""
    write_atomically(folder / COPY, sealed(text), lasting=True)


def read_copy(folder: Path) -> str | None:
    """Read the text of a run's recipe from its copy; None where there is none, or a damaged one."""
    try:
        text = unsealed(read_text(folder / COPY))
    except (ReidaugError, ValueError, RecursionError):
        return None
    return text if isinstance(text, str) else None


class Move(NamedTuple):
    """A file or folder that a recipe names at another place than before."""

    key: str  # of the recipe, as in ``arms.warps_grey.crops``
    old: str
    new: str


def at_new_places(
    begun: Values, wanted: Values, places: Collection[str]
) -> tuple[Values, tuple[Move, ...]]:
    """Give a recipe that has begun with its files where another recipe names them.

    Args:
        begun: YAML values of the recipe that has begun.
        wanted: Those of the other.
        places: Keys, at any depth, whose values are paths.

    Returns:
        The recipe, and what moved; keys that either recipe lacks stay as they are.
    """
    moves: list[Move] = []

    def settled(old: Any, new: Any, place: bool, key: str) -> Any:
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            return {
                k: settled(v, new[k], k in places, f"{key}.{k}" if key else k) if k in new else v
                for k, v in old.items()
            }
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            return [settled(one, other, place, key) for one, other in zip(old, new, strict=True)]
        if place and isinstance(old, str) and isinstance(new, str) and old != new:
            moves.append(Move(key, old, new))
            return new
        return old

    return settled(begun, wanted, False, ""), tuple(moves)


def without_places(values: Any, places: Collection[str]) -> Any:
    """Leave out the keys of YAML values, at any depth, whose values are paths."""
    if isinstance(values, Mapping):
        return {k: without_places(v, places) for k, v in values.items() if k not in places}
    return [without_places(v, places) for v in values] if isinstance(values, list) else values


def check_moves(folder: Path, moves: Sequence[Move], inputs: Inputs | None) -> str:
    """Check that what a recipe names at another place is what its run began with.

    Args:
        folder: The run folder.
        moves: What the recipe names at another place.
        inputs: Fingerprints of all that is there; None: it cannot be told.

    Returns:
        A line that says what moved; empty where nothing did.

    Raises:
        ReidaugError: It is of other content, or what it was is not known.
    """
    if not moves:
        return ""
    line = "; ".join(f"{key} was {old} and is {new} now" for key, old, new in moves)
    if inputs is None or not inputs.known:
        raise ReidaugError(
            f"{folder} holds another run, or its files were moved: {line}; move them back, or "
            "name another folder with --out"
        )
    if changes := inputs.text():
        raise ReidaugError(
            f"{folder} holds another run: {line}, with other content ({changes}); name another "
            "folder with --out"
        )
    return f"{folder}: {line}; the content is the same, and the run goes on"


def values_in(file: Path) -> Values:
    """Read a recipe file's values; none of a missing or damaged one."""
    try:
        return values_of(read_text(file))
    except ReidaugError:
        return {}


def values_of(text: str) -> Values:
    """Read a recipe's values; none of a damaged one."""
    try:
        values = parse_yaml(text)
    except YamlError:
        return {}
    return values if isinstance(values, dict) else {}
