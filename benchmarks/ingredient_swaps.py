"""Warps of rendered people with one ingredient replaced by the true one: which of them costs most.

Three roots, each what `reidaug augment` wrote except for one thing:

- ``true_flow_grey``: the exact flow, composed with the true mask. What the source does not show is
  filled as `reidaug augment` fills it: an occluded point samples what occludes it.
- ``true_mask_grey``: the estimated flow, composed with the person's true mask in place of the pose
  model's.
- ``true_texture_grey``: the estimated flow and the pose model's mask; where the true view shows a
  part of the person that the source does not, its pixels are used.

Together with ``true_views_grey`` of `reidaug synth views`, where everything is true, they explain
the arms of a `reidaug finetune-eval` experiment.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from joblib import delayed
from torch import Tensor

from reidaug.augment.background import GREY_LEVEL
from reidaug.augment.engine import WarpJob, load_models
from reidaug.augment.inputs import Source, join_poses
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import Targets
from reidaug.augment.output_folder import show_split
from reidaug.augment.target_poses import POSES, read_poses
from reidaug.augment.warp_manifest import MANIFEST
from reidaug.augment.warp_sheet import SHEET, warp_sheet
from reidaug.augment.warping import Crop, estimate_flows, read_crops, warp_pixels
from reidaug.data.compositing import composite, soft_matte
from reidaug.data.crop_names import warp_name
from reidaug.data.images import to_bytes, to_float
from reidaug.data.manifest import read_manifest, write_manifest
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, read_market1501
from reidaug.errors import ReidaugError
from reidaug.experiments.true_views import read_target_images, true_view
from reidaug.files import write_atomically
from reidaug.flow.builtin import named_flow
from reidaug.jobs import Task
from reidaug.machine import one_thread
from reidaug.people3d.appearance_sampling import sample_person
from reidaug.people3d.body import Floats
from reidaug.people3d.correspondence import exact_flow
from reidaug.people3d.market_dataset import RenderedMarket, read_rendered_market
from reidaug.people3d.mesh import PersonMesh, build_mesh
from reidaug.people3d.raster import Surface, rasterise
from reidaug.people3d.render import Render, RenderPlan, render
from reidaug.people3d.render_plans import from_row
from reidaug.people3d.render_run import PersonRecord, read_recipe, render_people, write_image

SWAPS = ("true_flow_grey", "true_mask_grey", "true_texture_grey")
GREY = "grey"


class TrueViews(NamedTuple):
    """True views of one source in the target poses, with exact flow.

    Attributes:
        images: RGB bytes (T, 3, H, W).
        masks: Pixels of the person (T, H, W).
        flow: Exact flows (T, 2, H, W) from the views to the source.
        visible: Pixels (T, H, W) whose surface point the source shows too.
    """

    images: UInt8[Tensor, "t 3 H W"]
    masks: Bool[Tensor, "t H W"]
    flow: Float[Tensor, "t 2 H W"]
    visible: Bool[Tensor, "t H W"]


class Swaps(NamedTuple):
    """What every worker must know.

    Attributes:
        out: Folder of the run.
        market: The rendered dataset.
        targets: Plans of the images the target poses come from.
        job: How the warps were made; ``job.out`` is their root.
        kept: File names of the warps to make.
    """

    out: Path
    market: RenderedMarket
    targets: Sequence[RenderPlan]
    job: WarpJob
    kept: frozenset[str]


def render_swaps(
    dataset: Path, out: Path, *, warps: Path, workers: int | None = None
) -> dict[str, int]:
    """Make the warps of a rendered dataset again, with one ingredient true in each of three roots.

    Each root has the names and the manifest of ``warps``, so that ``min_quality`` of an experiment
    chooses the same warps in all of them, and one more column: ``shown``, the share of the true
    view's person that the source shows.

    Args:
        dataset: A root written by `reidaug.people3d.market_dataset.render_market`.
        out: Folder to write; a root below it for each of `SWAPS`. An unfinished run is continued.
        warps: What ``reidaug augment`` made of the dataset, on grey and with ``--turns allow``.
        workers: Processes; by default one per core.

    Returns:
        The report: number of ``crops``, and of ``images`` in each root.

    Raises:
        ReidaugError: A file is missing or does not fit, or the folder holds something else.
        UsageError: The extra ``synth`` is missing.
    """
    market = read_rendered_market(dataset)
    target_images = read_target_images(warps / POSES, market.training)
    augment_recipe = _read_augment_recipe(dataset, warps)
    flow, options = named_flow(augment_recipe["flow"]), AugmentOptions.of_run(warps, augment_recipe)
    if not target_images or not flow.estimator().to_target_pose:
        raise ReidaugError(
            f"{warps}: --flow {flow.name} needs no target pose, so there is no true view"
        )
    manifest = read_manifest(warps / MANIFEST)
    targets = [from_row(market.training[name]) for name in target_images]
    kept = frozenset(row["file"] for row in manifest if row["kept"])
    swaps = Swaps(out, market, targets, WarpJob(warps.resolve(), flow, options), kept)
    assert options.keypoints is not None
    sources, _ = join_poses(read_market1501(dataset, splits=(TRAIN,)), options.keypoints)
    by_person: dict[int, list[Source]] = {}
    for source in sources:
        person = market.training[source.person.path.name]["person"]
        by_person.setdefault(person, []).append(source)

    def make_tasks() -> dict[int, Task]:
        for swap in SWAPS:
            (out / swap / TRAIN).mkdir(parents=True, exist_ok=True)
            for split in (QUERY, GALLERY):
                show_split(dataset / split, out / swap / split)
        return {
            person: delayed(swap_person)(swaps, person, own) for person, own in by_person.items()
        }

    def write_tables(records: list[PersonRecord]) -> dict[str, int]:
        shown = {row["file"]: row["shown"] for record in records for row in record.rows}
        rows = [row | {"shown": shown[row["file"]]} for row in manifest if row["file"] in shown]
        for swap in SWAPS:
            write_manifest(out / swap / MANIFEST, rows)
            sheet = warp_sheet(out / swap, sources, read_poses(warps / POSES))
            write_atomically(out / swap / SHEET, sheet)
        return {"images": sum(row["kept"] for row in rows)}

    recipe = {"command": "synth swaps", "dataset": str(dataset.resolve()), "warps": augment_recipe}
    crops = len(sources) * len(targets)
    return render_people(out, recipe, make_tasks, write_tables, crops=crops, workers=workers)


def _read_augment_recipe(dataset: Path, warps: Path) -> dict[str, Any]:
    recipe = read_recipe(warps, "augment", "no warps to change")
    if Path(recipe["dataset"]) != dataset.resolve():
        raise ReidaugError(f"{warps}: warps of {recipe['dataset']}, not of {dataset.resolve()}")
    needed = (("background", GREY), ("turns", "allow"))
    wrong = [f"{key} {recipe[key]}" for key, value in needed if recipe[key] != value]
    if wrong:
        raise ReidaugError(f"{warps}: made with {' and '.join(wrong)}; grey and allow are needed")
    return recipe


def swap_person(swaps: Swaps, person: int, sources: Sequence[Source]) -> PersonRecord:
    """Make the changed warps of one person.

    Args:
        swaps: What to do.
        person: Number of the person.
        sources: The person's training crops.

    Returns:
        Number of crops; rows with the share shown by file name.
    """
    market, options = swaps.market, swaps.job.options
    mesh = build_mesh(sample_person(market.world, market.seed, person))
    rows: list[dict[str, Any]] = []
    with one_thread(), torch.inference_mode():
        models = load_models(swaps.job)
        crops, _ = read_crops(sources, market.size, options.masks)
        for field in estimate_flows(models.estimator, crops, models.targets, options):
            crop, flow = field.crop, field.flow
            own = from_row(market.training[crop.source.person.path.name])
            truth = _render_true_views(mesh, own, swaps)
            names = [warp_name(crop.source.name, k) for k in range(len(flow))]
            for swap in SWAPS:
                pixels = swapped(swap, options, crop, flow, field.targets, truth, names)
                for name, image in zip(names, pixels, strict=True):
                    if name in swaps.kept:
                        path = swaps.out / swap / TRAIN / name
                        write_image(path, image.permute(1, 2, 0).numpy())
            area = truth.masks.sum((1, 2)).clamp_min(1)
            shares = (truth.visible.sum((1, 2)) / area).tolist()
            rows += [
                {"file": name, "shown": round(share, 4)}
                for name, share in zip(names, shares, strict=True)
            ]
    return PersonRecord(len(sources) * len(swaps.targets), joints={}, rows=rows)


def swapped(
    swap: str,
    options: AugmentOptions,
    crop: Crop,
    flow: Float[Tensor, "t 2 h w"],
    targets: Targets,
    truth: TrueViews,
    names: Sequence[str],
) -> UInt8[Tensor, "t 3 H W"]:
    """Make the warps of one crop with one ingredient replaced.

    Args:
        swap: One of `SWAPS`.
        options: How the warps are made.
        crop: The source.
        flow: Estimated flows (T, 2, h, w).
        targets: The T target poses.
        truth: The T true views.
        names: File names of the T warps.

    Returns:
        RGB bytes (T, 3, H, W).
    """
    true_mask = targets._replace(outline=truth.masks, matte=soft_matte(truth.masks))
    if swap == "true_flow_grey":
        return warp_pixels(crop, truth.flow, true_mask, names, options)
    if swap == "true_mask_grey":
        return warp_pixels(crop, flow, true_mask, names, options)
    warped = warp_pixels(crop, flow, targets, names, options)
    hidden = targets.outline & truth.masks & ~truth.visible
    grey = torch.full((3, 1, 1), GREY_LEVEL)
    true = to_bytes(composite(to_float(truth.images), targets.matte, grey))
    return torch.where(hidden[:, None], true, warped)


def _render_true_views(mesh: PersonMesh, own: RenderPlan, swaps: Swaps) -> TrueViews:
    source = render(mesh, own, swaps.market.size)
    points, surface = _rasterised(mesh, source)
    views, flows, visible = [], [], []
    for target in swaps.targets:
        view = render(mesh, true_view(own, target), swaps.market.size)
        _, target_surface = _rasterised(mesh, view)
        flow, shown = exact_flow(
            target_surface, surface, points, mesh.faces, source.mask, view.mask
        )
        views.append(view)
        flows.append(torch.from_numpy(flow))
        visible.append(torch.from_numpy(shown))
    images = [torch.from_numpy(view.image.transpose(2, 0, 1).copy()) for view in views]
    masks = torch.stack([torch.from_numpy(view.mask) for view in views])
    return TrueViews(torch.stack(images), masks, torch.stack(flows), torch.stack(visible))


def _rasterised(mesh: PersonMesh, view: Render) -> tuple[Floats, Surface]:
    points = view.projection(view.vertices)
    return points, rasterise(points, mesh.faces, view.mask.shape)
