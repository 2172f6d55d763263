"""What was meant where another place of a run is named for weights."""

from pathlib import Path

import pytest

from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.adaptation_config import AdaptationRecipe
from reidaug.experiments.adaptation_start import check_start
from reidaug.experiments.compare_config import Compare, plan_rows
from reidaug.flow.builtin import load_flow, named_flow
from reidaug.flow.checkpoint import save_checkpoint
from reidaug.flow.closed_form import JointBlend
from reidaug.reid.weight_files import read_networks
from reidaug.weight_places import instead_of_weights


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder of a flow training that is done."""
    recipe = {"estimator": {"class": "reidaug.flow.closed_form:JointBlend"}}
    save_checkpoint(tmp_path / "flow" / "checkpoint", JointBlend(), recipe)
    (tmp_path / "flow" / "recipe.yaml").write_text("command: train-flow\n")
    return tmp_path / "flow"


@pytest.mark.parametrize("inside", [".", "checkpoint", "checkpoint/model.safetensors"])
def test_a_run_or_a_file_in_a_checkpoint_is_that_checkpoint(run: Path, inside: str) -> None:
    flow = named_flow(str(run / inside))
    assert flow.name == str((run / "checkpoint").resolve())
    assert isinstance(flow.estimator(), JointBlend)
    assert {path.name for path in flow.files} == {"model.safetensors", "recipe.yaml"}
    rows = {"mine": {"checkpoint": str(run / inside)}}
    recipe = Compare.model_validate({"pairs": "pairs", "rows": rows})
    assert plan_rows(recipe, run / "out")["mine"].weights == run / "checkpoint"


def test_what_holds_several_or_no_checkpoints_is_told(run: Path, tmp_path: Path) -> None:
    def told(place: Path) -> str:
        with pytest.raises(ReidaugError) as error:
            load_flow(str(place))
        return str(error.value)

    assert told(tmp_path).endswith(f"; did you mean {run / 'checkpoint'}?")
    assert told(tmp_path / "flwo").endswith("; did you mean 'flow'?")
    assert "; did you mean 'market'?" in told(Path("markte"))
    (tmp_path / "w.pth").write_text("")
    assert "; it is a file, and a flow estimator is a folder with" in told(tmp_path / "w.pth")
    other = tmp_path / "other"
    other.mkdir()
    for command, line in (
        ("train-flow", "; its training has not finished: go on with --resume"),
        ("finetune-eval", "; it is a run of finetune-eval, and a flow estimator is made by"),
    ):
        (other / "recipe.yaml").write_text(f"command: {command}\n")
        assert line in told(other)


def test_a_place_that_holds_no_weights_of_a_re_id_model_is_told(run: Path, tmp_path: Path) -> None:
    def told(place: Path) -> str:
        with pytest.raises(ReidaugError, match="no such weight file") as error:
            read_networks(place)
        return str(error.value)

    assert "; it holds a flow estimator, not a re-ID model" in told(run)
    assert "; it is of a flow estimator" in instead_of_weights(
        run / "checkpoint" / "model.safetensors"
    )
    assert told(tmp_path / "empty") == f"{tmp_path / 'empty'}: no such weight file"
    reid = tmp_path / "reid"
    (reid / "models").mkdir(parents=True)
    assert told(reid).endswith("; it is a folder, and no weight file is in it")
    (reid / "recipe.yaml").write_text("command: finetune-eval\n")
    assert told(reid).endswith("the weights of arms with keep_checkpoints: true alone")
    for name in ("a-seed0", "b-seed0"):
        (reid / "models" / f"{name}.safetensors").touch()
    first = reid / "models" / "a-seed0.safetensors"
    assert told(reid).endswith(f"; did you mean {first}, or another of the 2 in it?")
    assert told(reid / "models" / "a-seed0").endswith("; did you mean 'a-seed0.safetensors'?")


def test_a_file_of_an_adaptation_names_its_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("protocol: uda\n")
    start = tmp_path / "checkpoints" / "dgnetpp-seed0.safetensors"
    values = {"protocol": "uda", "source": "a", "dataset": "b", "arms": {"real_only": None}}
    recipe = AdaptationRecipe.model_validate({**values, "start": str(start)})
    with pytest.raises(UsageError, match=f"; did you mean {tmp_path}, which it is in\\?"):
        check_start(recipe, 3)
