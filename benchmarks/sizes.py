"""What every estimator costs: parameters, multiply-adds and time per pair, on one core.

python benchmarks/sizes.py [--size 256x256] [--preset paper] [--repeats 5]
"""

import argparse
from importlib import import_module

import torch
from provenance import write_result

from reidaug.data.pairs import PosePair
from reidaug.flow.cost import cost
from reidaug.geometry.pose import OPENPOSE_18, Pose
from reidaug.machine import one_thread
from reidaug.people3d.render_run import parse_size

ESTIMATORS = {
    "unwarpme": "reidaug.flow.unwarpme:UnWarpME",
    "fomm": "reidaug.flow.rivals.fomm:FOMM",
    "mraa": "reidaug.flow.rivals.mraa:MRAA",
    "tpsmm": "reidaug.flow.rivals.tpsmm:TPSMM",
    "gfla64": "reidaug.flow.rivals.gfla:GFLA",
}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="256x256")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    pair = example(*parse_size(options.size))
    rows = {}
    for name, path in ESTIMATORS.items():
        module, kind = path.split(":")
        estimator = getattr(import_module(module), kind)
        estimator = estimator(**estimator.preset(options.preset)).eval()
        with one_thread():
            costs = [cost(estimator, pair) for _ in range(options.repeats)]
        best = min(costs, key=lambda c: c.ms)
        rows[name] = {"parameters": best.parameters, "gmac": best.gmac, "ms": round(best.ms, 1)}
        print(name, rows[name])
    flags = f"--size {options.size} --preset {options.preset} --repeats {options.repeats}"
    write_result("sizes", f"python benchmarks/sizes.py {flags}", sizes=rows)


def example(height: int, width: int) -> PosePair:
    """Draw a pair: what is in it does not matter here."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 1, 3, height, width, generator=generator)
    corner = torch.tensor((width - 1.0, height - 1.0))
    joints = torch.rand(2, 1, len(OPENPOSE_18), 2, generator=generator) * corner
    visible = torch.ones(1, len(OPENPOSE_18), dtype=torch.bool)
    return PosePair(images[0], images[1], Pose(joints[0], visible), Pose(joints[1], visible))


if __name__ == "__main__":
    main()
