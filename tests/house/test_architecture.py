"""docs/architecture.md is the picture of the code."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def test_the_picture_is_the_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract, *_) = project["tool"]["importlinter"]["contracts"]
    picture = re.search(r"```\n(.*?)```", PAGE, re.DOTALL)
    assert picture is not None
    drawn = [re.split(r" {2,}", line)[0] for line in picture[1].splitlines()]
    layers = [layer.replace("reidaug.", "").replace(" : ", ", ") for layer in contract["layers"]]
    assert drawn == layers


def test_every_file_has_a_line_in_its_room() -> None:
    listed = []
    room = folder = ""
    for line in PAGE.splitlines():
        if heading := re.fullmatch(r"### (.*)", line):
            room = folder = "" if heading[1] == "Single files" else f"{heading[1]}/"
        elif line.startswith("## "):
            room = ""
        elif inner := re.match(r"`([\w/]+/)`: ", line):
            folder = inner[1]
        elif room + folder and (file := re.match(r"- `(\w+\.py)`: \S", line)):
            listed.append(folder + file[1])
        elif file := re.match(r"- `(\w+\.py)`: \S", line):
            listed.append(file[1])
    names = (str(path.relative_to(ROOT / "reidaug")) for path in (ROOT / "reidaug").rglob("*.py"))
    assert sorted(listed) == sorted(name for name in names if "__" not in name)


def test_types_are_where_the_page_says() -> None:
    for names, file in re.findall(r"^\| (`[A-Z].*?) \| `(\w+/\w+\.py)` \|", PAGE, re.MULTILINE):
        text = (ROOT / "reidaug" / file).read_text()
        for name in re.findall(r"`(\w+)`", names):
            assert f"class {name}" in text
