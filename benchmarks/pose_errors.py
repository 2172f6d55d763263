"""How far BlazePose is off on rendered crops, whose true joints are known.

    python benchmarks/pose_errors.py PAIRS [--split test] [--model PATH]

PAIRS is what `reidaug synth pairs` writes (or any root in that form whose joints are true). For
every joint: where the network puts it against where it is, as a share of the person's height in
the picture; how often it is called visible when it is in sight and when it is hidden (by the body,
by something carried, or outside the picture). A crop counts as swapped when more than half of the
twin joints lie nearer to their twin's true place. What is found is what the joints that a flow is
trained with should be disturbed by. Every crop is read once more with the person painted out, to
learn how often nobody is taken for somebody. Needs the extra [pose].
"""

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from provenance import write_result

from reidaug.data.compositing import inpaint_people
from reidaug.data.deepfashion import read_deepfashion
from reidaug.data.images import channels_last, read_image, read_mask, to_bytes, to_float
from reidaug.geometry.pose import FLIP_18, OPENPOSE_18, Pose
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import PoseEstimator, shows_person
from reidaug.perception.weights import find_model, model_name

TWINS = [k for k, twin in enumerate(FLIP_18) if twin != k and k < 14]  # of the body
RIGHT, LEFT = OPENPOSE_18.index("right_shoulder"), OPENPOSE_18.index("left_shoulder")
QUANTILES = {"median": 0.5, "q68": 0.68, "q95": 0.95}
VIEWS = {"from behind": (-1.0, -0.05), "from the side": (-0.05, 0.05), "facing": (0.05, 1.0)}
BOOTSTRAPS = 1000


class Presence(NamedTuple):
    """Whether somebody was found in a crop and in the same crop without its person.

    Attributes:
        cut: Whether the outline touches the picture's lower edge: legs may be cut off.
        network: Whether the network's own word is above one half.
        rule: What `shows_person` says.
        network_without: The network's word with the person painted out.
        rule_without: What `shows_person` says then.
    """

    cut: bool
    network: bool
    rule: bool
    network_without: bool
    rule_without: bool


class Table(NamedTuple):
    """What was read beside what is true, of N crops.

    Attributes:
        error: Estimate minus truth (N, 18, 2) as shares of the person's height.
        shown: Whether the picture shows the joint (N, 18).
        called: Whether it is called visible (N, 18).
        person: Number of the person (N,).
        swapped: Whether left and right are exchanged (N,).
        facing: How far the left shoulder lies to the right of the right one, as shares of the
            person's height (N,); less than 0 from behind.
        overlap: Intersection over union of the outlines (N,).
    """

    error: NDArray[np.float64]
    shown: NDArray[np.bool_]
    called: NDArray[np.bool_]
    person: NDArray[np.int64]
    swapped: NDArray[np.bool_]
    facing: NDArray[np.float64]
    overlap: NDArray[np.float64]


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = find_model(options.model)
    pairs = read_deepfashion(options.pairs, options.split)
    table, present, seconds = measure(BlazePose(model), pairs.folder, pairs.poses)
    result = {
        "network": model_name(model),
        "crops": len(pairs.poses),
        "presence": presence(present),
        "people": len(np.unique(table.person)),
        "interval_over": "people",
        "ms_per_crop_one_thread": round(1000 * seconds / len(pairs.poses), 1),
        "unit": "shares of the person's height",
        "swapped": share(table.swapped),
        "swapped_by_view": by_view(table),
        "outline_iou": {
            name: round(float(np.quantile(table.overlap, q)), 3)
            for name, q in (("q05", 0.05), ("median", 0.5), ("q95", 0.95))
        },
        "joints": {name: joint(table, k) for k, name in enumerate(OPENPOSE_18)},
        "body": {
            "all": spread(*pooled(table, np.ones(len(table.person), dtype=bool))),
            "not_swapped": spread(*pooled(table, ~table.swapped)),
        },
        "between_joints_of_a_crop": correlation(table),
    }
    command = f"python benchmarks/pose_errors.py {options.pairs} --split {options.split}"
    write_result("pose_errors", command, **result)
    tell(result)


def measure(
    estimator: PoseEstimator, folder: Path, truth: dict[str, Pose]
) -> tuple[Table, list[Presence], float]:
    """Read every crop with its person and without, and count the seconds the first takes."""
    rows: list[tuple[Any, ...]] = []
    present: list[Presence] = []
    seconds = 0.0
    for name, pose in sorted(truth.items()):
        image = read_image(folder / name)
        outline = read_mask(folder.parent / "masks" / f"{Path(name).stem}.png")
        started = time.process_time()
        estimate = estimator.estimate(channels_last(image))
        seconds += time.process_time() - started
        empty = estimator.estimate(
            channels_last(to_bytes(inpaint_people(to_float(image)[None], outline[None])[0]))
        )
        mask, said = outline.numpy(), [(r.person > 0.5, shows_person(r)) for r in (estimate, empty)]
        present.append(Presence(bool(mask[-1].any()), *said[0], *said[1]))
        if not present[-1].rule:
            continue
        found, true = estimate.pose.xy.double().numpy(), pose.xy.double().numpy()
        called, shown = estimate.pose.visible.numpy(), pose.visible.numpy()
        rows_of_person = np.flatnonzero(mask.any(1))
        height = rows_of_person[-1] - rows_of_person[0] + 1
        rows.append((
            (found - true) / height, shown, called, int(name.split("_")[0]),
            is_swapped(found, true, shown & called), (true[LEFT, 0] - true[RIGHT, 0]) / height,
            (mask & estimate.mask).sum() / (mask | estimate.mask).sum(),
        ))  # fmt: skip
    return Table(*(np.stack(column) for column in zip(*rows, strict=True))), present, seconds


def presence(found: list[Presence]) -> dict[str, Any]:
    """Tell how often somebody is missed, and nobody taken for somebody."""
    parts = {
        "clear_of_the_lower_edge": [p for p in found if not p.cut],
        "at_the_lower_edge": [p for p in found if p.cut],
    }
    result: dict[str, Any] = {
        name: {
            "crops": len(part),
            "missed": share(~np.array([p.rule for p in part])),
            "missed_by_the_network": share(~np.array([p.network for p in part])),
        }
        for name, part in parts.items()
        if part
    }
    result["person_painted_out"] = {
        "crops": len(found),
        "taken_for_somebody": share(np.array([p.rule_without for p in found])),
        "by_the_network": share(np.array([p.network_without for p in found])),
    }
    return result


def is_swapped(
    found: NDArray[np.float64], true: NDArray[np.float64], usable: NDArray[np.bool_]
) -> bool:
    """Decide whether most twin joints lie nearer to their twin's true place than to their own."""
    votes = []
    for k in TWINS:
        twin = FLIP_18[k]
        if usable[k] and usable[twin]:
            own, other = (np.linalg.norm(found[k] - true[j]) for j in (k, twin))
            votes.append(other < own)
    return bool(votes) and float(np.mean(votes)) > 0.5


def by_view(table: Table) -> dict[str, Any]:
    """Compute how often left and right are exchanged, by viewpoint."""
    usable = table.shown[:, [LEFT, RIGHT]].all(1)
    result = {}
    for name, (low, high) in VIEWS.items():
        here = usable & (table.facing >= low) & (table.facing < high)
        result[name] = {"crops": int(here.sum()), "swapped": share(table.swapped[here])}
    return result


def joint(table: Table, k: int) -> dict[str, Any]:
    """Describe one joint."""
    shown, called = table.shown[:, k], table.called[:, k]
    both = shown & called
    return {
        "in_sight": round(float(shown.mean()), 3),
        "called_when_in_sight": share(called[shown]),
        "called_when_hidden": share(called[~shown]),
        **spread(table.error[both, k], table.person[both]),
        "not_swapped": spread(
            table.error[both & ~table.swapped, k], table.person[both & ~table.swapped]
        ),
    }


def spread(error: NDArray[np.float64], person: NDArray[np.int64]) -> dict[str, Any]:
    """Describe errors (n, 2): robust bias and width of either axis, quantiles of the distance."""
    if not len(error):
        return {"crops": 0}
    bias = np.median(error, axis=0)
    distance = np.linalg.norm(error, axis=1)
    # Of a Gaussian, 1.4826 times the median distance from the median is the standard deviation.
    width = 1.4826 * np.median(np.abs(error - bias), axis=0)
    return {
        "crops": len(error),
        "bias_xy": bias.round(4).tolist(),
        "std_xy": error.std(0).round(4).tolist(),
        "robust_std_xy": width.round(4).tolist(),
        **{name: round(float(np.quantile(distance, q)), 4) for name, q in QUANTILES.items()},
        "median_interval": interval(distance, person),
    }


def interval(values: NDArray[np.float64], person: NDArray[np.int64]) -> list[float]:
    """Give a 95 % interval of the median; crops of one person are drawn together."""
    rng = np.random.default_rng(0)
    groups = [values[person == one] for one in np.unique(person)]
    drawn = [
        np.median(np.concatenate([groups[k] for k in rng.integers(0, len(groups), len(groups))]))
        for _ in range(BOOTSTRAPS)
    ]
    return np.quantile(drawn, [0.025, 0.975]).round(4).tolist()


def pooled(table: Table, crops: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Gather the errors of the body's joints, without the face, over some crops."""
    both = (table.shown & table.called)[crops][:, 1:14]
    person = np.broadcast_to(table.person[crops][:, None], both.shape)
    return table.error[crops][:, 1:14][both], person[both]


def correlation(table: Table) -> dict[str, float]:
    """Tell how far joints of one crop err together: the rest of a pose moves with them."""
    both = (table.shown & table.called & ~table.swapped[:, None])[:, 1:14]
    error = np.where(both[..., None], table.error[:, 1:14], np.nan)
    error = error - np.nanmedian(error, axis=0)
    error = np.clip(error, -0.1, 0.1)  # a few wild ones would decide alone
    result = {}
    for axis, name in enumerate("xy"):
        total = np.nansum(error[..., axis], axis=1) ** 2 - np.nansum(error[..., axis] ** 2, axis=1)
        count = both.sum(1)
        covariance = total.sum() / (count * (count - 1)).sum()
        result[name] = round(float(covariance / np.nanmean(error[..., axis] ** 2)), 3)
    return result


def share(flags: NDArray[np.bool_]) -> float | None:
    """Share of True; None of nothing."""
    return round(float(flags.mean()), 3) if len(flags) else None


def tell(result: dict[str, Any]) -> None:
    """Print a table."""
    print(f"{'joint':15s} in sight  called: shown hidden   bias x, y     median   68 %   95 %")
    for name, row in result["joints"].items():
        hidden = row["called_when_hidden"]
        print(
            f"{name:15s} {row['in_sight']:8.2f} {row['called_when_in_sight']:13.2f} "
            f"{'     -' if hidden is None else f'{hidden:6.2f}'} "
            f"{row['bias_xy'][0]:+8.3f}{row['bias_xy'][1]:+7.3f} "
            f"{row['median']:10.3f} {row['q68']:6.3f} {row['q95']:6.3f}"
        )
    for name, row in result["body"].items():
        print(f"body, {name}: " + ", ".join(f"{q} {row[q]:.3f}" for q in QUANTILES))
    print(f"left and right swapped: {result['swapped']:.1%}; outline IoU {result['outline_iou']}")
    for name, row in result["swapped_by_view"].items():
        print(f"  {name}: {row['swapped']:.1%} of {row['crops']}")
    for name, row in result["presence"].items():
        print(f"{name}: " + ", ".join(f"{what} {count}" for what, count in row.items()))
    print(f"{result['ms_per_crop_one_thread']} ms per crop on one thread")


if __name__ == "__main__":
    main()
