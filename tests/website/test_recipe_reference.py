"""The recipes' pages: every key, with its type, bounds, default and meaning."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field
from recipe_reference import RECIPES, Key, comments, keys, parts_of, recipe_pages

from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.training.recipe import Schedule


def key(schema: type, name: str) -> Key:
    return next(k for k in keys(schema) if k.name == name)


@pytest.mark.parametrize("name", RECIPES)
def test_every_key_is_explained(name: str) -> None:
    schema = RECIPES[name][0]
    silent = [
        f"{part.__name__}.{k.name}"
        for part in (schema, *parts_of(schema))
        for k in keys(part)
        if not k.text
    ]
    assert not silent


def test_types_bounds_and_defaults_are_those_of_the_classes() -> None:
    assert key(FinetuneRecipe, "people_share")[1:3] == ("number above 0 to 1", "1")
    assert key(FinetuneRecipe, "images_each")[1:3] == (
        "whole number from 1 to 1,000,000,000 or `null`",
        "null",
    )
    assert key(FinetuneRecipe, "protocol").kind == "`supervised` or `cross_domain`"
    assert key(FinetuneRecipe, "dataset").default == ""
    assert key(FinetuneRecipe, "size").default == "[256, 128]"
    assert key(Schedule, "steps").default == ""
    assert key(LossWeights, "hidden").default == "0"


def test_a_comment_above_and_one_beside_a_key_are_its_text() -> None:
    assert comments(Schedule)["rate"] == "base learning rate; 0 learns nothing"
    assert comments(Schedule)["drops"].startswith("fractions of the training; FOMM's")
    assert comments(LossWeights)["hidden"].endswith("finds similar texture.")


def test_pages_link_the_parts_of_their_recipes() -> None:
    page = recipe_pages()["reference/recipe-finetune-eval.md"]
    assert "[ReIDLosses](#reidlosses)" in page
    assert "\n## ReIDLosses\n" in page


@dataclass(frozen=True)
class Part:
    """A part."""

    kind: Literal["a", "b"] = "a"


class Whole(BaseModel):
    """A recipe of no command."""

    text: str = Field("x", description="A text.")
    pair: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (1, 2)


def test_descriptions_and_lists_are_read_too() -> None:
    assert key(Whole, "text") == Key("text", "text", "x", "A text.")
    assert key(Whole, "pair").kind == "list of 2, each: whole number from 1"
    assert key(Part, "kind").kind == "`a` or `b`"
