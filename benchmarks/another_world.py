"""The demo's re-ID experiment again, nothing changed, in a rendered world of another seed.

    python benchmarks/another_world.py [--demo runs/demo] [--seed 2] [--world few-poses]

Takes the flow of a finished demo and its re-ID recipe as they are; people, cameras and places are
new. The report goes to benchmarks/results/another_world_<world>_<seed>.json.
"""

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from reidaug.commands.demo import DemoSizes, world_stages

HERE = Path(__file__).parent


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
    about = {
        "command": f"python benchmarks/another_world.py --demo {options.demo} "
        f"--seed {options.seed} --world {options.world}",
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
        "date": datetime.now(UTC).date().isoformat(),
    }
    name = f"another_world_{options.world}_{options.seed}.json"
    (HERE / "results" / name).write_text(json.dumps(about | {"reid": report}, indent=1) + "\n")


if __name__ == "__main__":
    main()
