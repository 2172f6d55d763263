from hypothesis import given
from hypothesis import strategies as st
from page_reader import Reader, check_self_contained

from reidaug.report.page import (
    RECIPE,
    Code,
    Heading,
    Page,
    Part,
    Section,
    Text,
    Times,
    grouped,
    numbers_table,
    render_page,
)


def section(name: str, *words: str) -> Section:
    return Section(name, name, [Text(words)])


def test_sections_of_one_name_come_together_and_recipes_last() -> None:
    parts = [Part("a", [section("x"), section(RECIPE)]), Part("b", [section("x"), section("y")])]
    groups = grouped(parts)
    assert [group.id for group in groups] == ["x", "y", RECIPE]
    assert [[name for name, _ in group.parts] for group in groups] == [["a", "b"], ["b"], ["a"]]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip))
def test_whatever_a_text_is_the_page_shows_it_as_text(words: str) -> None:
    blocks = [
        Text([words]),
        Heading(words),
        Code(words, words),
        numbers_table(words, {words: words}),
    ]
    page = Page(words, words, [words], [Part("", [Section("x", words, blocks)])], (), [words])
    reader = check_self_contained(render_page(page))
    assert reader.text.count(" ".join(words.split())) >= 5
    assert reader.headings == [1, 2, 3]


def test_bars_are_shares_of_the_longest_stage() -> None:
    times = Times([("a", 5.0), ("b", 10.0)])
    assert [share for *_, share in times.bars] == [50.0, 100.0]
    page = render_page(Page("e", "t", (), [Part("", [Section("x", "x", [times])])]))
    assert "15 s" in Reader(page).text
    assert Times([]).bars == []
