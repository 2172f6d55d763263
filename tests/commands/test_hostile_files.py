"""Files that wait for ever, or run programs, in datasets: commands in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from stick_market import stick_market

from reidaug.data.images import encode_png
from reidaug.data.market1501 import TRAIN

POSTSCRIPT = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 64\n%%EndComments\n{} loop\n%%EOF\n"


@pytest.fixture
def market(tmp_path: Path) -> Path:
    root = stick_market(tmp_path / "market")
    images = sorted((root / TRAIN).iterdir())
    images[0].unlink()
    os.mkfifo(images[0])
    images[1].unlink()
    images[1].symlink_to("/dev/zero")
    images[2].write_text(POSTSCRIPT)
    masks = tmp_path / "masks"
    masks.mkdir()
    for path in images[3:]:
        (masks / f"{path.stem}.png").write_bytes(encode_png(torch.ones(64, 32, dtype=torch.bool)))
    (masks / f"{images[3].stem}.png").unlink()
    os.mkfifo(masks / f"{images[3].stem}.png")
    tool = tmp_path / "bin" / "gs"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\n")
    tool.chmod(0o755)
    return root


def run(market: Path, *arguments: object) -> tuple[int, str]:
    folder = market.parent
    done = subprocess.run(
        [sys.executable, "-m", "reidaug", *map(str, arguments)], cwd=folder, check=False,
        capture_output=True, text=True, timeout=120,
        env=os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert not (folder / "executed").exists()
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_check_names_them(market: Path) -> None:
    code, said = run(market, "check", market, "--masks", "masks", "--workers", 1)
    assert code == 1
    assert f"{TRAIN}: 1 of 4 images cannot be read" in said
    assert f"{TRAIN}: 2 names are no usable images" in said
    for reason in ("is a named pipe; only", "is a device; only", "unknown format; JPEG, PNG"):
        assert reason in said
    assert "1 of 4 images have a damaged mask" in said


def test_augment_leaves_them_out_or_stops(market: Path) -> None:
    arguments = ("--flow", "torso-affine", "--poses", 2, "--pool", "any", "--workers", 1)
    keypoints = market / "market-annotation-train.csv"
    code, said = run(
        market, "augment", market, "--keypoints", keypoints, "--out", "out", *arguments
    )
    assert code == 0 or "left out" in said, said
    keypoints.unlink()
    os.mkfifo(keypoints)
    arguments = (*arguments, "--allow-left-out")
    code, said = run(
        market, "augment", market, "--keypoints", keypoints, "--out", "other", *arguments
    )
    assert code == 1
    assert f"reidaug: {keypoints}: is a named pipe; only regular files are read\n" in said
