"""A torchvision transform that warps a crop into a pose of others while it is loaded."""

import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import get_worker_info
from torchvision import tv_tensors
from torchvision.transforms.v2 import Transform

from reidaug.augment.background import colour_of
from reidaug.augment.posed_crops import PosedImage
from reidaug.augment.target_poses import TargetPoses, read_poses
from reidaug.augment.viewpoint import TURNS, half_turns
from reidaug.augment.warping import (
    POSES,
    Crop,
    Plan,
    Source,
    Targets,
    carried,
    flows_of,
    outlined,
    pixels_of,
    put_on_canvas,
)
from reidaug.data.crop_names import warp_name
from reidaug.errors import UsageError
from reidaug.flow.builtin import load_flow
from reidaug.flow.checkpoint import load_checkpoint
from reidaug.flow.estimator import FlowEstimator
from reidaug.geometry.pose import select, stack
from reidaug.machine import half_pays

OUTLINES_KEPT = 512  # targets; 40 kB each at 128 x 64


class PoseWarp(Transform):  # type: ignore[misc]
    """Warps a `reidaug.augment.PosedImage` into a random pose of a pool, in a loading worker.

    What comes out has the pixels `reidaug augment` would write for the same source, pose, masks
    and background, without JPEG's losses: an image of the pool's size. A crop that is not warped,
    or whose pose is not known, comes out as it is: a ``Resize`` after it brings both to one size.
    It goes before whatever changes the picture, since nothing else moves the joints along.

    Chance comes from torch's generator of the process, which a `DataLoader` seeds for every worker
    and epoch: the same ``torch.manual_seed`` and number of workers give the same crops.

    Args:
        flow: A flow estimator on the CPU, which is put into evaluation mode, or what
            ``reidaug augment --flow`` takes: ``"market"``, which comes with the package, the name
            of a closed form, or the folder of a checkpoint. A `Path` is always a folder.
        pool: The poses to warp into: `PosedCrops.targets` of a training set,
            `reidaug.augment.target_poses.poses_in` a keypoint file, or a dataset of `reidaug
            augment` (its folder, or the ``poses.json`` in it).
        p: Probability that a crop is warped.
        masks: Folder of person masks ``<stem>.png`` of the crops and of the pool's images; where
            there is none, limbs are drawn from the joints.
        background: A name in `reidaug.augment.background.BACKGROUNDS`; ``other`` is not to be had
            here, where no other crop is at hand.
        turns: What becomes of half turns, where the crop shows the front and the pose the back or
            the other way round: ``allow``, ``mirror`` (the same outline from the side that is
            seen) or ``drop`` (such a crop is left as it is).
        half: Whether flows are estimated in bfloat16; by default where the processor has it and
            the estimator is a network, as ``reidaug augment`` does.
        cache_mb: Bound on the flows a process keeps. A flow is kept by the crop's pixels and joints
            and by the pose asked for; workers keep them beyond an epoch when they are persistent.
        generator: A source of chance of your own, on the CPU, instead of torch's; a worker draws
            from a generator seeded by this one's seed and its own.

    Raises:
        ReidaugError: The checkpoint or the poses cannot be read.
        UsageError: An argument is out of range, or the pool is empty.
    """

    _transformed_types = (PosedImage,)

    def __init__(
        self,
        flow: FlowEstimator | Path | str,
        pool: TargetPoses | Path | str,
        *,
        p: float = 0.5,
        masks: Path | str | None = None,
        background: str = "grey",
        turns: str = "allow",
        half: bool | None = None,
        cache_mb: float = 64.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _check_looks(background, turns)
        if not 0 <= p <= 1:
            raise UsageError(f"p is a probability from 0 to 1, not {p}")
        if cache_mb < 0:
            raise UsageError(f"cache_mb is not negative, but {cache_mb}")
        if isinstance(flow, Path):
            flow = load_checkpoint(flow)
        self.estimator = load_flow(flow) if isinstance(flow, str) else flow
        self.estimator.eval()
        self.pool = pool if isinstance(pool, TargetPoses) else _read_pool(Path(pool))
        if not self.pool.images:
            raise UsageError("the pool has no pose; a run of `--flow identity` leaves none")
        self.p, self.cache_mb, self.generator = p, cache_mb, generator
        if half is None:
            half = next(self.estimator.parameters(), None) is not None
            half = half and half_pays(torch.device("cpu"))
        # How the engine would do it; where it writes and how it builds do not matter here.
        self._plan = Plan(
            out=Path(),
            build=_no_build,
            flow="",
            masks=None if masks is None else Path(masks),
            background=background,
            turns=turns,
            half=half,
        )
        self._empty()

    def _empty(self) -> None:
        self._flows: OrderedDict[bytes, Float[Tensor, "1 2 h w"]] = OrderedDict()
        self._flow_bytes = 0
        self._targets: OrderedDict[int, Targets] = OrderedDict()
        self._worker: tuple[int, torch.Generator] | None = None

    def train(self, mode: bool = True) -> "PoseWarp":
        """Set the mode of a pipeline; the estimator in it stays in evaluation mode."""
        super().train(mode)
        self.estimator.eval()
        return self

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """See to it that there is a crop with a pose in the sample.

        Args:
            flat_inputs: Everything in the sample.

        Raises:
            UsageError: There is none.
        """
        if not any(isinstance(part, PosedImage) for part in flat_inputs):
            raise UsageError(
                "PoseWarp got no PosedImage: it goes first, before what changes the picture; "
                "PosedCrops gives such images, and PosedImage.of makes them"
            )

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw whether to warp, and into which pose; both are drawn for every crop.

        Args:
            flat_inputs: The crops of the sample.

        Returns:
            ``target``: index of the pose, or None.
        """
        del flat_inputs
        chance = self._chance()
        warped = bool(torch.rand((), generator=chance) < self.p)
        target = int(torch.randint(len(self.pool.images), (), generator=chance))
        return {"target": target if warped else None}

    def transform(self, inpt: PosedImage, params: dict[str, Any]) -> tv_tensors.Image:
        """Warp a crop, or leave it as it is.

        Args:
            inpt: The crop.
            params: What `make_params` drew.

        Returns:
            RGB bytes, without a pose.

        Raises:
            ReidaugError: A mask is no readable image.
            UsageError: The crop has lost its pose on the way.
        """
        target, source = params["target"], _source_of(inpt)
        if target is not None and source is not None:
            with torch.no_grad():
                crop, targets = self._crop(inpt, source), self._target(target)
                if not self._drops(crop, targets):
                    return self._warped(crop, target, targets)
        return tv_tensors.Image(inpt.as_subclass(Tensor))

    def warp(self, image: PosedImage, target: int) -> tv_tensors.Image:
        """Warp a crop into one pose of the pool, nothing left to chance.

        Args:
            image: The crop.
            target: Index of the pose.

        Returns:
            RGB bytes (3, H, W) of the pool's size.

        Raises:
            ReidaugError: A mask is no readable image.
            UsageError: The crop has no pose.
        """
        source = _source_of(image)
        if source is None:
            raise UsageError("the crop has no pose")
        with torch.no_grad():
            return self._warped(self._crop(image, source), target, self._target(target))

    def _drops(self, crop: Crop, targets: Targets) -> bool:
        asked = self._plan.turns == "drop" and self.estimator.to_target_pose
        return asked and bool(half_turns(stack([crop.pose]), targets.pose)[0, 0])

    def _crop(self, image: PosedImage, source: Source) -> Crop:
        pixels = image.as_subclass(Tensor)
        return put_on_canvas(source, pixels, self.pool.size, self._plan.masks)

    def _warped(self, crop: Crop, target: int, targets: Targets) -> tv_tensors.Image:
        flow = self._flow(crop, target, targets)
        if not self.estimator.to_target_pose:
            targets = carried(crop, flow, targets)
        name = warp_name(crop.source.name, target)
        return tv_tensors.Image(pixels_of(self._plan, crop, flow, targets, [name])[0])

    def _flow(self, crop: Crop, target: int, targets: Targets) -> Float[Tensor, "1 2 h w"]:
        key = _key(crop, target)
        kept = self._flows.get(key)
        if kept is not None:
            self._flows.move_to_end(key)
            return kept
        _, _, flow = next(iter(flows_of(self._plan, self.estimator, [crop], targets)))
        flow = flow.contiguous()  # closed-form flows may be views of something larger
        self._flows[key] = flow
        self._flow_bytes += flow.nbytes
        while self._flow_bytes > self.cache_mb * 2**20:
            self._flow_bytes -= self._flows.popitem(last=False)[1].nbytes
        return flow

    def _target(self, index: int) -> Targets:
        kept = self._targets.get(index)
        if kept is None:
            one = self.pool._replace(
                images=(self.pool.images[index],), pose=select(self.pool.pose, [index])
            )
            kept = outlined(one, self._plan.masks)
            if len(self._targets) >= OUTLINES_KEPT:
                self._targets.popitem(last=False)
            self._targets[index] = kept
        self._targets.move_to_end(index)
        return kept

    def _chance(self) -> torch.Generator | None:
        worker = get_worker_info()
        if self.generator is None or worker is None:
            return self.generator
        if self._worker is None or self._worker[0] != worker.seed:
            seed = (self.generator.initial_seed() + worker.seed) % 2**63
            self._worker = worker.seed, torch.Generator().manual_seed(seed)
        return self._worker[1]

    def __getstate__(self) -> dict[str, Any]:
        # What a worker can make again stays here; not every torch can send a generator.
        state = self.__dict__.copy()
        for name in ("_flows", "_flow_bytes", "_targets", "_worker"):
            del state[name]
        if self.generator is not None:
            state["generator"] = (self.generator.initial_seed(), self.generator.get_state())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.generator is not None:
            seed, drawn = state["generator"]
            self.generator = torch.Generator().manual_seed(seed)
            self.generator.set_state(drawn)
        self._empty()

    def extra_repr(self) -> str:
        """Say what the transform does."""
        return f"{len(self.pool.images)} poses, p={self.p}, background={self._plan.background}"


def _no_build(flow: str) -> FlowEstimator:
    """Refuse to build: a `PoseWarp` has its estimator already."""
    raise AssertionError(flow)


def _check_looks(background: str, turns: str) -> None:
    colour_of(background)
    if background == "other":
        raise UsageError("background 'other' needs other crops: it is for reidaug augment")
    if turns not in TURNS:
        raise UsageError(f"turns are one of {', '.join(TURNS)}, not {turns!r}")


def _read_pool(path: Path) -> TargetPoses:
    return read_poses(path / POSES if path.is_dir() else path)


def _source_of(image: PosedImage) -> Source | None:
    if not hasattr(image, "source"):
        raise UsageError("PoseWarp got a copy of a crop that lost its pose: it goes first")
    return image.source


def _key(crop: Crop, target: int) -> bytes:
    digest = hashlib.blake2b(target.to_bytes(8), digest_size=16)
    for part in (crop.image, *crop.pose):
        digest.update(part.numpy().tobytes())
    return digest.digest()
