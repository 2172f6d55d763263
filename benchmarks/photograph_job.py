"""The paper's augmentation of Market-1501 as it is: every training crop into 25 poses."""

import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from photograph_crops import read_photographs

from reidaug.augment.augmented_dataset import LEFT_OUT
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError

POSES = 25
EVERY = 0.5  # seconds between two looks at the memory


def warp_everything(market: Path, out: Path, workers: int | None) -> dict[str, Any]:
    """Run `reidaug augment` on all training crops, without keypoints, and measure it.

    Returns:
        Images expected and made, by where their pose comes from; what was left out and why; wall
        time, rates, peak memory of all processes, bytes on disk. Times and memory are None where
        this call went on with what an earlier one had begun.

    Raises:
        ReidaugError: The job is done already.
    """
    crops = len(read_photographs(market))
    if (out / "report.json").exists():
        raise ReidaugError(f"{out}: warped already; remove it to measure the job again")
    fresh = not out.exists()
    command = [sys.executable, "-m", "reidaug", "augment", str(market), "--out", str(out)]
    # The paper's plain draw, on grey, and every warp, with the flow that is the default.
    command += ["--pool", "any", "--background", "grey", "--min-quality", "0"]
    command += ["--workers", str(workers)] if workers else []
    start = time.monotonic()
    with subprocess.Popen(command) as process:
        peak = PeakMemory(process.pid)
        code = process.wait()
        memory = peak.stop()
    if code:
        raise SystemExit(code)
    seconds = time.monotonic() - start
    report = json.loads((out / "report.json").read_text())
    rows = pd.read_parquet(out / "manifest.parquet", columns=["source", "pose_from", "kept"])
    sources = rows.drop_duplicates("source")
    files = [path.stat().st_size for path in (out / TRAIN).iterdir()]
    return {
        "crops": crops,
        "expected": crops * POSES,
        "images": len(files),
        "pose_from": sources["pose_from"].value_counts().to_dict(),
        "left_out": reasons((out / LEFT_OUT).read_text().splitlines()),
        "bytes": sum(files),
        "seconds": round(seconds) if fresh else None,
        "images_per_s": report["images_per_s"] if fresh else None,
        "peak_memory_gib": round(memory / 2**30, 2) if fresh else None,
        "quality": report["quality"],
    }


def reasons(lines: list[str]) -> dict[str, int]:
    """Count lines of left-out files by their reason: names of files are left out."""
    words = (line.partition(": ")[2] for line in lines)
    return dict(Counter(re.sub(r"\S+\.jpg", "...", text) for text in words))


class PeakMemory:
    """Largest memory that a process and its children hold together, in bytes of private memory."""

    def __init__(self, pid: int) -> None:
        self._process, self._peak, self._over = psutil.Process(pid), 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """End, and return the peak."""
        self._over.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            try:
                family = [self._process, *self._process.children(recursive=True)]
                held = [process.memory_full_info().uss for process in family]
            except psutil.Error:
                continue  # one of them has just ended
            self._peak = max(self._peak, sum(held))
