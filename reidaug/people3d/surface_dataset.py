"""Rendered people with their surface maps: crops, and the same people in poses of others.

``train/`` and ``test/``: crops; ``masks/``; ``fasion-annotation-*.csv``: their joints; and for each
person ``surfaces/{train,test}/PERSON.npz``, see `PersonSurfaces`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from reidaug.data.arrays import read_arrays, write_arrays
from reidaug.data.images import resize_mask
from reidaug.data.keypoints import write_patn
from reidaug.geometry.flow import Size
from reidaug.jobs import Task, numpy_generator
from reidaug.people3d.appearance_sampling import sample_appearance, sample_person
from reidaug.people3d.body import Floats
from reidaug.people3d.mesh import PersonMesh, build_mesh
from reidaug.people3d.render import RenderPlan, render
from reidaug.people3d.render_plans import plan_any_views
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
from reidaug.people3d.surface_maps import (
    framed_like,
    joints_in,
    outline_of,
    pose_person,
    surface_map,
)
from reidaug.people3d.worlds import SURFACES, VARIED

GRID = (64, 32)
"""Grid of the surface maps."""
STILL, OWN_FRAME = 0.08, 0.35
"""Shares of target poses that are the source's own, and of those framed as in their own crop."""
QUALITIES = (40, 96)
"""Range of the crops' JPEG quality."""


@dataclass(frozen=True)
class SurfaceOptions:
    """What `render_surfaces` renders.

    Raises:
        UsageError: A number is too small.
    """

    people: int  # training people
    test_people: int = 40  # test people
    views: int = 6  # crops of each person
    poses: int = 12  # target poses of each person
    cut: float = 0.0  # share of the crops whose lower edge runs through the legs
    size: Size = (128, 64)  # (height, width) in pixels
    seed: int = 0  # random seed

    def __post_init__(self) -> None:
        check_counts(self, people=1, test_people=0, views=1, poses=1, seed=0)

    @property
    def splits(self) -> dict[str, range]:
        """Numbers of the people of each split."""
        return split_numbers(self.people, self.test_people)


class PersonSurfaces(NamedTuple):
    """Surfaces of one person: of V crops, and in T target poses, each asked of one of the crops."""

    crop: Floats  # surface maps of the crops (V, 4, h, w), NaN off the person; see `surface_map`
    source: NDArray[np.uint8]  # crop (T,) that each target pose is asked of
    # Whether the target is framed as the crop is (T,): its joints are to be found from those of
    # another person, `asked`. Otherwise the target's joints are known.
    retargeted: NDArray[np.bool_]
    asked: Floats  # joints (T, 18, 3) of another person in the target pose, in that one's own crop
    joints: Floats  # joints (T, 18, 3) of this person in the target pose: x, y, visible
    target: Floats  # surface maps (T, 4, h, w) of this person in the target pose
    outline: NDArray[np.bool_]  # outlines (T, H, W) of this person in the target pose


def render_surfaces(
    out: Path, options: SurfaceOptions, *, workers: int | None = None
) -> dict[str, int]:
    """Render people with their surface maps, each also in poses of others.

    Args:
        out: Folder to write; an unfinished run of the same options is continued.
        options: What to render.
        workers: Processes; by default one per core.

    Returns:
        The report: number of ``crops``.

    Raises:
        ReidaugError: The folder holds something else, or a worker was killed.
        UsageError: The extra ``synth`` is not installed.
    """

    def make_tasks() -> dict[int, Task]:
        return split_tasks(out, "surfaces", options.splits, render_person, options)

    def write_tables(records: list[PersonRecord]) -> dict[str, int]:
        parts = {"train": records[: options.people], "test": records[options.people :]}
        for split, own in parts.items():
            write_patn(out / f"fasion-annotation-{split}.csv", poses_of(own), decimals=2)
        return {}

    recipe = {"command": "synth surfaces", **vars(options), "size": size_text(options.size)}
    crops = options.views * (options.people + options.test_people)
    return render_people(out, recipe, make_tasks, write_tables, crops=crops, workers=workers)


def render_person(out: Path, split: str, person: int, options: SurfaceOptions) -> PersonRecord:
    """Render crops, masks and surfaces of one person of a split; return the crops' joints."""
    size, seed, views = options.size, options.seed, options.views
    plans = plan_any_views(VARIED, seed, person, views + options.poses, cut=options.cut)
    crops, targets = plans[:views], plans[views:]
    mesh = build_mesh(sample_person(VARIED, seed, person))
    chance = numpy_generator(seed, SURFACES, person)
    joints, maps = {}, []
    for k, plan in enumerate(crops):
        name, image = f"{person:05d}_{k}.jpg", render(mesh, plan, size)
        joints[name] = write_render(out, split, name, image, int(chance.integers(*QUALITIES)))
        whole = surface_map(mesh, pose_person(mesh, plan.posture, plan.view, size), size, GRID)
        visible = resize_mask(torch.from_numpy(image.mask), GRID).numpy()
        maps.append(np.where(visible, whole, np.nan))
    surfaces = _surfaces_in_poses(mesh, crops, targets, np.stack(maps), size, chance)
    write_surfaces(out / "surfaces" / split / f"{person:05d}.npz", surfaces)
    return PersonRecord(len(crops), joints)


def _surfaces_in_poses(
    mesh: PersonMesh,
    crops: Sequence[RenderPlan],
    targets: Sequence[RenderPlan],
    maps: Floats,
    size: Size,
    chance: Generator,
) -> PersonSurfaces:
    """Find the surfaces of a person in target poses; ``maps`` are those of the crops."""
    other = build_mesh(sample_appearance(chance, VARIED.palette, VARIED.bodies))
    posed = [pose_person(mesh, plan.posture, plan.view, size) for plan in crops]
    rows = []
    for target in targets:
        source, kind = int(chance.integers(len(crops))), float(chance.random())
        posture, view = crops[source][:2] if kind < STILL else target[:2]
        asked = joints_in(other, pose_person(other, posture, view, size), size)
        retargeted = not STILL <= kind < STILL + OWN_FRAME
        if retargeted:
            tall = pose_person(mesh, posture, view, size).tall
            view = framed_like(view, tall, crops[source].view, posed[source].tall)
        here = pose_person(mesh, posture, view, size)
        joints, outline = joints_in(mesh, here, size), outline_of(mesh, here, size)
        rows.append(
            (source, retargeted, asked, joints, surface_map(mesh, here, size, GRID), outline)
        )
    columns = (np.stack(column) for column in zip(*rows, strict=True))
    return PersonSurfaces(maps, *columns)


def write_surfaces(path: Path, surfaces: PersonSurfaces) -> None:
    """Write the surfaces of a person, maps in half precision."""
    arrays = surfaces._asdict()
    for name in ("crop", "target"):
        arrays[name] = arrays[name].astype(np.float16)
    write_arrays(path, arrays)


def read_surfaces(path: Path) -> PersonSurfaces:
    """Read the surfaces of a person.

    Raises:
        ReidaugError: The file is missing or damaged.
    """
    return PersonSurfaces(**read_arrays(path, PersonSurfaces._fields))
