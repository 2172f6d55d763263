"""Surface coordinates of the body, the same for every person.

Coverage and texture of clothes, hair and faces are functions of these coordinates, so that a hem or
a stripe is sharp at any mesh resolution.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from reidaug.people3d.body import BodyModel, Floats, load_body

# Heights on the mean body in metres; its pelvis is near 0.
SOLE, ANKLE, KNEE, CROTCH, HIP, WAIST = -0.80, -0.73, -0.29, 0.02, 0.13, 0.32
CHEST, SHOULDER, COLLAR, CHIN, EYES, CROWN = 0.55, 0.66, 0.715, 0.775, 0.89, 1.02
AXIS_Y = -0.03
"""The y coordinate of the trunk's upright axis."""


class Chart(NamedTuple):
    """Coordinates of surface points on the mean body."""

    position: Floats  # position on the mean body at rest (V, 3) in metres
    arm: Floats  # position along the arm (V,): 0 shoulder, 1 elbow, 2 wrist; below -0.5 off it
    leg: Floats  # position along the leg (V,): 0 hip, 1 knee, 2 ankle; below -0.5 off it
    head: Floats  # share of the head (V,), 0 to 1
    direction: Floats  # direction (V, 2) around the trunk's or the limb's axis: (left, front)
    radius: Floats  # mean radius (V,) of the trunk or limb in metres; turns angles into lengths

    def table(self) -> Floats:
        """Return the coordinates as one table (V, 9), the inverse of `Chart.from_table`."""
        single = (self.arm, self.leg, self.head)
        parts = (self.position, np.stack(single, 1), self.direction, self.radius[:, None])
        return np.concatenate(parts, axis=1).astype(np.float32)

    @classmethod
    def from_table(cls, t: Floats) -> "Chart":
        """Name the columns of a table of coordinates (V, 9)."""
        return cls(t[:, :3], t[:, 3], t[:, 4], t[:, 5], t[:, 6:8], t[:, 8])


@cache
def skin_chart() -> Chart:
    """Map the skin of the body model (joints left out)."""
    model = load_body()
    joints = len(model.template) - 17
    position, weights = model.template[:joints], model.weights[:joints]
    trunk_axis = np.stack((position[:, 0], AXIS_Y - position[:, 1]), 1)
    arm, arm_axis, on_arm = _limbs(model, position, weights, ("upperarm01", "lowerarm01", "wrist"))
    leg, leg_axis, on_leg = _limbs(model, position, weights, ("upperleg02", "lowerleg01", "foot"))
    head = _share(model, weights, ("neck03", "head"))
    trunk = np.clip(1 - on_arm - on_leg, 0, 1)
    around = trunk_axis * trunk[:, None] + arm_axis * on_arm[:, None] + leg_axis * on_leg[:, None]
    radius = 0.15 * trunk + 0.05 * on_arm + 0.08 * on_leg
    return Chart(
        position,
        np.where(on_arm > 0.02, arm, -1).astype(np.float32),
        np.where(on_leg > 0.02, leg, -1).astype(np.float32),
        head,
        around / np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-6),
        radius,
    )


def _share(model: BodyModel, weights: Floats, bones: tuple[str, ...]) -> Floats:
    picked = [k for k, name in enumerate(model.bones) if name.split(".")[0] in bones]
    result: Floats = weights[:, picked].sum(1)
    return result


def _limbs(
    model: BodyModel, position: Floats, weights: Floats, names: tuple[str, str, str]
) -> tuple[Floats, Floats, Floats]:
    """Measure position along limbs (V,) in bones, direction around (V, 2), share of limbs (V,)."""
    upper, lower, end = names
    bones = ((upper, upper[:-2] + "01", upper[:-2] + "02"), (lower, lower[:-2] + "02"), (end,))
    shares = [_share(model, weights, tuple(dict.fromkeys(group))) for group in bones]
    total = shares[0] + shares[1] + shares[2]
    left = position[:, 0] > 0
    along = np.zeros(len(position), np.float32)
    around = np.zeros((len(position), 2), np.float32)
    for side, here in (("L", left), ("R", ~left)):
        points = [model.heads[model.bones.index(f"{name}.{side}")] for name in names]
        for k in range(3):
            start = points[min(k, 1)]
            axis = points[min(k, 1) + 1] - start
            step = (position - start) @ axis / (axis @ axis) + min(k, 1)
            off = position - start - (step - min(k, 1))[:, None] * axis
            along += here * shares[k] * step
            outward = off[:, 0] * (1 if side == "L" else -1) - off[:, 2] * (upper[5] == "a")
            around += (here * shares[k])[:, None] * np.stack((outward, -off[:, 1]), 1)
    return along / np.maximum(total, 1e-6), around, np.minimum(total, 1)
