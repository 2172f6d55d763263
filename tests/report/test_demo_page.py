from dataclasses import replace

from page_reader import Reader, check_self_contained

from reidaug.report.demo_page import Demo, demo_page
from reidaug.report.html import mean_and_spread


def test_the_page_is_one_file_for_everybody(demo_html: str) -> None:
    reader = check_self_contained(demo_html)
    assert len(reader.images) > 20


def test_the_page_holds_the_numbers(demo: Demo, demo_html: str) -> None:
    text = Reader(demo_html).text
    for shown in ("2.70", "15.50", "0.771", "6 000", "resnet50", "4 min 30 s", "55 %"):
        assert shown in text
    for arm in demo.worlds[0].reid.arms.values():
        assert mean_and_spread(arm["mAP"]) in text
    assert demo.hardware in text
    assert text.count("6 000 extra crops") == len(demo.worlds[0].reid.extra_crops)
    assert "The scores are of people held out" in text
    assert "the person whose pose it takes" in text


def test_the_page_says_what_photographs_say_before_anything_else(demo_html: str) -> None:
    text = Reader(demo_html).text
    said = text.index("On photographs of")
    assert said < text.index("Everybody here is rendered")
    assert "over people" in text[said : said + 400]


def test_the_same_run_gives_the_same_page(demo: Demo, demo_html: str) -> None:
    assert demo_page(demo) == demo_html


def test_a_second_world_gets_its_own_table(demo: Demo) -> None:
    other = demo.worlds[0]._replace(name="many-poses")
    text = Reader(demo_page(demo._replace(worlds=[*demo.worlds, other]))).text
    assert "World few-poses" in text
    assert "World many-poses" in text


def test_a_run_without_ceiling_and_curves_still_has_a_page(demo: Demo) -> None:
    world = demo.worlds[0]
    arms = {name: arm for name, arm in world.reid.arms.items() if name != "true_views_grey"}
    reid = replace(world.reid, arms=arms, ceiling=None)
    bare = demo._replace(worlds=[world._replace(reid=reid)], flow_records=[])
    assert "recover" not in Reader(demo_page(bare)).text


def test_names_from_outside_are_escaped(demo: Demo) -> None:
    page = demo_page(demo._replace(hardware="<script>alert(1)</script>"))
    assert "<script>" not in page
