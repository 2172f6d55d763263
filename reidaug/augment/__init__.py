"""A whole re-ID dataset into new poses."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reidaug.augment.posed_crops import PosedCrops, PosedImage, TrainingCrop, as_source
    from reidaug.augment.toolkits import torchreid_dataset
    from reidaug.augment.transform import PoseWarp

__all__ = [
    "PoseWarp",
    "PosedCrops",
    "PosedImage",
    "TrainingCrop",
    "as_source",
    "torchreid_dataset",
]

# Imported on use: torchvision's transforms take a second, and the engine's workers need none.
_HOMES = {
    "PoseWarp": "transform",
    "PosedCrops": "posed_crops",
    "PosedImage": "posed_crops",
    "TrainingCrop": "posed_crops",
    "as_source": "posed_crops",
    "torchreid_dataset": "toolkits",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
