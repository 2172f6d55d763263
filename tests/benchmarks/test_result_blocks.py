"""Blocks of results in a page."""

import pytest
from readme import END, START, quoted, with_results


def test_each_block_gets_its_own_results_and_the_text_around_stays() -> None:
    page = f"one\n{START}\nold\n{END}\ntwo\n{START}\n{END}\nthree\n"
    filled = with_results(page, ("1", "2"))
    assert filled == f"one\n{START}\n1\n{END}\ntwo\n{START}\n2\n{END}\nthree\n"
    assert [block.strip() for block in quoted(filled)] == ["1", "2"]
    with pytest.raises(ValueError, match="zip"):
        with_results(page, ("1",))
