"""`reidaug augment`: every training image of a dataset, warped into the poses of others."""

import time
from pathlib import Path
from typing import Any, Literal

import click
import torch
from pydantic import Field

from reidaug.augment import estimated_poses as own_poses
from reidaug.augment.background import BACKGROUNDS
from reidaug.augment.contact_sheet import contact_sheet, pick
from reidaug.augment.engine import check_fit, clean, into_chunks, merge, run_chunks
from reidaug.augment.inputs import KEYPOINTS, MASKS, Material, fingerprint, gather_material
from reidaug.augment.output_folder import copy_originals, show_split
from reidaug.augment.pose_check import BlazePoseReader, pose_reader
from reidaug.augment.summary import summary, tell
from reidaug.augment.target_poses import CHOICES, write_poses
from reidaug.augment.viewpoint import TURNS
from reidaug.augment.warping import POSES, Plan
from reidaug.commands import options
from reidaug.data.loose_crops import read_training
from reidaug.data.market1501 import GALLERY, QUERY, SPLITS
from reidaug.errors import UsageError
from reidaug.files import write_atomically
from reidaug.flow.builtin import (
    OWN_POSE,
    SHIPPED,
    UNTRAINED,
    checkpoint_of,
    load_flow,
    resolved,
)
from reidaug.flow.estimator import FlowEstimator
from reidaug.jobs import BACKENDS
from reidaug.machine import cores, half_pays
from reidaug.recipes import Recipe, resolve
from reidaug.runs import RunFolder, counter

PEOPLE_ON_SHEET = 8


class Augment(Recipe):
    """What decides the bytes of an augmented dataset."""

    dataset: Path
    flow: str
    keypoints: Path
    masks: Path | None
    pattern: str | None = None
    poses: int = Field(25, ge=1, le=10_000)
    choose: Literal["random", "medoids"] = "random"
    background: Literal["grey", "imagenet-mean", "keep", "source", "other"] = "grey"
    spread: bool = True
    precision: Literal["float32", "bfloat16"] = "float32"
    jpeg_quality: int = Field(95, ge=1, le=95)
    least_quality: float = Field(0.0, ge=0, le=1)
    turns: Literal["allow", "mirror", "drop"] = "allow"
    check_poses: bool = False
    seed: int = Field(0, ge=0)
    keep_original: bool = False


def augment_dataset(
    dataset: Path,
    out: Path,
    *,
    flow: str = SHIPPED,
    keypoints: Path | None = None,
    masks: Path | None = None,
    model: Path | None = None,
    pattern: str | None = None,
    poses: int = 25,
    choose: str = "random",
    background: str = "grey",
    spread: bool = True,
    precision: str = "auto",
    least_quality: float = 0.0,
    turns: str = "allow",
    check_poses: bool = False,
    seed: int = 0,
    keep_original: bool = False,
    workers: int | None = None,
    backend: str = "loky",
) -> dict[str, Any]:
    """Warp every training image of a dataset into poses of others; see ``reidaug augment --help``.

    Args:
        dataset: A Market-1501 root or a folder of crops, see
            `reidaug.data.loose_crops.read_training`.
        out: The folder to make; an unfinished run of the same kind is continued.
        flow: A checkpoint folder or a name, see `reidaug.flow.builtin.load_flow`.
        keypoints: Keypoint file; by default `KEYPOINTS` in the root. Where there is none, poses and
            masks are estimated into the folder ``pose`` of ``out``.
        masks: Folder of person masks; by default `MASKS` in the root where there is one.
        model: File of the network that estimates poses; None finds it.
        pattern: Regular expression that reads person and camera from file names.
        poses: How many target poses.
        choose: ``random`` or ``medoids``.
        background: A name in `reidaug.augment.background.BACKGROUNDS`.
        spread: Whether what misses the person samples the person's nearest pixel.
        precision: ``float32``, ``bfloat16``, or ``auto``: the latter where the processor has it.
        least_quality: Warps whose quality is lower are recorded and not written.
        turns: What becomes of half turns, a name in `reidaug.augment.viewpoint.TURNS`.
        check_poses: Whether poses are read off the warps and compared with those asked for.
        seed: Of the poses and backgrounds drawn.
        keep_original: Whether the training images are copied beside their warps.
        workers: Processes; by default one a core.
        backend: ``loky`` or ``dask``.

    Returns:
        The content of ``report.json``.

    Raises:
        ReidaugError: There is nothing to warp, or a file cannot be read or written.
        UsageError: An argument is wrong or without effect.
    """
    found, numbered = read_training(dataset, pattern=pattern)
    if numbered:
        click.echo(
            f"names in {found.root} do not say who is seen: each crop counts as a person of its "
            "own (--pattern reads persons and cameras from names)",
            err=True,
        )
    _check_out(found.root, out)
    reader = pose_reader(model) if check_poses else None
    estimator = load_flow(flow)
    _check_posed(estimator, flow, turns=turns, check_poses=check_poses)
    outlines = _mask_folder(found.root, masks)
    known = own_poses.keypoint_file(
        found.root, keypoints, model=model, model_reads_more=check_poses
    )
    recipe = resolve(
        {
            "dataset": found.root.resolve(),
            "flow": resolved(flow),
            "keypoints": known or own_poses.KEYPOINTS,
            "masks": outlines if known or outlines else own_poses.MASKS,
            "pattern": pattern,
            "poses": poses,
            "choose": choose,
            "background": background,
            "spread": spread,
            "precision": _precision(precision, estimator),
            "least_quality": least_quality,
            "turns": turns,
            "check_poses": check_poses,
            "seed": seed,
            "keep_original": keep_original,
        },
        Augment,
        where="augment",
    )
    if known is None:
        own_poses.estimate_into(
            out, found.train, masks=outlines is None, model=model, workers=workers
        )
    material = gather_material(
        found,
        out / recipe.keypoints,
        masks=_masks(recipe, out),
        count=recipe.poses,
        how=recipe.choose,
        seed=recipe.seed,
        own_pose=recipe.flow == OWN_POSE,
    )
    check_fit(estimator, material.sources[0].pose, material.targets.size)
    if recipe.background == "other" and len({s.person.pid for s in material.sources}) < 2:
        raise UsageError("--background other needs images of at least two people with keypoints")
    # What may change behind the same paths: poses, names and weights.
    folder = checkpoint_of(recipe.flow)
    weights = sorted(folder.iterdir()) if folder else []
    told = {"command": "augment", **recipe.model_dump(mode="json")}
    networks = () if reader is None else (reader.model,)
    told["inputs"] = fingerprint(material, (*weights, *networks))
    run = RunFolder.open(out, told, resume=True, known=(own_poses.FOLDER,))
    return _work(run, recipe, material, reader, workers=workers or cores(), backend=backend)


def _work(
    run: RunFolder,
    recipe: Augment,
    material: Material,
    reader: BlazePoseReader | None,
    *,
    workers: int,
    backend: str,
) -> dict[str, Any]:
    out, targets, root = run.path.resolve(), material.targets, material.dataset.root
    plan = Plan(
        out=out,
        build=load_flow,
        flow=recipe.flow,
        masks=_masks(recipe, out),
        background=recipe.background,
        seed=recipe.seed,
        own_pose=recipe.flow == OWN_POSE,
        spread=recipe.spread,
        half=recipe.precision == "bfloat16",
        jpeg_quality=recipe.jpeg_quality,
        least_quality=recipe.least_quality,
        turns=recipe.turns,
        reader=reader,
    )
    run.log(event="start", workers=workers, backend=backend, torch=torch.__version__)
    write_poses(out / POSES, targets)
    linked = [name for name in (QUERY, GALLERY) if show_split(root / name, out / name)]
    chunks = into_chunks(material.sources, targets.size)
    each = max(len(targets.images), 1)
    started, made = time.monotonic(), 0
    with counter(total=len(material.sources) * each, what="warp", unit="image") as advance:
        for done in run_chunks(plan, targets.size, chunks, workers=workers, backend=backend):
            advance(done.sources * each)
            made += done.made
    seconds = time.monotonic() - started
    originals = copy_originals(material.dataset.train, out) if recipe.keep_original else 0
    totals = merge(out, len(chunks))
    left_out = (*material.left_out, *totals.left_out)
    write_atomically(out / "left_out.txt", "".join(f"{line}\n" for line in left_out).encode())
    shown = pick(material.sources, PEOPLE_ON_SHEET)
    models = {s.person.path.name: s.person.path for s in material.sources}
    sheet = contact_sheet(out, shown, targets, [models[name] for name in targets.images])
    write_atomically(out / "contact_sheet.png", sheet)
    clean(out)
    finished = run.finished()
    if finished is not None and not made:
        return finished
    report = summary(
        material, totals, flow=recipe.flow, precision=recipe.precision, masks=plan.masks
    ) | {
        "originals": originals,
        "linked": linked,
        "images_per_s": round(made / max(seconds, 1e-9), 1),
        "seconds": round(seconds, 1),
        "workers": workers,
    }
    run.report(report)
    run.log(event="done", made=made, seconds=round(seconds, 1))
    return report


def _masks(recipe: Augment, out: Path) -> Path | None:
    return None if recipe.masks is None else out / recipe.masks


def _check_out(root: Path, out: Path) -> None:
    root, out = root.resolve(), out.resolve()
    if out == root:
        raise UsageError(f"--out {out} is the dataset itself; name another folder")
    inside = [name for name in SPLITS if (root / name) in (out, *out.parents)]
    if inside:
        raise UsageError(f"--out {out} lies in the dataset's {inside[0]}; name another folder")


def _check_posed(estimator: FlowEstimator, flow: str, *, turns: str, check_poses: bool) -> None:
    if estimator.to_target_pose:
        return
    for option, asked in ((f"--turns {turns}", turns != TURNS[0]), ("--check-poses", check_poses)):
        if asked:
            raise UsageError(f"{option}: without effect, --flow {flow} asks for no pose")


def _mask_folder(root: Path, masks: Path | None) -> Path | None:
    if masks is not None and not masks.is_dir():
        raise UsageError(f"--masks {masks}: no such folder")
    path = masks or root / MASKS
    return path.resolve() if path.is_dir() else None


def _precision(precision: str, estimator: FlowEstimator) -> str:
    """Choose how numbers are held; only networks have something to gain."""
    if precision != "auto":
        return precision
    network = next(estimator.parameters(), None) is not None
    return "bfloat16" if network and half_pays(torch.device("cpu")) else "float32"


@click.command("augment")
@click.argument("dataset", type=options.PATH)
@click.option("--out", type=options.PATH, required=True, help="Folder to make; a Market-1501 root.")
@click.option(
    "--flow",
    metavar="FLOW",
    default=SHIPPED,
    show_default=True,
    help=f"{SHIPPED}, which comes with the package; a checkpoint folder of train-flow; or one of "
    f"those that learn nothing: {', '.join(UNTRAINED)}.",
)
@click.option(
    "--keypoints",
    type=options.PATH,
    help=f"Keypoints of the training images (PATN CSV, COCO or OpenPose JSON, 14-joint .mat). "
    f"[default: DATASET/{KEYPOINTS}; without it, poses and masks are estimated into OUT/pose, "
    f"which needs the extra 'pose']",
)
@options.model
@click.option(
    "--masks",
    type=options.PATH,
    help=f"Folder of person masks, STEM.png; without them limbs are drawn from the joints. "
    f"[default: DATASET/{MASKS}]",
)
@click.option(
    "--poses", type=click.IntRange(1), default=25, show_default=True, help="Number of target poses."
)
@click.option(
    "--choose",
    type=click.Choice(CHOICES),
    default=CHOICES[0],
    show_default=True,
    help="Draw the target poses, or take the centres of groups of alike ones.",
)
@click.option(
    "--background",
    type=click.Choice(list(BACKGROUNDS)),
    default="grey",
    show_default=True,
    help="Around the person: grey 128; the mean colour of ImageNet; whatever the flow samples; "
    "the source's own background, the person painted out; or that of another person's image.",
)
@click.option(
    "--spread/--no-spread",
    default=True,
    show_default=True,
    help="Where a flow misses the person, take the person's nearest pixel.",
)
@options.seed
@options.workers
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default=BACKENDS[0],
    show_default=True,
    help="Processes of this machine, or of a dask cluster (extra 'cluster').",
)
@click.option("--keep-original", is_flag=True, help="Copy the training images beside the warps.")
@click.option(
    "--min-quality",
    "least_quality",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Leave out warps whose quality (0 to 1, see manifest.parquet) is lower.",
)
@click.option(
    "--turns",
    type=click.Choice(TURNS),
    default=TURNS[0],
    show_default=True,
    help="Half turns, front to back, show what was never seen: allow them, ask for the outline "
    "from the source's own side (mirror), or drop them.",
)
@click.option(
    "--check-poses",
    is_flag=True,
    help="Read the pose off every warp and compare it with the one asked for: column pck.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Numbers of the flow network; auto: bfloat16 where the processor has it.",
)
@click.option("--pattern", help="Regular expression for file names of another form.")
def command(dataset: Path, out: Path, flow: str, **chosen: Any) -> None:
    """Warp every training image of DATASET into poses of other images.

    DATASET is a Market-1501 root, or any folder of crops. OUT becomes a Market-1501 root:
    bounding_box_train holds the warps, named 0002_c1s1_000451_03_w07.jpg after their source and
    pose; query and bounding_box_test are links. Beside them: manifest.parquet (where each file
    comes from, and its quality), poses.json, contact_sheet.png, left_out.txt. The same command
    goes on after an interruption; the same inputs give the same bytes.

    With --flow identity each image keeps its own pose and only its background changes (one copy
    an image): the control that every gain should be compared with. random-affine and random-tps
    warp each image as often as there are poses, at random and with its own outline.

    \b
    reidaug augment Market-1501 --out warps
    """  # noqa: D301 - click asks for this character
    report = augment_dataset(dataset, out, flow=flow, **chosen)
    tell(out, report)
