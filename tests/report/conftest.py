"""A small demo run of drawn people: everything the page needs, nothing rendered or trained."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_report import MEANS, reid_report

from reidaug.data.images import encode_jpeg
from reidaug.geometry.flow import identity, to_pixels
from reidaug.geometry.pose import Pose, stack
from reidaug.report.demo_page import Demo, World, demo_page
from reidaug.report.figures import Picture
from reidaug.report.flow_section import FlowSample
from reidaug.report.reid_section import Gallery

SIZE = (128, 64)
STANDING = (
    (0, 16), (0, 27), (-9, 28), (-12, 45), (-13, 60), (9, 28), (12, 45), (13, 60),
    (-6, 62), (-7, 86), (-8, 112), (6, 62), (7, 86), (8, 112), (-2, 13), (2, 13), (-5, 15), (5, 15),
)  # fmt: skip


def pose_of(generator: np.random.Generator) -> Pose:
    """A standing person with loose joints, shifted; one ear is hidden."""
    xy = torch.tensor(STANDING, dtype=torch.float32) + torch.tensor((31.5, 0.0))
    xy += torch.from_numpy(generator.normal(0, 2.0, (18, 2))).float()
    visible = torch.ones(18, dtype=torch.bool)
    visible[16] = False
    return Pose(xy, visible)


def crop_of(generator: np.random.Generator) -> Picture:
    """A striped body on a coloured ground."""
    ground, shirt, legs = generator.integers(30, 230, (3, 3))
    picture = torch.from_numpy(np.tile(ground, (*SIZE, 1)))
    picture[26:64, 20:44] = torch.from_numpy(shirt)
    picture[26:64:6, 20:44] //= 2
    picture[64:114, 23:41] = torch.from_numpy(legs)
    return picture.to(torch.uint8).movedim(-1, 0).contiguous()


def flow_sample(generator: np.random.Generator) -> FlowSample:
    """A pair whose exact flow is a shift that grows towards the feet."""
    exact = identity(*SIZE)
    exact[0] += 0.5 * (exact[1] + 1) * float(generator.uniform(-0.6, 0.6))
    exact[1] += float(generator.uniform(-0.1, 0.1))
    inside = (
        to_pixels(exact.movedim(0, -1), SIZE)[..., 0].clamp(0, 63)
        == to_pixels(exact.movedim(0, -1), SIZE)[..., 0]
    )
    crop = crop_of(generator)
    body = torch.zeros(SIZE, dtype=torch.bool)
    body[20:114, 18:46] = True
    return FlowSample(
        crop, crop, pose_of(generator), pose_of(generator), exact, inside & body, body, exact, crop
    )


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Five arms, two people in three poses, one of them with true views."""
    return drawn_demo(tmp_path_factory.mktemp("demo"), people=2, poses=3)


@pytest.fixture(scope="session")
def demo_html(demo: Demo) -> str:
    """Its page; charts take time."""
    return demo_page(demo)


def drawn_demo(folder: Path, *, people: int, poses: int) -> Demo:
    """Draw the people, write their files, make up the numbers."""
    generator = np.random.default_rng(0)

    def file(name: str) -> Path:
        path = folder / f"{name}.jpg"
        path.write_bytes(encode_jpeg(crop_of(generator)))
        return path

    crops = [(file(f"crop{k}"), pose_of(generator)) for k in range(people)]
    gallery = Gallery(
        SIZE,
        stack([pose_of(generator) for _ in range(poses)]),
        [file(f"source{k}") for k in range(people)],
        [[file(f"warp{k}_{t}") for t in range(poses)] for k in range(people)],
        [[file(f"true{k}_{t}") if k == 0 else None for t in range(poses)] for k in range(people)],
    )
    augment = {"sources": 240, "poses": 25, "images": 6000, "images_per_s": 131.4}
    scores = {
        "unwarpme": (2.7, 33.6, 12.1, 0.771, 0.21), "joint_blend": (6.0, 35.6, 14.0, 0.761, 0.25),
        "torso_affine": (6.8, 40.0, 15.5, 0.753, 0.28), "identity": (15.5, 50.2, 21.0, 0.72, 0.36),
    }  # fmt: skip
    keys = ("epe_px", "l1", "l1_32", "ssim", "stlpips_alex")
    rows = {
        name: dict(zip(keys, values, strict=True))
        | {f"{k}_ci": [0.95 * v, 1.05 * v] for k, v in zip(keys, values, strict=True)}
        for name, values in scores.items()
    }
    records = [
        {"step": k, "loss": 3 / (1 + k / 40) + float(generator.normal(0, 0.1)), "flow": 2 / (1 + k)}
        for k in range(0, 400, 4)
    ]
    return Demo(
        flow={"size": [128, 64], "pairs": 200, "rows": rows},
        flow_records=records,
        flow_panels={"loss": "Loss", "flow": "Distance to the exact flow"},
        flow_samples=[flow_sample(generator) for _ in range(people)],
        worlds=[
            World("few-poses", 120, crops, gallery, augment, reid_report(generator, MEANS)),
        ],
        times=[("people", 150.0), ("flow", 270.0), ("warps", 61.0), ("re-identification", 262.5)],
        commands="reidaug synth pairs --out pairs\nreidaug train-flow recipes/demo/flow.yaml",
        hardware="2 CPU cores, 23 GiB memory, Python 3.11",
    )
