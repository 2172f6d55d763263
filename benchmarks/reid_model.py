"""The re-ID model that identifies the people of warps: named, of the demo, or trained here."""

from pathlib import Path
from typing import NamedTuple

import torch
import yaml

from reidaug.data.market1501 import Person
from reidaug.experiments.finetune import FinetuneGrid
from reidaug.experiments.finetune_config import START, FinetuneRecipe, build_network, read_data
from reidaug.experiments.run_grid import CellKey
from reidaug.people3d.market_dataset import MarketOptions, render_market
from reidaug.people3d.worlds import MANY_POSES
from reidaug.recipes import load, resolve
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.crops import Crops
from reidaug.reid.evaluation.metrics import Identities, QueryScores, score_queries
from reidaug.reid.evaluation.ranking import rank_matches
from reidaug.reid.features import embed
from reidaug.runs import RunFolder

DEMO = Path("runs/demo/few-poses/reid/checkpoints/start-seed0.safetensors")
RECIPE = Path(__file__).parents[1] / "recipes" / "demo" / "finetune_eval.yaml"


class TrainedModel(NamedTuple):
    """A trained re-ID model.

    Attributes:
        path: Its weight file.
        recipe: The recipe of its training.
        network: The network.
    """

    path: Path
    recipe: FinetuneRecipe
    network: ReIDModel


def read_model(path: Path) -> TrainedModel:
    """Read a model that `reidaug finetune-eval` left in RUN/checkpoints."""
    values = yaml.safe_load((path.parents[1] / "recipe.yaml").read_text())
    del values["command"]
    recipe = resolve(values, FinetuneRecipe, where=str(path.parents[1]))
    # The classifier is not loaded, so the number of training people does not matter.
    return TrainedModel(path, recipe, build_network(recipe, 1, 0, path)[0])


def train_model(
    out: Path, *, people: int, steps: int, seed: int, workers: int | None = None
) -> TrainedModel:
    """Train the start model of `reidaug finetune-eval` on rendered crops of all sides.

    Args:
        out: Folder for crops and model; finished parts are kept.
        people: Training people, four crops each; a tenth as many to test it on.
        steps: Optimiser steps.
        seed: Seed of the people.
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
    recipe = load(RECIPE, FinetuneRecipe, (*settings, "arms={real_only: null}"))
    folder = RunFolder.open(out / "reid", recipe.resolved("finetune-eval"), resume=True)
    grid, key = FinetuneGrid(recipe, read_data(recipe), folder), CellKey(START, 0)
    if not grid.finished(key):
        grid.finish(key, lambda _, /, *, before=False: None)
    (result,) = grid.results(START)
    scores = result.evaluation.scores
    print(f"re-ID model trained here: Rank-1 {scores['rank1']:.1f}, mAP {scores['mAP']:.1f}")
    return read_model(grid.model_path(key))


class GallerySearch(NamedTuple):
    """A gallery with its features.

    Attributes:
        model: The model of the features.
        identities: Persons and cameras of the gallery.
        features: Features of its crops (G, D).
    """

    model: TrainedModel
    identities: Identities
    features: torch.Tensor

    @classmethod
    def of(cls, model: TrainedModel, gallery: list[Person]) -> "GallerySearch":
        """Extract the features of a gallery."""
        return cls(model, Identities.of(gallery), _features(model, gallery))

    def identify(self, query: list[Person]) -> QueryScores:
        """Search for the person of each crop among the crops of other cameras."""
        found = rank_matches(
            _features(self.model, query), Identities.of(query), self.features, self.identities
        )
        return score_queries(found)


def _features(model: TrainedModel, people: list[Person]) -> torch.Tensor:
    crops = Crops([person.path for person in people], size=model.recipe.size, cache_mb=0)
    return embed(model.network, crops, fine_weight=model.recipe.fine_similarity)
