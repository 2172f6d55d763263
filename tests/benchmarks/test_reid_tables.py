"""Sentences on differences, of new result files and of older ones."""

from flow_tables import drawn
from reid_tables import interval


def test_a_result_that_does_not_say_what_its_intervals_draw_is_older() -> None:
    found = {"ci": [1.0, 5.0]}
    assert interval(found | {"interval_over": "people"}) == "+1.0 to +5.0 over people"
    assert interval(found) == "+1.0 to +5.0 over queries"
    assert drawn({"interval_over": "people"}) == "95 % intervals over people"
    assert drawn({}) == "95 % intervals over pairs"
