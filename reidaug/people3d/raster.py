"""Rasterisation of triangles into a depth buffer.

It is several times faster here than ray casting: most of a person's 30,000 triangles are smaller
than a pixel.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reidaug.people3d.body import Floats, Integers

FAR = 1e9


class Surface(NamedTuple):
    """The visible surface point of every pixel."""

    face: Integers  # visible triangle (H, W), -1 where there is none
    weights: Floats  # barycentric coordinates on it (H, W, 3), in space, not on the screen
    depth: Floats  # depth (H, W) in metres; FAR where there is no triangle


def rasterise(points: Floats, faces: Integers, size: tuple[int, int]) -> Surface:
    """Rasterise triangles to the surface point at each pixel's centre.

    Args:
        points: Projected vertices (V, 3): x and y in pixels, (0, 0) the centre of the first pixel,
            then positive depth.
        faces: Triangles (F, 3), two-sided.
        size: (height, width) in pixels.
    """
    k, wp = _kernels(), import_module("warp")
    depth = np.full(size, FAR, np.float32)
    face = np.full(size, -1, np.int32)
    weights = np.zeros((*size, 3), np.float32)
    p = _shared(np.ascontiguousarray(points, np.float32), wp.vec3)
    f, d, i = _shared(faces, wp.int32), _shared(depth, wp.float32), _shared(face, wp.int32)
    w = _shared(weights, wp.vec3)
    wp.launch(k.draw_depth, dim=len(faces), inputs=[p, f, d], device="cpu")
    wp.launch(k.draw_faces, dim=len(faces), inputs=[p, f, d, i], device="cpu")
    wp.launch(k.draw_coordinates, dim=size, inputs=[p, f, i, w], device="cpu")
    return Surface(face, weights, depth)


def vertex_normals(vertices: Floats, faces: Integers) -> Floats:
    """Average the normals of the triangles (F, 3), counter-clockwise from outside, at each vertex.

    The result (V, 3) has unit length, or is zero at a vertex of no triangle.
    """
    k, wp = _kernels(), import_module("warp")
    normals = np.zeros((len(vertices), 3), np.float32)
    v, n = _shared(np.ascontiguousarray(vertices, np.float32), wp.vec3), _shared(normals, wp.vec3)
    wp.launch(k.add_normals, dim=len(faces), inputs=[v, _shared(faces, wp.int32), n], device="cpu")
    length = np.sqrt(np.einsum("vk,vk->v", normals, normals))[:, None]
    return (normals / np.maximum(length, 1e-12)).astype(np.float32)


def interpolate(values: NDArray[Any], faces: Integers, face: Integers, weights: Floats) -> Floats:
    """Interpolate vertex attributes (V, C) at points (P, C) on triangles.

    Each point is a ``face`` (P,) and barycentric ``weights`` (P, 3).
    """
    result: Floats = np.einsum("pk,pkc->pc", weights, values[faces[face]])
    return result


def _shared(array: NDArray[Any], kind: Any) -> Any:
    """Wrap an array for warp without a copy."""
    import warp as wp

    return wp.array(array, dtype=kind, device="cpu", copy=False)


@contextmanager
def _no_native_messages() -> Iterator[None]:
    """Silence the notice of warp's C library that there is no CUDA driver."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import_module("warp").config.log_level = import_module("warp").LOG_ERROR
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@cache
def _kernels() -> Any:
    """Load the kernels; they are compiled once a machine, in a few seconds.

    They are loaded as a separate file, not as a module of this package: warp compiles their source,
    and a run-time type checker hooked into the package would wrap the functions first.
    """
    with _no_native_messages():
        import_module("warp").init()
    spec = spec_from_file_location("reidaug_kernels", Path(__file__).with_name("kernels.py"))
    if spec is None or spec.loader is None:
        raise ImportError("kernels.py is missing beside raster.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
