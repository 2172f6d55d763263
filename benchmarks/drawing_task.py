"""What the drawing task teaches a flow, and why: losses of images beside the exact flow.

    python benchmarks/drawing_task.py [--out runs/drawing_task] [--steps 1500]

On rendered people that no table uses, at 64 x 32. UnWarpME's W, as the paper has it, is trained by
task 1 alone; by half as many steps of it; by both tasks with the warped source in the place of R's
image; and by both with R and D, with one to all five depths of the perceptual network. Held-out
people are scored. Then, for the W of task 1, the gradient of each depth and resolution of the
perceptual loss of the warped source is compared with that of the exact flow: what share of the loss
it is, and the cosine of the two. A loss whose gradient does not point along the exact flow's cannot
teach it. One seed.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from provenance import write_result
from torch import Tensor
from torch.nn.functional import cosine_similarity

from reidaug.data.pairs import PairDataset, PosePair, collate
from reidaug.flow.checkpoint import load_checkpoint
from reidaug.flow.gaussian_filter import downsample
from reidaug.flow.perceptual_networks import FeatureNetwork, ShiftTolerantLPIPS
from reidaug.flow.perceptual_weights import shift_tolerant_weights
from reidaug.flow.training.pair_sources import read_splits
from reidaug.flow.training.recipe import TrainFlow
from reidaug.flow.training.train import CHECKPOINT, train
from reidaug.flow.training.warp_losses import exact_flow_loss
from reidaug.geometry.warp import warp
from reidaug.people3d.pair_dataset import PairOptions, render_pairs

SIZE = (64, 32)
PEOPLE, SEED = 200, 101
SCALES = (1.0, 0.5, 0.25)
SCORES = ("epe_px", "l1", "ssim", "stlpips_alex")
W = {"class": "reidaug.flow.unwarpme:UnWarpME", "preset": "small", "canvas": SIZE, "sigma": 1.5}
R = {"class": "reidaug.flow.unwarpme.refinement:Refinement", "preset": "small"}
D = {
    "class": "reidaug.flow.unwarpme.discriminator:PatchDiscriminator",
    "preset": "small",
    "widths": (16, 32, 64),
    "sigma": 1.5,
}
DRAWN = {"cycle": ("affine", "generation"), "generator": R, "discriminator": D}
ROWS: dict[str, dict[str, Any]] = {
    "affine_only": {"cycle": ("affine",)},
    "affine_half": {"cycle": ("affine",)},  # half of the steps
    "warped": {"cycle": ("affine", "perceptual")},
    **{f"drawn_{depths}": {**DRAWN, "depths": depths} for depths in (1, 2, 3, 5)},
}
BATCHES, BATCH = 8, 8


def main() -> None:
    """Train, compare gradients, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/drawing_task"))
    parser.add_argument("--steps", type=int, default=1500)
    options = parser.parse_args()
    pairs = options.out / "pairs"
    render_pairs(pairs, PairOptions(people=PEOPLE, test_people=2, seed=SEED, size=SIZE))
    rows = {}
    for name in ROWS:
        folder = options.out / name
        report = train(recipe_of(name, pairs, options.steps), folder, resume=folder.exists())
        assert report is not None
        known = report.rows["unwarpme"]
        rows[name] = {k: v for k, v in known.items() if k.removesuffix("_ci") in SCORES}
        rows |= {k: {s: report.rows[k][s] for s in SCORES} for k in ("identity", "torso_affine")}
        print(name, rows[name])
    recipe = recipe_of("affine_only", pairs, options.steps)
    found = gradients(recipe, options.out / "affine_only" / CHECKPOINT)
    for row in found["depths"]:
        print(row)
    print(found["sums"])
    write_result(
        "drawing_task",
        f"python benchmarks/drawing_task.py --steps {options.steps}",
        size=SIZE,
        people=PEOPLE,
        batch=recipe.batch,
        steps={name: recipe_of(name, pairs, options.steps).schedule.steps for name in ROWS},
        rows=rows,
        gradients=found,
    )


def recipe_of(name: str, pairs: Path, steps: int) -> TrainFlow:
    """Write the recipe of a row: those of the small tables, at half their size."""
    steps = steps // 2 if name == "affine_half" else steps
    values: dict[str, Any] = {
        "pairs": pairs,
        "size": SIZE,
        "evaluate_on": "held_out",
        "batch": 8,
        "estimator": W,
        "scales": SCALES,
        "weights": {"affine": 10.0, "matching": 0.0},
        "schedule": {"steps": steps, "rate": 1e-3, "warmup": 80},
    }
    return TrainFlow.model_validate(values | ROWS[name])


def gradients(recipe: TrainFlow, checkpoint: Path) -> dict[str, Any]:
    """Compare the gradients of the perceptual loss, part by part, with that of the exact flow.

    Returns:
        ``depths``: for every scale and depth the share of the loss in absolute terms and in
        relation to the size of the target's features, and the cosine of its gradient with the
        exact flow's; ``sums``: the cosine of the loss's, both ways. Gradients are those of W's
        weights, means over `BATCHES` batches of training pairs.
    """
    pairs = PairDataset(read_splits(recipe).training, size=SIZE)
    network = ShiftTolerantLPIPS.load("vgg", shift_tolerant_weights("vgg"))
    w = load_checkpoint(checkpoint).train()
    weights = [p for p in w.parameters() if p.requires_grad]
    random = torch.Generator().manual_seed(SEED)
    sums: dict[Any, Tensor] = defaultdict(lambda: torch.zeros(()))
    losses: dict[Any, float] = defaultdict(float)
    for _ in range(BATCHES):
        chosen = torch.randint(len(pairs), (BATCH,), generator=random).tolist()
        batch = collate([pairs[k] for k in chosen])
        for key, loss in parts(
            w(batch.source, batch.source_pose, batch.target_pose), batch, network
        ):
            found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
            flat = [
                torch.zeros_like(p) if g is None else g for g, p in zip(found, weights, strict=True)
            ]
            sums[key] = sums[key] + torch.cat([g.flatten() for g in flat])
            losses[key] += float(loss.detach())
    exact = sums.pop("exact")

    def cosine(gradient: Tensor) -> float:
        return round(float(cosine_similarity(gradient, exact, dim=0)), 3)

    ways = ("absolute", "relative")
    of = {way: {key: value for key, value in losses.items() if key[0] == way} for way in ways}
    depths = [
        {
            "scale": scale,
            "depth": depth,
            **{
                f"share_{way}": round(of[way][way, scale, depth] / sum(of[way].values()), 4)
                for way in ways
            },
            "cosine": cosine(sums["absolute", scale, depth]),
        }
        for _, scale, depth in of["absolute"]
    ]
    whole = {way: cosine(torch.stack([sums[key] for key in of[way]]).sum(0)) for way in ways}
    return {"depths": depths, "sums": whole}


def parts(flow: Tensor, batch: PosePair, network: FeatureNetwork) -> list[tuple[Any, Tensor]]:
    """Compute the exact-flow loss, and each part of the perceptual loss of the warped source."""
    assert batch.flow is not None and batch.visible is not None
    found: list[tuple[Any, Tensor]] = [("exact", exact_flow_loss(flow, batch.flow, batch.visible))]
    warped = warp(batch.source, flow)
    for scale in SCALES:
        with torch.no_grad():
            wanted = network.features(downsample(batch.target, scale))
        mine = network.features(downsample(warped, scale))
        for depth, (ours, theirs) in enumerate(zip(mine, wanted, strict=True), 1):
            difference = (ours - theirs).abs().mean()
            found.append((("absolute", scale, depth), difference))
            found.append((("relative", scale, depth), difference / theirs.abs().mean()))
    return found


if __name__ == "__main__":
    main()
