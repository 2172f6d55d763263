"""Surface flow: a flow estimator that sees the person."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d

from reidaug.data.images import resize_masks
from reidaug.flow.components import Presets
from reidaug.flow.estimator import Flow, Images, PersonFlowEstimator, PersonFlows
from reidaug.flow.surface.cameras import fit_cameras
from reidaug.flow.surface.matching import Matches, Shown, match_places, near_outline
from reidaug.flow.surface.networks import (
    Imagined,
    Refined,
    Refinement,
    Seen,
    SourceNetwork,
    TargetNetwork,
)
from reidaug.flow.surface.retargeting import Retargeting
from reidaug.flow.surface.smoothing import smooth_flow
from reidaug.geometry.flow import Size, identity, size_of
from reidaug.geometry.pose import Pose, on_canvas, select
from reidaug.geometry.silhouette import without_edge
from reidaug.geometry.warp import warp

LENIENCE = 0.4
"""Added to the log-odds of outlines: where joints are doubtful, the likeliest outline is too thin.
Areas are right within 5 % with it on rendered people (`benchmarks/surface_flow.py`).
"""
AT_ONCE = 32
"""Pairs that go through the target network together."""


def person_cells(
    mask: Bool[Tensor, "b H W"], known: Bool[Tensor, "b"], odds: Float[Tensor, "b h w"]
) -> Bool[Tensor, "b h w"]:
    """Decide which cells of crops show the person: those of the mask, or likely ones; never none.

    Args:
        mask: The people, without whose edge the cells are.
        known: Which masks are known; for the others the network decides.
        odds: Log-odds of the person by the source network.
    """
    of_mask = resize_masks(without_edge(mask), size_of(odds))
    person = torch.where(known[:, None, None], of_mask, odds > 0)
    likeliest = odds >= odds.amax((1, 2), keepdim=True)
    return torch.where(person.any(2).any(1)[:, None, None], person, likeliest)


def shown_in(
    seen: Seen, mask: Bool[Tensor, "b H W"], known: Bool[Tensor, "b"], pose: Pose, canvas: Size
) -> Shown:
    """Sum up what the source network sees: cameras, and the places of the person's cells.

    Args:
        seen: What the network sees.
        mask: The people.
        known: Which masks are known; for the others the network decides.
        pose: Joints (B, 18, 2) in pixels of the canvas.
        canvas: (height, width) of the crops.
    """
    person = person_cells(mask, known, seen.person.detach()).float()
    surface = seen.surface.float()
    return Shown(fit_cameras(surface[:, :3], person, pose, canvas), surface, person)


def finished(refined: Refined) -> Refined:
    """Smooth refined flows over the person, and be lenient with the outline."""
    outline = refined.outline.float() + LENIENCE
    person = avg_pool2d(torch.sigmoid(outline)[:, None], 2)[:, 0]
    with torch.autocast(outline.device.type, enabled=False):
        return Refined(smooth_flow(refined.flow.float(), person), outline)


def check_kinds(images: Tensor, masks: Tensor) -> None:
    """Raise `ValueError` unless images are floating-point numbers and masks booleans."""
    if not images.is_floating_point() or masks.dtype != torch.bool:
        raise ValueError(
            "images are floating-point numbers in [0, 1] and masks booleans, not "
            f"{images.dtype} and {masks.dtype}"
        )


class Crops(NamedTuple):
    """Sources on the canvas of the networks, and what the source network sees in them."""

    pose: Pose  # (S, 18, 2) in pixels of the canvas
    seen: Seen
    shown: Shown


class SurfaceFlow(PersonFlowEstimator):
    """Finds for every target cell its place on the body, and where the source shows that place.

    Four parts, trained on rendered people: a network that sees, in the crop, where on the
    body each cell is; a perceptron that moves the target pose to this person's body; a network that
    imagines outline and places of the person in that pose. The flow joins the two surface maps, see
    `reidaug.flow.surface.matching`, and a network refines it. Ours: not the paper's W, which sees
    no image.

    Convention: see `reidaug.geometry.flow`. The flow's grid is half the canvas.

    Args:
        canvas: (height, width) that crops and poses are resized to, multiples of 32.
        source_widths: Channels of the source network.
        target_widths: Channels of the target network.
        last: Channels of its last resolution.
        code: Length of the code of body and clothes.
        refinement_widths: Channels of the refinement.

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
            "refinement_widths": (24, 32, 48),
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
        refinement_widths: Sequence[int] = (48, 96, 128),
    ) -> None:
        super().__init__()
        if any(side % 32 or side <= 0 for side in canvas):
            raise ValueError(f"canvas must have multiples of 32, got {tuple(canvas)}")
        self.canvas: Size = (canvas[0], canvas[1])
        self.grid: Size = (canvas[0] // 2, canvas[1] // 2)
        self.source = SourceNetwork(widths=source_widths, code=code)
        self.target = TargetNetwork(widths=target_widths, last=last, code=code)
        self.retargeting = Retargeting(code=code)
        self.refinement = Refinement(features=source_widths[0] + last, widths=refinement_widths)
        self.to(memory_format=torch.channels_last)

    def forward(self, source: Images, source_pose: Pose, target_pose: Pose) -> Flow:
        """Estimate one flow a pair, to joints of the same person: nothing is retargeted.

        The source's mask is the network's own.
        """
        crops = self._see(source, None, source_pose)
        pose = on_canvas(target_pose, size_of(source), self.canvas)
        imagined = self.target(pose, crops.seen.code, self.canvas)
        return self._join(crops, imagined, pose)[0].flow

    def person_flows(
        self,
        source: Float[Tensor, "s 3 H W"],
        mask: Bool[Tensor, "s H W"],
        source_pose: Pose,
        target_pose: Pose,
        pairs: Sequence[tuple[int, int]],
    ) -> PersonFlows:
        """Estimate the flows of some pairs; see `PersonFlowEstimator`.

        Raises:
            ValueError: Images are no floating-point numbers, masks are no booleans.
        """
        check_kinds(source, mask)
        size = size_of(source)
        crops = self._see(source, mask, source_pose)
        asked = on_canvas(target_pose, size, self.canvas)
        parts = list(self._pairs(crops, asked, pairs))
        pose, flow, outline, origin = zip(*parts, strict=True)
        whole = Pose(*(torch.cat(part) for part in zip(*pose, strict=True)))
        return self._of_size(size, whole, torch.cat(flow), torch.cat(outline), torch.cat(origin))

    def own_flows(
        self,
        source: Float[Tensor, "s 3 H W"],
        mask: Bool[Tensor, "s H W"],
        source_pose: Pose,
        target_pose: Pose,
    ) -> PersonFlows:
        """Estimate one flow a source, all pairs at once; see `PersonFlowEstimator`."""
        check_kinds(source, mask)
        size = size_of(source)
        crops = self._see(source, mask, source_pose)
        return self._of_size(size, *self._move(crops, on_canvas(target_pose, size, self.canvas)))

    def _of_size(
        self, size: Size, pose: Pose, flow: Tensor, outline: Tensor, origin: Tensor
    ) -> PersonFlows:
        """Bring joints and log-odds of outlines from the canvas to a size."""
        if size != self.canvas:
            here = identity(*size, device=outline.device).expand(outline.shape[0], -1, -1, -1)
            outline = warp(outline[:, None], here, size=size)[:, 0]
        return PersonFlows(flow, on_canvas(pose, self.canvas, size), outline > 0, origin)

    def _pairs(
        self, crops: Crops, asked: Pose, pairs: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[Pose, Tensor, Tensor, Tensor]]:
        """Yield poses, flows, log-odds of the outline and origins of a few pairs at a time."""
        for start in range(0, len(pairs), AT_ONCE):
            sources, targets = (
                list(part) for part in zip(*pairs[start : start + AT_ONCE], strict=True)
            )
            few = Crops(
                select(crops.pose, sources),
                Seen(*(part[sources] for part in crops.seen)),
                Shown(*(part[sources] for part in crops.shown)),
            )
            yield self._move(few, select(asked, targets))

    def _move(self, crops: Crops, asked: Pose) -> tuple[Pose, Tensor, Tensor, Tensor]:
        """Move each source into a target pose; pose, flow, log-odds of the outline, origin."""
        pose = self.retargeting(crops.pose, asked, crops.seen.code, self.canvas)
        imagined = self.target(pose, crops.seen.code, self.canvas)
        refined, origin = self._join(crops, imagined, pose)
        return pose, refined.flow, refined.outline, origin

    def _join(
        self, crops: Crops, imagined: Imagined, pose: Pose
    ) -> tuple[Refined, UInt8[Tensor, "b h w"]]:
        """Join what sources show and what is imagined of each; with origins."""
        found = self.join(crops.shown, crops.seen, imagined, crops.pose, pose, self.canvas)
        return finished(found[1]), found[0].origin

    def join(
        self,
        shown: Shown,
        seen: Seen,
        imagined: Imagined,
        source_pose: Pose,
        target_pose: Pose,
        size: Size,
    ) -> tuple[Matches, Refined]:
        """Match what crops show and what is imagined of the same people, and refine the flow.

        Poses (B, 18, 2) are in pixels of a canvas of a size. See `finished` for what follows.
        """
        matched = match_places(shown, imagined.surface, near_outline(imagined.outline > 0))
        refined = self.refinement(matched.flow, seen, imagined, source_pose, target_pose, size)
        return matched, refined

    def _see(self, source: Images, mask: Bool[Tensor, "s H W"] | None, pose: Pose) -> Crops:
        size = size_of(source)
        image, known = source, mask is not None
        masks = (
            torch.zeros(source.shape[0], *size, device=source.device)
            if mask is None
            else mask.float()
        )
        if size != self.canvas:
            here = identity(*self.canvas, device=source.device).expand(source.shape[0], -1, -1, -1)
            image, masks = (warp(part, here, size=self.canvas) for part in (source, masks[:, None]))
            masks = (masks[:, 0] >= 0.5).float()
        own = on_canvas(pose, size, self.canvas)
        flags = torch.full((source.shape[0],), known, device=source.device)
        seen = self.source(image, masks, flags, own)
        shown = shown_in(seen, masks > 0.5, flags, own, self.canvas)
        return Crops(own, seen, shown)
