"""The work behind `reidaug synth`: one task a person, recorded so that a rerun skips it."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from reidaug.data.images import encode_jpeg, encode_png
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, market_name
from reidaug.data.pairs import flow_name, write_flow
from reidaug.errors import UsageError, require_extra
from reidaug.files import write_atomically
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose
from reidaug.jobs import run_tasks
from reidaug.machine import cores
from reidaug.people3d.body import load_body
from reidaug.people3d.correspondence import exact_flow
from reidaug.people3d.figure import Figure, dress
from reidaug.people3d.raster import rasterise
from reidaug.people3d.render import Render, Shot, render
from reidaug.people3d.shot_plans import pair_shots, test_shots, to_row, train_shots
from reidaug.people3d.worlds import MANY_POSES, World, look_of
from reidaug.runs import RunFolder, counter

PARTS = ".parts"


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


def run(
    out: Path,
    recipe: dict[str, Any],
    tasks: Callable[[Path], dict[int, Any]],
    finish: Callable[[Path, list[dict[str, Any]]], dict[str, Any]],
    *,
    crops: int,
    workers: int | None,
) -> dict[str, Any]:
    """Work through one task a person; each leaves a record, so that a rerun skips what is done.

    Args:
        out: Folder of the run.
        recipe: What decides its bytes.
        tasks: Makes the folders and gives the task of each person.
        finish: Writes the tables from all records, in the order of the tasks, and reports.
        crops: How many pictures there will be.
        workers: Processes; one a core by default.

    Returns:
        The report.

    Raises:
        ReidaugError: The folder holds something else, or a worker was killed.
        UsageError: The extra ``synth`` is not installed.
    """
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
        for record in run_tasks(missing, min(workers or cores(), len(missing))):
            records[record["person"]] = record
            advance(record["crops"])
    complete = [record for record in records.values() if record]
    report = {"crops": crops, **finish(out, complete)}
    folder.log(persons=len(missing), seconds=round(time.monotonic() - started, 2))
    folder.report(report)
    for part in (*(out / PARTS).iterdir(), *out.rglob(".*.part")):
        part.unlink()
    (out / PARTS).rmdir()
    return report


def _record(out: Path, person: int) -> dict[str, Any] | None:
    """Read what a finished task left behind."""
    part = out / PARTS / f"{person}.json"
    if not part.exists():
        return None
    record: dict[str, Any] = json.loads(part.read_text())
    return record


def keep(out: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Leave a record of a finished task.

    Args:
        out: The run's folder.
        record: JSON values, ``person`` and ``crops`` among them.

    Returns:
        The record as it would be read back.
    """
    text = json.dumps(record)
    write_atomically(out / PARTS / f"{record['person']}.json", text.encode())
    kept: dict[str, Any] = json.loads(text)
    return kept


def pair_person(
    out: Path, split: str, person: int, counts: tuple[int, int], cut: float, size: Size, seed: int
) -> dict[str, Any]:
    """Render one person of `reidaug synth pairs`.

    Args:
        out: The run's folder.
        split: ``train`` or ``test``.
        person: Number of the person.
        counts: How many pictures, and how many ordered pairs of them at most.
        cut: Share of the pictures that cut off legs.
        size: (height, width) in pixels.
        seed: Of the dataset.

    Returns:
        The record: number of crops, joints by file name, pairs of file names.
    """
    views, pairs_each = counts
    figure = dress(look_of(MANY_POSES, seed, person))
    shots = pair_shots(seed, person, views, white=size == (256, 256), cut=cut)
    names = [f"{person:05d}_{k}.jpg" for k in range(views)]
    taken = [render(figure, shot, size) for shot in shots]
    for name, one in zip(names, taken, strict=True):
        write_image(out / split / name, one.image)
        _write_mask(out, name, one)
    ordered = [(s, t) for s in range(views) for t in range(views) if s != t]
    drawn = np.random.default_rng([seed, person]).permutation(len(ordered))[:pairs_each]
    chosen = [ordered[k] for k in sorted(drawn)]
    _write_flows(out / "flows" / split, figure, names, taken, chosen)
    pairs = [(names[s], names[t]) for s, t in chosen]
    joints = {n: _joints(r) for n, r in zip(names, taken, strict=True)}
    return keep(out, {"person": person, "crops": views, "joints": joints, "pairs": pairs})


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


def plan_crops(
    world: World,
    seed: int,
    person: int,
    counts: tuple[int, int, int, int],
    crops: tuple[int, int],
) -> list[Crop]:
    """Decide which crops a person gives, and what they are called.

    Args:
        world: The world.
        seed: Of the dataset.
        person: Number of the person: training people first, then test people, distractors, junk.
        counts: How many people there are of each kind.
        crops: How many pictures a training and a test person gives; the others give one.

    Returns:
        The crops.
    """
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


def market_person(
    out: Path, world: World, person: int, crops: list[Crop], size: Size, seed: int
) -> dict[str, Any]:
    """Render one person of `reidaug synth market`.

    Args:
        out: The run's folder.
        world: The world.
        person: Number of the person.
        crops: The pictures to take.
        size: (height, width) in pixels.
        seed: Of the dataset.

    Returns:
        The record: number of crops, rows of the table of renders, joints by file name.
    """
    figure = dress(look_of(world, seed, person))
    rows, joints = [], {}
    for crop in crops:
        one = render(figure, crop.shot, size)
        write_image(out / crop.split / crop.name, one.image)
        _write_mask(out, crop.name, one)
        joints[crop.name] = _joints(one)
        rows.append(
            {"name": crop.name, "split": crop.split, "person": person, "camera": crop.camera}
            | to_row(crop.shot)
        )
    return keep(out, {"person": person, "crops": len(crops), "rows": rows, "joints": joints})


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a picture.

    Args:
        path: A JPEG file; its folder must exist.
        image: (H, W, 3) bytes.
    """
    write_atomically(
        path, encode_jpeg(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))
    )


def _write_mask(out: Path, name: str, one: Render) -> None:
    path = out / "masks" / f"{Path(name).stem}.png"
    write_atomically(path, encode_png(torch.from_numpy(one.mask)))


def _joints(one: Render) -> list[list[float]]:
    xy, seen = one.xy.round(2).tolist(), one.visible.tolist()
    return [[x, y, float(v)] for (x, y), v in zip(xy, seen, strict=True)]


def poses_of(records: Iterable[dict[str, Any]]) -> dict[str, Pose]:
    """Gather the joints of records.

    Args:
        records: What `pair_person` and `market_person` left.

    Returns:
        The 18 joints by file name.
    """
    poses = {}
    for record in records:
        for name, joints in record["joints"].items():
            table = torch.tensor(joints)
            poses[name] = Pose(table[:, :2], table[:, 2] > 0)
    return poses


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
