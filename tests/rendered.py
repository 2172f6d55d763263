"""A small rendered dataset, and what it takes to compare such datasets."""

from pathlib import Path

from reidaug.people3d.market_dataset import MarketOptions

MARKET = MarketOptions(people=2, test_people=2, test_crops=3, distractors=1, junk=1)


def contents(root: Path) -> dict[str, bytes]:
    """Give every file's bytes, except for the log and its times."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(p.relative_to(root)): p.read_bytes() for p in files if p.name != "log.jsonl"}
