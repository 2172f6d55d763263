"""Everything docs/using.md lists is run."""

import runpy
import shlex
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from docs_page import folder_of, listings
from stick_market import stick_market

from reidaug.cli import main
from reidaug.data.market1501 import QUERY

PAGE = "using.md"
SHORT = {"check": ["--workers", "1"], "augment": ["--poses", "6", "--workers", "1"]}


def scripts() -> dict[str, str]:
    return {text.splitlines()[0].removeprefix("# "): text for text in listings(PAGE, "python")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the page's scripts and small data where the page has large data."""
    with folder_of(PAGE, tmp_path_factory.mktemp("using")) as place:
        stick_market(place / "Market-1501", people=9, images=3, size=(128, 64))
        yield place


def command(name: str) -> int:
    lines = "".join(listings(PAGE, "bash")).splitlines()
    (found,) = (line for line in lines if line.startswith(f"reidaug {name} "))
    with pytest.raises(SystemExit) as ended:
        main([*shlex.split(found)[1:], *SHORT[name]])
    return int(ended.value.code or 0)


def ran(place: Path, name: str) -> dict[str, Any]:
    return runpy.run_path(str(place / name), run_name="__main__")


def test_the_page_has_these_listings_and_no_others() -> None:
    assert list(scripts()) == [
        "warp_while_loading.py",
        "warp_ones_own.py",
        "train_with_torchreid.py",
    ]
    programs = [line.split()[:2] for text in listings(PAGE, "bash") for line in text.splitlines()]
    assert programs == [["reidaug", "check"], ["reidaug", "augment"]]


def test_the_check_passes_and_the_quoted_finding_is_what_it_prints(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("check") == 0
    small = stick_market(tmp_path / "market")
    for split in (QUERY, "bounding_box_test"):
        for path in (small / split).iterdir():
            path.rename(path.with_name(path.name.replace("_c2", "_c1")))
    with pytest.raises(SystemExit):
        main(["check", str(small), "--workers", "1"])
    (quoted,) = listings(PAGE, "text")
    assert quoted in capsys.readouterr().out


def test_crops_are_warped_while_they_are_loaded(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.get_rng_state()
    try:
        names = ran(place, "warp_while_loading.py")
    finally:
        torch.set_rng_state(state)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 7
    assert printed[0].startswith("torch.Size([4, 3, 256, 128]) [")
    assert len(names["crops"]) == 27
    assert names["batch"].image.dtype == torch.float32


def test_a_crop_of_ones_own_dataset_is_warped(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ran(place, "warp_ones_own.py")
    assert capsys.readouterr().out == "torch.Size([3, 128, 64]) 7\n"
    assert not torch.equal(names["warped"], names["image"].as_subclass(torch.Tensor))


def test_torchreid_trains_on_the_warps_in_three_lines(place: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("torchreid", reason="needs the extra [torchreid]")
        assert command("augment") == 0
        manager = ran(place, "train_with_torchreid.py")["manager"]
        assert manager.num_train_pids == 9
        assert len(manager.train_loader.dataset) == 27 + 5 * 27
        batch = next(iter(manager.train_loader))
    assert batch["img"].shape == (4, 3, 256, 128)
    lines = scripts()["train_with_torchreid.py"].split("\n\n")[-1].strip().splitlines()
    calls = [line for line in lines if not line.startswith((" ", ")"))]
    assert len(calls) == 3
    assert sys.modules["torchreid"] is not None
