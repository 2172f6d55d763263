"""What the whole suite shares."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from browser import browser  # noqa: F401 - a fixture
from hypothesis import settings

# One thread a process: the suite runs several processes, and results do not depend on their number.
torch.set_num_threads(1)

# The first example of a property pays for imports and run-time type checks.
settings.register_profile("reidaug", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("reidaug")


@pytest.fixture(scope="session")
def rendered_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small rendered dataset, read only."""
    from rendered import MARKET

    from reidaug.people3d.market_dataset import render_market

    root = tmp_path_factory.mktemp("rendered") / "market"
    render_market(root, MARKET, workers=1)
    return root


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of nine people with exact flows and masks, read only."""
    from small_pairs import write_pairs

    return write_pairs(tmp_path_factory.mktemp("people") / "pairs")


@pytest.fixture(scope="session")
def warped_twice(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Stick figures in three poses by two flows, and, above them, their ``market``; read only."""
    from augmented import augmented
    from stick_market import stick_market

    folder = tmp_path_factory.mktemp("warped_twice")
    market = stick_market(folder / "market", people=3, images=2)
    roots = {flow: folder / flow for flow in ("joint-blend", "torso-affine")}
    for flow, root in roots.items():
        augmented(market, root, flow=flow, poses=3, pool="any", turns="allow")
    return roots


@pytest.fixture(scope="session")
def blazepose() -> None:
    """BlazePose's network, fetched before the tests that run it."""
    from drawn_person import model_file

    model_file()


@pytest.fixture(scope="session")
def pretrained() -> None:
    """Pre-trained weights of backbones, fetched before the tests that load them."""
    from reidaug.errors import ReidaugError
    from reidaug.reid.pretrained import IMAGENET, PRETRAINED, weight_file

    try:
        for backbone in PRETRAINED:
            weight_file(backbone, IMAGENET)
    except ReidaugError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True, scope="session")
def few_pages() -> Iterator[None]:
    """Commands leave a page in tests that ask for it: each takes the time of a small run."""
    from reidaug.commands.pages import pages_wanted

    with pages_wanted(False):
        yield


@pytest.fixture
def left_pages(few_pages: None) -> Iterator[None]:
    """Commands leave their pages."""
    from reidaug.commands.pages import pages_wanted

    with pages_wanted(True):
        yield


@pytest.fixture
def drawn_root(tmp_path: Path) -> Path:
    """A Market-1501 root of drawn people, writable."""
    from drawn_person import drawn_market

    return drawn_market(tmp_path / "market")


@pytest.fixture
def heard_signals() -> Iterator[None]:
    """Let processes that a test starts hear signals which the suite's own caller ignores.

    `nohup` ignores SIGHUP, and shells SIGINT in the background.
    """
    from reidaug.interruptions import SIGNALS

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
