"""Rendered pairs with exact flow, in DeepFashion's form."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from reidaug.data.deepfashion import write_pairs_csv
from reidaug.data.keypoints import write_patn
from reidaug.data.pairs import flow_name, write_flow
from reidaug.geometry.flow import Size
from reidaug.jobs import Task, numpy_generator
from reidaug.people3d.appearance_sampling import sample_person
from reidaug.people3d.correspondence import exact_flow
from reidaug.people3d.mesh import PersonMesh, build_mesh
from reidaug.people3d.raster import rasterise
from reidaug.people3d.render import Render, render
from reidaug.people3d.render_plans import plan_pair_images
from reidaug.people3d.render_run import (
    PersonRecord,
    check_counts,
    poses_of,
    render_people,
    size_text,
    split_numbers,
    split_tasks,
    write_render,
)  # fmt: skip
from reidaug.people3d.worlds import MANY_POSES

CATALOGUE = (256, 256)
"""Images of this size have a white background, as DeepFashion's have."""


@dataclass(frozen=True)
class PairOptions:
    """What `render_pairs` renders.

    Raises:
        UsageError: A number is too small.
    """

    people: int  # training people
    test_people: int = 40  # test people
    views: int = 8  # images of each person
    pairs_each: int = 24  # ordered pairs of each person's images at most, drawn at random
    cut: float = 0.0  # share of the images whose lower edge runs through the legs
    size: Size = (128, 64)  # (height, width) in pixels, see `CATALOGUE`
    seed: int = 0  # random seed

    def __post_init__(self) -> None:
        check_counts(self, people=1, test_people=0, views=2, pairs_each=1, seed=0)

    @property
    def splits(self) -> dict[str, range]:
        """Numbers of the people of each split."""
        return split_numbers(self.people, self.test_people)


def render_pairs(out: Path, options: PairOptions, *, workers: int | None = None) -> dict[str, int]:
    """Render people from several sides, with the exact flow between the views of each.

    Args:
        out: Folder to write; an unfinished run of the same options is continued.
        options: What to render.
        workers: Processes; by default one per core.

    Returns:
        The report: numbers of ``crops``, ``train_pairs`` and ``test_pairs``.

    Raises:
        ReidaugError: The folder holds something else, or a worker was killed.
        UsageError: The extra ``synth`` is not installed.
    """

    def make_tasks() -> dict[int, Task]:
        return split_tasks(out, "flows", options.splits, render_person, options)

    def write_tables(records: list[PersonRecord]) -> dict[str, int]:
        counts = {}
        parts = {"train": records[: options.people], "test": records[options.people :]}
        for split, own in parts.items():
            pairs = [(source, target) for record in own for source, target in record.pairs]
            write_pairs_csv(out / f"fasion-pairs-{split}.csv", pairs)
            write_patn(out / f"fasion-annotation-{split}.csv", poses_of(own), decimals=2)
            counts[f"{split}_pairs"] = len(pairs)
        return counts

    recipe = {"command": "synth pairs", **vars(options), "size": size_text(options.size)}
    crops = options.views * (options.people + options.test_people)
    return render_people(out, recipe, make_tasks, write_tables, crops=crops, workers=workers)


def render_person(out: Path, split: str, person: int, options: PairOptions) -> PersonRecord:
    """Render the images, masks and flows of one person of a split; return joints and pairs."""
    views, size, seed = options.views, options.size, options.seed
    mesh = build_mesh(sample_person(MANY_POSES, seed, person))
    plans = plan_pair_images(seed, person, views, white=size == CATALOGUE, cut=options.cut)
    names = [f"{person:05d}_{k}.jpg" for k in range(views)]
    renders = [render(mesh, plan, size) for plan in plans]
    joints = {n: write_render(out, split, n, r) for n, r in zip(names, renders, strict=True)}
    ordered = [(s, t) for s in range(views) for t in range(views) if s != t]
    drawn = numpy_generator(seed, person).permutation(len(ordered))[: options.pairs_each]
    chosen = [ordered[k] for k in sorted(drawn)]
    _write_flows(out / "flows" / split, mesh, names, renders, chosen)
    return PersonRecord(views, joints, pairs=[(names[s], names[t]) for s, t in chosen])


def _write_flows(
    folder: Path,
    mesh: PersonMesh,
    names: Sequence[str],
    renders: Sequence[Render],
    pairs: Sequence[tuple[int, int]],
) -> None:
    points = [view.projection(view.vertices) for view in renders]
    surfaces = [
        rasterise(p, mesh.faces, view.mask.shape) for p, view in zip(points, renders, strict=True)
    ]
    for s, t in pairs:
        flow, visible = exact_flow(
            surfaces[t], surfaces[s], points[s], mesh.faces, renders[s].mask, renders[t].mask
        )
        path = folder / flow_name(names[s], names[t])
        write_flow(path, torch.from_numpy(flow), torch.from_numpy(visible))
