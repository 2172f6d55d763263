"""Body poses of walking, standing, turning, carrying and reaching.

Convention: radians; the body's axes of `reidaug.people3d.body`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from reidaug.people3d.body import Floats

BENT_ARM = 0.22
"""Share of arms with a bent elbow in any action."""

ACTIONS = ("walk", "stand", "turn", "carry", "reach")


class Posture(NamedTuple):
    """Joint angles of a body, zero standing at attention."""

    thigh_left: float = 0.0  # thigh forward of straight down
    thigh_right: float = 0.0
    spread_left: float = 0.05  # thigh away from the other leg
    spread_right: float = 0.05
    knee_left: float = 0.05  # flexion, at least 0
    knee_right: float = 0.05
    arm_left: float = 0.0  # upper arm forward of straight down
    arm_right: float = 0.0
    away_left: float = 0.16  # upper arm away from the trunk
    away_right: float = 0.16
    elbow_left: float = 0.2  # flexion, at least 0
    elbow_right: float = 0.2
    inward_left: float = 0.1  # bent forearm towards the middle
    inward_right: float = 0.1
    lean: float = 0.03  # trunk forward of upright
    pelvis: float = 0.0  # pelvis to the left of the direction the person faces
    twist: float = 0.0  # shoulders to the left of the pelvis
    head_yaw: float = 0.0  # head to the left of the shoulders
    head_pitch: float = 0.05  # head bent forward


def walking(phase: float, amplitude: float, swing: float) -> Posture:
    """Compute one phase of the walk cycle; all other angles are those of a quiet walk.

    Args:
        phase: In cycles; at 0 the left heel strikes.
        amplitude: Half the angle between the thighs, about 0.15 to 0.55.
        swing: Half the swing of the arms, about 0 to 0.6.
    """
    left, right = 2 * np.pi * phase, 2 * np.pi * (phase + 0.5)
    return Posture(
        thigh_left=_thigh(left, amplitude),
        thigh_right=_thigh(right, amplitude),
        knee_left=_knee(left, amplitude),
        knee_right=_knee(right, amplitude),
        arm_left=swing * float(np.cos(right)),
        arm_right=swing * float(np.cos(left)),
        elbow_left=0.38 + 0.5 * swing * max(0.0, float(np.cos(right))),
        elbow_right=0.38 + 0.5 * swing * max(0.0, float(np.cos(left))),
        lean=0.05,
        pelvis=-0.25 * amplitude * float(np.cos(left)),
        twist=0.55 * amplitude * float(np.cos(left)),
    )


def sample_posture(action: str, phase: float, rng: Generator) -> Posture:
    """Sample a posture of one of ACTIONS; ``phase`` of the walk is in cycles."""
    amplitude = {"walk": rng.uniform(0.22, 0.5), "carry": rng.uniform(0.15, 0.4)}.get(
        action, rng.uniform(0.0, 0.12)
    )
    swing = amplitude * rng.uniform(0.3, 1.2)
    posture = walking(phase, amplitude, swing)._replace(
        away_left=rng.uniform(0.1, 0.35),
        away_right=rng.uniform(0.1, 0.35),
        spread_left=rng.uniform(-0.07, 0.03),
        spread_right=rng.uniform(-0.07, 0.03),
        inward_left=rng.uniform(0.0, 0.6),
        inward_right=rng.uniform(0.0, 0.6),
        head_yaw=rng.normal(0, 0.2),
        head_pitch=rng.normal(0.08, 0.1),
    )
    for side in ("left", "right"):
        if rng.random() < BENT_ARM:
            bend = {f"elbow_{side}": rng.uniform(0.8, 2.1), f"inward_{side}": rng.uniform(0, 0.6)}
            posture = posture._replace(**bend)
    if action == "walk":
        return posture
    if action == "carry":
        return _carrying(posture, rng)
    if action == "reach":
        return _reaching(posture, rng)
    return _standing(posture, rng, turning=action == "turn")


def bone_rotations(posture: Posture, heads: Floats, bones: Sequence[str]) -> Floats:
    """Convert a posture into bone rotations (N, 3, 3) from rest to pose, in world axes.

    They serve `reidaug.people3d.body.skin`; ``heads`` (N, 3) and ``bones`` are those of the body.
    """
    at = {name: heads[k] for k, name in enumerate(bones)}
    turned: dict[str, Floats] = {"root": _turn(posture.pelvis)}
    turned |= _trunk(posture)
    for side, sign in (("L", 1.0), ("R", -1.0)):
        turned |= _leg(posture, at, side, sign)
        turned |= _arm(posture, at, side, sign)
    return np.stack([turned[name] for name in bones]).astype(np.float32)


def _thigh(angle: float, amplitude: float) -> float:
    return amplitude * float(np.cos(angle)) + 0.12 * amplitude


def _knee(angle: float, amplitude: float) -> float:
    # The knee bends most while the leg swings forward (a quarter cycle before heel strike), and a
    # little under load just after it.
    swing = max(0.0, float(np.cos(angle + 0.5 * np.pi - 0.15))) ** 2
    load = max(0.0, float(np.cos(angle - 0.6))) ** 4
    return 0.06 + amplitude * (2.1 * swing + 0.25 * load)


def _standing(posture: Posture, rng: Generator, *, turning: bool) -> Posture:
    wide = rng.uniform(-0.04, 0.08)
    posture = posture._replace(spread_left=wide, spread_right=wide, lean=rng.normal(0.02, 0.03))
    if turning:
        turn = rng.choice([-1.0, 1.0]) * rng.uniform(0.2, 0.5)
        head = turn * rng.uniform(0.3, 1.2)
        return posture._replace(pelvis=-0.4 * turn, twist=turn, head_yaw=head)
    side = rng.choice(["left", "right"])
    still = {f"elbow_{side}": rng.choice([0.15, 0.3, 1.9]), f"inward_{side}": rng.uniform(0, 0.5)}
    return posture._replace(**{name: float(value) for name, value in still.items()})


def _carrying(posture: Posture, rng: Generator) -> Posture:
    if rng.random() < 0.4:  # something held in front of the belly
        bend = rng.uniform(1.1, 1.6)
        return posture._replace(
            arm_left=rng.uniform(0.0, 0.3), arm_right=rng.uniform(0.0, 0.3),
            elbow_left=bend, elbow_right=bend + rng.normal(0, 0.1),
            inward_left=rng.uniform(0.3, 0.6), inward_right=rng.uniform(0.3, 0.6),
        )  # fmt: skip
    side = rng.choice(["left", "right"])
    held = {f"arm_{side}": rng.normal(0, 0.08), f"elbow_{side}": rng.uniform(0.05, 0.3)}
    return posture._replace(**held, lean=posture.lean + rng.uniform(0, 0.06))


def _reaching(posture: Posture, rng: Generator) -> Posture:
    side = rng.choice(["left", "right"])
    if rng.random() < 0.5:  # a phone held before the chest or at the ear
        hand = {f"arm_{side}": rng.uniform(0.2, 0.9), f"elbow_{side}": rng.uniform(1.4, 2.2)}
        bow = rng.uniform(0.1, 0.45)
        return posture._replace(**hand, **{f"inward_{side}": 0.4}, head_pitch=bow)
    hand = {f"arm_{side}": rng.uniform(0.6, 1.8), f"elbow_{side}": rng.uniform(0.05, 0.6)}
    return posture._replace(**hand, lean=rng.uniform(0, 0.2))


def _trunk(posture: Posture) -> dict[str, Floats]:
    turned: dict[str, Floats] = {}
    for k, name in enumerate(("spine05", "spine04", "spine03", "spine02", "spine01")):
        part = (k + 1) / 5
        turned[name] = _turn(posture.pelvis + part * posture.twist) @ _bow(part * posture.lean)
    chest = posture.pelvis + posture.twist
    for k, name in enumerate(("neck01", "neck02", "neck03", "head")):
        part = (k + 1) / 4
        bow = posture.lean * (1 - part) + posture.head_pitch * part
        turned[name] = _turn(chest + part * posture.head_yaw) @ _bow(bow)
    for side in "LR":
        turned[f"pelvis.{side}"] = _turn(posture.pelvis)
        turned[f"clavicle.{side}"] = turned["spine01"]
        turned[f"shoulder01.{side}"] = turned["spine01"]
    return turned


def _leg(posture: Posture, at: dict[str, Floats], side: str, sign: float) -> dict[str, Floats]:
    left = side == "L"
    thigh = posture.thigh_left if left else posture.thigh_right
    spread = posture.spread_left if left else posture.spread_right
    shank = thigh - (posture.knee_left if left else posture.knee_right)
    base = _turn(posture.pelvis)
    hip, knee, ankle = (at[f"{n}.{side}"] for n in ("upperleg01", "lowerleg01", "foot"))
    upper = _between(knee - hip, _down(thigh, sign * spread))
    lower = _between(ankle - knee, _down(shank, 0.5 * sign * spread))
    half = _between(knee - hip, _unit(_unit(knee - hip) + _down(thigh, sign * spread)))
    roll = -0.6 * shank if shank < 0 else -0.35 * shank
    return {
        f"upperleg01.{side}": base @ half, f"upperleg02.{side}": base @ upper,
        f"lowerleg01.{side}": base @ lower, f"lowerleg02.{side}": base @ lower,
        f"foot.{side}": base @ _bow(roll),
    }  # fmt: skip


def _arm(posture: Posture, at: dict[str, Floats], side: str, sign: float) -> dict[str, Floats]:
    left = side == "L"
    swing = posture.arm_left if left else posture.arm_right
    away = posture.away_left if left else posture.away_right
    bend = posture.elbow_left if left else posture.elbow_right
    inward = posture.inward_left if left else posture.inward_right
    base = _turn(posture.pelvis + posture.twist) @ _bow(posture.lean)
    shoulder, elbow, wrist = (at[f"{n}.{side}"] for n in ("upperarm01", "lowerarm01", "wrist"))
    aim = _down(swing + bend, 0.0)
    aim[0] = sign * (np.sin(away) * np.cos(bend) - inward * np.sin(bend))
    upper = base @ _between(elbow - shoulder, _down(swing, sign * away))
    lower = base @ _between(wrist - elbow, _unit(aim))
    return {
        f"upperarm01.{side}": upper, f"upperarm02.{side}": upper,
        f"lowerarm01.{side}": lower, f"lowerarm02.{side}": lower, f"wrist.{side}": lower,
    }  # fmt: skip


def _down(forward: float, outward: float) -> Floats:
    """Compute the downward direction swung forward and outward (to +x)."""
    cos = np.cos(outward)
    return np.array([np.sin(outward), -np.sin(forward) * cos, -np.cos(forward) * cos], np.float32)


def _turn(angle: float) -> Floats:
    """Rotate about the upward axis, to the left."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)


def _bow(angle: float) -> Floats:
    """Rotate about the axis from right to left, forward."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], np.float32)


def _unit(vector: Floats) -> Floats:
    result: Floats = vector / np.linalg.norm(vector)
    return result


def _between(start: Floats, end: Floats) -> Floats:
    """Compute the smallest rotation from one direction to another (not the opposite one)."""
    a, b = _unit(start), _unit(end)
    x, y, z = np.cross(a, b)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], np.float32)
    rotation: Floats = np.eye(3, dtype=np.float32) + k + k @ k / (1 + float(a @ b))
    return rotation
