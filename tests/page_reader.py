"""A page taken apart: its images, headings, links, words, and what it would fetch."""

from html.parser import HTMLParser

VOID = {"meta", "img", "source", "br", "input"}
FOREIGN = ("http:", "https:", "url(", "@import")


class Reader(HTMLParser):
    """Takes a page apart; every element must be closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.charts: list[dict[str, str | None]] = []
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
        if tag == "svg":
            self.charts.append(values)
        self.fetched += [v for k, v in attrs if k in ("src", "srcset") and v is not None]
        if tag in ("link", "script", "iframe", "object"):
            self.fetched.append(tag)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))
        if values.get("id"):
            assert str(values["id"]) not in self.ids
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


def check_self_contained(page: str) -> Reader:
    """Whatever a page is of: it fetches nothing, images have words, headings are in order."""
    reader = Reader(page)
    assert all(source.startswith("data:image/") for source in reader.fetched)
    assert not [foreign for foreign in FOREIGN if foreign in page]
    for image in reader.images:
        assert len(image["alt"] or "") > 5
        assert int(image["width"] or 0) > 0
        assert int(image["height"] or 0) > 0
    assert reader.headings[0] == 1
    assert reader.headings.count(1) == 1
    for chart in reader.charts:
        assert chart["role"] == "img" and len(chart["aria-label"] or "") > 5
    steps = zip(reader.headings, reader.headings[1:], strict=False)
    assert all(later - earlier <= 1 for earlier, later in steps)
    assert reader.links
    assert all(link[0] == "#" and link[1:] in reader.ids for link in reader.links)
    assert reader.open == []
    return reader
