"""True other views of rendered people: for every warp the picture a perfect warp would be."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import yaml
from joblib import delayed
from numpy.typing import NDArray

from reidaug.augment.background import lay_over, soft_edge
from reidaug.augment.inputs import MASKS
from reidaug.augment.other_backgrounds import Places, behind, draw_pool
from reidaug.augment.output_folder import show_split
from reidaug.data.images import read_image, read_mask, to_bytes, to_float
from reidaug.data.manifest import read_manifest
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, warp_name
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import read_text
from reidaug.geometry.flow import Size
from reidaug.people3d.figure import dress
from reidaug.people3d.render import Render, Shot, render
from reidaug.people3d.rendering import keep, parse_size, run, write_image
from reidaug.people3d.scene import Occluder
from reidaug.people3d.shot_plans import from_row
from reidaug.people3d.worlds import World, look_of, world_from_dict

GREY = 128
GROUNDS = 64  # pictures whose backgrounds one person may get
Background = Literal["grey", "other"]


def render_views(
    dataset: Path,
    out: Path,
    *,
    poses: Path,
    background: Background = "grey",
    workers: int | None = None,
) -> dict[str, Any]:
    """Render the true other views of a rendered dataset's training people.

    Each pose of ``poses.json`` was drawn from a training image. Every training picture is rendered
    in every pose, with its own camera and light: for each warp of ``reidaug augment`` the picture
    that a perfect warp would be, under the same name.

    Args:
        dataset: A root made by `render_market`.
        out: Folder to write, a Market-1501 root; an unfinished run is continued.
        poses: The ``poses.json`` of ``reidaug augment``.
        background: ``grey``, or ``other``: what stands behind another person's training picture.
        workers: Processes; one a core by default.

    Returns:
        The report.

    Raises:
        ReidaugError: A file is missing or does not fit, or the folder holds something else.
        UsageError: The extra ``synth`` is missing, or there is no other person.
    """
    world, seed, size, rows = read_rendered(dataset)
    models = pose_models(poses, rows)
    recipe = {"command": "synth views", "dataset": str(dataset.resolve()), "poses": models}
    recipe |= {"background": background}
    train = sorted((row for row in rows if row["split"] == TRAIN), key=lambda row: row["name"])
    by_person: dict[int, list[dict[str, Any]]] = {}
    for row in train:
        by_person.setdefault(row["person"], []).append(row)
    shots = {row["name"]: from_row(row) for row in train}
    targets = [shots[name] for name in models]
    if background == "other" and len(by_person) < 2:
        raise UsageError("--background other needs training pictures of at least two people")

    def grounds(person: int) -> list[Ground]:
        if background == "grey":
            return []
        people = [row["person"] for row in train]
        drawn = draw_pool(people, [person], count=GROUNDS, seed=(seed, person))
        names = [Path(train[k]["name"]) for k in drawn]
        return [
            Ground(people[k], dataset / TRAIN / name, dataset / MASKS / f"{name.stem}.png")
            for k, name in zip(drawn, names, strict=True)
        ]

    def tasks(out: Path) -> dict[int, Any]:
        (out / TRAIN).mkdir(exist_ok=True)
        for split in (QUERY, GALLERY):
            show_split(dataset / split, out / split)
        return {
            person: delayed(view_person)(
                out,
                world,
                person,
                mine,
                targets,
                size,
                seed,
                grounds(person),
            )
            for person, mine in by_person.items()
        }

    def finish(out: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
        return {"images": sum(len(record["rows"]) for record in records)}

    crops = sum(map(len, by_person.values())) * len(models)
    return run(out, recipe, tasks, finish, crops=crops, workers=workers)


def read_rendered(dataset: Path) -> tuple[World, int, Size, list[dict[str, Any]]]:
    """Read back how a dataset was rendered.

    Args:
        dataset: A root made by `render_market`.

    Returns:
        The world, the seed, (height, width), and the rows of the table of renders.

    Raises:
        ReidaugError: It was not made that way, or a file is damaged.
    """
    written = dataset / "recipe.yaml"
    try:
        recipe = yaml.safe_load(read_text(written)) if written.is_file() else {}
    except yaml.YAMLError:
        raise ReidaugError(f"{written}: not valid YAML; was it cut off?") from None
    if not isinstance(recipe, dict) or recipe.get("command") != "synth market":
        raise ReidaugError(f"{dataset}: not made by 'reidaug synth market', so nobody to render")
    rows = read_manifest(dataset / "renders.parquet")
    return world_from_dict(recipe["world"]), recipe["seed"], parse_size(recipe["size"]), rows


def pose_models(poses: Path, rows: Iterable[dict[str, Any]]) -> list[str]:
    """Name the training image each target pose was drawn from.

    Args:
        poses: The ``poses.json`` of ``reidaug augment``.
        rows: Rows of the table of renders.

    Returns:
        File names.

    Raises:
        ReidaugError: The file is missing or damaged, or names something else.
    """
    try:
        entries = json.loads(poses.read_text(encoding="utf-8"))["poses"]
        names = [str(entry["image"]) for entry in entries]
    except FileNotFoundError:
        raise ReidaugError(f"{poses}: no such file; 'reidaug augment' writes it") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise ReidaugError(f"{poses}: not a poses.json of 'reidaug augment'") from None
    known = {row["name"] for row in rows if row["split"] == TRAIN}
    for name in names:
        if name not in known:
            raise ReidaugError(f"{poses}: {name} is no training image of this dataset")
    return names


def true_shot(own: Shot, target: Shot) -> Shot:
    """Plan the picture a perfect warp would be.

    Args:
        own: The source's plan: its camera, light and place stay.
        target: Whose pose and view are wanted.

    Returns:
        The plan; nothing stands before the person.
    """
    nothing = Occluder("none", 0.0, 0)
    return own._replace(posture=target.posture, view=target.view, occluder=nothing)


class Ground(NamedTuple):
    """A picture whose background may be used.

    Attributes:
        person: Who is in it.
        image: The picture.
        mask: Where the person is in it.
    """

    person: int
    image: Path
    mask: Path


def view_person(
    out: Path, world: World, person: int, rows: list[dict[str, Any]], targets: list[Shot],
    size: Size, seed: int, grounds: Sequence[Ground] = (),
) -> dict[str, Any]:  # fmt: skip
    """Render one person of `reidaug synth views` in the poses and views of others.

    Args:
        out: The run's folder.
        world: The world of the dataset.
        person: Number of the person.
        rows: The person's training pictures, rows of the table of renders in name order.
        targets: Plans of the pictures whose poses and views are wanted.
        size: (height, width) in pixels.
        seed: Of the dataset.
        grounds: Pictures to take backgrounds from; none for grey.

    Returns:
        The record: number of crops, and name, source and pose of each.
    """
    figure = dress(look_of(world, seed, person))
    made, places = [], _emptied(grounds) if grounds else None
    for row in rows:
        own = from_row(row)
        for p, target in enumerate(targets):
            one, name = render(figure, true_shot(own, target), size), warp_name(row["name"], p)
            image = np.where(one.mask[..., None], one.image, np.uint8(GREY))
            if places is not None:
                image = _elsewhere(one, places, name, person, seed)
            write_image(out / TRAIN / name, image)
            made.append({"name": name, "source": row["name"], "pose": p})
    return keep(out, {"person": person, "crops": len(made), "rows": made})


def _emptied(grounds: Sequence[Ground]) -> Places:
    return Places.of(
        [ground.person for ground in grounds],
        [to_float(read_image(ground.image)) for ground in grounds],
        [read_mask(ground.mask) for ground in grounds],
    )


def _elsewhere(one: Render, places: Places, name: str, person: int, seed: int) -> NDArray[np.uint8]:
    """Put a person where another one stood, as ``reidaug augment --background other`` does."""
    image = to_float(torch.from_numpy(one.image.transpose(2, 0, 1).copy()))
    mask = torch.from_numpy(one.mask)
    ground = behind("other", image, mask, [name], person=person, places=places, seed=seed)
    laid = to_bytes(lay_over(image[None], soft_edge(mask[None]), ground))[0]
    return laid.permute(1, 2, 0).numpy()
