"""The demo's re-ID experiment again: in a rendered world of another seed, or with another flow.

    python benchmarks/another_world.py [--demo runs/demo] [--seed 2] [--world few-poses]
    python benchmarks/another_world.py --flow market --seed 1 --seeds 5 [--world few-poses]

Takes the flow of a finished demo and its re-ID recipe as they are; people, cameras and
backgrounds are those of the seed: the demo's own is 1. With --flow market it is the flow inside
the package. The report goes to benchmarks/results/another_world_<world>_<seed>.json, that of the
flow inside the package to shipped_<world>_<seed>.json.
"""

import argparse
from pathlib import Path

from provenance import write_result
from shipped import weights_of

from reidaug.commands.demo import run_stage
from reidaug.experiments.demo import DemoSizes, world_stages
from reidaug.flow.builtin import SHIPPED


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"))
    parser.add_argument("--flow", choices=("demo", SHIPPED), default="demo", help="whose flow")
    parser.add_argument("--seed", type=int, default=2, help="of people, cameras and backgrounds")
    parser.add_argument("--seeds", type=int, default=3, help="how many trainings an arm")
    parser.add_argument("--world", default="few-poses")
    options = parser.parse_args()
    own = options.flow == "demo"
    flow = str(options.demo / "flow" / "checkpoint") if own else SHIPPED
    name, start = ("another_world", options.demo.name) if own else ("shipped", "shipped")
    stages = world_stages(
        options.demo.with_name(f"{start}-{options.world}-{options.seed}"),
        flow,
        world=options.world,
        people_seed=options.seed,
        pose_seed=options.seed,
        sizes=DemoSizes(reid=(f"seeds={list(range(options.seeds))}",)),
    )
    for stage in stages:
        print(stage.command)
        report = run_stage(stage)
    command = (
        f"python benchmarks/another_world.py --flow {options.flow} "
        f"--seed {options.seed} --seeds {options.seeds} --world {options.world}"
    )
    name = f"{name}_{options.world}_{options.seed}"
    write_result(name, command, weights=weights_of(flow), reid=report)


if __name__ == "__main__":
    main()
