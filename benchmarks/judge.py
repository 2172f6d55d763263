"""A re-ID model that says whom a warp shows: named, found in the demo, or trained here."""

from pathlib import Path
from typing import NamedTuple

import torch
import yaml

from reidaug.data.market1501 import Person
from reidaug.experiments.finetune import Experiment
from reidaug.experiments.finetune_config import START, FinetuneEval, build_network, read_material
from reidaug.experiments.results import Cell
from reidaug.people3d.market_dataset import MarketOptions, render_market
from reidaug.people3d.worlds import MANY_POSES
from reidaug.recipes import load, resolve
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.crops import Crops
from reidaug.reid.evaluation.metrics import Identities, QueryScores, score_queries
from reidaug.reid.evaluation.ranking import search
from reidaug.reid.features import embed
from reidaug.runs import RunFolder

DEMO = Path("runs/demo/few-poses/reid/checkpoints/start-seed0.safetensors")
RECIPE = Path(__file__).parents[1] / "recipes" / "demo" / "finetune_eval.yaml"


class Judge(NamedTuple):
    """A re-ID model and what it is used with.

    Attributes:
        path: Its weight file.
        recipe: What it was trained with.
        model: The network.
    """

    path: Path
    recipe: FinetuneEval
    model: ReIDModel


def read_judge(path: Path) -> Judge:
    """Read a model that `reidaug finetune-eval` left in RUN/checkpoints."""
    values = yaml.safe_load((path.parents[1] / "recipe.yaml").read_text())
    del values["command"]
    recipe = resolve(values, FinetuneEval, where=str(path.parents[1]))
    # Of how many people it once was does not matter: its classifier stays where it is.
    return Judge(path, recipe, build_network(recipe, 1, 0, path))


def train_judge(
    out: Path, *, people: int, steps: int, seed: int, workers: int | None = None
) -> Judge:
    """Train what `reidaug finetune-eval` fine-tunes from, on rendered crops of many views.

    Args:
        out: Folder for crops and model; nothing is done twice.
        people: Training people, four crops each; a tenth as many to test it on.
        steps: Optimiser steps.
        seed: Of the people.
        workers: Processes that render.
    """
    market = out / "market"
    render_market(
        market,
        MarketOptions(
            people=people, test_people=max(2, people // 10), world=MANY_POSES, train_crops=4,
            seed=seed,
        ),
        workers=workers,
    )  # fmt: skip
    settings = (f"dataset={market}", f"pretrain_steps={steps}", "seeds=[0]")
    recipe = load(RECIPE, FinetuneEval, (*settings, "arms={real_only: null}"))
    resolved = {"command": "finetune-eval", **recipe.model_dump(mode="json")}
    folder = RunFolder.open(out / "reid", resolved, resume=True)
    experiment = Experiment(recipe, read_material(recipe), folder)
    cell = experiment.cell_path(START, 0)
    for place in (cell, experiment.model_path(START, 0)):
        place.parent.mkdir(exist_ok=True)
    if not cell.exists():
        experiment.train(START, 0)
    scores = Cell.read(cell).tested.scores
    print(f"re-ID model trained here: Rank-1 {scores['rank1']:.1f}, mAP {scores['mAP']:.1f}")
    return read_judge(experiment.model_path(START, 0))


class Lineup(NamedTuple):
    """A gallery that has been looked at.

    Attributes:
        judge: Who looked.
        crowd: Who is in it, and by which camera.
        features: What the model sees in them (G, D).
    """

    judge: Judge
    crowd: Identities
    features: torch.Tensor


def line_up(judge: Judge, gallery: list[Person]) -> Lineup:
    """Look at the gallery once."""
    return Lineup(judge, Identities.of(gallery), _features(judge, gallery))


def identify(lineup: Lineup, query: list[Person]) -> QueryScores:
    """Search for each crop's person in what other cameras took."""
    features = _features(lineup.judge, query)
    return score_queries(search(features, Identities.of(query), lineup.features, lineup.crowd))


def _features(judge: Judge, people: list[Person]) -> torch.Tensor:
    crops = Crops([person.path for person in people], size=judge.recipe.size, cache_mb=0)
    return embed(judge.model, crops, fine_weight=judge.recipe.fine_similarity)
