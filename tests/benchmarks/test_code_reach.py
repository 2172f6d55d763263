"""What a script reaches."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import dedent
from types import FrameType
from typing import Any

import pytest
import torch
from code_reach import reached
from measured_code import HIDDEN, RUN, WorkingTree, _finder

from reidaug.flow.builtin import load_flow
from reidaug.flow.estimator import PersonFlowEstimator
from reidaug.geometry.pose import Pose

MODULES = {
    "script": """
        import reidaug.one as one
        from reidaug import two
        from reidaug.package import lazy

        def main():
            from reidaug.three import inner
            one.used(); two.value; lazy(); inner()
            build("reidaug.four:Named")

        main()
        """,
    "reidaug": "",
    "reidaug.one": "def used():\n    return _below\n_below = 1\ndef unused(): pass\nstart()\n",
    "reidaug.two": "value = 1\nother = 2\n",
    "reidaug.package": "_MODULES = {'lazy': 'found'}\n",
    "reidaug.package.found": "class lazy(Base):\n    def method(self): pass\nclass Base: pass\n",
    "reidaug.three": "from reidaug.two import other as inner\n",
    "reidaug.four": "class Named: pass\n",
    "reidaug.five": "never = 1\n",
}


def followed(modules: dict[str, str]) -> dict[tuple[str, str], str]:
    sources = {name: dedent(text).encode() for name, text in modules.items()}
    return reached([("script", "")], sources.get, hidden={})


def test_what_is_named_is_reached_in_whichever_module_it_stands() -> None:
    assert set(followed(MODULES)) == {
        ("script", ""), ("script", "main"), ("reidaug.one", "used"), ("reidaug.one", "_below"),
        ("reidaug.one", ""), ("reidaug.two", "value"), ("reidaug.two", "other"),
        ("reidaug.package.found", "lazy"), ("reidaug.package.found", "Base"),
        ("reidaug.four", "Named"),
    }  # fmt: skip


def said(body: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return followed({"script": f"def f(a):\n{lines}f(1)\n"})["script", "f"]


@pytest.mark.parametrize(
    "body",
    [
        "'Do.'\nreturn a",
        "return (\n  a  # why\n)",
        "from reidaug.other import b\nreturn a",
        "if a < 0:\n    raise ValueError('negative')\nreturn a",
        "check_range(a)\nself._check(a)\nreturn a",
        "try:\n    return a\nexcept ValueError as error:\n    raise KeyError('no') from error",
        "assert a\nreturn a",
    ],
)
def test_words_layout_and_refusals_do_not_count(body: str) -> None:
    assert said(body) == said("return a")


@pytest.mark.parametrize(
    "body",
    [
        "return b",
        "return -a",
        "return a, a",
        "a = '#'\nreturn a",
        "if a < 0:\n    return a\nreturn a",
        "if a < 0:\n    raise ValueError\nelse:\n    a = 1\nreturn a",
        "a = check(a)\nreturn a",
        "try:\n    return a\nexcept ValueError:\n    return 0",
    ],
)
def test_what_changes_a_number_counts(body: str) -> None:
    assert said(body) != said("return a")


def test_annotations_of_functions_do_not_count_and_those_of_fields_do() -> None:
    def digest(text: str) -> str:
        return followed({"script": f"{text}\nf\n"})["script", "f"]

    assert digest("def f(a: int) -> int: pass") == digest("def f(a): pass")
    assert digest("class f:\n    a: int = 1") != digest("class f:\n    a: float = 1")


@contextmanager
def called() -> Iterator[set[tuple[str, str]]]:
    """Collect module and top name of the functions of the package that run."""
    found = set[tuple[str, str]]()

    def note(frame: FrameType, event: str, _: Any) -> None:
        module = str(frame.f_globals.get("__name__", ""))
        if event == "call" and module.startswith("reidaug."):
            above: FrameType | None = frame
            while above and not above.f_code.co_name.startswith("check_"):
                above = above.f_back
            if above is None:  # what only refuses does not count
                found.add((module, frame.f_code.co_qualname.split(".")[0]))

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("flow", ["torso-affine", "market", "surface"])
def test_nothing_runs_that_is_not_reached(flow: str) -> None:
    height, across = torch.linspace(10, 110, 18), 32 + 8 * torch.cos(torch.arange(18.0))
    pose = Pose(torch.stack((across, height), -1)[None], torch.ones(1, 18, dtype=torch.bool))
    image = torch.rand(1, 3, 128, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode(), called() as ran:
        estimator = load_flow(flow)
        if isinstance(estimator, PersonFlowEstimator):
            mask = torch.ones(1, 128, 64, dtype=torch.bool)
            estimator.own_flows(image, mask, pose, pose)
        else:
            estimator(image, pose, pose)
    assert len(ran) > 5
    tree = WorkingTree()
    starts = [("photographs", ""), *RUN["photographs"]]
    reach = reached(starts, _finder(tree), hidden=HIDDEN)
    missed = {(module, name) for module, name in ran if name[0] != "<"} - set(reach)
    refuse = {("reidaug.flow.builtin", "_check"), ("reidaug.flow.checkpoint", "_flaw")}
    refuse |= {
        ("reidaug.yaml_values", name) for name in ("_count", "_check_keys", "_check_meaning")
    }
    assert missed <= refuse
