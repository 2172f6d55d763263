"""Arms of an experiment: their training crops, and which ones are compared."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import torch
from pydantic import AfterValidator, Field, model_validator

from reidaug.checksums import REPORT
from reidaug.data.layouts import known_layout
from reidaug.errors import nearest, unknown
from reidaug.files import same_but_for_case
from reidaug.fingerprint import digest_of
from reidaug.kept_recipe import without_places
from reidaug.machine import fast_precision
from reidaug.recipes import Megabytes, Part, Recipe, Seed, Weight, merged, place_keys
from reidaug.reid.evaluation.ranking import Metric
from reidaug.runs import stored_recipe

Side = Annotated[int, Field(ge=16, le=4096)]  # pixels; a ResNet's last map is a sixteenth of it
ARM_NAME = re.compile(r"[^\W_][\w.+-]*")
LayoutName = Annotated[str, AfterValidator(known_layout)]
E = TypeVar("E", bound="ExperimentOptions")
ROLES = ("method", "baseline", "controls", "ceiling")
FREE = frozenset(("arms", "seeds", *ROLES))
"""Keys of a recipe that may grow or change while its finished cells stay."""
MEMORY = ("cache_mb", "memory_mb")
"""Bounds on memory: a run that was killed for memory goes on with less, alike to last digits."""


class Arm(Recipe):
    """Training crops of an arm, and its differences from the others.

    In a recipe a root, a list of roots or null stands for an arm with these crops alone.
    """

    # Roots whose training crops are the extra crops, several for a mix; null: the real crops.
    crops: tuple[Path | None, ...] = Field((None,), min_length=1)
    only: bool = False  # whether the extra crops replace the real ones
    # Keys of the experiment that differ for this arm, see the recipe's `CHANGEABLE`; nested keys
    # that are not named stay.
    changes: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _accept_crops_alone(cls, value: Any) -> Any:
        if isinstance(value, dict):
            crops = value.get("crops", [None])
            return value | {"crops": crops if isinstance(crops, list | tuple) else [crops]}
        if isinstance(value, list | tuple):
            return {"crops": value}
        return {"crops": [value]} if value is None or isinstance(value, str | Path) else value


class ExperimentOptions(Recipe):
    """Options that the recipes of all experiments share."""

    CHANGEABLE: ClassVar[tuple[str, ...]] = ()
    STAGES: ClassVar[tuple[str, ...]] = ()
    """Cells before all arms, whose names no arm can have."""

    protocol: str  # relation of training and evaluation; one table holds results of one only
    dataset: Path  # market-1501-format root with the real crops
    # Regular expression that reads person and camera from the file names of ``dataset``, as
    # ``--pattern`` of other commands, see `reidaug.data.market1501.read_market1501`; arms made by
    # `reidaug augment` need none.
    pattern: str | None = None
    # How ``dataset`` lies on disk, as ``--layout`` of other commands, in place of ``pattern``, see
    # `reidaug.data.layouts.LAYOUTS`; arms made by `reidaug augment` need none.
    layout: LayoutName | None = None
    # Whether more than a tenth of a split's images may be left out, see ``left_out`` in the report.
    allow_left_out: bool = False
    arms: dict[str, Arm] = Field(min_length=1)  # by name
    method: str = "warps_grey"  # the arm in question
    baseline: str = "real_only"  # the arm without augmentation
    # Arms that could explain a gain away.
    controls: tuple[str, ...] = ("real_only", "identity_grey", "affine_grey")
    ceiling: str | None = None  # the arm that no warp can beat, if there is one
    # The test set, or training people held out (for tuning).
    evaluate_on: Literal["test", "held_out"] = "test"
    held_out: Part = 0.2  # share of the training people that is then held out
    # Random seed of this choice and of subsets of the training data.
    split_seed: Seed = 0
    # Warps of lower quality in their manifest are not used.
    min_quality: float = Field(0.0, ge=0, le=1)
    # Random seeds: every arm is trained once with each.
    seeds: tuple[Seed, ...] = Field((0, 1, 2), min_length=1)
    # Number format of the networks in training; auto: bfloat16 where it is faster. Features of
    # reported scores are computed in float32 whatever it is.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    # Distance of retrieval, also before re-ranking: 1 - cosine, or Euclidean of features as they
    # are, torchreid's default.
    metric: Metric = "cosine"
    fine_similarity: Weight = 0.5  # weight of every head after the first in retrieval
    # Bound on the decoded training crops that a process keeps, main and extra ones together.
    cache_mb: Megabytes = 2048
    memory_mb: int = Field(256, ge=1, le=2**24)  # bound on the distances held at a time

    @model_validator(mode="after")
    def _check_names(self: E) -> E:
        if self.pattern is not None and self.layout is not None:
            raise ValueError("layout and pattern exclude each other: a layout has its own names")
        return self

    @model_validator(mode="after")
    def _check_arms(self: E) -> E:
        for name in self.arms:
            if name in self.STAGES or len(name) > 100 or not ARM_NAME.fullmatch(name):
                raise ValueError(
                    f"arms: {name[:100]!r} names files and curves, and cannot: letters, digits, "
                    f"_ - + and . after a letter or digit, 100 at most, and none of "
                    f"{', '.join(self.STAGES)}"
                )
            crops = [root and root.resolve() for root in self.arms[name].crops]
            if twice := [root for root in crops if crops.count(root) > 1]:
                raise ValueError(f"arms.{name}: {twice[0] or 'null'} is there twice")
            self.of_arm(name)
        if alike := same_but_for_case(self.arms):
            raise ValueError(f"arms: {alike} name the same files on some disks; rename one")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds differ")
        self._check_roles()
        return self

    def _check_roles(self) -> None:
        """Check that names of arms are of arms; those that are meant by default may have none."""
        for role, names in self.roles().items():
            default = _names(type(self).model_fields[role].default)
            for name in names:
                if name not in self.arms and name not in default:
                    raise ValueError(
                        f"{role}: {unknown(f'arm {name!r}', name, self.arms, kind='arms')}"
                    )

    def roles(self) -> dict[str, tuple[str, ...]]:
        """List the arms that each of `ROLES` names, which need not be run."""
        return {role: _names(getattr(self, role)) for role in ROLES}

    def of_arm(self: E, name: str) -> E:
        """Apply the changes of an arm; a stage before all arms, such as the start, has none.

        Raises:
            ValueError: A change has a wrong key or value.
        """
        changes = self.arms[name].changes if name in self.arms else {}
        if not changes:
            return self
        if wrong := sorted(set(changes) - set(self.CHANGEABLE)):
            known = ", ".join(self.CHANGEABLE) + nearest(wrong[0], self.CHANGEABLE)
            raise ValueError(f"arm {name} cannot change {wrong[0]}, only {known}")
        values = self.model_dump()
        values["arms"] = {key: arm | {"changes": {}} for key, arm in values["arms"].items()}
        return type(self).model_validate(merged(values, changes))

    def resolved(self, command: str) -> dict[str, Any]:
        """Command and all recipe keys as YAML values, for a run folder."""
        return {"command": command, **self.model_dump(mode="json")}

    def is_finished(self, folder: Path) -> bool:
        """Whether a run folder holds the report of this very experiment, with no arm less."""
        stored = {k: value for k, value in stored_recipe(folder).items() if k != "command"}
        return stored == self.model_dump(mode="json") and (folder / REPORT).exists()

    def bfloat16(self, device: torch.device) -> bool:
        """Whether the networks compute in bfloat16 on a device."""
        precision = fast_precision(device) if self.precision == "auto" else self.precision
        return precision == "bfloat16"


def _names(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


def settings_of(options: ExperimentOptions, name: str) -> str:
    """Digest what a recipe asks of the cells of an arm, or of a stage before all arms.

    Not its paths, whose content has digests of its own, nor what `extends` leaves free.
    """
    values = without_places(options.model_dump(mode="json"), place_keys(type(options)))
    arm = values["arms"].get(name)
    shared = {key: value for key, value in values.items() if key not in FREE}
    shared |= {key: type(options).model_fields[key].default for key in MEMORY}
    return digest_of(json.dumps([shared, arm], sort_keys=True))


def extends(begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether an experiment can go on with the cells of one that has begun; both are YAML values.

    It may have more arms, other seeds after the first (which may have trained the start of all),
    compare other arms, and take other memory.
    """
    if not {"arms", "seeds"} <= begun.keys():  # of another command, or damaged
        return False
    free = {*FREE, *MEMORY}
    fixed, same = ({k: v for k, v in r.items() if k not in free} for r in (begun, wanted))
    return (
        fixed == same
        and begun["seeds"][0] == wanted["seeds"][0]
        and begun["arms"].items() <= wanted["arms"].items()
    )
