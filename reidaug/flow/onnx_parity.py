"""Parity of ONNX graphs with torch, in pixels of the image. Needs the extra ``[onnx]``."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from reidaug.errors import ReidaugError
from reidaug.flow.estimator import Flow, FlowEstimator, Images, PersonFlowEstimator
from reidaug.flow.onnx_graph import FlowGraph, PersonGraph, graph_of
from reidaug.geometry.flow import endpoint_error, size_of
from reidaug.geometry.pose import Pose, select
from reidaug.geometry.warp import warp

BATCHES = (1, 3)
SIDES = ("source", "target")
LIMIT = 0.01  # pixels by which a graph may differ on average: a hundredth of what anybody sees


class Parity(NamedTuple):
    """Differences of a graph from torch on random pairs."""

    pairs: int  # in the batch
    largest: float  # distance of flows in pixels of the image
    mean: float  # the same, over all cells
    warp: float  # largest difference of warps, in levels of 255


def parity(
    content: bytes,
    estimator: FlowEstimator,
    pose: Pose,
    outline: Bool[Tensor, "n H W"],
    *,
    seed: int = 0,
) -> list[Parity]:
    """Compare a graph with its estimator over random pairs of poses, for each of `BATCHES`.

    Args:
        content: The ONNX file.
        estimator: What it was written from.
        pose: Joints (N, 18, 2) in pixels of the graph's images.
        outline: The people in these poses (N, H, W); they are painted in random colours.
        seed: Random seed of pairs and colours.

    Raises:
        ReidaugError: Flows differ by more than `LIMIT` pixels on average.
    """
    session = open_session(content)
    graph = graph_of(estimator)
    generator = torch.Generator().manual_seed(seed)
    found = []
    for pairs in BATCHES:
        inputs = random_pairs(graph, pairs, pose, outline, generator)
        flow, moved = _by_torch(estimator, dict(zip(graph.inputs, inputs, strict=True)))
        told = run(session, graph, inputs)
        apart = endpoint_error(torch.from_numpy(told["flow"]), flow, size_of(outline))
        levels = 255 * np.abs(told["warp"] - moved.numpy()).max()
        found.append(Parity(pairs, float(apart.max()), float(apart.mean()), float(levels)))
    worst = max(found, key=lambda row: np.nan_to_num(row.mean, nan=np.inf))
    if not worst.mean <= LIMIT:
        raise ReidaugError(
            f"the graph is not its estimator: flows of a batch of {worst.pairs} differ by "
            f"{worst.mean:.3g} pixels on average, more than {LIMIT:g}; nothing is written"
        )
    return found


@torch.inference_mode()
def _by_torch(estimator: FlowEstimator, inputs: Mapping[str, Tensor]) -> tuple[Flow, Images]:
    """Estimate flows as the package does, not by the wiring of the graph, and warp along them."""
    source = inputs["source"]
    start, end = (Pose(inputs[f"{side}_xy"], inputs[f"{side}_visible"]) for side in SIDES)
    if isinstance(estimator, PersonFlowEstimator):
        pairs = [(k, k) for k in range(len(source))]
        flow = estimator.person_flows(source, inputs["mask"], start, end, pairs).flow
    else:
        flow = estimator(source, start, end)
    return flow, warp(source, flow)


def open_session(content: bytes) -> Any:
    """Open a graph in onnxruntime, on the CPU with as many threads as torch has.

    Raises:
        ReidaugError: onnxruntime does not run it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no class of their own in common
        reason = " ".join(str(error).split())[:300]
        raise ReidaugError(f"onnxruntime does not run the graph: {reason}") from None


def run(
    session: Any, graph: FlowGraph | PersonGraph, inputs: tuple[Tensor, ...]
) -> dict[str, ndarray]:
    """Run a graph; gives its outputs by name."""
    feed = {name: part.numpy() for name, part in zip(graph.inputs, inputs, strict=True)}
    return dict(zip(graph.outputs, session.run(list(graph.outputs), feed), strict=True))


def random_pairs(
    graph: FlowGraph | PersonGraph,
    pairs: int,
    pose: Pose,
    outline: Bool[Tensor, "n H W"],
    generator: torch.Generator,
) -> tuple[Tensor, ...]:
    """Draw the inputs of a graph: people in random colours, and poses of others."""
    source, target = (torch.randint(len(outline), (pairs,), generator=generator) for _ in range(2))
    masks = outline[source]
    shade = _colours(pairs, generator) + 0.1 * torch.rand(
        pairs, 3, *size_of(outline), generator=generator
    )
    images = torch.where(masks[:, None], shade, _colours(pairs, generator)).clamp(0, 1)
    poses = select(pose, source), select(pose, target)
    values = {"source": images, "mask": masks}
    for side, chosen in zip(SIDES, poses, strict=True):
        values |= {f"{side}_xy": chosen.xy.float(), f"{side}_visible": chosen.visible}
    return tuple(values[name] for name in graph.inputs)


def _colours(pairs: int, generator: torch.Generator) -> Float[Tensor, "b 3 1 1"]:
    return torch.rand(pairs, 3, 1, 1, generator=generator)
