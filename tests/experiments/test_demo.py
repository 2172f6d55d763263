import shlex
from pathlib import Path

import click

from reidaug.cli import group
from reidaug.experiments.demo import WORLDS, DemoSizes, Stage, demo_stages, folded, world_stages


def stages(tmp_path: Path) -> list[Stage]:
    return list(demo_stages(tmp_path, seed=0, worlds=WORLDS, sizes=DemoSizes()))


def test_every_stage_is_a_command_with_its_options(tmp_path: Path) -> None:
    for stage in stages(tmp_path):
        name, *arguments = shlex.split(stage.command)
        assert name == "reidaug"
        context = click.Context(group)
        command: click.Command = group
        while isinstance(command, click.Group):
            found = command.get_command(context, arguments.pop(0))
            assert found is not None
            command = found
        options = command.make_context(command.name, arguments).params
        assert options["out"] == stage.folder


def test_stages_have_names_and_folders_of_their_own(tmp_path: Path) -> None:
    titles = [stage.title for stage in stages(tmp_path)]
    folders = [stage.folder for stage in stages(tmp_path)]
    assert len(set(titles)) == len(set(folders)) == len(titles)
    assert len(titles) == 2 + 6 * len(WORLDS)


def test_a_world_of_another_seed_has_other_people_and_the_same_steps(tmp_path: Path) -> None:
    def commands(people_seed: int) -> list[str]:
        planned = world_stages(
            tmp_path,
            "joint-blend",
            world="few-poses",
            people_seed=people_seed,
            pose_seed=0,
            sizes=DemoSizes(),
        )
        return [stage.command for stage in planned]

    first, second = commands(1), commands(2)
    assert first[0].replace("--seed 1", "--seed 2") == second[0] != first[0]
    assert first[1:] == second[1:]


def test_a_folded_command_has_short_lines_and_is_the_same_to_a_shell(tmp_path: Path) -> None:
    for command in (*(stage.command for stage in stages(tmp_path)), "reidaug a 'b --c' --d 'e f'"):
        lines = folded(command, width=60).splitlines()
        assert all(line.endswith(" \\") for line in lines[:-1])
        assert shlex.split(folded(command, width=60).replace("\\\n", "")) == shlex.split(command)
    (line,) = folded("reidaug a --b 1").splitlines()
    assert line == "reidaug a --b 1"
    assert [len(x.split()) for x in folded("reidaug a --b 1 --c 2", width=16).splitlines()] == [
        5,
        2,
    ]
