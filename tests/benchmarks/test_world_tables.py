import json
from pathlib import Path
from typing import Any

from world_tables import worlds

ABOUT = {"command": "python x.py", "hardware": "here", "date": "2026-11-27", "commit": "abc"}


def write(folder: Path, name: str, **values: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps(values | ABOUT))


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    assert worlds(tmp_path) == "Not measured yet."


def test_orders_of_worlds_stand_beside_photographs(tmp_path: Path) -> None:
    tau = {"tau": 0.6, "interval": [0.2, 0.8], "decided": 3, "pairs": 6, "tau_decided": 1.0}
    write(
        tmp_path, "world_tau", trained_on={"market": ["a GPU"]},
        settings={"base": {}, "no_erasing": {}},
        ceiling={"tau": 0.7, "interval": [0.5, 0.9]},
        worlds={
            "market": {"mAP": {"base": [30, 32], "no_erasing": [20, 22]}, "tau": None},
            "street": {"mAP": {"base": [50, 52], "no_erasing": [40, 42]}, "tau": tau},
        },
    )  # fmt: skip
    text = worlds(tmp_path)
    assert "| base | 31.0 | 51.0 |" in text and "| no_erasing | 21.0 | 41.0 |" in text
    assert "| **tau** |  | 0.60 (0.20 to 0.80) |" in text
    assert "|  | 1.00 (3 of 6) |" in text
    assert "a GPU" in text and "here" not in text
    assert "0.70 (0.50 to 0.90) with themselves" in text
    assert "| seeds | 2 | 2 |" in text
