"""How long after a drag `reidaug play` answers: request to answer, in milliseconds.

    python benchmarks/play_latency.py [--drags 100]

Starts the command in a process of its own with two threads for torch (it warps with one), loads a
rendered person at 128 x 64 and at 256 x 128, and drags an elbow round a circle: each drag is a
question to one estimator, or to the three of the page at once, and the next one follows the answer.
`median` and `p95` are by the clock, at which other work on the machine shows; `cpu` is the time on
the processor of the server, per drag, which it hardly changes.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
from provenance import write_result

from reidaug.app.play.rendered_people import rendered_people
from reidaug.commands.play import FLOWS
from reidaug.data.images import encode_png, resize, to_bytes, to_float
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import OPENPOSE_18

SIZES: tuple[Size, ...] = ((128, 64), (256, 128))
THREADS = 2
WARM_UP = 10  # drags
ELBOW = OPENPOSE_18.index("left_elbow")
RADIUS = 6.0  # pixels


class Server:
    """A running playground.

    Args:
        address: Its address, ``http://host:port``.
        process: Its process.
    """

    def __init__(self, address: str, process: psutil.Process) -> None:
        self.address = address
        self._place = urlsplit(address).netloc
        self._process = process

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Any:
        """Ask it, and read the JSON of its answer."""
        connection = HTTPConnection(self._place, timeout=60)
        headers = {"Accept": "application/json", "Content-Type": kind}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        if answer.status >= 400:
            raise SystemExit(f"{path}: {content}")
        return content

    def seconds(self) -> float:
        """Measure its time on the processor so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drags", type=int, default=100)
    drags = parser.parse_args().drags
    rows = {}
    with served() as server:
        pose = server.ask("GET", "/start")["poses"]
        for size in SIZES:
            questions = Drags(server, size, pose["all"][pose["first"]], pose["size"])
            for flows in (*((flow,) for flow in FLOWS), FLOWS):
                name = f"{size[0]} x {size[1]}, {' and '.join(flows)}"
                rows[name] = measured(server, questions, flows, drags)
                print(name, rows[name], flush=True)
    command = f"python benchmarks/play_latency.py --drags {drags}"
    write_result("play_latency", command, drags=drags, threads=THREADS, milliseconds=rows)


@contextmanager
def served() -> Iterator[Server]:
    """Run the command until the end."""
    command = [sys.executable, "-m", "reidaug", "play", "--port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().split()[0]
            yield Server(address, psutil.Process(process.pid))
        finally:
            process.terminate()


class Drags:
    """Questions while an elbow goes round a circle.

    Args:
        server: The playground.
        size: (height, width) of the crop that is loaded.
        target: A shipped pose as the page gets it, whose elbow is dragged.
        of: (height, width) that its joints are in.
    """

    def __init__(self, server: Server, size: Size, target: dict[str, Any], of: Size) -> None:
        image = to_bytes(resize(to_float(rendered_people()[0].image), size))
        crop = server.ask("POST", "/crops?name=crop.png", encode_png(image), "image/png")
        scale = [(size[1] - 1) / (of[1] - 1), (size[0] - 1) / (of[0] - 1)]
        self._xy = [[x * scale[0], y * scale[1]] for x, y in target["xy"]]
        self._visible = target["visible"]
        self._question = {
            "session": "latency", "crop": crop["token"], "outline": None, "background": "grey",
            "turns": "auto", "source": {key: crop[key] for key in ("xy", "visible")},
        }  # fmt: skip

    def question(self, drag: int, flow: str) -> bytes:
        """Write the question of a drag, by its number."""
        xy = [list(point) for point in self._xy]
        xy[ELBOW][0] += RADIUS * math.cos(drag / 5)
        xy[ELBOW][1] += RADIUS * math.sin(drag / 5)
        target = {"xy": xy, "visible": self._visible}
        return json.dumps({**self._question, "target": target, "flow": flow}).encode()


def measured(
    server: Server, questions: Drags, flows: Sequence[str], drags: int
) -> dict[str, float]:
    """Milliseconds from a drag to the last of the answers: median, 95 % quantile; cpu a drag."""
    clock = list[float]()
    worked = 0.0
    with ThreadPoolExecutor(len(flows)) as pool:
        for drag in range(-WARM_UP, drags):
            if drag == 0:
                worked = server.seconds()
            bodies = [questions.question(drag, flow) for flow in flows]
            began = time.perf_counter()
            list(
                pool.map(
                    lambda body: server.ask("POST", "/warps", body, "application/json"), bodies
                )
            )
            clock.append(time.perf_counter() - began)
    worked = server.seconds() - worked
    median, high = np.quantile(clock[WARM_UP:], (0.5, 0.95)) * 1000
    return {
        "median": round(float(median), 1),
        "p95": round(float(high), 1),
        "cpu": round(worked / drags * 1000, 1),
    }


if __name__ == "__main__":
    main()
