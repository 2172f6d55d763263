"""`reidaug synth`: rendered people as pairs with exact flow, as a re-ID dataset, as true views."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch
from joblib import Parallel, delayed

from reidaug.data.deepfashion import write_pairs_csv
from reidaug.data.files import write_atomically
from reidaug.data.images import encode_jpeg, encode_png
from reidaug.data.keypoints import write_patn
from reidaug.data.manifest import read_manifest, write_manifest
from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN, market_name, warp_name
from reidaug.data.pairs import flow_name, write_flow
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.geometry.pose import Pose
from reidaug.people3d.body import load_body
from reidaug.people3d.correspondence import exact_flow
from reidaug.people3d.figure import Figure, dress
from reidaug.people3d.raster import rasterise
from reidaug.people3d.render import Render, Shot, render
from reidaug.people3d.scene import Occluder
from reidaug.people3d.worlds import (
    MANY_POSES,
    World,
    from_row,
    look_of,
    pair_shots,
    test_shots,
    to_row,
    train_shots,
    world_from_dict,
    world_named,
)
from reidaug.runs import RunFolder, counter

GREY = 128
PARTS = ".parts"
Size = tuple[int, int]


class Crop(NamedTuple):
    """One picture of a re-ID dataset to be taken.

    Attributes:
        split: Folder.
        name: File name.
        camera: Number of the camera.
        shot: The plan.
    """

    split: str
    name: str
    camera: int
    shot: Shot


def render_pairs(
    out: Path, *, people: int, test_people: int = 40, views: int = 8, pairs_each: int = 24,
    size: Size = (128, 64), seed: int = 0, workers: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Render people from several sides, with the exact flow between the views of each.

    Args:
        out: Folder to write; an unfinished run of the same settings is continued.
        people: Training people.
        test_people: Test people.
        views: Pictures of each.
        pairs_each: Ordered pairs of each person's pictures at most, drawn at random.
        size: (height, width) in pixels; 256x256 has white ground, other sizes have places.
        seed: Of everything.
        workers: Processes; one a core by default.

    Returns:
        The report.

    Raises:
        ReidaugError: The folder holds something else.
        UsageError: A number is too small, or the extra ``synth`` is missing.
    """
    _check(
        people=(people, 1),
        test_people=(test_people, 0),
        views=(views, 2),
        pairs_each=(pairs_each, 1),
    )
    recipe = {
        "command": "synth pairs", "people": people, "test_people": test_people, "views": views,
        "pairs_each": pairs_each, "size": f"{size[0]}x{size[1]}", "seed": seed,
    }  # fmt: skip
    splits = {"train": range(1, people + 1), "test": range(people + 1, people + test_people + 1)}

    def tasks(out: Path) -> dict[int, Any]:
        for split in splits:
            for folder in (out / split, out / "flows" / split, out / "masks"):
                folder.mkdir(parents=True, exist_ok=True)
        return {
            person: delayed(_pair_person)(out, split, person, (views, pairs_each), size, seed)
            for split, persons in splits.items()
            for person in persons
        }

    def finish(out: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
        counts = {}
        for split, persons in splits.items():
            mine = [r for r in records if r["person"] in persons]
            pairs = [tuple(pair) for r in mine for pair in r["pairs"]]
            write_pairs_csv(out / f"fasion-pairs-{split}.csv", pairs)
            write_patn(out / f"fasion-annotation-{split}.csv", _poses(mine), decimals=2)
            counts[f"{split}_pairs"] = len(pairs)
        return counts

    return _run(out, recipe, tasks, finish, crops=views * (people + test_people), workers=workers)


def render_market(
    out: Path, *, people: int, test_people: int = 60, world: World | str = "few-poses",
    train_crops: int = 2, test_crops: int = 6, distractors: int = 0, junk: int = 0,
    size: Size = (128, 64), seed: int = 0, workers: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Render a re-ID dataset in Market-1501's form.

    Args:
        out: Folder to write; an unfinished run of the same settings is continued.
        people: Training people.
        test_people: Test people.
        world: A world or its name.
        train_crops: Pictures of each training person.
        test_crops: Pictures of each test person; a third of them become queries.
        distractors: Gallery pictures of nobody (pid 0), each of another person.
        junk: Gallery pictures to be ignored (pid -1).
        size: (height, width) in pixels.
        seed: Of everything.
        workers: Processes; one a core by default.

    Returns:
        The report.

    Raises:
        ReidaugError: The folder holds something else.
        UsageError: A number is too small, the world is unknown, or the extra is missing.
    """
    world = world_named(world) if isinstance(world, str) else world
    _check(people=(people, 1), test_people=(test_people, 0), train_crops=(train_crops, 1),
           test_crops=(test_crops, 2), distractors=(distractors, 0), junk=(junk, 0))  # fmt: skip
    recipe = {
        "command": "synth market", "people": people, "test_people": test_people,
        "train_crops": train_crops, "test_crops": test_crops, "distractors": distractors,
        "junk": junk, "size": f"{size[0]}x{size[1]}", "seed": seed, "world": world.as_dict(),
    }  # fmt: skip
    counts = (people, test_people, distractors, junk)

    def tasks(out: Path) -> dict[int, Any]:
        for folder in (*SPLITS, "masks"):
            (out / folder).mkdir(exist_ok=True)
        plans = {
            person: _plan(world, seed, person, counts, (train_crops, test_crops))
            for person in range(1, sum(counts) + 1)
        }
        return {
            person: delayed(_market_person)(out, world, person, crops, size, seed)
            for person, crops in plans.items()
        }

    def finish(out: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
        rows = [row for record in records for row in record["rows"]]
        for split, name in ((TRAIN, "train"), ("", "test")):
            mine = [r for r in rows if (r["split"] == TRAIN) == bool(split)]
            images = {r["name"] for r in mine}
            poses = {n: p for n, p in _poses(records).items() if n in images}
            write_patn(out / f"market-annotation-{name}.csv", poses, decimals=2)
        write_manifest(out / "renders.parquet", rows)
        return {split: sum(r["split"] == split for r in rows) for split in SPLITS}

    total = people * train_crops + test_people * test_crops + distractors + junk
    return _run(out, recipe, tasks, finish, crops=total, workers=workers)


def render_views(
    dataset: Path, out: Path, *, poses: Path, workers: int | None = None
) -> dict[str, Any]:
    """Render the true other views of a rendered dataset's training people, on grey.

    Each pose of ``poses.json`` was drawn from a training image. Picture k of a person, in name
    order, takes the poses p with (p + k) divisible by the person's number of pictures, so that
    every person is seen in every pose once, with the camera and light of picture k.

    Args:
        dataset: A root made by `render_market`.
        out: Folder to write, a Market-1501 root; an unfinished run is continued.
        poses: The ``poses.json`` of ``reidaug augment``.
        workers: Processes; one a core by default.

    Returns:
        The report.

    Raises:
        ReidaugError: A file is missing or does not fit, or the folder holds something else.
        UsageError: The extra ``synth`` is missing.
    """
    world, seed, size, rows = _rendered(dataset)
    models = _pose_models(poses, rows)
    recipe = {"command": "synth views", "dataset": str(dataset.resolve()), "poses": models}
    train = sorted((row for row in rows if row["split"] == TRAIN), key=lambda row: row["name"])
    by_person: dict[int, list[dict[str, Any]]] = {}
    for row in train:
        by_person.setdefault(row["person"], []).append(row)
    shots = {row["name"]: from_row(row) for row in train}
    targets = [shots[name] for name in models]

    def tasks(out: Path) -> dict[int, Any]:
        (out / TRAIN).mkdir(exist_ok=True)
        for split in (QUERY, GALLERY):
            if not (out / split).exists():
                (out / split).symlink_to((dataset / split).resolve(), target_is_directory=True)
        return {
            person: delayed(_view_person)(out, world, person, mine, targets, size, seed)
            for person, mine in by_person.items()
        }

    def finish(out: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
        return {"images": sum(len(record["rows"]) for record in records)}

    crops = len(by_person) * len(models)
    return _run(out, recipe, tasks, finish, crops=crops, workers=workers)


def _run(
    out: Path,
    recipe: dict[str, Any],
    tasks: Callable[[Path], dict[int, Any]],
    finish: Callable[[Path, list[dict[str, Any]]], dict[str, Any]],
    *,
    crops: int,
    workers: int | None,
) -> dict[str, Any]:
    """Work through one task a person; each leaves a record, so that a rerun skips what is done."""
    require_extra("synth", "anny", "warp")
    folder = RunFolder.open(out, recipe, resume=True)
    done = folder.finished()
    if done is not None:
        return done
    load_body()  # builds the body model's file once, before the workers want it
    (out / PARTS).mkdir(exist_ok=True)
    todo = tasks(out)
    # Workers get nothing that is done: a task that returns at once would make the next, which loads
    # the body model, look like a leak of memory, and the worker would be replaced.
    records = {person: _record(out, person) for person in todo}
    missing = [todo[person] for person, record in records.items() if record is None]
    started = time.monotonic()
    with counter(total=crops, what="rendering", unit="crops") as advance:
        advance(sum(record["crops"] for record in records.values() if record))
        for record in _parallel(missing, workers or os.cpu_count() or 1):
            records[record["person"]] = record
            advance(record["crops"])
    complete = [record for record in records.values() if record]
    report = {"crops": crops, **finish(out, complete)}
    folder.log(persons=len(missing), seconds=round(time.monotonic() - started, 2))
    folder.report(report)
    for part in (out / PARTS).iterdir():
        part.unlink()
    (out / PARTS).rmdir()
    return report


def _parallel(tasks: Sequence[Any], workers: int) -> Iterator[dict[str, Any]]:
    if not tasks:
        return
    try:
        jobs = min(workers, len(tasks))
        yield from Parallel(n_jobs=jobs, return_as="generator", batch_size=1)(tasks)
    except BrokenProcessPool:
        raise ReidaugError(
            "a worker was killed, most likely for want of memory; run the same command with "
            "fewer --workers, it goes on where it stopped"
        ) from None


def _record(out: Path, person: int) -> dict[str, Any] | None:
    """Read what a finished task left behind."""
    part = out / PARTS / f"{person}.json"
    if not part.exists():
        return None
    record: dict[str, Any] = json.loads(part.read_text())
    return record


def _keep(out: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Leave a record of a finished task, and give it as it would be read back."""
    text = json.dumps(record)
    write_atomically(out / PARTS / f"{record['person']}.json", text.encode())
    kept: dict[str, Any] = json.loads(text)
    return kept


def _pair_person(
    out: Path, split: str, person: int, counts: tuple[int, int], size: Size, seed: int
) -> dict[str, Any]:
    views, pairs_each = counts

    figure = dress(look_of(MANY_POSES, seed, person))
    shots = pair_shots(seed, person, views, white=size == (256, 256))
    names = [f"{person:05d}_{k}.jpg" for k in range(views)]
    taken = [render(figure, shot, size) for shot in shots]
    for name, one in zip(names, taken, strict=True):
        _write_image(out / split / name, one.image)
        _write_mask(out, name, one)
    ordered = [(s, t) for s in range(views) for t in range(views) if s != t]
    drawn = np.random.default_rng([seed, person]).permutation(len(ordered))[:pairs_each]
    chosen = [ordered[k] for k in sorted(drawn)]
    _write_flows(out / "flows" / split, figure, names, taken, chosen)
    pairs = [(names[s], names[t]) for s, t in chosen]
    joints = {n: _joints(r) for n, r in zip(names, taken, strict=True)}
    return _keep(out, {"person": person, "crops": views, "joints": joints, "pairs": pairs})


def _write_flows(
    folder: Path,
    figure: Figure,
    names: Sequence[str],
    taken: Sequence[Render],
    pairs: Sequence[tuple[int, int]],
) -> None:
    points = [one.projection(one.vertices) for one in taken]
    seen = [rasterise(p, figure.faces, r.mask.shape) for p, r in zip(points, taken, strict=True)]
    for s, t in pairs:
        flow, visible = exact_flow(
            seen[t], seen[s], points[s], figure.faces, taken[s].mask, taken[t].mask
        )
        path = folder / flow_name(names[s], names[t])
        write_flow(path, torch.from_numpy(flow), torch.from_numpy(visible))


def _plan(
    world: World,
    seed: int,
    person: int,
    counts: tuple[int, int, int, int],
    crops: tuple[int, int],
) -> list[Crop]:
    """Decide which crops a person gives, and what they are called."""
    train, test = crops
    people, test_people, distractors, _ = counts
    if person <= people:
        shots = train_shots(world, seed, person, train)
        return [_crop(TRAIN, person, person, k, *shot) for k, shot in enumerate(shots)]
    if person <= people + test_people:
        shots = test_shots(world, seed, person, test)
        queries = max(1, test // 3)
        return [
            _crop(QUERY if k < queries else GALLERY, person, person, k, *shot)
            for k, shot in enumerate(shots)
        ]
    camera, shot = test_shots(world, seed, person, 1)[0]
    if person <= people + test_people + distractors:
        return [_crop(GALLERY, 0, person, 0, camera, shot)]
    # Junk: a box that misses most of the person.
    view = shot.view._replace(zoom=1.9, shift_x=0.4 * np.sign(shot.view.shift_x), shift_y=0.35)
    return [_crop(GALLERY, -1, person, 0, camera, shot._replace(view=view))]


def _crop(split: str, pid: int, person: int, k: int, camera: int, shot: Shot) -> Crop:
    return Crop(split, market_name(pid, camera, 1, person, k + 1), camera, shot)


def _market_person(
    out: Path, world: World, person: int, crops: list[Crop], size: Size, seed: int
) -> dict[str, Any]:
    figure = dress(look_of(world, seed, person))
    rows, joints = [], {}
    for crop in crops:
        one = render(figure, crop.shot, size)
        _write_image(out / crop.split / crop.name, one.image)
        _write_mask(out, crop.name, one)
        joints[crop.name] = _joints(one)
        rows.append(
            {"name": crop.name, "split": crop.split, "person": person, "camera": crop.camera}
            | to_row(crop.shot)
        )
    return _keep(out, {"person": person, "crops": len(crops), "rows": rows, "joints": joints})


def _view_person(
    out: Path, world: World, person: int, rows: list[dict[str, Any]], targets: list[Shot],
    size: Size, seed: int,
) -> dict[str, Any]:  # fmt: skip
    figure = dress(look_of(world, seed, person))
    made = []
    for k, row in enumerate(rows):
        own = from_row(row)
        for p, target in enumerate(targets):
            if (p + k) % len(rows):
                continue
            shot = own._replace(
                posture=target.posture, view=target.view, occluder=Occluder("none", 0.0, 0)
            )
            one = render(figure, shot, size)
            image = np.where(one.mask[..., None], one.image, np.uint8(GREY))
            name = warp_name(row["name"], p)
            _write_image(out / TRAIN / name, image)
            made.append({"name": name, "source": row["name"], "pose": p})
    return _keep(out, {"person": person, "crops": len(made), "rows": made})


def _rendered(dataset: Path) -> tuple[World, int, Size, list[dict[str, Any]]]:
    """Read back how a dataset was rendered."""
    import yaml

    written = dataset / "recipe.yaml"
    recipe = yaml.safe_load(written.read_text()) if written.is_file() else {}
    if not isinstance(recipe, dict) or recipe.get("command") != "synth market":
        raise ReidaugError(f"{dataset}: not made by 'reidaug synth market', so nobody to render")
    table = read_manifest(dataset / "renders.parquet")
    rows = [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
    return world_from_dict(recipe["world"]), recipe["seed"], parse_size(recipe["size"]), rows


def _pose_models(poses: Path, rows: Iterable[dict[str, Any]]) -> list[str]:
    """Name the training image each target pose was drawn from."""
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


def _write_image(path: Path, image: Any) -> None:
    write_atomically(
        path, encode_jpeg(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))
    )


def _write_mask(out: Path, name: str, one: Render) -> None:
    path = out / "masks" / f"{Path(name).stem}.png"
    write_atomically(path, encode_png(torch.from_numpy(one.mask)))


def _joints(one: Render) -> list[list[float]]:
    xy, seen = one.xy.round(2).tolist(), one.visible.tolist()
    return [[x, y, float(v)] for (x, y), v in zip(xy, seen, strict=True)]


def _poses(records: Iterable[dict[str, Any]]) -> dict[str, Pose]:
    poses = {}
    for record in records:
        for name, joints in record["joints"].items():
            table = torch.tensor(joints)
            poses[name] = Pose(table[:, :2], table[:, 2] > 0)
    return poses


def _check(**numbers: tuple[int, int]) -> None:
    for name, (value, least) in numbers.items():
        if value < least:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} {value}: at least {least} needed")


def parse_size(text: str) -> Size:
    """Read a size such as ``128x64``.

    Args:
        text: Height, an x, width.

    Returns:
        (height, width).

    Raises:
        UsageError: It is no such text, or smaller than 32.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) >= 32 for part in parts):
        raise UsageError(f"--size {text}: give height x width, at least 32, such as 128x64")
    return int(parts[0]), int(parts[1])


@click.group(name="synth")
def command() -> None:
    """Render people: pairs with exact flow, or a re-ID dataset."""


_out = click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make.")
_seed = click.option("--seed", default=0, show_default=True, help="Of everything that is drawn.")
_size = click.option("--size", default="128x64", show_default=True, help="Height x width.")
_workers = click.option("--workers", type=int, help="Processes; one a core by default.")


@command.command()
@_out
@click.option("--people", type=int, required=True, help="Training people.")
@click.option("--test-people", default=40, show_default=True, help="Test people.")
@click.option("--views", default=8, show_default=True, help="Pictures of each person.")
@click.option("--pairs-each", default=24, show_default=True, help="Pairs of each person at most.")
@_size
@_seed
@_workers
def pairs(out: Path, size: str, **options: Any) -> None:
    """Render pairs with exact flow, in DeepFashion's form.

    Writes train/ and test/, fasion-pairs-*.csv, fasion-annotation-*.csv, masks/, and for each pair
    flows/{train,test}/SOURCE___TARGET.npz. 256x256 has white ground, as DeepFashion has.
    """
    report = render_pairs(out, size=parse_size(size), **options)
    click.echo(f"{report['crops']} crops, {report['train_pairs']} training pairs in {out}")


@command.command()
@_out
@click.option("--people", type=int, required=True, help="Training people.")
@click.option("--test-people", default=60, show_default=True, help="Test people.")
@click.option("--world", default="few-poses", show_default=True, help="few-poses or many-poses.")
@click.option("--train-crops", default=2, show_default=True, help="Pictures of a training person.")
@click.option("--test-crops", default=6, show_default=True, help="Pictures of a test person.")
@click.option("--distractors", default=0, show_default=True, help="Gallery pictures of nobody.")
@click.option("--junk", default=0, show_default=True, help="Gallery pictures to be ignored.")
@_size
@_seed
@_workers
def market(out: Path, size: str, **options: Any) -> None:
    """Render a re-ID dataset in Market-1501's form.

    Beside the three folders: market-annotation-{train,test}.csv, masks/, and renders.parquet with
    the parameters of every picture.
    """
    report = render_market(out, size=parse_size(size), **options)
    click.echo(f"{report['crops']} crops in {out}")


@command.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--poses", type=click.Path(path_type=Path), required=True, help="poses.json of augment."
)
@_out
@_workers
def views(dataset: Path, poses: Path, out: Path, workers: int | None) -> None:
    """Render the true other views of DATASET's training people: what perfect warping would give."""
    report = render_views(dataset, out, poses=poses, workers=workers)
    click.echo(f"{report['images']} images in {out}")
