"""`reidaug demo`: the whole pipeline on rendered people, and one page that tells what came out."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

import click

from reidaug import __version__
from reidaug.commands import options
from reidaug.commands.augment import augment_dataset
from reidaug.commands.finetune_eval import finetune
from reidaug.commands.train_flow import train
from reidaug.errors import UsageError, require_extra
from reidaug.experiments.demo_page import Shown, make_page
from reidaug.experiments.finetune_config import FinetuneEval
from reidaug.experiments.true_views import render_views
from reidaug.flow.training.recipe import TrainFlow
from reidaug.people3d.market_dataset import MarketOptions, render_market
from reidaug.people3d.pair_dataset import PairOptions, render_pairs
from reidaug.people3d.worlds import world_named
from reidaug.recipes import R, Recipe, load
from reidaug.report.html import duration
from reidaug.runs import RunFolder, write_atomically

WORLDS = ("few-poses", "many-poses")
# Files of recipes/demo, which the package carries with it.
FLOW_RECIPE, REID_RECIPE = "train_flow.yaml", "finetune_eval.yaml"


class DemoSizes(Recipe):
    """How large the demo is.

    Attributes:
        people: Rendered people the flow estimator learns from.
        test_people: Other people it is scored on.
        views: Pictures of each of them.
        reid_people: Training people of a re-ID world.
        reid_test_people: Its test people.
        train_crops: Pictures of a training person.
        test_crops: Pictures of a test person.
        poses: Poses every training crop is warped into.
        flow: What differs from the flow recipe, as in ``--set``.
        reid: What differs from the re-ID recipe, as in ``--set``.
        people_shown: People in the gallery of warps.
        poses_shown: Poses in the gallery of warps.
        pairs_shown: Test pairs whose flow is drawn.
    """

    people: int = 200
    test_people: int = 40
    views: int = 8
    reid_people: int = 120
    reid_test_people: int = 120
    train_crops: int = 2
    test_crops: int = 6
    poses: int = 25
    flow: tuple[str, ...] = ()
    reid: tuple[str, ...] = ()
    people_shown: int = 6
    poses_shown: int = 9
    pairs_shown: int = 6


class Stage(NamedTuple):
    """One step of the demo.

    Attributes:
        title: What it does; its name in the log.
        folder: The run folder it leaves behind.
        work: Does it, or goes on with it.
        command: What does the same on the command line.
    """

    title: str
    folder: Path
    work: Callable[[], dict[str, Any]]
    command: str


def run_demo(
    out: Path,
    *,
    seed: int = 0,
    worlds: Sequence[str] = WORLDS[:1],
    sizes: DemoSizes | None = None,
    workers: int | None = None,
) -> Path:
    """Run the pipeline stage by stage and write the page; a rerun goes on where it stopped.

    Args:
        out: Run folder; every stage is a run folder inside it.
        seed: Of everything.
        worlds: Re-ID worlds, from `WORLDS`; the first is told about in full.
        sizes: How large everything is.
        workers: Processes; by default one a core.

    Returns:
        ``report.html``; ``report.json`` lies beside it.

    Raises:
        ReidaugError: The folder holds another run, or a stage failed.
        UsageError: A world is unknown, or the extra ``synth`` is missing.
    """
    require_extra("synth", "anny", "warp")
    sizes = sizes or DemoSizes()
    chosen = tuple(dict.fromkeys(worlds))
    unknown = [world for world in chosen if world not in WORLDS]
    if unknown or not chosen:
        raise UsageError(f"--worlds {','.join(worlds)}: choose from {', '.join(WORLDS)}")
    # Worlds may be added to a finished demo, so they are not part of what it is.
    recipe = {"command": "demo", "version": __version__, "seed": seed}
    run = RunFolder.open(out, recipe | {"sizes": sizes.model_dump(mode="json")}, resume=True)
    plan = list(_stages(out, seed, chosen, sizes, workers))
    started = time.monotonic()
    for place, stage in enumerate(plan, 1):
        _do(run, stage, f"[{place}/{len(plan)}]", started)
    click.echo(f"Writing the report ({duration(time.monotonic() - started)} so far)")
    seconds = {stage.title: _seconds(run, stage) for stage in plan}
    page = make_page(
        out,
        chosen,
        times=seconds,
        commands=[stage.command for stage in plan],
        shown=Shown(sizes.people_shown, sizes.poses_shown, sizes.pairs_shown),
    )
    write_atomically(out / "warps.png", page.warps)
    write_atomically(out / "report.html", page.html.encode())
    run.report(page.report)
    click.echo(page.headline)
    return out / "report.html"


def _stages(
    out: Path, seed: int, worlds: Sequence[str], sizes: DemoSizes, workers: int | None
) -> Iterator[Stage]:
    pairs, flow = out / "pairs", out / "flow"
    yield Stage(
        "Render pairs",
        pairs,
        partial(render_pairs, pairs, PairOptions(
            people=sizes.people, test_people=sizes.test_people, views=sizes.views, seed=seed,
        ), workers=workers),
        f"reidaug synth pairs --out {pairs} --people {sizes.people} "
        f"--test-people {sizes.test_people} --views {sizes.views} --seed {seed}",
    )  # fmt: skip
    settings = [f"pairs={pairs}", f"seed={seed}", *sizes.flow]
    yield Stage(
        "Train the flow",
        flow,
        lambda: train(_recipe(FLOW_RECIPE, TrainFlow, settings), flow, resume=True),
        f"reidaug train-flow recipes/demo/{FLOW_RECIPE} {_set(settings)} --out {flow}",
    )
    for world in worlds:
        # Another seed than the pairs: the flow has seen none of these people.
        yield from world_stages(
            out / world,
            str(flow / "checkpoint"),
            world=world,
            people_seed=seed + 1,
            pose_seed=seed,
            sizes=sizes,
            workers=workers,
        )


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
    """Plan the re-ID experiment in one rendered world.

    Args:
        root: Folder of the world; every stage is a run folder inside it.
        flow: What makes ``warps_grey``, as ``reidaug augment --flow`` takes it.
        world: One of `WORLDS`.
        people_seed: Of people, cameras and places.
        pose_seed: Of the target poses.
        sizes: How large everything is.
        workers: Processes; by default one a core.

    Yields:
        The stages in order; the last one compares the arms.
    """
    market, views, reid = root / "market", root / "true_views_grey", root / "reid"
    yield Stage(
        f"Render {world}",
        market,
        partial(render_market, market, MarketOptions(
            people=sizes.reid_people, test_people=sizes.reid_test_people,
            train_crops=sizes.train_crops, test_crops=sizes.test_crops, seed=people_seed,
            world=world_named(world),
        ), workers=workers),
        f"reidaug synth market --out {market} --world {world} --people {sizes.reid_people} "
        f"--test-people {sizes.reid_test_people} --train-crops {sizes.train_crops} "
        f"--test-crops {sizes.test_crops} --seed {people_seed}",
    )  # fmt: skip
    arms = (
        ("warps_grey", flow, "UnWarpME warps"),
        ("identity_grey", "identity", "Own pose on grey"),
        ("affine_grey", "torso-affine", "Torso-affine warps"),
    )
    for arm, sampler, title in arms:
        yield Stage(
            f"{title}, {world}",
            root / arm,
            partial(augment_dataset, market, root / arm, flow=sampler, poses=sizes.poses,
                    seed=pose_seed, workers=workers),
            f"reidaug augment {market} --flow {sampler} --poses {sizes.poses} --seed {pose_seed} "
            f"--out {root / arm}",
        )  # fmt: skip
    poses = root / "warps_grey" / "poses.json"
    yield Stage(
        f"True views, {world}",
        views,
        partial(render_views, market, views, poses=poses, workers=workers),
        f"reidaug synth views {market} --poses {poses} --out {views}",
    )
    settings = [
        f"dataset={market}",
        "arms.real_only=null",
        *(f"arms.{arm}={root / arm}" for arm, _, _ in (arms[1], arms[2], arms[0])),
        f"arms.true_views_grey={views}",
        *sizes.reid,
    ]
    yield Stage(
        f"Fine-tune and evaluate, {world}",
        reid,
        lambda: finetune(
            _recipe(REID_RECIPE, FinetuneEval, settings), reid, resume=True, workers=workers
        ),
        f"reidaug finetune-eval recipes/demo/{REID_RECIPE} {_set(settings)} --out {reid}",
    )


def _recipe(name: str, schema: type[R], settings: Sequence[str]) -> R:
    """Read a recipe of the demo; in the repository it is the file below ``recipes/demo``."""
    with as_file(files("reidaug.commands") / "demo_recipes" / name) as path:
        return load(path, schema, settings)


def _set(settings: Sequence[str]) -> str:
    return " ".join(f"--set {setting}" for setting in settings)


def _do(run: RunFolder, stage: Stage, place: str, started: float) -> None:
    """Do a stage unless the log says that it is done; note how long it took, done or not."""
    logged = [r for r in run.records() if r.get("stage") == stage.title]
    if any(r["done"] for r in logged) and (stage.folder / "report.json").is_file():
        click.echo(f"{place} {stage.title}: done before in {duration(_seconds(run, stage))}")
        return
    click.echo(f"{place} {stage.title} ({duration(time.monotonic() - started)} so far)")
    began, done = time.monotonic(), False
    try:
        stage.work()
        done = True
    finally:
        run.log(stage=stage.title, seconds=round(time.monotonic() - began, 2), done=done)


def _seconds(run: RunFolder, stage: Stage) -> float:
    return sum(r["seconds"] for r in run.records() if r.get("stage") == stage.title)


@click.command("demo")
@click.option(
    "--out",
    type=options.PATH,
    default=Path("runs/demo"),
    show_default=True,
    help="Folder for everything.",
)
@options.seed
@click.option(
    "--worlds",
    default=WORLDS[0],
    show_default=True,
    help=f"Re-ID worlds, separated by commas: {', '.join(WORLDS)}. The first is told about in "
    "full; more can be added to a finished demo.",
)
@options.workers
def command(out: Path, seed: int, worlds: str, workers: int | None) -> None:
    """Run the whole pipeline on rendered people; takes 15 minutes on two cores.

    Renders people, trains a flow estimator, warps every training crop of other people into 25
    poses, fine-tunes a re-ID model with and without them, and writes OUT/report.html and
    OUT/report.json. Run again, it goes on where it was stopped.
    """
    names = [name.strip() for name in worlds.split(",") if name.strip()]
    page = run_demo(out, seed=seed, worlds=names, workers=workers)
    click.echo(f"Look at {page}")
