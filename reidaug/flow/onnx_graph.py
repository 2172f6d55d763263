"""ONNX graphs of flow estimators: poses in, flow and warp out. Needs the extra ``[onnx]``.

Any number of pairs goes through a graph at once; the size of the images is fixed.
"""

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.estimator import FlowEstimator, Images, PersonFlowEstimator
from reidaug.flow.graph_operators import GraphOperators
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import OPENPOSE_18, Pose
from reidaug.geometry.warp import warp

OPSETS = (18, 23)
"""Smallest and largest opset; 18 is what torch writes by itself."""
MOST_BYTES = 2**31 - 1  # of a protobuf message
PRODUCER = "reidaug"
COORDINATES = (
    "A flow is a backward map: flow[b, :, v, u] is the point (x, y) of the source that target cell "
    "(row v, column u) samples, absolute and normalised, -1 and +1 at the centres of the edge "
    "pixels (align_corners=True); outside of the image the nearest border pixel is sampled."
)
INPUTS = {
    "source": "source images (batch, 3, height, width), RGB in [0, 1]",
    "mask": "the person on the source (batch, height, width); where False, something else",
    "source_xy": "joints of the source's person (batch, 18, 2) in pixels, x then y, (0, 0) the "
    "centre of the top-left pixel; in this order: " + ", ".join(OPENPOSE_18),
    "source_visible": "which of them are visible (batch, 18); the others may be anywhere",
    "target_xy": "joints of the target pose (batch, 18, 2), in pixels of an image of this size",
    "target_visible": "which of them are visible (batch, 18)",
}
OUTPUTS = {
    "flow": "flow (batch, 2, rows, columns); rows and columns may be fewer than the image's: "
    "resize it bilinearly with align_corners=True",
    "warp": "the source sampled along the flow (batch, 3, height, width), with its background",
    "joints": "the person's joints in the target pose (batch, 18, 2) in pixels; visible are those "
    "of the target",
    "outline": "the person in the target pose (batch, height, width)",
    "origin": "where the texture of each cell comes from (batch, rows, columns): 0 seen, 1 "
    "mirrored, 2 the other side of the body, 3 invented",
}


class FlowGraph(nn.Module):
    """The interface of an estimator in tensors alone, with the warp as a second output."""

    outputs: tuple[str, ...] = ("flow", "warp")

    def __init__(self, estimator: FlowEstimator) -> None:
        super().__init__()
        self.estimator = estimator

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs of `forward`, in their order."""
        return tuple(name for name in INPUTS if name != "mask")

    def forward(
        self,
        source: Images,
        source_xy: Float[Tensor, "b 18 2"],
        source_visible: Bool[Tensor, "b 18"],
        target_xy: Float[Tensor, "b 18 2"],
        target_visible: Bool[Tensor, "b 18"],
    ) -> tuple[Float[Tensor, "b 2 h w"], Images]:
        """Estimate one flow a pair, and warp the source along it."""
        _same_batch(source, source_xy, source_visible, target_xy, target_visible)
        with _operators():
            poses = Pose(source_xy, source_visible), Pose(target_xy, target_visible)
            flow = self.estimator(source, *poses)
            return flow, warp(source, flow)


class PersonGraph(nn.Module):
    """The interface of an estimator that sees the person, whom a mask shows."""

    outputs: tuple[str, ...] = tuple(OUTPUTS)

    def __init__(self, estimator: PersonFlowEstimator) -> None:
        super().__init__()
        self.estimator = estimator

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs of `forward`, in their order."""
        return tuple(INPUTS)

    def forward(
        self,
        source: Images,
        mask: Bool[Tensor, "b H W"],
        source_xy: Float[Tensor, "b 18 2"],
        source_visible: Bool[Tensor, "b 18"],
        target_xy: Float[Tensor, "b 18 2"],
        target_visible: Bool[Tensor, "b 18"],
    ) -> tuple[
        Float[Tensor, "b 2 h w"],
        Images,
        Float[Tensor, "b 18 2"],
        Bool[Tensor, "b H W"],
        UInt8[Tensor, "b h w"],
    ]:
        """Estimate one flow a source, to another person's pose, and warp the source along it."""
        _same_batch(source, mask, source_xy, source_visible, target_xy, target_visible)
        with _operators():
            poses = Pose(source_xy, source_visible), Pose(target_xy, target_visible)
            found = self.estimator.own_flows(source, mask, *poses)
            moved = warp(source, found.flow)
            return found.flow, moved, found.pose.xy, found.outline, found.origin


def graph_of(estimator: FlowEstimator) -> FlowGraph | PersonGraph:
    """Give an estimator, in evaluation mode, the interface of its graph."""
    if isinstance(estimator, PersonFlowEstimator):
        return PersonGraph(estimator).eval()
    return FlowGraph(estimator).eval()


def write_graph(
    estimator: FlowEstimator, name: str, *, size: Size, opset: int, about: Mapping[str, str]
) -> bytes:
    """Write an estimator as an ONNX file.

    Args:
        estimator: The estimator, on the CPU.
        name: Its name, for errors and the file.
        size: (height, width) of the images.
        opset: One of `OPSETS`, or between them.
        about: More entries of the file's metadata.

    Returns:
        The content of the file. The same estimator gives the same bytes.

    Raises:
        ReidaugError: No graph can hold the estimator.
        UsageError: It takes no images of this size.
    """
    import onnx

    if estimator.no_graph:
        raise UsageError(f"flow {name}: no graph can hold it: {estimator.no_graph}")
    graph = graph_of(estimator)
    example = example_inputs(graph, size)
    try:  # also: what the estimator computes once and keeps is computed with real numbers
        with torch.no_grad():
            graph(*example)
    except ValueError as error:
        raise UsageError(f"flow {name}, --size {size[0]}x{size[1]}: {error}") from None
    batch = torch.export.Dim("batch", min=1, max=2**20)
    shapes = tuple({0: batch} for _ in example)
    try:
        with torch.no_grad(), _quiet():
            program = torch.export.export(graph, example, dynamic_shapes=shapes, strict=False)
            written = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=opset,
                input_names=graph.inputs,
                output_names=graph.outputs,
                optimize=False,  # it takes numbers such as 1e-12 for 0 and leaves them out
            )
    except Exception as error:  # torch raises whatever an operator or a guard raises
        raise ReidaugError(
            f"flow {name}: no graph can hold it as it is written: {_reason(error)}"
        ) from error
    assert written is not None
    model = written.model_proto
    if (count := model.ByteSize()) > MOST_BYTES:
        raise ReidaugError(f"flow {name}: {count:,} bytes; an ONNX file holds {MOST_BYTES:,}")
    content = _finished(model, name, size, about)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        reason = str(error).splitlines()[0][:300]
        raise ReidaugError(f"flow {name}: opset {opset} does not hold it: {reason}") from None
    return content


def example_inputs(graph: FlowGraph | PersonGraph, size: Size) -> tuple[Tensor, ...]:
    """Give a graph two pairs to be traced with."""
    height, width = size
    xy = torch.rand(2, len(OPENPOSE_18), 2, generator=torch.Generator().manual_seed(0))
    xy = xy * torch.tensor((width - 1.0, height - 1.0))
    known = torch.ones(2, len(OPENPOSE_18), dtype=torch.bool)
    mask = torch.zeros(2, height, width, dtype=torch.bool)
    mask[:, height // 8 : -(height // 8), width // 4 : -(width // 4)] = True
    values = {
        "source": torch.full((2, 3, height, width), 0.5), "mask": mask,
        "source_xy": xy, "source_visible": known,
        "target_xy": xy.flip(0), "target_visible": known.clone(),
    }  # fmt: skip
    return tuple(values[name] for name in graph.inputs)


def _reason(error: Exception) -> str:
    """Say in one line why a graph cannot hold an estimator."""
    text = str(error.__cause__ or error).strip()
    if "data-dependent" in text:
        return "it asks the inputs which way to go (write torch.where in place of if)"
    if "Constraints violated" in text:
        return "it takes the number of pairs for a constant (a loop over pairs, or len)"
    if operator := re.search(r"torch\.ops\.(aten\.\w+)", text):
        return f"ONNX has no operator for {operator[1]}"
    return (text.splitlines() or [type(error).__name__])[0][:300]


def _operators() -> contextlib.AbstractContextManager[object]:
    """Restrict torch to ONNX's operators while a graph is traced; otherwise it does as always."""
    return GraphOperators() if torch.compiler.is_compiling() else contextlib.nullcontext()


def _same_batch(first: Tensor, *rest: Tensor) -> None:
    """Tell the tracer at once that all inputs have the same number of pairs."""
    for part in rest:
        torch._check(part.shape[0] == first.shape[0])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch and onnxscript say of their own work."""
    nowhere = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


def _finished(model: Any, name: str, size: Size, about: Mapping[str, str]) -> bytes:
    """Describe a model in its own metadata, and take out what torch says of this machine."""
    model.producer_name, model.producer_version = PRODUCER, about.get("reidaug", "")
    model.doc_string = "\n".join(
        (
            f"Flow estimator {name} for images of {size[0]}x{size[1]} (height x width).",
            COORDINATES,
            *(f"{value.name}: {INPUTS[value.name]}" for value in model.graph.input),
            *(f"{value.name}: {OUTPUTS[value.name]}" for value in model.graph.output),
        )
    )
    del model.metadata_props[:]
    properties = {**about, "estimator": name, "size": f"{size[0]}x{size[1]}"}
    for key, value in {**properties, "coordinates": COORDINATES}.items():
        model.metadata_props.add(key=key, value=value)
    _strip(model.graph)
    for function in model.functions:
        _strip(function)
    del model.graph.value_info[:]
    model.graph.name, model.graph.doc_string = PRODUCER, ""
    for value in (*model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
        value.doc_string = {**INPUTS, **OUTPUTS}[value.name]
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _strip(graph: Any) -> None:
    """Remove notes from a graph's nodes: they name files and lines of the machine."""
    notes: Sequence[str] = ("metadata_props", "doc_string")
    for node in graph.node:
        for note in notes:
            node.ClearField(note)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _strip(attribute.g)
    for part in (graph, *getattr(graph, "initializer", ())):
        part.ClearField("metadata_props")
