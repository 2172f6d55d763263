"""Compare the joints of rendered crops with those of Market-1501, and draw both side by side.

    python benchmarks/joint_statistics.py [--people 400] [--out docs/joints.png]

Real joints are read from ../shared/keypoints (machine-made positions of 14 joints of every image of
Market-1501); where that folder is missing the script says so and draws the rendered ones alone.
Prints, for every joint, mean and standard deviation in pixels of the 128x64 crop, and how far the
two distributions are apart.
"""

import argparse
from pathlib import Path

import h5py
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from reidaug.geometry.pose import MARKET_14, OPENPOSE_18
from reidaug.people3d.appearance_sampling import sample_person
from reidaug.people3d.mesh import build_mesh, pose_mesh
from reidaug.people3d.render import add_neck, project_person
from reidaug.people3d.render_plans import plan_training_images
from reidaug.people3d.worlds import MANY_POSES

mpl.use("Agg")
from matplotlib import pyplot as plt

SIZE = (128, 64)
REAL = Path(__file__).parents[1] / "../shared/keypoints/market1501_14point_train.mat"
JOINTS = MARKET_14[1:]  # the head's top is no joint of the rendered skeleton
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def real_joints(path: Path) -> NDArray[np.float64]:
    """Read the real joints.

    Args:
        path: MATLAB v7.3 file of 28 numbers per image: 14 x, then 14 y, counted from 1.

    Returns:
        (N, 13, 2) in pixels.
    """
    with h5py.File(path) as file:
        table = np.asarray(file["pp"])
    table = table if table.shape[1] == 28 else table.T
    return np.stack((table[:, 1:14], table[:, 15:28]), -1) - 1


def rendered_joints(people: int, crops: int, seed: int) -> NDArray[np.float64]:
    """Place the joints of rendered crops without painting them.

    Args:
        people: How many people.
        crops: How many crops of each.
        seed: Of everything.

    Returns:
        (people * crops, 13, 2) in pixels.
    """
    order = [OPENPOSE_18.index(name) for name in JOINTS]
    found = []
    for person in range(people):
        mesh = build_mesh(sample_person(MANY_POSES, seed, person))
        for _, plan in plan_training_images(MANY_POSES, seed, person, crops):
            vertices, joints = pose_mesh(mesh, plan.posture, plan.view.yaw)
            projection = project_person(mesh, plan.view, vertices, joints, SIZE)
            found.append(projection(add_neck(joints))[order, :2])
    return np.stack(found).astype(np.float64)


def shape(xy: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Describe poses by numbers that do not depend on a joint's name alone."""
    index = {name: k for k, name in enumerate(JOINTS)}

    def at(name: str) -> NDArray[np.float64]:
        return xy[:, index[name]]

    torso = (at("left_hip") + at("right_hip"))[:, 1] / 2 - at("neck")[:, 1]
    ankles = np.maximum(at("left_ankle")[:, 1], at("right_ankle")[:, 1])
    return {
        "shoulders, left to right": at("left_shoulder")[:, 0] - at("right_shoulder")[:, 0],
        "hips, left to right": at("left_hip")[:, 0] - at("right_hip")[:, 0],
        "ankles apart": np.abs(at("left_ankle")[:, 0] - at("right_ankle")[:, 0]),
        "neck to hips": torso,
        "neck to ankles": ankles - at("neck")[:, 1],
        "wrist below neck": at("left_wrist")[:, 1] - at("neck")[:, 1],
        "elbow from neck": np.abs(at("left_elbow")[:, 0] - at("neck")[:, 0]),
        "wrist from neck": np.abs(at("left_wrist")[:, 0] - at("neck")[:, 0]),
    }


def tell(rendered: NDArray[np.float64], real: NDArray[np.float64] | None) -> None:
    """Print both statistics."""
    for k, name in enumerate(JOINTS):
        line = f"{name:16s}" + _moments(rendered[:, k])
        if real is not None:
            line += "   real" + _moments(real[:, k])
        print(line)
    for name, values in shape(rendered).items():
        print(f"{name:26s}", np.quantile(values, QUANTILES).round(1), end="")
        print(
            "   real",
            np.quantile(shape(real)[name], QUANTILES).round(1) if real is not None else "",
        )
    if real is not None:
        distance = np.abs(np.sort(_sample(rendered), 0) - np.sort(_sample(real), 0)).mean()
        print(f"mean distance of the coordinates' distributions: {distance:.2f} px")


def _moments(xy: NDArray[np.float64]) -> str:
    (x, y), (dx, dy) = xy.mean(0), xy.std(0)
    return f"  x {x:5.1f} ± {dx:4.1f}  y {y:5.1f} ± {dy:4.1f}"


def _sample(xy: NDArray[np.float64], count: int = 1000) -> NDArray[np.float64]:
    """Take quantiles of every coordinate, so that sorting aligns two sets of unequal size."""
    flat = np.sort(xy.reshape(len(xy), -1), axis=0)
    return flat[np.linspace(0, len(flat) - 1, count).round().astype(int)]


def draw(out: Path, rendered: NDArray[np.float64], real: NDArray[np.float64] | None) -> None:
    """Draw where the joints are, one colour a joint, real ones left."""
    sets = (
        [("rendered", rendered)]
        if real is None
        else [("Market-1501", real), ("rendered", rendered)]
    )
    mesh, axes = plt.subplots(1, len(sets), figsize=(3.6 * len(sets), 6.4), squeeze=False)
    colours = plt.get_cmap("tab20")(np.linspace(0, 1, len(JOINTS)))
    count = min(1500, *(len(xy) for _, xy in sets))
    for axis, (name, xy) in zip(axes[0], sets, strict=True):
        pick = np.random.default_rng(0).permutation(len(xy))[:count]
        for k, joint in enumerate(JOINTS):
            axis.scatter(*xy[pick, k].T, s=3, alpha=0.35, color=colours[k], linewidths=0)
            axis.scatter(*xy[:, k].mean(0), s=42, color=colours[k], edgecolors="black",
                         label=joint.replace("_", " "))  # fmt: skip
        axis.set(xlim=(-0.5, SIZE[1] - 0.5), ylim=(SIZE[0] - 0.5, -0.5), aspect="equal", title=name)
        axis.set_xlabel("x, pixels")
    axes[0, 0].set_ylabel("y, pixels")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=7, frameon=False)
    mesh.suptitle(f"Joints of {count} crops of 128 x 64; large dots: means", fontsize=10)
    mesh.savefig(out, dpi=110, bbox_inches="tight")


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--crops", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs/joints.png")
    options = parser.parse_args()
    real = None
    if REAL.exists():
        real = real_joints(REAL)
    else:
        print(f"{REAL} is not there: rendered joints alone")
    rendered = rendered_joints(options.people, options.crops, options.seed)
    tell(rendered, real)
    draw(options.out, rendered, real)


if __name__ == "__main__":
    main()
