"""`PoseWarp`: a torchvision transform that warps a crop into another pose while it is loaded."""

import hashlib
import pickle
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import get_worker_info
from torchvision import tv_tensors
from torchvision.transforms.v2 import Transform

from reidaug.augment.background import BACKGROUNDS
from reidaug.augment.inputs import Source
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import Targets, target_outlines
from reidaug.augment.posed_crops import PosedImage
from reidaug.augment.target_poses import POSES, TargetPoses, read_poses
from reidaug.augment.viewpoint import half_turns
from reidaug.augment.warping import Crop, estimate_flows, put_on_canvas, targets_of, warp_pixels
from reidaug.data.crop_names import warp_name
from reidaug.errors import UsageError
from reidaug.flow.estimator import FlowEstimator, PersonFlowEstimator
from reidaug.geometry.pose import select, stack
from reidaug.recipes import resolve

OUTLINES_KEPT = 512  # targets; 40 kB each at 128 x 64


class _Kept(NamedTuple):
    """The flow from a crop to a target, with the crop's own outline there if the flow gives it."""

    flow: Float[Tensor, "1 2 h w"]
    own: Targets | None

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self.flow.nbytes + (
            self.own.outline.nbytes + self.own.matte.nbytes if self.own else 0
        )

    def targets(self, estimator: FlowEstimator, crop: Crop, asked: Targets) -> Targets:
        """Find the outline that cuts the warp."""
        return self.own or targets_of(estimator, crop, self.flow, asked)


class PoseWarp(Transform):  # type: ignore[misc]
    """Warps a `reidaug.augment.PosedImage` into a random pose of a pool, in a loading worker.

    The result has the pixels `reidaug augment` would write for the same source, pose, masks and
    background, without JPEG's losses: an image of the pool's size. A crop that is not warped, or
    whose pose is not known, is returned as it is: a ``Resize`` after it brings both to one size.
    `PoseWarp` goes before whatever changes the picture, since nothing else moves the joints along.

    It draws from torch's generator of the process, which a `DataLoader` seeds for every worker and
    epoch: the same ``torch.manual_seed`` and number of workers give the same crops.

    Args:
        flow: A flow estimator on the CPU, which is put into evaluation mode;
            `reidaug.flow.load_flow` makes one of what ``reidaug augment --flow`` takes.
        pool: The poses to warp into: `PosedCrops.targets` of a training set,
            `reidaug.augment.target_poses.poses_in` a keypoint file, or an augmented dataset (its
            folder, or the ``poses.json`` in it).
        p: Probability that a crop is warped.
        masks: Folder of person masks ``<stem>.png`` of the crops and of the pool's images; where
            there is none, limbs are drawn from the joints.
        background: A name in `reidaug.augment.background.BACKGROUNDS` that needs no other crops.
        turns: Treatment of half turns, see `reidaug.augment.viewpoint.Turns`; with ``drop`` such
            a crop is left as it is; ``auto``: mirror with a flow that sees the person, else allow.
        bfloat16: Whether flows are estimated in bfloat16; by default where the processor has it and
            the estimator is a network, as ``reidaug augment`` does.
        cache_mb: Bound on the flows that a process keeps. A flow is kept by the crop's pixels and
            joints and by the target pose; persistent workers keep them beyond an epoch.
        generator: A generator of your own, on the CPU, instead of torch's; a worker draws from one
            seeded by this one's seed and its own.

    Raises:
        ReidaugError: The poses cannot be read.
        UsageError: An argument is out of range, or the pool is empty.
    """

    _transformed_types = (PosedImage,)

    def __init__(
        self,
        flow: FlowEstimator,
        pool: TargetPoses | Path | str,
        *,
        p: float = 0.5,
        masks: Path | str | None = None,
        background: str = "grey",
        turns: str = "auto",
        bfloat16: bool | None = None,
        cache_mb: float = 64.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        precision = {None: "auto", True: "bfloat16", False: "float32"}[bfloat16]
        chosen = {"masks": masks, "background": background, "turns": turns, "precision": precision}
        options = resolve(chosen, AugmentOptions, where="PoseWarp")
        if BACKGROUNDS[background].needs_pool:
            raise UsageError(f"background {background!r} needs other crops: use reidaug augment")
        if not 0 <= p <= 1:
            raise UsageError(f"p is a probability from 0 to 1, not {p}")
        if not cache_mb >= 0:
            raise UsageError(f"cache_mb is not negative, but {cache_mb}")
        if masks is not None and not Path(masks).is_dir():
            raise UsageError(f"{masks}: no such folder of masks")
        self.estimator = flow.eval()
        self.options = options.for_estimator(flow)
        self.pool = pool if isinstance(pool, TargetPoses) else _read_pool(Path(pool))
        if not self.pool.images:
            raise UsageError("the pool has no pose; a run of `--flow identity` leaves none")
        self.p, self.cache_mb, self.generator = p, cache_mb, generator
        self._empty()

    def _empty(self) -> None:
        self._flows: OrderedDict[bytes, _Kept] = OrderedDict()
        self._flow_bytes = 0
        self._target = lru_cache(maxsize=OUTLINES_KEPT)(self._read_target)
        self._worker: tuple[int, torch.Generator] | None = None

    def train(self, mode: bool = True) -> "PoseWarp":
        """Set the mode of a pipeline; the estimator in it stays in evaluation mode."""
        super().train(mode)
        self.estimator.eval()
        return self

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Check that there is a crop with a pose in the sample.

        Raises:
            UsageError: There is none.
        """
        if not any(isinstance(part, PosedImage) for part in flat_inputs):
            raise UsageError(
                "PoseWarp got no PosedImage: it goes first, before what changes the picture; "
                "PosedCrops gives such images, and PosedImage.of makes them"
            )

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw for every crop whether to warp, and a pose: ``target`` is its index, or None."""
        del flat_inputs
        generator = self._generator()
        warped = bool(torch.rand((), generator=generator) < self.p)
        target = int(torch.randint(len(self.pool.images), (), generator=generator))
        return {"target": target if warped else None}

    def transform(self, inpt: PosedImage, params: dict[str, Any]) -> tv_tensors.Image:
        """Warp a crop into the pose drawn by `make_params`, or leave it; RGB bytes without pose.

        Raises:
            ReidaugError: A mask is no readable image.
            UsageError: The crop has lost its pose in another transform.
        """
        target, source = params["target"], _source_of(inpt)
        if target is not None and source is not None:
            with torch.no_grad():
                crop, targets = self._crop(inpt, source), self._target(target)
                if not self._drops(crop, targets):
                    return self._warped(crop, target, targets)
        return tv_tensors.Image(inpt.as_subclass(Tensor))

    def warp(self, image: PosedImage, target: int) -> tv_tensors.Image:
        """Warp a crop into a pose of the pool, by index: RGB bytes (3, H, W) of the pool's size.

        Raises:
            ReidaugError: A mask is no readable image.
            UsageError: The crop has no pose.
        """
        source = _source_of(image)
        if source is None:
            raise UsageError("the crop has no pose")
        if not 0 <= target < len(self.pool.images):
            raise UsageError(f"the pool has poses 0 to {len(self.pool.images) - 1}, not {target}")
        with torch.no_grad():
            return self._warped(self._crop(image, source), target, self._target(target))

    def _drops(self, crop: Crop, targets: Targets) -> bool:
        drop = self.options.turns == "drop" and self.estimator.to_target_pose
        return drop and bool(half_turns(stack([crop.pose]), targets.pose)[0, 0])

    def _crop(self, image: PosedImage, source: Source) -> Crop:
        pixels = image.as_subclass(Tensor)
        return put_on_canvas(source, pixels, self.pool.size, self.options.masks)

    def _warped(self, crop: Crop, target: int, targets: Targets) -> tv_tensors.Image:
        kept = self._flow(crop, target, targets)
        targets = kept.targets(self.estimator, crop, targets)
        name = warp_name(crop.source.name, target)
        return tv_tensors.Image(warp_pixels(crop, kept.flow, targets, [name], self.options)[0])

    def _flow(self, crop: Crop, target: int, targets: Targets) -> "_Kept":
        key = _key(crop, target)
        kept = self._flows.get(key)
        if kept is not None:
            self._flows.move_to_end(key)
            return kept
        field = next(iter(estimate_flows(self.estimator, [crop], targets, self.options)))
        flow = field.flow.contiguous()  # closed-form flows may be views of something larger
        own = isinstance(self.estimator, PersonFlowEstimator)
        kept = _Kept(flow, field.targets if own else None)
        self._flows[key] = kept
        self._flow_bytes += kept.bytes
        while self._flow_bytes > self.cache_mb * 2**20:
            self._flow_bytes -= self._flows.popitem(last=False)[1].bytes
        return kept

    def _read_target(self, index: int) -> Targets:
        pose = select(self.pool.pose, [index])
        one = self.pool._replace(images=(self.pool.images[index],), pose=pose)
        return target_outlines(one, self.options.masks)

    def _generator(self) -> torch.Generator | None:
        worker = get_worker_info()
        if self.generator is None or worker is None:
            return self.generator
        if self._worker is None or self._worker[0] != worker.seed:
            seed = (self.generator.initial_seed() + worker.seed) % 2**63
            self._worker = worker.seed, torch.Generator().manual_seed(seed)
        return self._worker[1]

    def __getstate__(self) -> dict[str, Any]:
        # A worker makes caches again; not every torch can pickle a generator. Weights go as bytes:
        # a worker opens a file for every tensor.
        state = self.__dict__.copy()
        state["_modules"] = pickle.dumps(state["_modules"])
        for name in ("_flows", "_flow_bytes", "_target", "_worker"):
            del state[name]
        if self.generator is not None:
            state["generator"] = (self.generator.initial_seed(), self.generator.get_state())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "_modules": pickle.loads(state["_modules"])})
        if self.generator is not None:
            seed, drawn = state["generator"]
            self.generator = torch.Generator().manual_seed(seed)
            self.generator.set_state(drawn)
        self._empty()

    def extra_repr(self) -> str:
        """Describe the transform."""
        return f"{len(self.pool.images)} poses, p={self.p}, background={self.options.background}"


def _read_pool(path: Path) -> TargetPoses:
    return read_poses(path / POSES if path.is_dir() else path)


def _source_of(image: PosedImage) -> Source | None:
    if not hasattr(image, "source"):
        raise UsageError("PoseWarp got a copy of a crop without its pose: it goes first")
    return image.source


def _key(crop: Crop, target: int) -> bytes:
    digest = hashlib.blake2b(target.to_bytes(8), digest_size=16)
    for part in (crop.image, crop.mask, *crop.pose):
        digest.update(part.numpy().tobytes())
    return digest.digest()
