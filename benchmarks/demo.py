"""What `reidaug demo` measures, kept with its command, hardware and date.

    python benchmarks/demo.py [--out runs/demo] [--worlds few-poses]

Runs the demo, or takes up one that is finished, and writes its report.json to
benchmarks/results/demo.json, from which `readme.py` takes the README's flow and re-ID tables.
"""

import argparse
import json
from pathlib import Path

from provenance import RESULTS, about

from reidaug.commands.demo import run_demo


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    parser.add_argument("--worlds", default="few-poses")
    options = parser.parse_args()
    run_demo(options.out, worlds=tuple(options.worlds.split(",")))
    report = json.loads((options.out / "report.json").read_text())
    source = about(f"python benchmarks/demo.py --out {options.out} --worlds {options.worlds}")
    result = json.dumps(source | report, indent=1).replace(f"{Path.cwd()}/", "")
    (RESULTS / "demo.json").write_text(result + "\n")


if __name__ == "__main__":
    main()
