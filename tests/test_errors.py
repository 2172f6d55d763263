import pytest

from reidaug.errors import (
    ReidaugError,
    UsageError,
    printable,
    printable_lines,
    require_extra,
    unknown,
)


def test_a_missing_extra_is_told_with_the_command_that_brings_it() -> None:
    require_extra("synth", "json", "csv")
    with pytest.raises(UsageError, match=r"no_such_part is not installed: .*'reidaug\[synth\]'"):
        require_extra("synth", "json", "no_such_part")


def test_what_a_worker_hands_on_is_still_one_line() -> None:
    text = (
        "Caught ReidaugError in DataLoader worker process 0.\nOriginal Traceback (most recent "
        "call last):\n  File ...\nreidaug.errors.ReidaugError: a.jpg: no such image\n"
    )
    assert str(ReidaugError(text)) == "a.jpg: no such image"


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    known = ["real_only", "warps_grey"]
    told = "no arm warp_grey (arms: real_only, warps_grey); did you mean 'warps_grey'?"
    assert unknown("arm warp_grey", "warp_grey", known, kind="arms") == told
    assert unknown("arm x", "x", [], kind="arms") == "no arm x (arms: none)"


def test_names_are_written_without_control_characters() -> None:
    name = "a\nb\r\x1b]0;title\x07\x7f\x85\u2028\udcffé"
    assert printable(name) == r"a\nb\r\x1b]0;title\x07\x7f\x85\u2028\udcffé"
    assert printable_lines("one\ntwo \x1b[31m") == "one\ntwo \\x1b[31m"
    assert printable(printable(name)).splitlines() == [printable(name)]
