"""A small study of drawn pictures, written in an instant, and its server in another process."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from reidaug.app.study.folder import SOURCE, TARGET, Settings, Study

METHODS = ("unwarpme", "fomm", "tpsmm")
ROOT = Path(__file__).parents[1]


def write_study(
    folder: Path,
    *,
    samples: int = 4,
    practice_samples: int = 2,
    rounds: int = 3,
    practice: int = 1,
    participants: int = 2,
    title: str = "Which is better?",
) -> Study:
    """Write the folder of a study of `METHODS`, with participants."""
    settings = Settings(
        title=title,
        text=("Ask the lab next door.",),
        methods=METHODS,
        samples=tuple(f"{k:04d}.jpg -> pose" for k in range(samples)),
        practice_samples=tuple(f"practice {k}" for k in range(practice_samples)),
        rounds=rounds,
        practice=practice,
        seed=0,
    )
    study = Study(folder, settings)
    for sample in range(samples + practice_samples):
        for shade, name in enumerate((SOURCE, TARGET, *METHODS)):
            path = study.image(sample, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 64), (40 * shade, 30 * sample, 90)).save(path)
    (folder / "report.json").write_text(settings.model_dump_json())
    with study.answers(make=True) as answers:
        answers.invite(participants, study.plan)
    return study


PROGRAM = """
import sys
from pathlib import Path
from reidaug.app.server import address_of, listen, serve
from reidaug.app.study.folder import read_study
from reidaug.app.study.pages import study_application
opened = listen("127.0.0.1", int(sys.argv[2]))
print(address_of(opened), flush=True)
serve(study_application(read_study(Path(sys.argv[1]))), opened)
"""


class StudyServer:
    """The server of a study, in a process that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it; at the port it had before, if any."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.folder), str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        self.port = int(self.address.rsplit(":", 1)[1])
        with urllib.request.urlopen(self.address, timeout=20):
            pass

    def kill(self) -> None:
        """End it as a power failure would: at once."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def study_server(folder: Path) -> Iterator[StudyServer]:
    """Serve a study on a free port."""
    server = StudyServer(folder)
    try:
        yield server
    finally:
        server.kill()


def wait_for(condition: "object", seconds: float = 10.0) -> None:
    """Wait until a condition is true."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
