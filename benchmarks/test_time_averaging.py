"""Does averaging features over warps find people better? Photographs, without any training.

    python benchmarks/test_time_averaging.py --market ROOT --osnet FILE [--part tune] [--out DIR]
        [--poses 12] [--workers N]

Query and gallery crops of the fixed split's people (`reidaug.data.people_split`) are warped into
the package's rendered poses, and searched by f + w x (mean of their warps' features, by quality),
see `reidaug.reid.evaluation.averaging`. A row is a kind of view: `flip`, the mirror image; `grey`,
the crop itself on grey; `torso_affine`, `market` (W) and `surface` into K poses on grey; with
`_other` the same on grounds of other crops, `grey_other` K times the crop itself. `flip`, `grey`
and `torso_affine` are the controls, on either ground: what is gained without any learnt flow. On
tune people every row is scored with every weight, number of poses and side (query, gallery, both);
the best of each row is kept in DIR, and test people are scored with these alone. `gain`: mAP and
Rank-1 over the crops alone; `over_controls`: over the best control, query by query; `over_grey`:
other grounds over grey. `reranked` (k-reciprocal) has the same figures of the re-ranked search, its
`gain` over the crops alone re-ranked. Intervals (95 %) draw people; `evident` says that one is
apart from 0 by Holm's rule among all rows of its kind.

With --part tune nothing is published; the result of test people is written to
results/uses_test_time.json. Needs the extra [pose] and onnxruntime.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from evidence import compared, holm
from jaxtyping import Float, Int
from numpy.typing import NDArray
from osnet import check_network, features_of
from photograph_crops import NEEDED
from provenance import write_result
from shipped import weights_of
from torch import Tensor

from reidaug.augment.estimated_poses import PoseFiles
from reidaug.data.images import encode_jpeg, read_image
from reidaug.data.market1501 import TRAIN, Person, read_market1501
from reidaug.data.people_split import split_people
from reidaug.experiments.pose_averaging import Averaging, link_crops, make_views
from reidaug.files import write_atomically
from reidaug.flow.builtin import OWN_POSE, SHIPPED, SURFACE
from reidaug.perception.dataset_poses import estimate_poses
from reidaug.reid.evaluation.averaging import average_features
from reidaug.reid.evaluation.metrics import Identities, score_queries
from reidaug.reid.evaluation.ranking import rank_by_distances, rank_matches
from reidaug.reid.evaluation.rerank import k_reciprocal

FLOWS = {"grey": OWN_POSE, "torso_affine": "torso-affine", "market": SHIPPED, "surface": SURFACE}
OTHER = "_other"  # ending of rows on grounds of other crops
CONTROLS = ("flip", "grey", "torso_affine", f"grey{OTHER}", f"torso_affine{OTHER}")
WEIGHTS = (0.25, 0.5, 1.0, 2.0)
COUNTS = (2, 6, 12)
SIDES = ("both", "query", "gallery")


class Views(NamedTuple):
    """M further views of crops."""

    features: Float[Tensor, "m d"]
    crop: Int[Tensor, "m"]  # number of the crop each is of
    quality: Float[Tensor, "m"]
    order: Int[Tensor, "m"]  # 0, 1, 2, ... among the views of a crop


class Setting(NamedTuple):
    """How a row's views are used."""

    weight: float
    poses: int  # views of a crop
    side: str


class Crops(NamedTuple):
    """Queries first, then the gallery."""

    people: tuple[Person, ...]
    queries: int
    features: Float[Tensor, "n d"]

    def scores(
        self, features: Float[Tensor, "n d"], side: str = "both", *, rerank: bool = False
    ) -> NDArray[np.float64]:
        """Average precision and Rank-1 (2, Q) where a side has other features, also re-ranked."""
        q = self.queries
        parts = [
            features[k] if side in ("both", name) else self.features[k]
            for k, name in ((slice(0, q), "query"), (slice(q, None), "gallery"))
        ]
        identities = [Identities.of(part) for part in (self.people[:q], self.people[q:])]
        ranks = (
            rank_by_distances(k_reciprocal(*parts), *identities)
            if rerank
            else rank_matches(parts[0], identities[0], parts[1], identities[1])
        )
        found = score_queries(ranks)
        return np.stack((found.ap, np.where(np.isnan(found.ap), np.nan, found.first == 0)))


def main() -> None:
    """Warp, search, print, and keep or write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--market", type=Path)
    parser.add_argument("--osnet", type=Path)
    parser.add_argument("--part", choices=("tune", "test"), default="test")
    parser.add_argument("--out", type=Path, default=Path("runs/test_time_averaging"))
    parser.add_argument("--poses", type=int, default=max(COUNTS))
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    if options.market is None or options.osnet is None:
        print(NEEDED)
        return
    check_network(options.osnet)
    chosen = options.out / "chosen.json"
    if options.part == "test" and not chosen.is_file():
        raise SystemExit(f"{chosen}: choose on tune people first (--part tune)")
    folder = options.out / options.part
    crops, views = read_views(options, folder)
    plain = crops.scores(crops.features)
    if options.part == "tune":
        best = {name: choose(crops, view, plain) for name, view in views.items()}
        kept = {name: {**setting._asdict(), "gain": gain} for name, (setting, gain) in best.items()}
        write_atomically(chosen, (json.dumps(kept, indent=1) + "\n").encode())
        print(json.dumps(kept, indent=1))
        return
    settings = {
        name: Setting(*(row[key] for key in Setting._fields))
        for name, row in json.loads(chosen.read_text()).items()
    }
    moved = {name: averaged(crops, views[name], setting) for name, setting in settings.items()}
    people = np.array([person.pid for person in crops.people[: crops.queries]])
    searches = [
        summarise(
            crops.scores(crops.features, rerank=rerank),
            {n: crops.scores(moved[n], s.side, rerank=rerank) for n, s in settings.items()},
            people,
        )
        for rerank in (False, True)
    ]
    result = {
        **searches[0],
        "reranked": searches[1],
        "chosen_on_tune": {name: setting._asdict() for name, setting in settings.items()},
    }
    for name, row in result["rows"].items():
        print(name, row)
    write_result(
        "uses_test_time",
        "python benchmarks/test_time_averaging.py --market Market-1501 "
        f"--osnet {options.osnet.name} --poses {options.poses}",
        weights={
            name: weights_of(flow) for name, flow in FLOWS.items() if flow in (SHIPPED, SURFACE)
        },
        queries=crops.queries,
        gallery=len(crops.people) - crops.queries,
        people=len(set(people.tolist())),
        **result,
    )


def read_views(options: argparse.Namespace, folder: Path) -> tuple[Crops, dict[str, Views]]:
    """Compute the features of crops and of all their views; finished work in the folder is kept."""
    split = split_people(read_market1501(options.market, splits=(TRAIN,)).train, options.part)
    people = (*split.query, *split.gallery)
    crops = link_crops(people, folder / "crops")
    files = sorted(crops.iterdir())
    keypoints, masks = folder / "pose" / "keypoints.csv", folder / "pose" / "masks"
    estimate_poses(files, keypoints, masks=masks, workers=options.workers)
    own = features_of(options.osnet, files, folder / "crops.npz", workers=options.workers)
    views = {"flip": flipped(options, files, folder)}
    poses = PoseFiles(keypoints.resolve(), masks.resolve())
    for background, ending in (("grey", ""), ("other", OTHER)):
        for kind, flow in FLOWS.items():
            name = kind + ending
            how = Averaging(options.poses, flow=flow, background=background)
            warps = make_views(crops, folder / name, how, poses=poses, workers=options.workers)
            features = features_of(
                options.osnet, warps.paths, folder / f"{name}.npz", workers=options.workers
            )
            order = pd.Series(warps.crop.numpy()).groupby(warps.crop.numpy()).cumcount()
            views[name] = Views(features, warps.crop, warps.quality, torch.tensor(order))
    return Crops(people, len(split.query), own), views


def flipped(options: argparse.Namespace, files: Sequence[Path], folder: Path) -> Views:
    """Mirror the crops."""
    mirrored = folder / "flip"
    mirrored.mkdir(exist_ok=True)
    paths = []
    for file in files:
        path = mirrored / f"{file.stem}.jpg"
        if not path.is_file():
            write_atomically(path, encode_jpeg(read_image(file).flip(-1), 95))
        paths.append(path)
    features = features_of(options.osnet, paths, folder / "flip.npz", workers=options.workers)
    count = len(files)
    return Views(features, torch.arange(count), torch.ones(count), torch.zeros(count))


def averaged(crops: Crops, views: Views, setting: Setting) -> Float[Tensor, "n d"]:
    """Average the features of crops with those of their first views."""
    some = views.order < setting.poses
    return average_features(
        crops.features, views.features[some], views.crop[some], weight=setting.weight,
        quality=views.quality[some],
    )  # fmt: skip


def score(crops: Crops, views: Views, setting: Setting) -> NDArray[np.float64]:
    """Average precision and Rank-1 (2, Q) of a setting."""
    return crops.scores(averaged(crops, views, setting), setting.side)


def choose(
    crops: Crops, views: Views, plain: NDArray[np.float64]
) -> tuple[Setting, dict[str, float]]:
    """Choose the setting of the best mAP, and tell its gains in percent."""
    counts = sorted({min(count, int(views.order.max()) + 1) for count in COUNTS})
    settings = [Setting(w, k, side) for w in WEIGHTS for k in counts for side in SIDES]
    gains = {s: 100 * np.nanmean(score(crops, views, s) - plain, axis=1) for s in settings}
    best = max(gains, key=lambda s: gains[s][0])
    return best, {
        name: round(float(g), 2) for name, g in zip(("mAP", "rank1"), gains[best], strict=True)
    }


def summarise(
    plain: NDArray[np.float64], rows: dict[str, NDArray[np.float64]], people: NDArray[np.int64]
) -> dict[str, Any]:
    """Scores of all rows, and what they gain over the crops alone and over the best control."""
    means = {name: float(np.nanmean(row[0])) for name, row in rows.items()}
    control = max(CONTROLS, key=lambda name: means[name])
    result: dict[str, Any] = {"plain": percent(plain), "best_control": control, "rows": {}}
    gains = {name: compared(row, plain, people) for name, row in rows.items()}
    over = {n: compared(row, rows[control], people) for n, row in rows.items() if n not in CONTROLS}
    grounds = {
        name: compared(row, rows[name.removesuffix(OTHER)], people)
        for name, row in rows.items()
        if name.endswith(OTHER)
    }
    kinds = {"gain": gains, "over_controls": over, "over_grey": grounds}
    for tests in kinds.values():
        holm(tests)
    for name, row in rows.items():
        result["rows"][name] = percent(row) | {k: t[name] for k, t in kinds.items() if name in t}
    return result


def percent(row: NDArray[np.float64]) -> dict[str, float]:
    """Means in percent."""
    return {
        name: round(100 * float(np.nanmean(r)), 2)
        for name, r in zip(("mAP", "rank1"), row, strict=True)
    }


if __name__ == "__main__":
    main()
