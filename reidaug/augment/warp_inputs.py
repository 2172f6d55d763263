"""What warps are made of: digests of the images, masks, joints and weights behind each chunk."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from reidaug.augment.inputs import AugmentInputs, Source
from reidaug.augment.outlines import mask_file
from reidaug.fingerprint import Inputs, content_digest, digest_of, kept_digests
from reidaug.geometry.pose import Pose
from reidaug.machine import cores
from reidaug.own_code import CODE

IMAGES, MASKS, JOINTS = "training images", "masks", "joints"
TARGETS, WEIGHTS = "target poses", "weights"


Content = tuple[str, str]
"""Digests of the content of an image and of its mask; empty where it has none."""


class ChunkInputs(NamedTuple):
    """Digests of what the warps of a chunk are made of."""

    of: str = ""  # of all of it
    # Of the images of its sources, and of those of its pool; none: they are not compared.
    content: tuple[Content, ...] = ()


class WarpInputs(NamedTuple):
    """Digests of all that decides the warps of a dataset and can change behind the same options."""

    kept: Inputs  # beside those of the run before
    images: Mapping[Path, str]  # digest of each training image
    shared: str  # digest of what every warp depends on: target poses and weights
    sources: Mapping[str, str]  # digest of each source's image, mask and joints, by `Source.name`
    content: Mapping[str, Content]  # of each source, by `Source.name`
    outlines: str  # digest of the masks of the target poses

    @classmethod
    def of(
        cls,
        out: Path,
        inputs: AugmentInputs,
        masks: Path | None,
        weights: Iterable[Path],
        code: Mapping[str, str] = MappingProxyType({}),
    ) -> "WarpInputs":
        """Digest the inputs of a run.

        Args:
            out: The augmented dataset.
            inputs: Its sources and target poses.
            masks: Folder of person masks.
            weights: Files of the networks; folders are skipped.
            code: Digests of the code of an estimator of the user's own, see `own_code`.
        """
        kept, targets = Inputs(out), inputs.targets
        images = kept.each(IMAGES, (person.path for person in inputs.dataset.train))
        files = {s.person.key: mask_file(s.person.key, masks) for s in inputs.sources}
        files |= {name: mask_file(name, masks) for name in targets.images}
        found = kept.each(MASKS, [file for file in files.values() if file is not None])
        mask = {name: "" if file is None else found[file] for name, file in files.items()}
        joints = {s.name: _joints(s.pose, s.pose_from, s.mask_fits) for s in inputs.sources}
        kept.note(JOINTS, joints)
        chosen = {
            name: _joints(Pose(targets.pose.xy[k], targets.pose.visible[k]), mask[name])
            for k, name in enumerate(targets.images)
        }
        shared = (
            f"{targets.size}{targets.images}",
            kept.note(TARGETS, chosen),
            kept.add(WEIGHTS, (file for file in weights if file.is_file())),
            *([kept.note(CODE, code)] if code else []),
        )
        content = {s.name: (images[s.person.path], mask[s.person.key]) for s in inputs.sources}
        sources = {
            s.name: digest_of(s.person.key, s.person.pid, s.person.camid, joints[s.name], s.into,
                            *content[s.name])
            for s in inputs.sources
        }  # fmt: skip
        outlines = digest_of(*(mask[name] for name in targets.images))
        return cls(kept, images, digest_of(*shared), sources, content, outlines)

    def of_chunk(self, sources: Sequence[Source], pool: Sequence[Source]) -> ChunkInputs:
        """Digest what decides the warps of a chunk of sources, before backgrounds of a pool."""
        names = [source.name for source in (*sources, *pool)]
        of = digest_of(self.shared, len(sources), *(f"{n} {self.sources[n]}" for n in names))
        return ChunkInputs(of, tuple(self.content[name] for name in names))


def content_of(image: Path, key: str, masks: Path | None) -> Content:
    """Digest an image, called ``key`` among the masks, and its mask as they are now."""
    return content_digest(image), mask_content(key, masks)


def mask_content(key: str, masks: Path | None) -> str:
    """Digest the mask of an image as it is now; empty where it has none."""
    file = mask_file(key, masks)
    return "" if file is None else content_digest(file)


def outlines_digest(images: Iterable[str], masks: Path | None) -> str:
    """Digest the masks of target poses, named as their images, as they are now."""
    return digest_of(*(mask_content(name, masks) for name in images))


class KnownImages(NamedTuple):
    """Images of which a root of warps keeps digests, compared with what they are now."""

    known: int  # how many of them it keeps digests of
    changed: tuple[str, ...]  # names of those that are others now

    @classmethod
    def of(cls, root: Path, images: Iterable[Path]) -> "KnownImages | None":
        """Compare images with those that the warps of a root were made of.

        Args:
            root: The root, a run folder of `reidaug augment`.
            images: The images; a root may know them by some of their last folders.

        Returns:
            None where the root keeps no digests, or they are damaged.
        """
        kept = kept_digests(root, IMAGES)
        if kept is None:
            return None
        known = [(path, own) for path in images if (own := _kept_of(path, kept)) is not None]
        with ThreadPoolExecutor(cores()) as readers:
            digests = readers.map(content_digest, [path for path, _ in known])
            changed = [p.name for (p, own), new in zip(known, digests, strict=True) if new != own]
        return cls(len(known), tuple(changed))


def same_options(begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether two recipes differ at most in a digest of inputs, which earlier versions had."""
    return {key: value for key, value in begun.items() if key != "inputs"} == wanted


def _kept_of(path: Path, kept: Mapping[str, str]) -> str | None:
    """Find the digest of an image, whose name there has some of its last folders."""
    parts = path.parts
    names = ("/".join(parts[-count:]) for count in range(len(parts), 0, -1))
    return next((kept[name] for name in names if name in kept), None)


def _joints(pose: Pose, *more: object) -> str:
    numbers = b"".join(part.numpy().tobytes() for part in pose)
    return hashlib.blake2b(numbers + repr(more).encode(), digest_size=16).hexdigest()
