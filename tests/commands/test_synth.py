import json

import pytest
from click.testing import CliRunner
from rendered import contents

from reidaug.commands.synth import command


def run(arguments):
    return CliRunner().invoke(command, arguments.split())


@pytest.mark.parametrize("wrong", ["--seed -1", "--workers 0", "--workers -3"])
def test_wrong_options_are_refused(tmp_path, wrong):
    out = tmp_path / "out"
    result = run(f"pairs --out {out} --people 1 {wrong}")
    assert result.exit_code == 2 and "is not in the range" in result.output
    assert not out.exists()


def test_unknown_worlds_and_sizes_are_refused(tmp_path):
    for wrong, word in (("--world moon", "moon"), ("--size 8x8", "8x8")):
        result = run(f"market --out {tmp_path / 'out'} --people 1 {wrong}")
        assert result.exit_code == 1 and word in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_the_command_line_renders_pairs(tmp_path):
    out = tmp_path / "white"
    result = run(f"pairs --out {out} --people 1 --test-people 0 --views 2 --size 64x32 --workers 1")
    assert result.exit_code == 0 and "2 crops, 2 training pairs" in result.output
    assert len(list((out / "train").glob("*.jpg"))) == 2


def test_the_command_line_renders_a_dataset_and_its_true_views(rendered_market, tmp_path):
    out = tmp_path / "market"
    result = run(
        f"market --out {out} --people 2 --test-people 2 --test-crops 3 --distractors 1 --junk 1 "
        "--workers 1"
    )
    assert result.exit_code == 0 and "12 crops" in result.output
    assert contents(out) == contents(rendered_market)
    name = min(path.name for path in (out / "bounding_box_train").iterdir())
    poses = tmp_path / "poses.json"
    poses.write_text(json.dumps({"poses": [{"image": name}]}))
    result = run(f"views {out} --poses {poses} --out {tmp_path / 'views'} --workers 1")
    assert result.exit_code == 0 and "4 images" in result.output
