"""The demo as a list of commands: rendered people, a flow estimator, warps, a re-ID comparison."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.recipes import Recipe

WORLDS = ("few-poses", "many-poses")
FLOW_RECIPE = "recipes/demo/train_flow.yaml"
REID_RECIPE = "recipes/demo/finetune_eval.yaml"
_RESUMED = ("train-flow", "finetune-eval")  # commands that continue a run with --resume only


class DemoSizes(Recipe):
    """Sizes of the demo."""

    people: int = 200  # rendered people the flow estimator learns from
    test_people: int = 40  # other people it is scored on
    views: int = 8  # pictures of each of them
    reid_people: int = 120  # training people of a re-ID world
    reid_test_people: int = 120  # its test people
    train_crops: int = 2  # pictures of a training person
    test_crops: int = 6  # pictures of a test person
    poses: int = 25  # poses every training crop is warped into
    flow: tuple[str, ...] = ()  # changes to the flow recipe, as in ``--set``
    reid: tuple[str, ...] = ()  # changes to the re-ID recipe, as in ``--set``
    people_shown: int = 6  # people in the gallery of warps
    poses_shown: int = 9  # poses in the gallery of warps
    pairs_shown: int = 6  # test pairs whose flow is drawn


class Stage(NamedTuple):
    """One command of the demo."""

    title: str  # description, also in the log
    folder: Path  # the run folder it leaves behind
    arguments: tuple[str, ...]  # its command line after ``reidaug``

    @property
    def command(self) -> str:
        """The command as it is typed."""
        return shlex.join(("reidaug", *self.arguments))


def demo_stages(
    out: Path, *, seed: int, worlds: Sequence[str], sizes: DemoSizes, workers: int | None = None
) -> Iterator[Stage]:
    """List the stages of the demo in order.

    Args:
        out: Folder of the demo; every stage is a run folder inside it.
        seed: Random seed of the demo.
        worlds: Re-ID worlds, from `WORLDS`.
        sizes: Sizes of its data and trainings.
        workers: Processes; by default one per core.
    """
    pairs, flow = out / "pairs", out / "flow"
    yield _stage(
        "Render pairs", "synth pairs", pairs, people=sizes.people, test_people=sizes.test_people,
        views=sizes.views, seed=seed, workers=workers,
    )  # fmt: skip
    settings = (f"pairs={pairs}", f"seed={seed}", *sizes.flow)
    yield _stage("Train the flow", f"train-flow {FLOW_RECIPE}", flow, settings=settings)
    for world in worlds:
        # Another seed than that of the pairs: other people than the flow was trained on.
        yield from world_stages(
            out / world, str(flow / "checkpoint"), world=world, people_seed=seed + 1,
            pose_seed=seed, sizes=sizes, workers=workers,
        )  # fmt: skip


def world_stages(
    root: Path,
    flow: str,
    *,
    world: str,
    people_seed: int,
    pose_seed: int,
    sizes: DemoSizes,
    workers: int | None = None,
) -> Iterator[Stage]:
    """List the stages of the re-ID experiment in one rendered world; the last compares the arms.

    Args:
        root: Folder of the world; every stage is a run folder inside it.
        flow: The flow of ``warps_grey``, as ``reidaug augment --flow`` takes it.
        world: One of `WORLDS`.
        people_seed: Random seed of people, cameras and backgrounds.
        pose_seed: Random seed of the target poses.
        sizes: Sizes of data and trainings.
        workers: Processes; by default one per core.
    """
    market, views, warps = root / "market", root / "true_views_grey", root / "warps_grey"
    yield _stage(
        f"Render {world}", "synth market", market, world=world, people=sizes.reid_people,
        test_people=sizes.reid_test_people, train_crops=sizes.train_crops,
        test_crops=sizes.test_crops, seed=people_seed, workers=workers,
    )  # fmt: skip
    arms = (
        ("UnWarpME warps", flow, warps),
        ("Own pose on grey", "identity", root / "identity_grey"),
        ("Torso-affine warps", "torso-affine", root / "affine_grey"),
    )
    for title, sampler, arm in arms:
        yield _stage(
            f"{title}, {world}", "augment", arm, market, flow=sampler, poses=sizes.poses,
            background="grey", min_quality=0, seed=pose_seed, workers=workers,
        )  # fmt: skip
    yield _stage(
        f"True views, {world}", "synth views", views, market, poses=warps / "poses.json",
        workers=workers,
    )  # fmt: skip
    settings = [f"dataset={market}", "arms.real_only=null"]
    settings += [f"arms.{arm.name}={arm}" for _, _, arm in (arms[1], arms[2], arms[0])]
    settings += [f"arms.{views.name}={views}", *sizes.reid]
    yield _stage(
        f"Fine-tune and evaluate, {world}", f"finetune-eval {REID_RECIPE}", root / "reid",
        settings=settings, workers=workers,
    )  # fmt: skip


def folded(command: str, width: int = 96) -> str:
    """Break a command before its options into lines that a shell reads as one command.

    Args:
        command: A command as it is typed.
        width: Longest line, as far as single options are shorter.

    Raises:
        ValueError: A quotation in it has no end.
    """
    parts: list[list[str]] = [[]]  # what comes before the first option, and each option
    for word in shlex.split(command):
        if word.startswith("--"):
            parts.append([])
        parts[-1].append(word)
    lines = [shlex.join(parts[0])]
    for part in map(shlex.join, parts[1:]):
        if len(f"{lines[-1]} {part}") <= width:
            lines[-1] += f" {part}"
        else:
            lines.append(f"    {part}")
    return " \\\n".join(lines)


def _stage(
    title: str,
    command: str,
    out: Path,
    *inputs: Path,
    settings: Sequence[str] = (),
    **options: object,
) -> Stage:
    words = [*command.split(), *map(str, inputs)]
    for name, value in options.items():
        words += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    for setting in settings:
        words += ["--set", setting]
    words += ["--out", str(out), *(["--resume"] if words[0] in _RESUMED else [])]
    return Stage(title, out, tuple(words))
