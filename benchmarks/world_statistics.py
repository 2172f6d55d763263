"""How rendered crops differ from photographs, in figures that a world's constants can be moved by.

    python benchmarks/world_statistics.py --market-masks FOLDER --roots ROOTS --work WORK \
        [--osnet osnet_x0_25_msmt17.onnx]

ROOTS and WORK are what benchmarks/world_roots.py wrote. Of the training crops of every root:
sharpness, size of the files, brightness, saturation, the person's share of the crop, and how far
crops of one person by one camera, by two cameras, and of two people lie from each other, in colour
and in features of an ImageNet network. Of the evaluated people: the mAP of these features, of
colours alone, and of a re-ID network, without any training here. The figures go to
benchmarks/results/world_statistics.json.
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from osnet import check_network, features_of
from PIL import Image
from provenance import write_result
from scipy.ndimage import laplace
from torch import Tensor, nn
from world_roots import JPEG_QUALITY, PHOTOGRAPHS

from reidaug.data.images import read_image, read_mask, resize_mask
from reidaug.data.market1501 import Person, ReIDDataset, read_market1501
from reidaug.machine import one_thread
from reidaug.reid.crops import Crops, normalise
from reidaug.reid.evaluation.metrics import Identities
from reidaug.reid.evaluation.retrieval import evaluate
from reidaug.reid.features import RetrievalFeatures
from reidaug.reid.model_factory import build
from reidaug.reid.pretrained import IMAGENET, weight_file
from reidaug.reid.weights import load_weights

SIZE = (128, 64)
GREY = np.array([0.299, 0.587, 0.114], np.float32)
QUANTILES = (10, 50, 90)
STRIPES, LEVELS = 8, 4  # of the colour histograms: rows of a crop, and levels of each channel
LEAST_PERSON = 0.04  # share of a crop below which a mask shows nobody


class Pixels(NamedTuple):
    """What the pixels of one crop say."""

    sharpness: float  # variance of the Laplacian of the grey crop
    kilobytes: float  # of the file at Market-1501's JPEG quality
    brightness: float  # mean of the grey crop, 0 to 255
    contrast: float  # its standard deviation
    saturation: float  # mean over pixels of (max - min) / max of the channels
    cover: float  # share of the crop that the person covers
    person_saturation: float  # saturation within the mask
    person_brighter: float  # mean grey of the person less that of the ground
    colour: Float[ndarray, "3"]  # mean colour of the person


def main() -> None:
    """Measure all roots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--market-masks", type=Path, required=True)
    parser.add_argument("--roots", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--osnet", type=Path, help="a re-ID network in an ONNX file")
    options = parser.parse_args()
    if options.osnet:
        check_network(options.osnet)
    names = sorted(path.name for path in options.roots.iterdir() if (path / "query").is_dir())
    worlds = {}
    for name in names:
        own = options.work / name
        masks = options.market_masks if name == PHOTOGRAPHS else own / "masks"
        with one_thread():
            worlds[name] = measure(options.roots / name, masks, own, options.osnet)
        print(name, worlds[name])
    write_result(
        "world_statistics",
        "python benchmarks/world_statistics.py --market-masks FOLDER --roots ROOTS --work WORK"
        + (" --osnet FILE" if options.osnet else ""),
        worlds=worlds,
    )


def measure(root: Path, masks: Path, work: Path, osnet: Path | None) -> dict[str, Any]:
    """Measure one root."""
    data = read_market1501(root)
    read = [read_pixels(person.path, masks / f"{person.path.stem}.png") for person in data.train]
    seen = [(person, pixels) for person, pixels in zip(data.train, read, strict=True) if pixels]
    people, pixels = [person for person, _ in seen], [one for _, one in seen]
    cameras: dict[int, set[int]] = {}
    for person in data.train:
        cameras.setdefault(person.pid, set()).add(person.camid)
    colours = np.stack([one.colour for one in pixels])
    chroma = colours - colours.mean(1, keepdims=True)
    imagenet = imagenet_features([person.path for person in people])
    query, gallery = ([person.path for person in part] for part in (data.query, data.gallery))
    features = {
        "imagenet": (imagenet_features(query), imagenet_features(gallery)),
        "colour": (colour_features(query), colour_features(gallery)),
    }
    if osnet is not None:
        features["osnet"] = (
            features_of(osnet, query, work / "osnet-query.npz", workers=1),
            features_of(osnet, gallery, work / "osnet-gallery.npz", workers=1),
        )
    table = np.array([one[:-1] for one in pixels])
    return {
        "crops": len(people),
        "left_out": len(data.train) - len(people),  # without a mask, or with one of nobody
        **{
            name: np.percentile(column, QUANTILES).round(3).tolist()
            for name, column in zip(Pixels._fields, table.T, strict=False)
        },
        "cameras_a_person": round(float(np.mean([len(own) for own in cameras.values()])), 2),
        "colour_distance": apart(differences(colours), people),
        "chroma_distance": apart(differences(chroma), people),
        "imagenet_distance": apart((1 - imagenet @ imagenet.T).numpy(), people),
        "mAP": {
            name: round(retrieval(asked, searched, data), 1)
            for name, (asked, searched) in features.items()
        },
    }


def read_pixels(path: Path, mask: Path) -> Pixels | None:
    """Measure a crop of one size; None where its mask is missing or shows hardly anybody."""
    if not mask.is_file():
        return None
    crop = Image.fromarray(read_image(path).permute(1, 2, 0).numpy()).resize(SIZE[::-1])
    person = resize_mask(read_mask(mask), SIZE).numpy()
    cover = person.mean()
    if not LEAST_PERSON < cover < 1 - LEAST_PERSON:
        return None
    image = np.asarray(crop, np.float32)
    grey, saturation = image @ GREY, saturation_of(image)
    file = io.BytesIO()
    crop.save(file, "JPEG", quality=JPEG_QUALITY)
    return Pixels(
        sharpness=laplace(grey).var(),
        kilobytes=file.tell() / 1024,
        brightness=grey.mean(),
        contrast=grey.std(),
        saturation=saturation.mean(),
        cover=cover,
        person_saturation=saturation[person].mean(),
        person_brighter=grey[person].mean() - grey[~person].mean(),
        colour=image[person].mean(0),
    )


def saturation_of(image: Float[ndarray, "h w 3"]) -> Float[ndarray, "h w"]:
    """Compute the saturation of every pixel, 0 grey to 1."""
    largest = image.max(-1)
    return (largest - image.min(-1)) / np.maximum(largest, 1)


def differences(colours: Float[ndarray, "n 3"]) -> Float[ndarray, "n n"]:
    """Mean absolute difference of the colours of all pairs of crops."""
    return np.stack([np.abs(colours - one).mean(1) for one in colours])


def apart(distances: Float[ndarray, "n n"], people: Sequence[Person]) -> dict[str, float | None]:
    """Mean distance of pairs of crops by whose they are; None where there are no such pairs."""
    pids, camids = Identities.of(people)
    own = pids[:, None] == pids[None]
    camera = camids[:, None] == camids[None]
    itself = np.eye(len(pids), dtype=bool)

    def mean(pairs: Bool[ndarray, "n n"]) -> float | None:
        return round(float(distances[pairs].mean()), 3) if pairs.any() else None

    return {
        "own_same_camera": mean(own & camera & ~itself),
        "own_other_camera": mean(own & ~camera),
        "others": mean(~own),
    }


def imagenet_features(paths: Sequence[Path]) -> Float[Tensor, "n d"]:
    """Compute features of the ImageNet network, of unit length."""
    model = build("mobilenet_v2", 2, last_stride=2)
    file = weight_file("mobilenet_v2", IMAGENET)
    assert file is not None
    load_weights(model, file)
    model.eval()
    crops = Crops(paths, size=SIZE, cache_mb=0)
    with torch.no_grad():
        parts = [
            model(normalise(crops.batch(range(start, min(start + 64, len(paths)))))).pooled
            for start in range(0, len(paths), 64)
        ]
    return nn.functional.normalize(torch.cat(parts), dim=1)


def colour_features(paths: Sequence[Path]) -> Float[Tensor, "n d"]:
    """Compute colour histograms of the stripes of each crop's middle, of unit length."""
    crops, (height, width) = Crops(paths, size=SIZE, cache_mb=0), SIZE
    found = []
    for index in range(len(paths)):
        image = crops.batch([index])[0, :, :, width // 5 : -width // 5].long()
        levels = image * LEVELS // 256
        bins = (levels[0] * LEVELS + levels[1]) * LEVELS + levels[2]
        stripes = bins.reshape(STRIPES, height // STRIPES * bins.shape[1])
        counts = torch.zeros(STRIPES, LEVELS**3).scatter_add_(1, stripes, torch.ones(stripes.shape))
        found.append((counts / stripes.shape[1]).sqrt().flatten())
    return nn.functional.normalize(torch.stack(found), dim=1)


def retrieval(
    query: Float[Tensor, "q d"], gallery: Float[Tensor, "g d"], data: ReIDDataset
) -> float:
    """Search for features by their cosine: mAP in percent."""
    asked, searched = (nn.functional.normalize(part, dim=1) for part in (query, gallery))
    own, others = Identities.of(data.query), Identities.of(data.gallery)
    return evaluate(RetrievalFeatures(asked, own, searched, others)).score("mAP")


if __name__ == "__main__":
    main()
