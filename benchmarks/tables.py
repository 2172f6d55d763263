"""The paper's tables at the small size: flow estimators trained on equal terms on rendered people.

    python benchmarks/tables.py [--tables table1,...] [--pairs runs/small-pairs] [--out runs/tables]

Renders the pairs if they are not there, runs `reidaug compare recipes/tables/NAME_small.yaml` for
each table, prints the paper's figures below rows of the same name, and keeps the report with
command, hardware and date in benchmarks/results/NAME_small.json. Stopped and run again, it goes on
where it was. UnWarpME whole is a row of most tables: rows that are trained alike are trained once.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import yaml
from PIL import Image
from provenance import RESULTS, about
from published import TABLES as PRINTED
from published import beside, published

from reidaug.experiments.compare import compare
from reidaug.experiments.compare_config import Compare, plan_rows
from reidaug.experiments.comparison import Comparison
from reidaug.flow.training.recipe import resolved
from reidaug.people3d.pair_dataset import PairOptions, render_pairs
from reidaug.recipes import load
from reidaug.runs import RunFolder

RECIPES = Path(__file__).parents[1] / "recipes" / "tables"
TABLES = ("table1", "parametric", "table2", "table3", "table4", "table7", "skip")
WIDTH = 1000  # pixels of the figure in the README
SIZE = (64, 32)  # (height, width) of the small tables
PAIRS = PairOptions(people=250, test_people=40, seed=0, size=SIZE)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--pairs", type=Path, default=Path("runs/small-pairs"))
    parser.add_argument("--out", type=Path, default=Path("runs/tables"))
    options = parser.parse_args()
    render_pairs(options.pairs, PAIRS)
    for table in options.tables.split(","):
        recipe = load(RECIPES / f"{table}_small.yaml", Compare, (f"pairs={options.pairs}",))
        take_over(recipe, options.out / table)
        comparison = compare(recipe, options.out / table, resume=True)
        assert comparison is not None
        report = comparison.as_dict()
        number = int(table.removeprefix("table")) if table.startswith("table") else None
        if number in PRINTED:
            report["published"] = published(number, report)
            print(beside(number, report))
        source = about(f"python benchmarks/tables.py --tables {table}")
        text = json.dumps(source | report, indent=1) + "\n"
        (RESULTS / f"{table}_small.json").write_text(text)
        if table == "table1":
            show(options.out / table / "warps.png", RECIPES.parents[1] / "docs" / "table1.png")


def compared(
    description: str, out: Path, write: Callable[[Path], Compare]
) -> tuple[Compare, Comparison]:
    """Run a comparison on the pairs of the tables, with options of the command line.

    Args:
        description: Of the benchmark.
        out: Its usual run folder, beside which rows that were trained alike are looked for.
        write: Writes the comparison for pairs in a folder.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--pairs", type=Path, default=Path("runs/small-pairs"))
    parser.add_argument("--out", type=Path, default=out)
    options = parser.parse_args()
    render_pairs(options.pairs, PAIRS)
    recipe = write(options.pairs)
    take_over(recipe, options.out)
    report = compare(recipe, options.out, resume=True)
    assert report is not None
    return recipe, report


def show(picture: Path, page: Path) -> None:
    """Make a picture small enough for a page."""
    with Image.open(picture) as large:
        small = large.convert("RGB").resize((WIDTH, round(WIDTH * large.height / large.width)))
    small.quantize(256).save(page, optimize=True)


def take_over(recipe: Compare, out: Path) -> None:
    """Copy rows that another table has trained in just the same way, and the time it took."""
    run = RunFolder.open(out, {"command": "compare", **recipe.model_dump(mode="json")}, resume=True)
    for name, row in plan_rows(recipe, out).items():
        folder = out / "rows" / name
        if row.training is None or folder.exists():
            continue
        recipe_of_row = resolved(row.training)
        for other in sorted(out.parent.glob("*/rows/*")):
            recipe_of_row["row"] = other.name
            text = yaml.safe_dump(recipe_of_row, sort_keys=False, allow_unicode=True)
            if not (other / "report.json").exists() or (other / "recipe.yaml").read_text() != text:
                continue
            partial = folder.with_name(f".{name}.partial")
            copytree(other, partial, dirs_exist_ok=True)
            recipe_of_row["row"] = name
            text = yaml.safe_dump(recipe_of_row, sort_keys=False, allow_unicode=True)
            (partial / "recipe.yaml").write_text(text)
            for record in RunFolder(other.parents[1], resumed=True).records():
                if record["row"] == other.name:
                    run.log(row=name, seconds=record["seconds"])
            partial.rename(folder)
            break


if __name__ == "__main__":
    main()
