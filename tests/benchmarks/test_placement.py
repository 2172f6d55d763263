from pathlib import Path

import numpy as np
import placement
import pytest
import torch
from PIL import Image
from placement import SHARES, below, drawn, of_edges, of_joints, of_masks, of_slips
from stick_market import figure, scattered

from reidaug.augment import limb_edges
from reidaug.augment.inputs import Source
from reidaug.data.market1501 import Person
from reidaug.geometry.pose import Pose, stack
from reidaug.geometry.silhouette import silhouette

SIZE = (64, 32)


def test_own_masks_cover_more_than_those_of_others(tmp_path: Path) -> None:
    rng, sources = np.random.default_rng(0), []
    for k in range(13):
        pose = figure(rng, SIZE)
        pose = Pose(pose.xy + torch.tensor((6.0 * (k % 3) - 6.0, 0.0)), pose.visible)
        path = tmp_path / f"{k}.jpg"
        Image.new("RGB", SIZE[::-1]).save(path)
        own = silhouette(stack([pose]), SIZE)[0].numpy().astype(np.uint8) * 255
        Image.fromarray(own).save(tmp_path / f"{k}.png")
        sources.append(Source(Person(path, k + 1, 1), path.stem, pose))
    found = of_masks(sources, tmp_path)
    assert len(found["covered_by_own"]) == len(SHARES)
    assert found["own_over_others"]["least"] > 0
    assert found["others_over_others"]["least"] < 0 < found["others_over_others"]["greatest"]
    joints = of_joints(sources)
    assert joints["middle_across"][0] < 0.5 < joints["middle_across"][-1]
    assert 0.4 < joints["middle_down"][2] < 0.6
    assert joints["span"][0] > 0.5


def test_figures_of_known_values() -> None:
    assert below(np.linspace(0, 1, 101)) == list(SHARES)
    assert drawn(np.full(5, 0.25)) == {"mean": 0.25, "least": 0.25, "greatest": 0.25}


def test_edges_go_with_own_joints_and_less_with_wrong_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "EDGE_DRAWS", 2)
    sources = [
        Source(Person(path, 1 + int(path.stem), 1), path.stem, pose)
        for path, pose in scattered(tmp_path, 80, SIZE)
    ]
    found = of_edges(sources)
    assert (found["crops"], found["draws"]) == (72, 2)
    own, half, others = (found[name]["own"][2] for name in ("own", "half_of_others", "of_others"))
    assert own > half > others
    assert [found[name]["told"] for name in ("own", "of_others", "mirrored")] == [0, 1, 1]
    assert found["own"]["mirrored"][0] > 0 > found["mirrored"]["mirrored"][-1]


def test_lists_of_joints_that_slipped_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limb_edges, "SLIPPED", 5.0)  # so few tell little
    monkeypatch.setattr(placement, "SLIP_DRAWS", 2)
    monkeypatch.setattr(placement, "SLIP_CROPS", (72,))
    monkeypatch.setattr(placement, "SLIPS", (0.0, 0.5))
    sources = [
        Source(Person(path, 1 + int(path.stem) // 4, 1), path.stem, pose)
        for path, pose in scattered(tmp_path, 80, SIZE)
    ]
    right, wrong = of_slips(sources)
    assert (right["crops"], right["slipped"], right["draws"]) == (72, 0.0, 2)
    assert (right["told"], wrong["told"]) == (0, 1)
    assert right["greatest"] < wrong["likelihood"][0]
