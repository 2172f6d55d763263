"""Augmented re-ID datasets: every training image, warped into the poses of others."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reidaug.augment.augmented_dataset import augment_dataset
    from reidaug.augment.options import AugmentOptions
    from reidaug.augment.posed_crops import PosedCrops, PosedImage, TrainingCrop, as_source
    from reidaug.augment.toolkits import torchreid_dataset
    from reidaug.augment.transform import PoseWarp

__all__ = [
    "AugmentOptions",
    "PoseWarp",
    "PosedCrops",
    "PosedImage",
    "TrainingCrop",
    "as_source",
    "augment_dataset",
    "torchreid_dataset",
]

# Imported on use: torchvision's transforms take a second, and the engine's workers need none.
_MODULES = {
    "AugmentOptions": "options",
    "PoseWarp": "transform",
    "PosedCrops": "posed_crops",
    "PosedImage": "posed_crops",
    "TrainingCrop": "posed_crops",
    "as_source": "posed_crops",
    "augment_dataset": "augmented_dataset",
    "torchreid_dataset": "toolkits",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
