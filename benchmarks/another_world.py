"""The demo's re-ID experiment again, nothing changed, in a rendered world of another seed.

    python benchmarks/another_world.py [--demo runs/demo] [--seed 2] [--world few-poses]

Takes the flow of a finished demo and its re-ID recipe as they are; people, cameras and places are
new. The report goes to benchmarks/results/another_world_<world>_<seed>.json.
"""

import argparse
import json
from pathlib import Path

from provenance import RESULTS, about

from reidaug.commands.demo import DemoSizes, world_stages


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"))
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--world", default="few-poses")
    options = parser.parse_args()
    out = options.demo.with_name(f"{options.demo.name}-{options.world}-{options.seed}")
    stages = world_stages(
        out,
        options.demo / "flow" / "checkpoint",
        world=options.world,
        people_seed=options.seed,
        pose_seed=options.seed,
        sizes=DemoSizes(),
    )
    for stage in stages:
        print(stage.command)
        report = stage.work()
    source = about(
        f"python benchmarks/another_world.py --demo {options.demo} "
        f"--seed {options.seed} --world {options.world}"
    )
    name = f"another_world_{options.world}_{options.seed}.json"
    (RESULTS / name).write_text(json.dumps(source | {"reid": report}, indent=1) + "\n")


if __name__ == "__main__":
    main()
