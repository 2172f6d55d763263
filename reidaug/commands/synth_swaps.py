"""Warps of rendered people with one ingredient replaced by the true one: which of them costs most.

Three roots beside each other, each what `reidaug augment` wrote but for one thing:

- ``true_flow_grey``: the exact flow, cut by the true outline. What the source does not show is
  filled as `reidaug augment` fills it: a hidden point samples what lies before it.
- ``true_mask_grey``: the estimated flow, cut by the person's own true outline in place of the pose
  model's.
- ``true_texture_grey``: the estimated flow and the pose model's outline; within it, where the true
  view shows a part of the person that the source does not, its pixels are laid over.

With ``true_views_grey`` of `reidaug synth views`, where everything is true, they take the arms of a
`reidaug finetune-eval` apart.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from jaxtyping import Bool, Float, UInt8
from joblib import delayed
from torch import Tensor

from reidaug.augment.background import colour_of, lay_over, soft_edge
from reidaug.augment.contact_sheet import contact_sheet, pick
from reidaug.augment.engine import MANIFEST
from reidaug.augment.inputs import join_poses
from reidaug.augment.output_folder import show_split
from reidaug.augment.target_poses import read_poses
from reidaug.augment.warping import (
    POSES,
    Crop,
    Plan,
    Source,
    Targets,
    flows_of,
    pixels_of,
    prepare,
    read_crops,
)
from reidaug.data.images import to_bytes, to_float
from reidaug.data.manifest import read_manifest, write_manifest
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, read_market1501, warp_name
from reidaug.errors import ReidaugError
from reidaug.experiments.true_views import pose_models, read_rendered, true_shot
from reidaug.files import read_text, write_atomically
from reidaug.flow.builtin import load_flow
from reidaug.geometry.flow import Size
from reidaug.machine import one_thread
from reidaug.people3d.body import Floats
from reidaug.people3d.correspondence import exact_flow
from reidaug.people3d.figure import Figure, dress
from reidaug.people3d.raster import Surface, rasterise
from reidaug.people3d.render import Render, Shot, render
from reidaug.people3d.rendering import keep, run, write_image
from reidaug.people3d.shot_plans import from_row
from reidaug.people3d.worlds import World, look_of

SWAPS = ("true_flow_grey", "true_mask_grey", "true_texture_grey")
GREY = "grey"
PEOPLE_ON_SHEET = 8


class Truth(NamedTuple):
    """What a source looks like in the target poses, and how to get there.

    Attributes:
        images: The true views (T, 3, H, W), RGB bytes.
        outline: Where the person is in them (T, H, W).
        flow: The exact flows (T, 2, H, W).
        shown: Where the target shows what the source shows too (T, H, W).
    """

    images: UInt8[Tensor, "t 3 H W"]
    outline: Bool[Tensor, "t H W"]
    flow: Float[Tensor, "t 2 H W"]
    shown: Bool[Tensor, "t H W"]


class Scene(NamedTuple):
    """What every worker must know.

    Attributes:
        world: The rendered world.
        seed: Of the dataset.
        size: (height, width) in pixels.
        targets: Plans of the pictures whose poses are asked for.
        plan: How the warps were made; ``plan.out`` is their root.
    """

    world: World
    seed: int
    size: Size
    targets: tuple[Shot, ...]
    plan: Plan


def render_swaps(
    dataset: Path, out: Path, *, warps: Path, workers: int | None = None
) -> dict[str, Any]:
    """Make the warps of a rendered dataset again, with one ingredient true in each of three roots.

    Each root has the names and the manifest of ``warps``, so that ``min_quality`` of an experiment
    chooses the same warps in all of them, and one more column: ``shown``, the share of the true
    view's person that the source shows.

    Args:
        dataset: A root made by `render_market`.
        out: Folder to write; a root below it for each of `SWAPS`. An unfinished run is continued.
        warps: What ``reidaug augment`` made of the dataset, on grey and with ``--turns allow``.
        workers: Processes; one a core by default.

    Returns:
        The report: how many ``images`` each root has.

    Raises:
        ReidaugError: A file is missing or does not fit, or the folder holds something else.
        UsageError: The extra ``synth`` is missing.
    """
    world, seed, size, rows = read_rendered(dataset)
    models = pose_models(warps / POSES, rows)
    made = _augmented(dataset, warps)
    plan = Plan(
        out=warps.resolve(),
        build=load_flow,
        flow=made["flow"],
        masks=None if made["masks"] is None else warps.resolve() / made["masks"],
        spread=made["spread"],
        half=made["precision"] == "bfloat16",
    )
    if not models or not load_flow(plan.flow).to_target_pose:
        raise ReidaugError(
            f"{warps}: --flow {plan.flow} asks for no pose, so there is no true view"
        )
    plans = {row["name"]: row for row in rows if row["split"] == TRAIN}
    targets = tuple(from_row(plans[name]) for name in models)
    scene = Scene(world, seed, size, targets, plan)
    table = [{str(k): v for k, v in r.items()} for r in _manifest(warps)]
    kept = {row["file"] for row in table if row["kept"]}
    sources, _ = join_poses(
        read_market1501(dataset, splits=(TRAIN,)), warps.resolve() / made["keypoints"]
    )
    by_person: dict[int, list[Source]] = {}
    for source in sources:
        by_person.setdefault(plans[source.person.path.name]["person"], []).append(source)
    recipe = {"command": "synth swaps", "dataset": str(dataset.resolve()), "warps": made}

    def tasks(out: Path) -> dict[int, Any]:
        for swap in SWAPS:
            (out / swap / TRAIN).mkdir(parents=True, exist_ok=True)
            for split in (QUERY, GALLERY):
                show_split(dataset / split, out / swap / split)
        return {
            person: delayed(swap_person)(
                out,
                scene,
                person,
                mine,
                [from_row(plans[source.person.path.name]) for source in mine],
                kept & {warp_name(s.name, k) for s in mine for k in range(len(targets))},
            )
            for person, mine in by_person.items()
        }

    def finish(out: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
        shown = {name: share for record in records for name, share in record["shown"].items()}
        told = [row | {"shown": shown[row["file"]]} for row in table if row["file"] in shown]
        paths = [dataset / TRAIN / name for name in models]
        for swap in SWAPS:
            write_manifest(out / swap / MANIFEST, told)
            people = pick(sources, PEOPLE_ON_SHEET)
            sheet = contact_sheet(out / swap, people, read_poses(warps / POSES), paths)
            write_atomically(out / swap / "contact_sheet.png", sheet)
        return {"images": sum(row["kept"] for row in told)}

    crops = len(sources) * len(models)
    return run(out, recipe, tasks, finish, crops=crops, workers=workers)


def _augmented(dataset: Path, warps: Path) -> dict[str, Any]:
    """Read back how warps were made."""
    written = warps / "recipe.yaml"
    try:
        recipe = yaml.safe_load(read_text(written)) if written.is_file() else {}
    except yaml.YAMLError:
        raise ReidaugError(f"{written}: not valid YAML; was it cut off?") from None
    if not isinstance(recipe, dict) or recipe.get("command") != "augment":
        raise ReidaugError(f"{warps}: not made by 'reidaug augment', so no warps to change")
    if Path(recipe["dataset"]) != dataset.resolve():
        raise ReidaugError(f"{warps}: warps of {recipe['dataset']}, not of {dataset.resolve()}")
    wrong = [f"{k} {recipe[k]}" for k, v in (("background", GREY), ("turns", "allow"))
             if recipe[k] != v]  # fmt: skip
    if wrong:
        raise ReidaugError(f"{warps}: made with {' and '.join(wrong)}; grey and allow are needed")
    return recipe


def _manifest(warps: Path) -> list[dict[str, Any]]:
    rows = read_manifest(warps / MANIFEST)
    return rows


def swap_person(
    out: Path,
    scene: Scene,
    person: int,
    sources: Sequence[Source],
    shots: Sequence[Shot],
    kept: set[str],
) -> dict[str, Any]:
    """Make the changed warps of one person.

    Args:
        out: The run's folder.
        scene: What all people share.
        person: Number of the person.
        sources: The person's training crops.
        shots: The plan of each.
        kept: File names of the warps to make.

    Returns:
        The record: number of crops, and the share shown by file name.
    """
    figure = dress(look_of(scene.world, scene.seed, person))
    shown: dict[str, float] = {}
    with one_thread(), torch.inference_mode():
        estimator, targets = prepare(scene.plan)
        crops, _ = read_crops(sources, scene.size, scene.plan.masks)
        plans = {source.name: shot for source, shot in zip(sources, shots, strict=True)}
        for crop, asked, flow in flows_of(scene.plan, estimator, crops, targets):
            truth = _truth(figure, plans[crop.source.name], scene)
            names = [warp_name(crop.source.name, k) for k in range(len(flow))]
            for swap in SWAPS:
                pixels = swapped(swap, scene.plan, crop, flow, asked.targets, truth, names)
                for name, image in zip(names, pixels, strict=True):
                    if name in kept:
                        write_image(out / swap / TRAIN / name, image.permute(1, 2, 0).numpy())
            area = truth.outline.sum((1, 2)).clamp_min(1)
            share = (truth.shown.sum((1, 2)) / area).tolist()
            shown |= {name: round(s, 4) for name, s in zip(names, share, strict=True)}
    made = len(sources) * len(scene.targets)
    return keep(out, {"person": person, "crops": made, "shown": shown})


def swapped(
    swap: str,
    plan: Plan,
    crop: Crop,
    flow: Float[Tensor, "t 2 h w"],
    targets: Targets,
    truth: Truth,
    names: Sequence[str],
) -> UInt8[Tensor, "t 3 H W"]:
    """Make the warps of one crop with one ingredient replaced.

    Args:
        swap: One of `SWAPS`.
        plan: How the warps are made.
        crop: The source.
        flow: The estimated flows (T, 2, h, w).
        targets: The T targets the flows lead to.
        truth: The T true views.
        names: File names of the T warps.

    Returns:
        RGB bytes (T, 3, H, W).
    """
    own = targets._replace(outline=truth.outline, weights=soft_edge(truth.outline))
    if swap == "true_flow_grey":
        return pixels_of(plan, crop, truth.flow, own, names)
    if swap == "true_mask_grey":
        return pixels_of(plan, crop, flow, own, names)
    warped = pixels_of(plan, crop, flow, targets, names)
    unseen = targets.outline & truth.outline & ~truth.shown
    true = to_bytes(lay_over(to_float(truth.images), targets.weights, colour_of(GREY)))
    return torch.where(unseen[:, None], true, warped)


def _truth(figure: Figure, own: Shot, scene: Scene) -> Truth:
    """Render the true views of one source, with the flow from each of them to the source."""
    source = render(figure, own, scene.size)
    points, seen = _surface(figure, source)
    views, flows, shown = [], [], []
    for target in scene.targets:
        view = render(figure, true_shot(own, target), scene.size)
        flow, visible = exact_flow(
            _surface(figure, view)[1], seen, points, figure.faces, source.mask, view.mask
        )
        views.append(view)
        flows.append(torch.from_numpy(flow))
        shown.append(torch.from_numpy(visible))
    images = [torch.from_numpy(view.image.transpose(2, 0, 1).copy()) for view in views]
    outline = torch.stack([torch.from_numpy(view.mask) for view in views])
    return Truth(torch.stack(images), outline, torch.stack(flows), torch.stack(shown))


def _surface(figure: Figure, view: Render) -> tuple[Floats, Surface]:
    points = view.projection(view.vertices)
    return points, rasterise(points, figure.faces, view.mask.shape)
