from dataclasses import replace
from html.parser import HTMLParser

from reidaug.report.demo_page import Demo, demo_page
from reidaug.report.html import mean_and_spread

VOID = {"meta", "img", "source", "br", "input"}


class Reader(HTMLParser):
    """Takes a page apart: its images, headings, links, words, and what it would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.fetched: list[str] = []
        self.headings: list[int] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(values)
        self.fetched += [v for k, v in attrs if k in ("src", "srcset") and v is not None]
        if tag in ("link", "script", "iframe", "object"):
            self.fetched.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.headings.append(int(tag[1]))
        if values.get("id"):
            self.ids.add(str(values["id"]))
        if tag == "a":
            self.links.append(str(values["href"]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_page_fetches_nothing(demo: Demo) -> None:
    page = demo_page(demo)
    reader = Reader(page)
    assert reader.fetched
    assert all(source.startswith("data:image/") for source in reader.fetched)
    for foreign in ("http:", "https:", "url(", "@import"):
        assert foreign not in page


def test_every_image_says_what_it_shows_and_how_large_it_is(demo: Demo) -> None:
    images = Reader(demo_page(demo)).images
    assert len(images) > 20
    for image in images:
        assert len(image["alt"] or "") > 5
        assert int(image["width"] or 0) > 0
        assert int(image["height"] or 0) > 0


def test_headings_are_in_order_and_links_lead_somewhere(demo: Demo) -> None:
    reader = Reader(demo_page(demo))
    assert reader.headings.count(1) == 1
    steps = zip(reader.headings, reader.headings[1:], strict=False)
    assert all(later - earlier <= 1 for earlier, later in steps)
    assert reader.links
    assert all(link[0] == "#" and link[1:] in reader.ids for link in reader.links)
    assert reader.open == []


def test_the_page_holds_the_numbers(demo: Demo) -> None:
    text = Reader(demo_page(demo)).text
    for shown in ("2.70", "15.50", "0.771", "6 000", "resnet50", "4 min 30 s", "55 %"):
        assert shown in text
    for arm in demo.worlds[0].reid.arms.values():
        assert mean_and_spread(arm["mAP"]) in text
    assert demo.hardware in text


def test_the_page_says_what_photographs_say_before_anything_else(demo: Demo) -> None:
    text = Reader(demo_page(demo)).text
    said = text.index("On photographs of")
    assert said < text.index("Everybody here is rendered")
    assert "over people" in text[said : said + 400]


def test_the_same_run_gives_the_same_page(demo: Demo) -> None:
    assert demo_page(demo) == demo_page(demo)


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
