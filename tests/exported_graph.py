"""One small ONNX graph, written once a process: torso-affine at 64 x 32, which solves a system."""

from functools import cache

import torch

from reidaug.augment.shipped_poses import SIZE, load_shipped
from reidaug.flow.builtin import load_flow
from reidaug.flow.onnx_graph import write_graph
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, on_canvas
from reidaug.geometry.silhouette import resized

NAME = "torso-affine"
SMALL: Size = (64, 32)


@cache
def small_graph() -> bytes:
    """The file's content."""
    about = {"reidaug": "0.1.0"}
    return write_graph(load_flow(NAME), NAME, size=SMALL, opset=18, about=about)


def posed_people(size: Size = SMALL) -> tuple[Pose, torch.Tensor]:
    """Joints and outlines of the shipped poses."""
    people = load_shipped()
    outline = torch.stack([resized(mask, size) for mask in people.outline])
    return on_canvas(people.pose, SIZE, size), outline
