"""Sentences on differences, of new result files and of older ones."""

from flow_tables import drawn
from reid_tables import interval, starts


def test_a_result_that_does_not_say_what_its_intervals_draw_is_older() -> None:
    found = {"ci": [1.0, 5.0]}
    assert interval(found | {"interval_over": "people"}) == "+1.0 to +5.0 over people"
    assert interval(found) == "+1.0 to +5.0 over queries"
    assert drawn({"interval_over": "people"}) == "95 % intervals over people"
    assert drawn({}) == "95 % intervals over pairs"


def test_seeds_with_one_start_are_told_from_seeds_with_their_own() -> None:
    assert starts({"start": {"mAP": [20.0]}}) == "one start"
    assert starts({"start": {"mAP": [20.0, 21.0]}}) == "a start of each seed's own"
