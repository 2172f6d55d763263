"""True other views of rendered people: what a perfect warp would give."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from joblib import delayed
from numpy.typing import NDArray

from reidaug.augment.background import BackgroundPool, draw_pool
from reidaug.augment.options import MASKS
from reidaug.augment.output_folder import show_split
from reidaug.data.compositing import composite, soft_matte
from reidaug.data.crop_names import warp_name
from reidaug.data.images import read_image, read_mask, to_bytes, to_float
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import read_text
from reidaug.fingerprint import Inputs
from reidaug.jobs import Task
from reidaug.people3d.appearance_sampling import sample_person
from reidaug.people3d.market_dataset import RenderedMarket, read_rendered_market
from reidaug.people3d.mesh import build_mesh
from reidaug.people3d.render import Render, RenderPlan, render
from reidaug.people3d.render_plans import from_row
from reidaug.people3d.render_run import PersonRecord, render_people, write_image
from reidaug.people3d.scene import Occluder

GREY = 128
BACKGROUNDS = 64  # images whose backgrounds one person may get
Background = Literal["grey", "other"]


def render_views(
    dataset: Path,
    out: Path,
    *,
    poses: Path,
    background: Background = "grey",
    workers: int | None = None,
) -> dict[str, int]:
    """Render the true other views of a rendered dataset's training people.

    Each pose of ``poses.json`` was read from a training image. Every training image is rendered in
    every pose and view, with its own camera and light: for each warp of ``reidaug augment`` the
    image that a perfect warp would be, under the same name.

    Args:
        dataset: A root written by `reidaug.people3d.market_dataset.render_market`.
        out: Folder to write, a Market-1501 root; an unfinished run is continued.
        poses: The ``poses.json`` of ``reidaug augment``.
        background: ``grey``, or ``other``: the background of another person's training image.
        workers: Processes; by default one per core.

    Returns:
        Numbers of ``crops`` and ``images``.

    Raises:
        ReidaugError: A file is missing or does not fit, or the folder holds something else.
        UsageError: The extra ``synth`` is missing, or there is no other person.
    """
    market = read_rendered_market(dataset)
    targets = read_target_images(poses, market.training)
    plans = {name: from_row(row) for name, row in sorted(market.training.items())}
    by_person: dict[int, list[str]] = {}
    for name in plans:
        by_person.setdefault(market.training[name]["person"], []).append(name)
    if background == "other" and len(by_person) < 2:
        raise UsageError("--background other needs training images of at least two people")

    def show_splits() -> None:
        for split in (QUERY, GALLERY):
            show_split(dataset / split, out / split)

    def make_tasks() -> dict[int, Task]:
        (out / TRAIN).mkdir(exist_ok=True)
        show_splits()
        return {
            person: delayed(render_person)(
                out,
                market._replace(training={}),
                person,
                {name: plans[name] for name in names},
                [plans[name] for name in targets],
                _draw_backgrounds(market, person) if background == "other" else (),
            )
            for person, names in by_person.items()
        }

    recipe = {"command": "synth views", "dataset": str(dataset.resolve()), "poses": targets}
    recipe |= {"background": background}
    crops = len(plans) * len(targets)
    report = render_people(
        out, recipe, make_tasks, lambda records: {"images": crops}, crops=crops, workers=workers,
        inputs=_inputs(market, out, background),
    )  # fmt: skip
    show_splits()  # also those removed from a finished run
    return report


def _inputs(market: RenderedMarket, out: Path, background: Background) -> Inputs:
    """Fingerprint what views are rendered from."""
    kept, root = Inputs(out), market.root
    rows = {name: repr(sorted(row.items())) for name, row in market.training.items()}
    rows = {name: hashlib.sha256(row.encode()).hexdigest() for name, row in rows.items()}
    kept.note("rendered images", rows)
    world = repr((market.world.as_dict(), market.seed, market.size)).encode()
    kept.note("world", {"of recipe.yaml": hashlib.sha256(world).hexdigest()})
    names = market.training if background == "other" else ()
    kept.add("backgrounds", (root / TRAIN / name for name in names))
    kept.add("masks", (root / MASKS / f"{Path(name).stem}.png" for name in names))
    return kept


def read_target_images(poses: Path, training: Iterable[str]) -> list[str]:
    """Read the file name of the training image that each pose of a ``poses.json`` comes from.

    Raises:
        ReidaugError: The file is missing or damaged, or names something else.
    """
    if not poses.exists():
        raise ReidaugError(f"{poses}: no such file; 'reidaug augment' writes it")
    try:
        entries = json.loads(read_text(poses))["poses"]
        names = [str(entry["image"]) for entry in entries]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ReidaugError(f"{poses}: not a poses.json of 'reidaug augment'") from None
    known = set(training)
    for name in names:
        if name not in known:
            raise ReidaugError(f"{poses}: {name} is no training image of this dataset")
    return names


def true_view(source: RenderPlan, target: RenderPlan) -> RenderPlan:
    """Plan a perfect warp: the source's camera, light and background, the target's pose and view.

    Nothing occludes the person.
    """
    nothing = Occluder("none", 0.0, 0)
    return source._replace(posture=target.posture, view=target.view, occluder=nothing)


def _draw_backgrounds(market: RenderedMarket, person: int) -> list[tuple[str, int]]:
    names = sorted(market.training)
    people = [market.training[name]["person"] for name in names]
    drawn = draw_pool(people, [person], count=BACKGROUNDS, seed=(market.seed, person))
    return [(names[k], people[k]) for k in drawn]


def render_person(
    out: Path,
    market: RenderedMarket,
    person: int,
    sources: dict[str, RenderPlan],
    targets: Sequence[RenderPlan],
    backgrounds: Sequence[tuple[str, int]],
) -> PersonRecord:
    """Render one person in the poses and views of others.

    Args:
        out: Folder of the run.
        market: Root, world, seed and size of the dataset.
        person: Number of the person.
        sources: Plans of the person's training images by file name.
        targets: Plans of the images the target poses come from.
        backgrounds: File names of training images whose backgrounds may be used, and the persons
            in them; none for grey.
    """
    mesh = build_mesh(sample_person(market.world, market.seed, person))
    pool = _read_backgrounds(market.root, backgrounds) if backgrounds else None
    for name, source in sources.items():
        for index, target in enumerate(targets):
            view = render(mesh, true_view(source, target), market.size)
            file = warp_name(name, index)
            image = np.where(view.mask[..., None], view.image, np.uint8(GREY))
            if pool is not None:
                image = _on_other_background(view, pool, file, person, market.seed)
            write_image(out / TRAIN / file, image)
    return PersonRecord(len(sources) * len(targets), joints={})


def _read_backgrounds(root: Path, images: Sequence[tuple[str, int]]) -> BackgroundPool:
    return BackgroundPool.of(
        [person for _, person in images],
        [to_float(read_image(root / TRAIN / name)) for name, _ in images],
        [read_mask(root / MASKS / f"{Path(name).stem}.png") for name, _ in images],
    )


def _on_other_background(
    view: Render, pool: BackgroundPool, name: str, person: int, seed: int
) -> NDArray[np.uint8]:
    """Replace the background as ``reidaug augment --background other`` does."""
    image = to_float(torch.from_numpy(view.image.transpose(2, 0, 1).copy()))
    mask = torch.from_numpy(view.mask)
    background = pool.draw([name], person=person, seed=seed)
    composed = to_bytes(composite(image[None], soft_matte(mask[None]), background))[0]
    return composed.permute(1, 2, 0).numpy()
