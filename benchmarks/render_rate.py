"""How many crops per second `reidaug synth market` writes, start-up apart.

    python benchmarks/render_rate.py [--people 150] [--workers 2] [--size 128x64]

A first, small dataset starts the workers, loads the body model and compiles the rasteriser; then
datasets of other seeds are timed whole: dressing, rendering, encoding, masks and tables. Median and
quartiles of the repeats go to benchmarks/results/render_rate.json.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from provenance import write_result

from reidaug.people3d.market_dataset import MarketOptions, render_market
from reidaug.people3d.render_run import parse_size
from reidaug.people3d.worlds import MANY_POSES


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=150)
    parser.add_argument("--crops", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", default="128x64")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for k in range(options.repeats + 1):
            people = options.people if k else 4 * options.workers
            started = time.perf_counter()
            report = render_market(
                Path(folder) / str(k),
                MarketOptions(
                    people=people, test_people=0, train_crops=options.crops, world=MANY_POSES,
                    size=parse_size(options.size), seed=k,
                ),
                workers=options.workers,
            )  # fmt: skip
            if k:
                rates.append(report["crops"] / (time.perf_counter() - started))
    low, median, high = np.quantile(rates, (0.25, 0.5, 0.75)).round(1).tolist()
    result = {
        "crops_per_s": median,
        "quartiles": [low, high],
        "crops": options.people * options.crops,
        "size": options.size,
        "workers": options.workers,
        "load_average_before_end": round(os.getloadavg()[0], 1),
    }
    command = (
        f"python benchmarks/render_rate.py --people {options.people} "
        f"--workers {options.workers} --size {options.size}"
    )
    write_result("render_rate", command, **result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
