"""Render plans: pose, viewpoint, light, background and camera of every image.

A plan is a function of a world, a seed and the number of a person.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from reidaug.jobs import numpy_generator
from reidaug.people3d.camera import PLAIN_OPTICS, Optics, View
from reidaug.people3d.camera_sampling import Camera, sample_camera
from reidaug.people3d.motion import ACTIONS, Posture, sample_posture
from reidaug.people3d.render import Light, RenderPlan
from reidaug.people3d.scene import WHITE, Backdrop, Occluder
from reidaug.people3d.worlds import PAIRS, TEST, TRAINING, TRUNCATIONS, VIEWS, World

# Detection boxes, fitted once to the joints of Market-1501 (docs/joints.png): the share of the
# crop's height that a person fills; some boxes are much too large; boxes are narrower than the
# crop's 1:2, which broadens people; offset of the middle.
ZOOM, ZOOM_SPREAD = 0.975, 0.04
LOOSE, LOOSE_ZOOM = 0.15, (0.72, 0.95)
STRETCH, STRETCH_SPREAD = 1.36, 0.12
SHIFT_X, SHIFT_Y = 0.06, (0.012, 0.02)
CUT_ZOOM = (1.1, 1.7)  # truncation at the ankles to truncation at the hips
# People walk along a camera's path, towards it a little more often than away.
TOWARDS, ALONG_SPREAD = 0.57, 0.4
# While one camera sees a person walk by: spread of the place in its panorama, change of distance.
STRIDE_ALONG, NEARER = 0.03, (0.9, 1.1)


class PlannedImage(NamedTuple):
    """An image of a re-ID dataset before it is rendered."""

    camera: int  # number of the camera
    plan: RenderPlan


def plan_training_images(world: World, seed: int, person: int, count: int) -> list[PlannedImage]:
    """Plan ``count`` images of a training person, from the few viewpoints and cameras of the world.

    ``seed`` is the dataset's, ``person`` the person's number.
    """
    rng = world.generator(seed, TRAINING, person)
    cameras = rng.permutation(world.cameras)[: max(1, world.train_cameras)] + 1
    sides = rng.integers(4, size=max(1, world.train_sides)) * (np.pi / 2)
    phases = rng.random(max(1, world.train_phases))
    images = []
    for k in range(count):
        yaw = rng.uniform(-np.pi, np.pi)
        if rng.random() < world.along:
            yaw = np.pi * (rng.random() > TOWARDS) + rng.normal(0, ALONG_SPREAD)
        if world.train_sides:
            yaw = sides[k % len(sides)] + rng.normal(0, world.side_spread)
        phase = phases[k % len(phases)] if world.train_phases else rng.random()
        number = int(cameras[k % len(cameras)])
        images.append(_plan_image(world, seed, number, rng, float(yaw), float(phase)))
    return _join_walks(world, images, rng)


def plan_test_images(world: World, seed: int, person: int, count: int) -> list[PlannedImage]:
    """Plan the images of a test person, from all sides and cameras; see `plan_training_images`."""
    rng = world.generator(seed, TEST, person)
    cameras = rng.permutation(world.cameras) + 1
    turns = rng.permutation(count) / count
    start = rng.uniform(-np.pi, np.pi)
    images = []
    for k in range(count):
        yaw = start + 2 * np.pi * turns[k] + rng.normal(0, world.side_spread)
        number = int(cameras[k % len(cameras)])
        images.append(_plan_image(world, seed, number, rng, float(yaw), rng.random()))
    return _join_walks(world, images, rng)


def plan_pair_images(
    seed: int, person: int, count: int, *, white: bool, cut: float = 0.0
) -> list[RenderPlan]:
    """Plan images of a person for learning flow: any view and pose, one background, one light.

    Args:
        seed: Of the dataset.
        person: Number of the person.
        count: Number of images.
        white: Whether the background is white and the camera ideal, as in a catalogue.
        cut: Share of the images whose lower edge runs through the legs, as where a car or the
            border of the frame hides them from the detector.
    """
    rng = numpy_generator(seed, PAIRS, person)
    world = World(name="pairs", occluders=0.0, cast=0.05, relight=0.15, places=0)
    number = int(rng.integers(1, 25))
    start = rng.uniform(-np.pi, np.pi)
    truncation = numpy_generator(seed, TRUNCATIONS, person)
    plans = []
    for k in range(count):
        yaw = start + 2 * np.pi * k / count + rng.normal(0, 0.35)
        plan = _plan_image(world, seed, number, rng, float(yaw), rng.random()).plan
        if white:
            optics = PLAIN_OPTICS._replace(noise=0.004)
            view = plan.view._replace(
                height=float(rng.uniform(1.1, 1.5)), distance=float(rng.uniform(4, 6)), roll=0.0,
                zoom=float(rng.uniform(0.86, 0.96)), stretch=1.0, shift_x=0.0, shift_y=0.0,
            )  # fmt: skip
            plan = plan._replace(backdrop=Backdrop(WHITE, 0, 0.0), optics=optics, view=view)
        if truncation.random() < cut:
            plan = plan._replace(view=_truncate(plan.view, truncation.uniform(*CUT_ZOOM)))
        plans.append(plan)
    return plans


def plan_any_views(
    world: World, seed: int, person: int, count: int, *, cut: float = 0.0
) -> list[RenderPlan]:
    """Plan images of a person from any side, each by a camera drawn anew from those of a world.

    ``cut`` is the share of images whose lower edge runs through the legs; see `plan_pair_images`.
    """
    rng = world.generator(seed, VIEWS, person)
    plans = []
    for _ in range(count):
        number, yaw = int(rng.integers(world.cameras)) + 1, float(rng.uniform(-np.pi, np.pi))
        plan = _plan_image(world, seed, number, rng, yaw, float(rng.random())).plan
        if rng.random() < cut:
            plan = plan._replace(view=_truncate(plan.view, rng.uniform(*CUT_ZOOM)))
        plans.append(plan)
    return plans


def _plan_image(
    world: World, seed: int, number: int, rng: Generator, yaw: float, phase: float
) -> PlannedImage:
    camera = sample_camera(world, seed, number)
    action = str(rng.choice(ACTIONS, p=np.asarray(world.actions) / sum(world.actions)))
    posture = sample_posture(action, phase, rng)
    along = rng.random()
    if world.places:
        along = (np.floor(along * world.places) + 0.5) / world.places
    kind = "none"
    if rng.random() < world.occluders:
        kind = str(rng.choice(["pole", "barrier", "bush"]))
    position = rng.uniform(-0.9, 0.9) if kind == "pole" else rng.uniform(0.35, 0.8)
    plan = RenderPlan(
        posture=posture,
        view=_view(camera, yaw, rng),
        light=_light(camera, world.relight, rng),
        backdrop=Backdrop(camera.place, camera.place_seed, float(along)),
        occluder=Occluder(kind, float(position), int(rng.integers(2**31))),
        optics=camera.optics,
        seed=int(rng.integers(2**31)),
    )
    return PlannedImage(number, plan)


def _join_walks(world: World, images: list[PlannedImage], rng: Generator) -> list[PlannedImage]:
    """Let the images of each camera follow its first one, in a world where people walk by once."""
    if not world.walks:
        return images
    first: dict[int, RenderPlan] = {}
    return [
        PlannedImage(number, _follow(first.setdefault(number, plan), plan, world.side_spread, rng))
        for number, plan in images
    ]


def _follow(first: RenderPlan, plan: RenderPlan, spread: float, rng: Generator) -> RenderPlan:
    """Give a plan the first one's side, distance, place and light from there, nearly the same.

    How strong the light is stays the plan's own: people walk through sun and shade.
    """
    if plan is first:
        return plan
    along = first.backdrop.along + rng.normal(0, STRIDE_ALONG)
    return plan._replace(
        view=plan.view._replace(
            yaw=_wrap(first.view.yaw + rng.normal(0, spread)),
            distance=first.view.distance * rng.uniform(*NEARER),
        ),
        light=first.light._replace(strength=plan.light.strength, ambient=plan.light.ambient),
        backdrop=first.backdrop._replace(along=float(np.clip(along, 0, 1))),
    )


def _wrap(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def _view(camera: Camera, yaw: float, rng: Generator) -> View:
    zoom = rng.normal(ZOOM, ZOOM_SPREAD)
    if rng.random() < LOOSE:
        zoom *= rng.uniform(*LOOSE_ZOOM)
    return View(
        yaw=_wrap(yaw),
        height=camera.height,
        distance=camera.distance * rng.uniform(0.7, 1.4),
        zoom=float(zoom),
        stretch=float(np.clip(rng.normal(STRETCH, STRETCH_SPREAD), 0.95, 1.8)),
        shift_x=float(rng.normal(0, SHIFT_X)),
        shift_y=float(rng.normal(*SHIFT_Y)),
        roll=float(rng.normal(0, 0.015)),
    )


def _truncate(view: View, closer: float) -> View:
    """Raise the crop's lower edge; the head stays in position, the box becomes less slender."""
    return view._replace(
        zoom=view.zoom * closer,
        stretch=view.stretch / closer**0.5,
        shift_y=view.shift_y + view.zoom * (closer - 1) / 2,
    )


def _light(camera: Camera, relight: float, rng: Generator) -> Light:
    return Light(
        azimuth=camera.azimuth + relight * rng.normal(0, 0.8),
        elevation=float(np.clip(camera.elevation + relight * rng.normal(0, 0.3), 0.2, 1.5)),
        ambient=float(np.clip(camera.ambient + relight * rng.normal(0, 0.15), 0.3, 0.9)),
        strength=float(np.clip(camera.strength * (1 + relight * rng.normal(0, 0.2)), 0.6, 1.6)),
        warmth=camera.warmth + relight * rng.normal(0, 0.02),
    )


def to_row(plan: RenderPlan) -> dict[str, Any]:
    """Convert a plan to a row of a table: plain values in columns such as ``view.yaw``."""
    row: dict[str, Any] = {"noise_seed": plan.seed}
    for name, part in plan._asdict().items():
        if name != "seed":
            row |= {f"{name}.{key}": _number(value) for key, value in part._asdict().items()}
    if not plan.optics.sharpen:
        del row["optics.sharpen"]  # tables of older versions do not have it
    return row


def from_row(row: dict[str, Any]) -> RenderPlan:
    """Read a plan from a row of a table, the inverse of `to_row`; other columns are ignored."""

    def part(name: str, kind: Any) -> Any:
        columns = {key: f"{name}.{key}" for key in kind._fields}
        return kind(**{key: row[column] for key, column in columns.items() if column in row})

    return RenderPlan(
        posture=part("posture", Posture),
        view=part("view", View),
        light=part("light", Light),
        backdrop=part("backdrop", Backdrop),
        occluder=part("occluder", Occluder),
        optics=part("optics", Optics),
        seed=int(row["noise_seed"]),
    )


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, (float, np.floating)) else value
