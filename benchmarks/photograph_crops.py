"""Market-1501's photographs for experiments: its training set as roots by the fixed split."""

from collections.abc import Iterable
from pathlib import Path

from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, Person, read_market1501
from reidaug.data.people_split import Part, split_people
from reidaug.errors import ReidaugError

PEOPLE, CROPS = 751, 12_936  # of Market-1501's training set
NEEDED = (
    f"skipped: photographs are no part of this project; give Market-1501 with --market ROOT, a "
    f"folder that holds {TRAIN} (docs/photographs.md)"
)


def read_photographs(market: Path) -> tuple[Person, ...]:
    """Read the training crops of Market-1501."""
    return read_market1501(market, splits=(TRAIN,)).train


def sizes(market: Path) -> dict[str, int]:
    """Count people and crops, and tell where they are not all there: the split is another then."""
    crops = read_photographs(market)
    people = len({crop.pid for crop in crops})
    if (people, len(crops)) != (PEOPLE, CROPS):
        print(
            f"{market}: {people:,} people and {len(crops):,} crops, not the {PEOPLE:,} and "
            f"{CROPS:,} of Market-1501's training set: figures do not compare with those published"
        )
    return {"people": people, "crops": len(crops)}


def write_split(market: Path, out: Path, part: Part) -> Path:
    """Write the fixed split of Market-1501's training people as a root of links.

    Args:
        market: Market-1501; only its training set is read.
        out: The root to make. Links of an earlier run are kept.
        part: The people of query and gallery.

    Returns:
        `out`.
    """
    split = split_people(read_photographs(market), part)
    for folder, crops in ((TRAIN, split.train), (QUERY, split.query), (GALLERY, split.gallery)):
        link_crops(crops, out / folder)
    return out


def link_crops(crops: Iterable[Person], folder: Path) -> None:
    """Link crops into a folder that shall hold them and no others."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {crop.path.name: crop.path.resolve() for crop in crops}
    if other := {path.name for path in folder.iterdir()} - wanted.keys():
        raise ReidaugError(f"{folder}: holds {len(other)} files of another split; remove it first")
    for name, target in wanted.items():
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(target)
        elif link.resolve() != target:
            raise ReidaugError(f"{link}: shows another file than {target}; remove {folder} first")
