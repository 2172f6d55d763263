"""Readers of users' files: valid files, ways to spoil them, and a check of what is read."""

import json
import math
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from mutations import (
    Mutate,
    bytes_changed,
    header_changed,
    json_changed,
    table_changed,
    text_changed,
)
from PIL import Image

from reidaug.errors import ReidaugError

Files = Mapping[str, bytes]
ROOT = Path(__file__).parents[2]
NAMES = tuple(f"000{k}_c1s1_00000{k}_01.jpg" for k in range(1, 5))


class Reader(NamedTuple):
    """A kind of file."""

    valid: Callable[[Path], Files]  # valid files by name; the folder gets what lies beside them
    read: Callable[[Path], object]  # reads one, and checks what it gives
    change: Callable[[str], Mutate]  # how a file of a name is spoiled


def outcome(reader: Reader, path: Path, content: bytes) -> str:
    """Write a file and read it: "read", or "refused" with our own error; others are raised."""
    path.write_bytes(content)
    try:
        reader.read(path)
    except ReidaugError as error:
        assert "\n" not in str(error).strip(), f"more than one line: {error!r}"
        return "refused"
    return "read"


def spoiled(reader: Reader, name: str, valid: bytes, draw: Random) -> bytes:
    """Spoil a valid file."""
    return reader.change(name)(draw, valid)


def _images(folder: Path) -> Files:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (24, 12, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(rng.integers(0, 65535, (24, 12), dtype=np.uint16))
    alpha = picture.convert("RGBA")
    alpha.putalpha(128)
    forms: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "a.jpg": (picture, {"exif": exif, "quality": 80}),
        "b.jpg": (picture, {"progressive": True}),
        "c.jpg": (picture.convert("CMYK"), {}),
        "a.png": (picture, {}),
        "b.png": (picture.quantize(8), {"transparency": 3}),
        "c.png": (deep, {}),
        "d.png": (alpha, {"exif": exif}),
        "a.bmp": (picture, {}),
        "b.bmp": (picture.convert("P"), {}),
        "a.webp": (picture, {"lossless": True}),
        "b.webp": (alpha, {"exif": exif}),
        "a.tif": (picture, {"compression": "tiff_lzw"}),
        "b.tif": (picture, {"compression": "tiff_deflate"}),
        "c.tif": (deep, {}),
        "d.tif": (picture.convert("1"), {"compression": "group4"}),
        "a.gif": (picture.quantize(16), {}),
        "b.gif": (picture, {"save_all": True, "append_images": [picture.rotate(180)]}),
    }
    files = {}
    for name, (image, options) in forms.items():
        stream = BytesIO()
        kind = {"jpg": "JPEG", "tif": "TIFF"}.get(name[2:], name[2:].upper())
        image.save(stream, kind, **options)
        files[name] = stream.getvalue()
    return files


def _read_image(path: Path) -> None:
    from reidaug.data.images import MOST_PIXELS, image_size, open_image, read_image, read_mask

    size = image_size(path)
    assert size is None or min(size) > 0
    with open_image(path, decode=False):
        pass
    pixels = read_image(path)
    assert pixels.dtype == torch.uint8 and pixels.shape[0] == 3
    assert 0 < pixels[0].numel() <= MOST_PIXELS
    assert read_mask(path).shape == pixels.shape[1:]


def _joints() -> list[list[float]]:
    from stick_market import STANDING

    return [[round(x * 64 + 16, 2), round(y * 64, 2)] for x, y in STANDING.tolist()]


def _csv(folder: Path) -> Files:
    xy = _joints()
    lines = ["name:keypoints_y:keypoints_x"]
    lines += [f"{name}: {[y for _, y in xy]}: {[x for x, _ in xy]}" for name in NAMES]
    return {"k.csv": "\n".join(lines).encode()}


def _coco(folder: Path) -> Files:
    flat = [v for x, y in _joints()[:17] for v in (x, y, 2)]
    images = [
        {"id": k, "file_name": name, "height": 64, "width": 32} for k, name in enumerate(NAMES)
    ]
    people = [{"id": k, "image_id": k // 2, "keypoints": flat, "score": 0.9} for k in range(6)]
    scores = [v if k % 3 < 2 else 0.7 for k, v in enumerate(flat)]
    results = [{"image_id": NAMES[k % 4], "keypoints": scores, "score": 0.8} for k in range(5)]
    results.append({"image_id": 3, "keypoints": scores, "category_id": 1})
    return {
        "coco.json": json.dumps({"images": images, "annotations": people}).encode(),
        "results.json": json.dumps(results).encode(),
    }


def _openpose(folder: Path) -> Files:
    flat = [v for x, y in [*_joints(), *_joints()[:7]] for v in (x, y, 0.8)]
    people = [{"pose_keypoints_2d": flat}, {"pose_keypoints_2d": flat[: 18 * 3]}]
    name = f"{Path(NAMES[0]).stem}_keypoints.json"
    return {name: json.dumps({"version": 1.3, "people": people}).encode()}


def _mat(folder: Path) -> Files:
    import h5py

    rng = np.random.default_rng(0)
    table = rng.uniform(1, 60, (len(NAMES), 28))
    forms: dict[str, tuple[Any, dict[str, Any]]] = {
        "a.mat": (table, {}),
        "b.mat": (table.T.astype(np.float32), {"chunks": (28, 2), "compression": "gzip"}),
        "c.mat": (table.astype(np.int16), {"chunks": (1, 28), "shuffle": True, "fletcher32": True}),
    }
    files = {}
    for name, (numbers, options) in forms.items():
        with h5py.File(folder / name, "w") as file:
            file.create_dataset("pp", data=numbers, **options)
        files[name] = (folder / name).read_bytes()
    return files


def _check_keypoints(path: Path) -> None:
    from reidaug.data.keypoints import read_keypoints

    found = read_keypoints(path, names=NAMES, size_of=lambda name: (64, 32))
    assert all(line.encode() for line in (*found.left_out, *found.notes))
    assert not any("\n" in line for line in found.left_out)
    for pose in found.poses.values():
        assert pose.xy.isfinite().all() and pose.xy.abs().max() <= 1e6
        assert pose.visible.any()


def _pair_lists(folder: Path) -> Files:
    from small_pairs import write_pairs

    root = write_pairs(folder / "pairs", masks=False)
    lists = (root / "fasion-pairs-train.csv", root / "fasion-annotation-train.csv")
    return {f"pairs/{path.name}": path.read_bytes() for path in lists}


def _read_pair_lists(path: Path) -> None:
    from reidaug.data.deepfashion import read_deepfashion

    found = read_deepfashion(path.parent, "train")
    assert all((found.folder / name).is_file() for pair in found.pairs for name in pair)


def _market_lists(folder: Path) -> Files:
    (folder / "train").mkdir(exist_ok=True)
    (folder / "test").mkdir(exist_ok=True)
    names = [f"{k:04d}/{k:04d}_000_01_0303morning_0008_0.jpg" for k in range(3)]
    for name in names:
        for split in ("train", "test"):
            (folder / split / name).parent.mkdir(exist_ok=True)
            Image.new("RGB", (8, 16)).save(folder / split / name)
    text = "".join(f"{name} {k}\n" for k, name in enumerate(names)).encode()
    for other in ("list_val.txt", "list_query.txt", "list_gallery.txt"):
        (folder / other).write_bytes(text)
    return {"list_train.txt": text}


def _read_market_lists(path: Path) -> None:
    from reidaug.data.market1501 import read_market1501

    for person in read_market1501(path.parent, allow_left_out=True).train:
        assert 0 <= person.pid < 2**63


def _names(folder: Path) -> Files:
    return {"names": "\n".join((*NAMES, "-1_c1.jpg", "0002_c3s2_1_02_w07.jpg")).encode()}


def _read_names(path: Path) -> None:
    from reidaug.data.crop_names import (
        PATTERN,
        compile_pattern,
        frame_of,
        read_name,
        warp_source,
    )

    pattern = compile_pattern(PATTERN if isinstance(PATTERN, str) else PATTERN.pattern)
    for name in path.read_bytes().decode(errors="surrogateescape").split("\n"):
        read_name(pattern, name)
        frame_of(name)
        warp_source(name)


def _tables(folder: Path) -> Files:
    from reidaug.data.manifest import write_manifest

    rows = [
        {"file": name, "source": name, "pose": k, "quality": 0.5, "kept": True, "pid": k}
        for k, name in enumerate(NAMES)
    ]
    estimates = [
        {"name": name, "pose_from": "first", "attempt": 1, "person": 0.9} for name in NAMES
    ]
    write_manifest(folder / "manifest.parquet", rows)
    write_manifest(folder / "k.provenance.parquet", estimates)
    names = ("manifest.parquet", "k.provenance.parquet")
    return {name: (folder / name).read_bytes() for name in names}


def _read_table(path: Path) -> None:
    from reidaug.data.manifest import read_manifest
    from reidaug.experiments.warp_quality import read_quality
    from reidaug.perception.provenance import read_provenance

    if path.name == "manifest.parquet":
        read_manifest(path)
        assert all(math.isfinite(value) for value in read_quality(path.parent).values())
    else:
        read_provenance(path.with_name("k.csv"))


def _target_poses(folder: Path) -> Files:
    from reidaug.augment.target_poses import TargetPoses, write_poses
    from reidaug.geometry.pose import Pose

    xy = torch.tensor(_joints())
    pose = Pose(torch.stack([xy, xy + 1]), torch.ones(2, 18, dtype=torch.bool))
    write_poses(folder / "poses.json", TargetPoses((64, 32), 0, NAMES[:2], pose, ()))
    return {"poses.json": (folder / "poses.json").read_bytes()}


def _read_target_poses(path: Path) -> None:
    from reidaug.augment.target_poses import read_poses

    targets = read_poses(path)
    assert min(targets.size) > 0 and max(targets.size) < 2**31
    assert targets.pose.xy[targets.pose.visible].isfinite().all()
    assert len(targets.images) == len(targets.pose.xy)


def _recipes(folder: Path) -> Files:
    paths = sorted((ROOT / "recipes").rglob("*.yaml"))
    return {f"{path.parent.name}-{path.name}": path.read_bytes() for path in paths}


def _read_recipe(path: Path) -> None:
    from reidaug.experiments.adaptation_config import AdaptationRecipe
    from reidaug.experiments.compare_config import Compare
    from reidaug.experiments.finetune_config import FinetuneRecipe
    from reidaug.flow.surface.training.recipe import TrainSurface
    from reidaug.flow.training.recipe import TrainFlow
    from reidaug.recipes import Recipe, read, resolve

    values = read(path)
    schemas: dict[str, type[Recipe]] = {
        "source": AdaptationRecipe, "rows": Compare, "dataset": FinetuneRecipe,
        "surfaces": TrainSurface, "pairs": TrainFlow,
    }  # fmt: skip
    schema = next((kind for key, kind in schemas.items() if key in values), FinetuneRecipe)
    json.dumps(resolve(values, schema, where=str(path)).model_dump(mode="json"), allow_nan=False)


def _small_model() -> Any:
    from reidaug.reid.model_factory import build

    first = torch.Generator().manual_seed(0)
    return build("resnet18", 3, generator=first, width=4, blocks=[1, 1, 1, 1], embedding=8)


def _weights(folder: Path) -> Files:
    from safetensors.torch import save

    model = _small_model()
    few = {k: v for k, v in model.state_dict().items() if "layer1" in k or "conv1" in k}
    files = {"w.safetensors": save(few)}
    for name, content, new in (
        ("a.pth", {"state_dict": {f"module.{k}": v for k, v in few.items()}, "epoch": 3}, True),
        ("b.pth", {"a": few, "b": few}, True),
        ("old.pth", few, False),
    ):
        stream = BytesIO()
        torch.save(content, stream, _use_new_zipfile_serialization=new)
        files[name] = stream.getvalue()
    return files


def _read_weights(path: Path) -> None:
    from reidaug.reid.weights import load_weights

    model = _small_model()
    load_weights(model, path)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def _checkpoint(folder: Path) -> Files:
    from small_trainings import ESTIMATOR

    from reidaug.flow.checkpoint import build_estimator, save_checkpoint

    save_checkpoint(folder, build_estimator(ESTIMATOR), {"estimator": ESTIMATOR})
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "recipe.yaml")}


def _read_checkpoint(path: Path) -> None:
    from reidaug.flow.checkpoint import load_checkpoint

    model = load_checkpoint(path.parent)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def _flows(folder: Path) -> Files:
    from reidaug.data.pairs import write_flow

    path = folder / "flow.npz"
    write_flow(path, torch.zeros(2, 8, 4), torch.ones(8, 4, dtype=torch.bool))
    return {path.name: path.read_bytes()}


def _read_flow(path: Path) -> None:
    from reidaug.data.pairs import read_flow

    flow, visible = read_flow(path)
    assert flow.shape[1:] == visible.shape
    assert flow.isfinite().all()


def _state(folder: Path) -> Files:
    from reidaug.jobs import StateFile

    state = StateFile(folder / "state.pt")
    state.write({"step": 3, "weights": {"w": torch.ones(3)}, "list": [1, 2.5, "a", None]})
    return {"state.pt": state.path.read_bytes()}


def _read_state(path: Path) -> None:
    from reidaug.jobs import StateFile

    StateFile(path).read(torch.device("cpu"))


def _always(change: Mutate) -> Callable[[str], Mutate]:
    return lambda name: change


def _by_ending(name: str) -> Mutate:
    ends = {".safetensors": header_changed, ".yaml": text_changed}
    return ends.get(Path(name).suffix, bytes_changed)


READERS = {
    "images": Reader(_images, _read_image, _always(bytes_changed)),
    "keypoints CSV": Reader(_csv, _check_keypoints, _always(text_changed)),
    "COCO": Reader(_coco, _check_keypoints, _always(json_changed)),
    "OpenPose": Reader(_openpose, lambda p: _check_keypoints(p.parent), _always(json_changed)),
    "MAT": Reader(_mat, _check_keypoints, _always(bytes_changed)),
    "Parquet": Reader(_tables, _read_table, _always(table_changed)),
    "target poses": Reader(_target_poses, _read_target_poses, _always(json_changed)),
    "recipes": Reader(_recipes, _read_recipe, _always(text_changed)),
    "weights": Reader(_weights, _read_weights, _by_ending),
    "flow checkpoints": Reader(_checkpoint, _read_checkpoint, _by_ending),
    "flows": Reader(_flows, _read_flow, _always(bytes_changed)),
    "training states": Reader(_state, _read_state, _always(bytes_changed)),
    "pair lists": Reader(_pair_lists, _read_pair_lists, _always(text_changed)),
    "image lists": Reader(_market_lists, _read_market_lists, _always(text_changed)),
    "file names": Reader(_names, _read_names, _always(text_changed)),
}
