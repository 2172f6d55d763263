"""`reidaug pose`: joints and outlines of the people on a dataset's crops."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from reidaug.commands import options
from reidaug.data.images import image_files
from reidaug.data.keypoints import stands_in_patn, write_patn
from reidaug.data.loose_crops import crops_in
from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN, find_root, read_market1501
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.files import remove_partials, summarise_left_out, write_atomically
from reidaug.geometry.pose import Pose
from reidaug.machine import cores
from reidaug.perception.blazepose import PersonReader
from reidaug.perception.contact_sheet import contact_sheet
from reidaug.perception.dataset_poses import (
    DECIMALS,
    Survey,
    fingerprint,
    into_chunks,
    mask_path,
    read_chunks,
    read_pages,
)
from reidaug.perception.models import find_model, model_name
from reidaug.perception.summary import Tally, trust
from reidaug.runs import counter

SPLIT_NAMES = {"train": TRAIN, "query": QUERY, "gallery": GALLERY, "test": GALLERY}


def crops_of(dataset: Path, splits: Sequence[str] = (TRAIN,)) -> list[Path]:
    """List the crops of a dataset.

    Args:
        dataset: A Market-1501 root or one of its usual parents, or a folder of crops.
        splits: Which splits of a root: of `SPLITS`, or ``train``, ``query``, ``gallery``, ``test``.

    Returns:
        Image files in name order, split after split.

    Raises:
        ReidaugError: There is no such folder, or no image in it.
        UsageError: There is no such split.
    """
    wanted = [SPLIT_NAMES.get(name.strip(), name.strip()) for name in splits]
    for name in wanted:
        if name not in SPLITS:
            raise UsageError(f"--splits {name}: there are train, query and gallery")
    try:
        root = find_root(dataset)
    except ReidaugError:
        if not dataset.is_dir():
            raise
        return list(crops_in(dataset))
    if not any((root / name).is_dir() for name in SPLITS):  # MSMT17: lists of images
        found = read_market1501(root, splits=wanted)
        return [p.path for people in (found.train, found.query, found.gallery) for p in people]
    listed: list[Path] = []
    for name in dict.fromkeys(wanted):
        images = image_files(root / name) if (root / name).is_dir() else ()
        if not images:
            raise ReidaugError(f"{root / name}: no folder with images; leave it out of --splits")
        listed += images
    return listed


def estimate_poses(
    crops: Sequence[Path],
    out: Path,
    *,
    masks: Path | None = None,
    model: Path | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Read joints and outlines from crops; see ``reidaug pose --help``.

    Args:
        crops: Image files whose names differ.
        out: The PATN CSV to write; an unfinished run is continued.
        masks: Folder for the outlines, or None.
        model: File of the network; None finds it, see `reidaug.perception.models.find_model`.
        workers: Processes; by default one a core.

    Returns:
        The content of the report beside ``out``.

    Raises:
        ReidaugError: The model cannot be had, no crop can be read, a file cannot be read or
            written, or ``out`` or ``masks`` hold something else.
        UsageError: An argument is wrong, or the extra ``pose`` is missing.
    """
    require_extra("pose", "ai_edge_litert")
    _check_crops(crops, out, masks)
    file = find_model(model)
    records = out.with_name(f".{out.name}.records")
    survey = Survey(records, masks and masks.resolve(), file, model_name(file))
    inputs = fingerprint(survey.network, crops)
    done = _finished(survey, out, crops, inputs)
    if done is not None:
        return done
    _check_masks(survey, crops)
    made = [folder for folder in (out.parent, masks, records) if folder and not folder.exists()]
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)
    remove_partials(out.parent, of=f"{out.stem}.")
    if masks is not None:
        remove_partials(masks)
    chunks = into_chunks(crops)
    workers = workers or cores()
    started, read = time.monotonic(), 0
    with counter(total=len(crops), what="pose", unit="crop") as advance:
        for count, new in read_chunks(survey, chunks, workers=workers):
            advance(count)
            read += new
    seconds = time.monotonic() - started
    tally = _write(survey, chunks, out, made)
    report = {
        **tally.report(),
        "network": survey.network,
        "masks": masks is not None,
        "inputs": inputs,
        "crops_per_s": round(read / max(seconds, 1e-9), 1),
        "seconds": round(seconds, 1),
        "workers": workers,
    }
    write_atomically(beside(out, ".report.json"), (json.dumps(report, indent=1) + "\n").encode())
    shutil.rmtree(records)
    return report


def beside(out: Path, ending: str) -> Path:
    """Name a file that stands beside the keypoints.

    Args:
        out: The PATN CSV.
        ending: ``.report.json``, ``.left_out.txt`` or ``.sheet.png``.

    Returns:
        The file.
    """
    return out.with_name(f"{out.stem}{ending}")


def _write(
    survey: Survey, chunks: Sequence[Sequence[Path]], out: Path, made: Sequence[Path]
) -> Tally:
    tally = Tally()
    try:
        write_patn(out, _poses(tally, survey, chunks), decimals=DECIMALS)
    except ReidaugError:
        shutil.rmtree(survey.records)
        for folder in reversed(made):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise
    text = "".join(f"{line}\n" for line in tally.left_out)
    write_atomically(beside(out, ".left_out.txt"), text.encode())
    doubtful = tally.doubtful()
    captions = [f"{trust(row):.2f} {path.stem}" for path, row in doubtful]
    sheet = contact_sheet(PersonReader(survey.model), [path for path, _ in doubtful], captions)
    write_atomically(beside(out, ".sheet.png"), sheet)
    return tally


def _poses(
    tally: Tally, survey: Survey, chunks: Sequence[Sequence[Path]]
) -> Iterator[tuple[str, Pose]]:
    count = 0
    for count, pair in enumerate(tally.poses(read_pages(survey, chunks)), 1):  # noqa: B007
        yield pair
    if not count:
        raise ReidaugError(f"not one of {tally.crops} crops can be read: {tally.left_out[0]}")


def _check_crops(crops: Sequence[Path], out: Path, masks: Path | None) -> None:
    """Refuse what could not be told apart afterwards, or would be overwritten."""
    if out.suffix != ".csv" or out.is_dir():
        raise UsageError(f"--out {out}: name a file that ends in .csv")
    if masks is not None and masks.exists() and not masks.is_dir():
        raise UsageError(f"--masks {masks}: this is a file; name a folder")
    for path in crops:
        if not stands_in_patn(path.name):
            raise ReidaugError(f"{path}: such a name cannot stand in a keypoint file; rename it")
    parts = Counter(path.name if masks is None else path.stem for path in crops)
    name, count = parts.most_common(1)[0]
    if count > 1:
        raise UsageError(
            f"{count} crops are called {name}; read folders that share names one by one"
        )
    if masks is not None and masks.resolve() in {path.parent.resolve() for path in crops}:
        raise UsageError(f"--masks {masks}: this is where the crops are; name another folder")


def _finished(
    survey: Survey, out: Path, crops: Sequence[Path], inputs: str
) -> dict[str, Any] | None:
    """Give the report of the same work done before; None where something is left to do."""
    if not out.exists() or survey.records.exists():
        return None
    try:
        report = json.loads(beside(out, ".report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        report = None
    if not isinstance(report, dict) or report.get("inputs") != inputs:
        raise ReidaugError(
            f"{out} is there already, and not of these crops as they are now; name another file "
            "with --out, or delete it"
        )
    missing = [end for end in (".left_out.txt", ".sheet.png") if not beside(out, end).exists()]
    if survey.masks is not None:
        drawn = sum(mask_path(survey.masks, path.name).exists() for path in crops)
        missing += [".png"] * (report["people"] - drawn)
    return None if missing else report


def _check_masks(survey: Survey, crops: Sequence[Path]) -> None:
    """Refuse to write over somebody else's masks."""
    masks, out = survey.masks, survey.records
    if masks is None or not masks.is_dir() or out.exists():
        return
    for path in crops:
        if mask_path(masks, path.name).exists():
            raise ReidaugError(
                f"{mask_path(masks, path.name)} is there already; name another folder with --masks"
            )


@click.command("pose")
@click.argument("dataset", type=options.PATH)
@click.option("--out", type=options.PATH, required=True, help="Keypoint file to write, a .csv.")
@click.option("--masks", type=options.PATH, help="Folder for the people's outlines, STEM.png.")
@options.model
@click.option(
    "--splits",
    default="train",
    show_default=True,
    metavar="NAME,...",
    help="Which folders of a Market-1501 root: train, query, gallery.",
)
@options.workers
def command(dataset: Path, out: Path, splits: str, **chosen: Any) -> None:
    """Find joints and outlines of the people in DATASET, a Market-1501 root or a folder of crops.

    Writes the 18 joints of every crop in PATN's form (-1 where a joint is missing). Beside
    FILE.csv: FILE.report.json (how many crops show nobody, how often each joint is seen),
    FILE.sheet.png (the least certain crops with what was found drawn on top), FILE.left_out.txt.
    The same command goes on after an interruption; the same crops give the same bytes. Needs the
    extra 'pose'.

    \b
    reidaug pose Market-1501 --out market-annotation-train.csv --masks masks
    """  # noqa: D301 - click asks for this character
    report = estimate_poses(crops_of(dataset, splits.split(",")), out, **chosen)
    _tell(out, report)


def _tell(out: Path, report: Mapping[str, Any]) -> None:
    left_out = beside(out, ".left_out.txt").read_text(encoding="utf-8").splitlines()
    if left_out:
        click.echo(summarise_left_out(left_out, report["crops"], what="crops"), err=True)
    click.echo(
        f"{report['crops']:,} crops: {report['people']:,} with a person, "
        f"{report['without_person']:,} without, {report['not_readable']:,} not readable; "
        f"{report['crops_per_s']:.0f} crops/s"
    )
    if report["people"]:
        joints = report["joints"].items()
        shares = [f"{name.replace('_', ' ')} {share:.0%}" for name, share in joints]
        click.echo(f"joints seen: {', '.join(shares)}")
    click.echo(f"look at the least certain ones: {beside(out, '.sheet.png')}")
