"""Options of an augmented dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field, model_validator

from reidaug.augment.background import BACKGROUNDS
from reidaug.augment.pose_pool import Pool
from reidaug.augment.quality import POOR
from reidaug.augment.shipped_poses import COUNT
from reidaug.augment.target_poses import DEFAULT_POSES, Choice
from reidaug.augment.viewpoint import Turns
from reidaug.data.crop_names import PATTERN_HELP
from reidaug.data.image_folders import ALLOW_HELP
from reidaug.data.layouts import LAYOUT_HELP, known_layout
from reidaug.flow.estimator import FlowEstimator, PersonFlowEstimator
from reidaug.machine import fast_precision
from reidaug.recipes import LARGEST_SEED, Recipe

KEYPOINTS = "market-annotation-train.csv"
"""Name of a dataset's keypoint file, when no other is given."""
MASKS = "masks"
"""Name of a dataset's folder of person masks, when no other is given."""
PAPER: Mapping[str, Any] = {
    "pool": "any", "turns": "allow", "background": "grey", "min_quality": 0.0,
}  # fmt: skip
"""The paper's setting where the defaults are others (docs/does-it-help.md says why)."""


def _known_background(name: str) -> str:
    if name not in BACKGROUNDS:
        raise ValueError(f"no background {name!r} (known: {', '.join(BACKGROUNDS)})")
    return name


class AugmentOptions(Recipe):
    """Options of the warps of a dataset, beside the dataset and the flow estimator."""

    keypoints: Path | None = Field(
        default=None,
        description="Keypoints of the training images (PATN CSV, COCO or OpenPose JSON, 14-joint "
        f".mat). [default: DATASET/{KEYPOINTS}; without it, poses and masks are estimated into "
        "OUT/pose, which needs the extra 'pose']",
    )
    masks: Path | None = Field(
        default=None,
        description="Folder of person masks, STEM.png; without them limbs are drawn from the "
        f"joints. [default: DATASET/{MASKS}]",
    )
    model: Path | None = Field(
        default=None,
        description="BlazePose's pose_landmark_full.tflite (or lite, heavy); without it, it is "
        "fetched once.",
    )
    missing: Literal["fallback", "skip"] = Field(
        default="fallback",
        description="Training images without a pose: warp them by that of the same person's "
        "nearest frame, else by a standing pose in the mask or crop (column pose_from of "
        "manifest.parquet), or skip them.",
    )
    pattern: str | None = Field(default=None, description=PATTERN_HELP)
    layout: Annotated[str, AfterValidator(known_layout)] | None = Field(
        default=None, description=LAYOUT_HELP
    )
    allow_left_out: bool = Field(default=False, description=ALLOW_HELP)
    poses: int = Field(
        default=DEFAULT_POSES,
        ge=1,
        le=10_000,
        description="Number of target poses. --flow identity keeps each image's pose: it takes "
        "only the size of the warps from so many images.",
    )
    poses_from: Literal["dataset", "shipped"] = Field(
        default="dataset",
        description="Where target poses come from: training images, or the rendered people that "
        f"come with the package ({COUNT} poses from all sides, with exact joints and outlines).",
    )
    pool: Pool = Field(
        default="good",
        description="Training images that may give target poses: those with a whole outline that "
        "fits plausible joints, or any that shows shoulders and hips, as in the paper.",
    )
    poses_each: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Warp each image into this many of the target poses, see --poses-each-by. "
        "[default: into all]",
    )
    poses_each_by: Literal["random", "rare"] = Field(
        default="random",
        description="Which of the target poses --poses-each gives an image: drawn for it at "
        "random, or those farthest from what its person's images show and from each other; other "
        "images of the person get others, so ask for many more --poses than one person is given.",
    )
    choose: Choice = Field(
        default="random",
        description="Draw the target poses, or take the centres of clusters of similar ones.",
    )
    background: Annotated[str, AfterValidator(_known_background)] = Field(
        default="other",
        description="Around the person. "
        + " ".join(f"{name}: {kind.paint.__doc__}" for name, kind in BACKGROUNDS.items()),
    )
    spread: bool = Field(
        default=True, description="Where a flow misses the person, take the person's nearest pixel."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Number format of the flow network; auto: bfloat16 where the processor has it.",
    )
    jpeg_quality: int = Field(default=95, ge=1, le=95, description="Quality of the JPEG files.")
    min_quality: float = Field(
        default=POOR,
        ge=0,
        le=1,
        description="Leave out warps whose quality (0 to 1, see manifest.parquet) is lower; 0 "
        "keeps all.",
    )
    turns: Turns = Field(
        default="auto",
        description="Half turns, front to back, show what the source does not: allow them, take "
        "the outline as seen from the source's own side (mirror), or drop them. auto: mirror with "
        "a flow that sees the person, else allow, as in the paper.",
    )
    check_poses: bool = Field(
        default=False,
        description="Estimate the pose of every warp and compare it with its target: column pck.",
    )
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="Random seed.")
    keep_original: bool = Field(
        default=False, description="Copy the training images beside the warps."
    )

    @model_validator(mode="after")
    def _check_names(self) -> "AugmentOptions":
        if self.pattern is not None and self.layout is not None:
            raise ValueError("layout and pattern exclude each other: a layout has its own names")
        return self

    @model_validator(mode="after")
    def _check_poses_each(self) -> "AugmentOptions":
        if self.poses_each is not None and self.poses_each > self.poses:
            each, poses = self.poses_each, self.poses
            raise ValueError(f"poses_each: {each} cannot be drawn from {poses} poses; raise poses")
        if self.poses_each is None and self.poses_each_by != "random":
            raise ValueError(
                f"poses_each_by: {self.poses_each_by} is without effect where each image is warped "
                "into all poses; give poses_each"
            )
        return self

    @model_validator(mode="after")
    def _check_shipped(self) -> "AugmentOptions":
        if self.poses_from == "shipped":
            if self.poses > COUNT:
                raise ValueError(
                    f"poses: only {COUNT} poses come with the package; ask for {COUNT} at most"
                )
            if self.pool == "any":
                raise ValueError("pool: without effect, all poses of the package are good")
        return self

    @property
    def bfloat16(self) -> bool:
        """Whether flows are estimated in bfloat16."""
        return self.precision == "bfloat16"

    def for_estimator(self, estimator: FlowEstimator) -> "AugmentOptions":
        """Replace ``auto`` in precision, where only networks gain from bfloat16, and in turns."""
        chosen: dict[str, str] = {}
        if self.precision == "auto":
            network = next(estimator.parameters(), None) is not None
            chosen["precision"] = fast_precision(torch.device("cpu")) if network else "float32"
        if self.turns == "auto":
            own = isinstance(estimator, PersonFlowEstimator)
            chosen["turns"] = "mirror" if own else "allow"
        return self.model_copy(update=chosen) if chosen else self

    def recipe(self, out: Path) -> dict[str, Any]:
        """Write the options as plain values, paths inside a run's folder relative to it."""
        values = self.model_dump(mode="json", exclude={"model", "allow_left_out"})
        if self.layout is None:
            del values["layout"]
        for key in ("keypoints", "masks"):
            path = getattr(self, key)
            if path is not None and path.is_relative_to(out):
                values[key] = str(path.relative_to(out))
        return values

    @classmethod
    def of_run(cls, out: Path, recipe: Mapping[str, Any]) -> "AugmentOptions":
        """Read the options of a run's ``recipe.yaml`` back, with absolute paths."""
        values = {key: value for key, value in recipe.items() if key in cls.model_fields}
        paths = {key: out.resolve() / values[key] for key in ("keypoints", "masks") if values[key]}
        return cls(**values | paths)
