"""How far off an estimator must be that knows only the joints, however it was trained.

    python benchmarks/skeleton_floor.py [--people 20] [--pairs 3] [--others 24] [--seed 11]

UnWarpME sees the joints of source and target and never the image. Here several people share the
joints of a reference person in both pictures, and their true flows are compared cell by cell: no
function of the joints has a lower endpoint error on them than their geometric median in each cell
(`floor`). It is fitted to the people it is measured on and so is a little too low; the mean flow of
the other people (`others`), a flow that exists, is above. Groups of people:

- clothes: the reference's body, clothes, hair and bags of others;
- bodies: bodies and clothes of others on the reference's bones, in its postures;
- depth: the reference itself in other postures, drawn from the world's and fitted to the joints:
  what limbs and trunk do towards the camera stays as drawn;
- mirrored: the reference with every arm and leg, by the toss of a coin, bent towards the camera as
  far as it was bent away: more than postures of the world leave open;
- both: others, on their own bones, in postures as those of depth; `both, nearest half` those whose
  joints needed the smaller displacement to coincide, `both, same visible` those who show the same
  limb joints, which tells whether it matters.

People in whom more than one of neck, shoulders, hips, elbows, wrists, knees and ankles is visible
where the reference's is not, or the reverse, are told apart and left out. Cells count that at least
half of the people show in both pictures; each with all who show it. EPE in pixels of 128x64, mean
over pairs; intervals draw reference people. Needs the extra [synth]. Result:
benchmarks/results/skeleton_floor.json.
"""

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from provenance import write_result
from same_joints import (
    SIZE,
    Bank,
    Drawn,
    Picture,
    alike,
    draw,
    fit,
    make_bank,
    mirror_limbs,
    on_skeleton,
    spread_of,
    take_picture,
)
from shipped import weights_of

from reidaug.bootstrap import grouped_mean
from reidaug.flow.builtin import SHIPPED, load_flow
from reidaug.flow.estimator import FlowEstimator
from reidaug.geometry.flow import resize
from reidaug.geometry.pose import OPENPOSE_18, Pose
from reidaug.jobs import numpy_generator
from reidaug.machine import one_thread
from reidaug.people3d.anatomy import CROTCH, Chart
from reidaug.people3d.appearance_sampling import sample_person
from reidaug.people3d.body import Floats
from reidaug.people3d.correspondence import exact_flow
from reidaug.people3d.mesh import PersonMesh, build_mesh
from reidaug.people3d.motion import ACTIONS, Posture, sample_posture
from reidaug.people3d.render_plans import plan_pair_images
from reidaug.people3d.worlds import MANY_POSES

VIEWS, CUT = 8, 0.15  # as in checkpoint.py
FIRST_OTHER = 10_000  # number of the first of the other people
POSTURES = 4000
LEAST = 6  # fewer people in a group are no group
REGIONS = ("torso", "head", "arms", "legs")
LIMBS = [k for k, name in enumerate(OPENPOSE_18) if not name.endswith(("nose", "eye", "ear"))]
FLOWS = (SHIPPED, "torso-affine")


class Group(NamedTuple):
    """Flows of K people with the same joints in a pair of pictures."""

    flow: Floats  # in pixels of the source (K, 2, H, W)
    shown: NDArray[np.bool_]  # cells that both pictures of a person show (K, H, W)
    region: NDArray[np.int64]  # place in REGIONS (K, H, W)
    apart: Floats  # RMS distance (K,) of the joints in pixels before they were made to coincide

    def of(self, which: NDArray[Any]) -> "Group":
        """Take some of the people."""
        return Group(*(part[which] for part in self))


def geometric_median(flow: Floats, shown: NDArray[np.bool_], rounds: int = 60) -> Floats:
    """Find the point (2, N) with the least mean distance to those shown of K points (K, 2, N)."""
    weight = shown[:, None].astype(np.float64)
    middle: Floats = (flow * weight).sum(0) / weight.sum(0)
    for _ in range(rounds):
        near = weight / np.linalg.norm(flow - middle, axis=1, keepdims=True).clip(1e-3, None)
        middle = (flow * near).sum(0) / near.sum(0)
    return middle


def measure(group: Group, guesses: dict[str, Floats]) -> dict[str, float]:
    """Score the best flow for a group, and flows (2, H, W) in pixels, on the same cells.

    Returns:
        Score name, value: ``floor``, ``others``, ``rms``, the guesses' EPE, ``floor REGION`` and
        ``GUESS REGION``; ``people``, and the ``share`` of shown cells that count. NaN throughout
        for a group of less than LEAST people.
    """
    people = len(group.flow)
    counted = group.shown.sum(0) >= max(people / 2, LEAST)
    if people < LEAST or not counted.any():
        return {}
    flow, shown = group.flow[:, :, counted].astype(np.float64), group.shown[:, counted]
    region = group.region[:, counted]
    count = shown.sum(0)
    mean = (flow * shown[:, None]).sum(0) / count
    from_mean = np.linalg.norm(flow - mean, axis=1)
    errors = {"floor": np.linalg.norm(flow - geometric_median(flow, shown), axis=1)}
    errors["others"] = from_mean * count / (count - 1)  # the mean of all but the one
    for name, guess in guesses.items():
        errors[name] = np.linalg.norm(flow - guess[:, counted], axis=1)
    scores = {name: float(error[shown].mean()) for name, error in errors.items()}
    scores["rms"] = float(np.sqrt((from_mean[shown] ** 2).mean()))
    for k, part in enumerate(REGIONS):
        here = shown & (region == k)
        if here.any():
            scores |= {f"{name} {part}": float(e[here].mean()) for name, e in errors.items()}
    share = float(group.shown[:, counted].sum() / group.shown.sum())
    return scores | {"people": people, "share": share, "apart": float(group.apart.mean())}


def regions_of(mesh: PersonMesh) -> NDArray[np.int64]:
    """Place every triangle (F,) of a mesh in REGIONS."""
    chart = Chart.from_table(mesh.chart[mesh.faces].mean(1))
    leg = (chart.leg >= 0.05) | (chart.position[:, 2] < CROTCH)
    found: NDArray[np.int64] = np.select([chart.head > 0.5, chart.arm >= 0.05, leg], [1, 2, 3], 0)
    return found


class Member(NamedTuple):
    """A person of a group, the regions of its triangles, and its pictures by number."""

    mesh: PersonMesh
    regions: NDArray[np.int64]
    shots: dict[int, Drawn]


def gather(
    members: Sequence[Member], pictures: dict[int, Picture], pair: tuple[int, int], told: int
) -> Group:
    """Compute the flows of those whose visible limb joints differ by at most ``told`` a picture."""
    flows, shown, regions, apart = [], [], [], []
    for mesh, region, shots in members:
        if any((shots[k].visible != pictures[k].visible)[LIMBS].sum() > told for k in pair):
            continue
        before, after = (shots[k] for k in pair)
        flow, visible = exact_flow(
            after.surface, before.surface, before.points, mesh.faces,
            before.surface.face >= 0, after.surface.face >= 0,
        )  # fmt: skip
        flows.append(in_pixels(flow))
        shown.append(visible)
        regions.append(region[after.surface.face])
        apart.append(np.hypot(before.apart, after.apart))
    shape = (len(flows), *SIZE)
    return Group(
        np.array(flows).reshape(shape[0], 2, *SIZE),
        np.array(shown, np.bool_).reshape(shape),
        np.array(regions, np.int64).reshape(shape),
        np.array(apart, np.float64),
    )


def in_pixels(flow: Floats) -> Floats:
    """Convert a normalised flow (2, H, W) to pixels of the source."""
    scale = np.array([SIZE[1] - 1, SIZE[0] - 1], np.float32)[:, None, None]
    return (flow + 1) / 2 * scale


def estimate(estimator: FlowEstimator, source: Picture, target: Picture) -> Floats:
    """Estimate the flow (2, H, W), in pixels, from the joints of both pictures."""
    poses = [
        Pose(torch.from_numpy(p.xy.astype(np.float32))[None], torch.from_numpy(p.visible)[None])
        for p in (source, target)
    ]
    flow = resize(estimator(torch.full((1, 3, *SIZE), 0.5), *poses), SIZE)[0]
    return in_pixels(flow.numpy())


class Cast(NamedTuple):
    """Who takes part: the other people, and random postures."""

    others: Sequence[PersonMesh]
    bank: Bank
    spread: Floats  # standard deviations of the postures' angles


def invite(seed: int, count: int, *, postures: int = POSTURES) -> Cast:
    """Build the other people, and draw so many postures of pairs."""
    others = [build_mesh(sample_person(MANY_POSES, seed, FIRST_OTHER + k)) for k in range(count)]
    rng = numpy_generator(seed, FIRST_OTHER)
    odds = np.asarray(MANY_POSES.actions) / sum(MANY_POSES.actions)
    actions = rng.choice(ACTIONS, postures, p=odds)
    drawn = [sample_posture(str(action), rng.random(), rng) for action in actions]
    return Cast(others, make_bank(others[0], drawn), spread_of(drawn))


def groups_of(reference: PersonMesh, cast: Cast) -> dict[str, Sequence[PersonMesh]]:
    """Build the people of the groups around a reference person."""
    shape = reference.appearance.phenotype
    dressed = [build_mesh(m.appearance._replace(phenotype=shape)) for m in cast.others]
    return {
        "clothes": [on_skeleton(m, reference) for m in dressed],
        "bodies": [on_skeleton(m, reference) for m in cast.others],
        "depth": [reference] * len(cast.others),
        "mirrored": [reference] * len(cast.others),
        "both": cast.others,
    }


def measure_person(
    person: int, seed: int, pairs: int, cast: Cast, estimators: dict[str, FlowEstimator]
) -> list[dict[str, dict[str, float]]]:
    """Score the groups around a reference person: group, score name, value; one a pair."""
    reference = build_mesh(sample_person(MANY_POSES, seed, person))
    plans = plan_pair_images(seed, person, VIEWS, white=False, cut=CUT)
    rng = numpy_generator(seed, person, FIRST_OTHER)
    ordered = [(s, t) for s in range(VIEWS) for t in range(VIEWS) if s != t]
    chosen = [ordered[k] for k in rng.permutation(len(ordered))[:pairs]]
    taken = sorted({k for pair in chosen for k in pair})
    pictures = {k: take_picture(reference, plans[k]) for k in taken}
    starts = {k: alike(cast.bank, pictures[k], len(cast.others), rng) for k in taken}
    members: dict[str, list[Member]] = {}
    for name, people in groups_of(reference, cast).items():
        postures = {k: postures_of(name, people, pictures[k], starts[k], cast, rng) for k in taken}
        members[name] = [
            Member(m, regions_of(m), {k: draw(m, pictures[k], postures[k][j]) for k in taken})
            for j, m in enumerate(people)
        ]
    rows = []
    for pair in chosen:
        source, target = (pictures[k] for k in pair)
        guesses = {name: estimate(e, source, target) for name, e in estimators.items()}
        found = {name: gather(own, pictures, pair, 1) for name, own in members.items()}
        both = found["both"]
        nearest = np.argsort(both.apart)[: max(len(both.apart) // 2, LEAST)]
        found["both, nearest half"] = both.of(nearest)
        found["both, same visible"] = gather(members["both"], pictures, pair, 0)
        rows.append({name: measure(group, guesses) for name, group in found.items()})
    return rows


def postures_of(
    name: str,
    people: Sequence[PersonMesh],
    picture: Picture,
    starts: Sequence[Posture],
    cast: Cast,
    rng: np.random.Generator,
) -> list[Posture]:
    """Choose the posture of everyone of a group in a picture."""
    if name in ("clothes", "bodies"):
        return [picture.posture] * len(people)
    if name == "mirrored":
        return [mirror_limbs(m, picture, rng.random(4) < 0.5, cast.spread) for m in people]
    order = rng.permutation(len(people)).tolist()
    return [fit(m, picture, starts[k], cast.spread) for m, k in zip(people, order, strict=True)]


def sum_up(rows: list[dict[str, dict[str, float]]], people: NDArray[np.int64]) -> dict[str, Any]:
    """Average the pairs, with intervals over reference people: group, score name, values."""
    result: dict[str, Any] = {}
    for group in rows[0]:
        names = dict.fromkeys(name for row in rows for name in row[group])
        result[group] = {"pairs": sum(bool(row[group]) for row in rows)}
        for name in names:
            values = np.array([row[group].get(name, np.nan) for row in rows])
            found = grouped_mean(values, people)
            if found is not None:
                result[group][name] = round(found.value, 3)
                result[group][f"{name}_ci"] = [round(found.low, 3), round(found.high, 3)]
    return result


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=20, help="reference people")
    parser.add_argument("--pairs", type=int, default=3, help="of each of them")
    parser.add_argument("--others", type=int, default=24, help="who share their joints")
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    rows, people = [], []
    with one_thread(), torch.inference_mode():
        estimators = {name: load_flow(name).eval() for name in FLOWS}
        cast = invite(options.seed, options.others)
        for person in range(1, options.people + 1):
            found = measure_person(person, options.seed, options.pairs, cast, estimators)
            rows += found
            people += [person] * len(found)
            print(person, {g: round(v.get("floor", np.nan), 2) for g, v in found[0].items()})
    groups = sum_up(rows, np.array(people))
    for name, scores in groups.items():
        print(name, {k: v for k, v in scores.items() if not k.endswith("_ci")})
    result = {
        "size": list(SIZE), "people": options.people, "pairs": len(rows),
        "others": options.others, "cut": CUT, "interval_over": "people", "flow": SHIPPED,
        "weights": weights_of(SHIPPED), "groups": groups,
    }  # fmt: skip
    command = (
        f"python benchmarks/skeleton_floor.py --people {options.people} --pairs {options.pairs} "
        f"--others {options.others} --seed {options.seed}"
    )
    write_result("skeleton_floor", command, **result)


if __name__ == "__main__":
    main()
