"""Requests to the playground, as its page and as strangers send them."""

import asyncio
import base64
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from reidaug.app.play.pages import MOST_BODY, MOST_TEXT, play_application
from reidaug.app.play.playground import CROPS_KEPT, Playground
from reidaug.app.play.rendered_people import rendered_people
from reidaug.app.play.reproduction import WARP
from reidaug.data.images import encode_jpeg

ACCEPT = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    playground = Playground(["torso-affine", "market"])
    crops = [
        playground.add(person.image, person.name, pose=person.pose, mask=person.mask)
        for person in rendered_people()[:2]
    ]
    app = play_application(playground, crops)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as found:
        found.headers.update(ACCEPT)
        yield found


@pytest.fixture(scope="module")
def start(client: TestClient) -> dict[str, Any]:
    answer = client.get("/start")
    assert answer.status_code == 200
    return dict(answer.json())


def question(start: dict[str, Any], **change: Any) -> dict[str, Any]:
    crop = start["crops"][0]
    pose = {key: crop[key] for key in ("xy", "visible")}
    asked = {
        "session": "test", "crop": crop["token"], "source": pose, "target": pose, "outline": None,
        "flow": "torso-affine", "background": "grey", "turns": "auto",
    }  # fmt: skip
    return {**asked, **change}


def jpeg(height: int = 90, width: int = 40) -> bytes:
    rng = np.random.default_rng(0)
    stream = io.BytesIO()
    pixels = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def test_the_page_and_its_files_are_served(client: TestClient, start: dict[str, Any]) -> None:
    page = client.get("/")
    assert "Draw a pose" in page.text
    for name in ("play.js", "pose_editor.js", "cards.js", "requests.js", "play.css"):
        answer = client.get(f"/assets/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(("text/javascript", "text/css"))
    assert len(start["joints"]) == len(start["twins"]) == 18
    assert len(start["poses"]["all"]) == 50
    assert [flow["label"] for flow in start["flows"]] == ["torso-affine", "market"]


def test_a_warp_comes_with_pictures_numbers_and_lines(
    client: TestClient, start: dict[str, Any]
) -> None:
    outline = {"of": start["crops"][0]["token"], "mirrored": True}
    asked = question(start, outline=outline)
    found = client.post("/warps", json=asked).json()
    assert 0.3 < found["quality"] <= 1
    assert found["half_turn"] is False
    assert sum(share["share"] for share in found["shares"]) == pytest.approx(1, abs=0.01)
    for name in ("warp", "flow", "places", "outline"):
        content = base64.b64decode(found[name].removeprefix("data:image/png;base64,"))
        assert Image.open(io.BytesIO(content)).size == (128, 256)
    archive = client.post("/archives", json=asked)
    assert archive.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(archive.content)) as file:
        same = base64.b64encode(file.read(WARP)).decode()
    assert found["warp"].endswith(same)


def test_a_crop_is_loaded_and_warped(client: TestClient, start: dict[str, Any]) -> None:
    name = {"name": "C:\\new photos/two\nlines.jpg"}
    answer = client.post("/crops", params=name, content=jpeg())
    assert answer.status_code == 201
    crop = answer.json()
    assert (crop["name"], crop["size"], crop["found"]) == (r"two\nlines.jpg", [90, 40], False)
    assert crop["said"] == "with a standing pose in the whole crop"
    pose = {key: crop[key] for key in ("xy", "visible")}
    asked = question(start, crop=crop["token"], source=pose, target=pose)
    assert client.post("/warps", json=asked).status_code == 200


@pytest.mark.parametrize(
    ("content", "status", "line"),
    [
        (b"", 422, "bad.jpg: not a readable image (empty file)"),
        (b"%!PS-Adobe", 422, "bad.jpg: not a readable image (unknown format; JPEG, PNG"),
        (jpeg()[:400], 422, "bad.jpg: not a readable image"),
        (jpeg(4, 100), 422, "bad.jpg: 100 x 4 pixels are too few, or too narrow"),
        (b"x" * (MOST_BODY + 1), 413, "a request has at most"),
    ],
    ids=["empty", "postscript", "cut off", "tiny", "huge"],
)
def test_bad_images_are_refused_in_a_line(
    client: TestClient, content: bytes, status: int, line: str
) -> None:
    answer = client.post("/crops?name=bad.jpg", content=content)
    assert answer.status_code == status
    assert line in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def moved(start: dict[str, Any], joint: int, xy: Any) -> dict[str, Any]:
    pose = json.loads(json.dumps(question(start)["target"]))
    pose["xy"][joint] = xy
    return dict(pose)


@pytest.mark.parametrize(
    ("change", "status", "line"),
    [
        (lambda s: {"crop": "unknown"}, 404, "no longer has this crop"),
        (lambda s: {"outline": {"of": "shipped_050"}}, 404, "no longer has this crop or pose"),
        (lambda s: {"flow": "../../etc"}, 422, "flow: '../../etc' is none of torso-affine"),
        (lambda s: {"turns": "drop"}, 422, "turns: 'drop' is none of"),
        (lambda s: {"background": "sea"}, 400, "background: Input should be 'grey'"),
        (lambda s: {"session": "a b"}, 400, "session: "),
        (lambda s: {"extra": 1}, 400, "extra: Extra inputs are not permitted"),
        (lambda s: {"target": moved(s, 0, [400, 3])}, 422, "nose at (400, 3) is far"),
        (lambda s: {"target": moved(s, 0, [1e9, 3])}, 400, "target.xy.0"),
        (lambda s: {"target": moved(s, 0, ["1", 3])}, 400, "target.xy.0"),
        (lambda s: {"target": moved(s, 0, [1])}, 400, "target.xy.0"),
        (lambda s: {"source": {"xy": [], "visible": []}}, 400, "source.xy"),
    ],
)
def test_bad_questions_are_refused_in_a_line(
    client: TestClient, start: dict[str, Any], change: Any, status: int, line: str
) -> None:
    for path in ("/warps", "/archives"):
        answer = client.post(path, json=question(start, **change(start)))
        assert answer.status_code == status
        assert line in answer.json()["error"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"session": NaN}', 400),
        (b"\xff\xfe", 400),
        (b"[" * 20_000, 400),
        (b" " * (MOST_TEXT + 1), 413),
    ],
)
def test_what_is_no_question_is_refused(client: TestClient, content: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    assert client.post("/warps", content=content, headers=headers).status_code == status
    assert client.post("/warps", content=content).status_code in (413, 415)


def test_a_coordinate_that_is_no_number_is_refused(
    client: TestClient, start: dict[str, Any]
) -> None:
    text = json.dumps(question(start, target=moved(start, 0, [float("nan"), 3])))
    headers = {"Content-Type": "application/json"}
    answer = client.post("/warps", content=text, headers=headers)
    assert answer.status_code == 400
    assert "target.xy.0" in answer.json()["error"]


def test_crops_are_forgotten_and_those_at_hand_come_back(
    client: TestClient, start: dict[str, Any]
) -> None:
    for _ in range(CROPS_KEPT):
        assert client.post("/crops", content=jpeg()).status_code == 201
    assert client.post("/warps", json=question(start)).status_code == 404
    assert client.get("/start").json()["crops"] == start["crops"]
    assert client.post("/warps", json=question(start)).status_code == 200


def test_of_many_drags_the_last_is_answered_and_none_fails() -> None:
    """Straight at the application: the client of the tests asks one thing after another."""
    playground = Playground(["torso-affine"])
    person = rendered_people()[0]
    crop = playground.add(person.image, person.name, pose=person.pose, mask=person.mask)
    app = play_application(playground, [crop])

    async def ask(body: bytes) -> int:
        status = list[int]()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])

        scope = {
            "type": "http", "method": "POST", "path": "/warps", "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        }  # fmt: skip
        await app(scope, receive, send)
        return status[0]

    pose = {"xy": crop.pose.xy.tolist(), "visible": crop.pose.visible.tolist()}
    start = {"crops": [{"token": crop.token, **pose}]}
    bodies = [json.dumps(question(start)).encode()] * 30
    other = json.dumps(question(start, session="other")).encode()

    async def ask_all() -> list[int]:
        return await asyncio.gather(*(ask(body) for body in (*bodies, other)))

    *drags, last = asyncio.run(ask_all())
    assert drags[-1] == last == 200
    assert {*drags} == {200, 409}


def test_the_bytes_of_a_crop_are_not_changed(client: TestClient) -> None:
    person = rendered_people()[0]
    crop = client.post("/crops?name=x.jpg", content=encode_jpeg(person.image)).json()
    content = base64.b64decode(crop["image"].split(",")[1])
    sent = np.asarray(Image.open(io.BytesIO(encode_jpeg(person.image))))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), sent)
