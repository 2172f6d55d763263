"""Surface flow: a flow estimator that sees the person and keeps their body."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import max_pool2d

from reidaug.flow.components import Presets
from reidaug.flow.estimator import Flow, Images, PersonFlowEstimator, PersonFlows
from reidaug.flow.surface.matching import Shown, match_places, shown_places
from reidaug.flow.surface.networks import Imagined, Seen, SourceNetwork, TargetNetwork
from reidaug.flow.surface.retargeting import Retargeting
from reidaug.geometry.flow import Size, identity, size_of
from reidaug.geometry.pose import Pose, on_canvas, select
from reidaug.geometry.warp import warp

def on_grid(mask: Bool[Tensor, "H W"], grid: Size) -> Bool[Tensor, "h w"]:
    """Sample a mask at the nearest pixel of each cell of a grid with the same corners."""
    rows, columns = (
        torch.linspace(0, n - 1, m).round().long() for n, m in zip(mask.shape, grid, strict=True)
    )
    return mask[rows[:, None], columns]


AT_ONCE = 32
"""Pairs that go through the target network together."""


class Crops(NamedTuple):
    """Sources on the canvas of the networks, and what the source network sees in them."""

    pose: Pose  # (S, 18, 2) in pixels of the canvas
    seen: Seen
    shown: list[Shown]


class SurfaceFlow(PersonFlowEstimator):
    """Finds for every target cell its place on the body, and where the source shows that place.

    Three parts, trained together on rendered people: a network that sees, in the crop, where on the
    body each cell is; a perceptron that moves the target pose to this person's body; a network that
    imagines outline and places of the person in that pose. The flow joins the two surface maps, see
    `reidaug.flow.surface.matching`. Ours: not the paper's W, which sees no image.

    Convention: see `reidaug.geometry.flow`. The flow's grid is half the canvas.

    Args:
        canvas: (height, width) that crops and poses are resized to, multiples of 32.
        source_widths: Channels of the source network.
        target_widths: Channels of the target network.
        last: Channels of its last resolution.
        code: Length of the code of body and clothes.

    Raises:
        ValueError: The canvas is no multiple of 32.
    """

    PRESETS: ClassVar[Presets] = {
        "market": {},
        "small": {
            "source_widths": (16, 24, 32, 48, 64),
            "target_widths": (24, 32, 48, 64),
            "last": 16,
            "code": 32,
        },
    }
    """``market``: crops of 128x64; ``small``: narrower, minutes on a CPU."""

    def __init__(
        self,
        *,
        canvas: Sequence[int] = (128, 64),
        source_widths: Sequence[int] = (32, 64, 96, 128, 160),
        target_widths: Sequence[int] = (48, 96, 128, 160),
        last: int = 32,
        code: int = 64,
    ) -> None:
        super().__init__()
        if any(side % 32 or side <= 0 for side in canvas):
            raise ValueError(f"canvas must have multiples of 32, got {tuple(canvas)}")
        self.canvas: Size = (canvas[0], canvas[1])
        self.grid: Size = (canvas[0] // 2, canvas[1] // 2)
        self.source = SourceNetwork(widths=source_widths, code=code)
        self.target = TargetNetwork(widths=target_widths, last=last, code=code)
        self.retargeting = Retargeting(code=code)

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        """Estimate one flow a pair, to joints of the same person: nothing is retargeted.

        The source's mask is the network's own.
        """
        crops = self._see(source, None, source_pose)
        pose = on_canvas(target_pose, size_of(source), self.canvas)
        imagined = self.target(pose, crops.seen.code, self.canvas)
        flows = [
            self._match(shown, surface, outline > 0)[0]
            for shown, surface, outline in zip(
                crops.shown, imagined.surface, imagined.outline, strict=True
            )
        ]
        return torch.stack(flows)

    def person_flows(
        self,
        source: Float[Tensor, "s 3 H W"],
        mask: Bool[Tensor, "s H W"],
        source_pose: Pose,
        target_pose: Pose,
        pairs: Sequence[tuple[int, int]],
    ) -> PersonFlows:
        """Estimate the flows of some pairs; see `PersonFlowEstimator`."""
        size = size_of(source)
        crops = self._see(source, mask, source_pose)
        asked = on_canvas(target_pose, size, self.canvas)
        parts = list(self._pairs(crops, asked, pairs))
        pose, flow, outline, origin = zip(*parts, strict=True)
        whole = Pose(*(torch.cat(part) for part in zip(*pose, strict=True)))
        outlines = torch.cat(outline)
        if size != self.canvas:
            here = identity(*size, device=source.device).expand(len(outlines), -1, -1, -1)
            outlines = warp(outlines[:, None], here, size=size)[:, 0]
        return PersonFlows(
            torch.cat(flow), on_canvas(whole, self.canvas, size), outlines > 0, torch.cat(origin)
        )

    def _pairs(
        self, crops: Crops, asked: Pose, pairs: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[Pose, Tensor, Tensor, Tensor]]:
        """Yield poses, flows, log-odds of the outline and origins of a few pairs at a time."""
        for start in range(0, len(pairs), AT_ONCE):
            sources, targets = (list(part) for part in zip(*pairs[start : start + AT_ONCE], strict=True))
            code, own = crops.seen.code[sources], select(crops.pose, sources)
            pose = self.retargeting(own, select(asked, targets), code, self.canvas)
            imagined = self.target(pose, code, self.canvas)
            flows, origins = [], []
            for k, (surface, outline) in enumerate(zip(*imagined, strict=True)):
                flow, origin = self._match(crops.shown[sources[k]], surface, outline > 0)
                flows.append(flow)
                origins.append(origin)
            yield pose, torch.stack(flows), imagined.outline, torch.stack(origins)

    def _see(self, source: Images, mask: Bool[Tensor, "s H W"] | None, pose: Pose) -> Crops:
        size = size_of(source)
        image, known = source, mask is not None
        masks = torch.zeros(len(source), *size, device=source.device) if mask is None else mask.float()
        if size != self.canvas:
            here = identity(*self.canvas, device=source.device).expand(len(source), -1, -1, -1)
            image, masks = (
                warp(part, here, size=self.canvas) for part in (source, masks[:, None])
            )
            masks = (masks[:, 0] >= 0.5).float()
        own = on_canvas(pose, size, self.canvas)
        flags = torch.full((len(source),), known, device=source.device)
        seen = self.source(image, masks, flags, own)
        shown = []
        for k, (surface, odds) in enumerate(zip(seen.surface, seen.person, strict=True)):
            person = on_grid(masks[k] > 0.5, self.grid) if known else odds > 0
            if not person.any():
                person = odds >= odds.max()
            shown.append(shown_places(surface.float(), person))
        return Crops(own, seen, shown)

    def _match(
        self, shown: Shown, surface: Float[Tensor, "4 h w"], outline: Bool[Tensor, "H W"]
    ) -> tuple[Float[Tensor, "2 h w"], UInt8[Tensor, "h w"]]:
        """Find flow and origin of the cells in and around an outline; the others stay in place."""
        near = max_pool2d(outline[None, None].float(), 4, 2, 1)[0, 0] > 0
        flow = identity(*self.grid)
        origin = torch.zeros(self.grid, dtype=torch.uint8)
        if near.any():
            match = match_places(shown, surface[:, near].mT.float())
            flow[:, near] = match.position.mT
            origin[near] = match.origin.to(torch.uint8)
        return flow, origin
