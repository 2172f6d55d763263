"""Pages and requests of a study: blind, in order, and unmoved by hostile requests."""

import http.client
import json
import re
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_study import METHODS, StudyServer, study_server, write_study
from starlette.testclient import TestClient

from reidaug.app.study.answers import Answer, Participant
from reidaug.app.study.folder import Study
from reidaug.app.study.pages import study_application

JSON = {"content-type": "application/json", "accept": "application/json"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return write_study(tmp_path_factory.mktemp("study"), participants=8, title="<b>&Which?")


@pytest.fixture(scope="module")
def client(study: Study) -> Iterator[TestClient]:
    app = study_application(study)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as found:
        yield found


def participant(study: Study, number: int) -> Participant:
    with study.answers() as kept:
        return kept.participants()[number - 1]


def all_answers(study: Study) -> list[Answer]:
    with study.answers() as kept:
        return list(kept)


def test_a_participant_is_led_through_practice_and_rounds(client: TestClient, study: Study) -> None:
    one = participant(study, 1)
    url = f"/study/{one.token}"
    state = client.get(f"{url}/state").json()
    asked = []
    while not state["finished"]:
        asked.append((state["round"], state["question"], state["step"] < state["practice_steps"]))
        side = "left" if state["step"] % 3 else "right"
        answer = client.post(f"{url}/answer", json={"step": state["step"], "side": side})
        assert answer.status_code == 200
        state = answer.json()
    assert asked == [(k, q, k == 0) for k in range(4) for q in range(2)]
    assert state == client.get(f"{url}/state").json()
    assert participant(study, 1).finished
    mine = [a.side for a in all_answers(study) if a.participant == 1]
    assert mine == ["left" if step % 3 else "right" for step in range(8)]


def test_nothing_that_a_participant_gets_tells_a_method(client: TestClient, study: Study) -> None:
    one = participant(study, 2)
    url = f"/study/{one.token}"
    seen = ""
    for path in ("", "/state", "/0/left", "/1/right", "/0/source", "/0/target"):
        answer = client.get(url + path)
        assert answer.status_code == 200
        seen += str(dict(answer.headers)) + answer.content.decode("latin-1")
    for path in ("/assets/study.js", "/assets/study.css", "/"):
        seen += client.get(path).text
    assert not any(method in seen for method in METHODS)
    shown = study.plan(1)[0]
    left = client.get(f"{url}/0/left").content
    assert left == study.image(shown.sample, shown.left).read_bytes()
    assert client.get(f"{url}/0/source").content == study.image(shown.sample, "source").read_bytes()


def test_the_page_escapes_the_title(client: TestClient, study: Study) -> None:
    page = client.get(f"/study/{participant(study, 2).token}").text
    assert "&lt;b&gt;&amp;Which?" in page
    assert "<b>&Which" not in page
    assert "Ask the lab next door." in page
    inline = r"<style|<script(?! src=\"/assets/)| on\w+=|style="
    assert not re.search(inline, page)  # which the security policy forbids


@pytest.mark.parametrize(
    "path",
    [
        "2/left",
        "999999/left",
        "9999999/left",
        "9" * 5000 + "/left",
        "-1/left",
        "\u0661/left",
        "0/unwarpme",
        "0/result_unwarpme",
        "0/..%2f..%2freport.json",
        "../report.json",
        "0/left/more",
    ],
)
def test_no_other_image_is_shown(client: TestClient, study: Study, path: str) -> None:
    assert client.get(f"/study/{participant(study, 3).token}/{path}").status_code == 404


@pytest.mark.parametrize("token", ["x", "x" * 43, "'; DROP TABLE answers", "%00", "%ff"])
def test_without_a_token_there_is_nothing(client: TestClient, token: str) -> None:
    for path in ("", "/state", "/0/left"):
        assert client.get(f"/study/{token}{path}").status_code == 404
    answer = client.post(f"/study/{token}/answer", json={"step": 0, "side": "left"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"step": 1, "side": "left"}, 409),
        ({"step": 7, "side": "left"}, 409),
        ({"step": 999_999, "side": "left"}, 409),
        ({"step": 10**30, "side": "left"}, 400),
        ({"step": -1, "side": "left"}, 400),
        ({"step": "0", "side": "left"}, 400),
        ({"step": 0.0, "side": "left"}, 400),
        ({"step": True, "side": "left"}, 400),
        ({"step": 0, "side": "middle"}, 400),
        ({"step": 0, "side": None}, 400),
        ({"step": 0}, 400),
        ({"step": 0, "side": "left", "participant": 1}, 400),
        ([0, "left"], 400),
        ({"step": 0, "side": "left" * 1000}, 413),
    ],
)
def test_an_answer_out_of_order_or_malformed_changes_nothing(
    client: TestClient, study: Study, given: Any, status: int
) -> None:
    before = all_answers(study)
    url = f"/study/{participant(study, 4).token}/answer"
    assert client.post(url, content=json.dumps(given), headers=JSON).status_code == status
    assert all_answers(study) == before


def test_an_answer_sent_again_counts_once_and_an_older_one_is_refused(
    client: TestClient, study: Study
) -> None:
    url = f"/study/{participant(study, 5).token}/answer"
    sent = [{"step": 0, "side": "left"}, {"step": 1, "side": "right"}]
    first, second, again = (client.post(url, json=s) for s in (*sent, sent[1]))
    assert [a.status_code for a in (first, second, again)] == [200, 200, 200]
    assert second.json() == again.json()
    for replayed in (sent[0], {"step": 1, "side": "left"}):
        assert client.post(url, json=replayed).status_code == 409
    assert [a.side for a in all_answers(study) if a.participant == 5] == ["left", "right"]


METHODS_OF_HTTP = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text("aé\ud800\x00'\"", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("step"), inner),
    max_leaves=4,
)
BODIES = (
    st.binary(max_size=60)
    | st.builds(json.dumps, VALUES).map(str.encode)
    | st.builds(
        lambda step, side: json.dumps({"step": step, "side": side}).encode(), VALUES, VALUES
    )
)
PLACES = st.sampled_from(
    ["", "/state", "/answer", "/0/left", "/00/left", "/1e3/left", "/0/source/"]
)
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "content-length", "origin", "accept", "range", "cookie"]),
    st.sampled_from(["application/json", "text/html", "null", "-1", "5", "bytes=9-1", "a=b;;"]),
    max_size=3,
)


@settings(max_examples=100)
@given(METHODS_OF_HTTP, PLACES, BODIES, HEADERS)
def test_hostile_requests_get_no_5xx_and_change_nothing(
    client: TestClient, study: Study, method: str, place: str, body: bytes, headers: dict[str, str]
) -> None:
    one = participant(study, 6)
    answer = client.request(method, f"/study/{one.token}{place}", content=body, headers=headers)
    assert answer.status_code < 500
    assert "nosniff" in answer.headers["x-content-type-options"]
    if method != "POST" or answer.status_code != 200:
        assert participant(study, 6) == one


def test_an_image_that_is_gone_is_503_and_no_traceback(tmp_path: Path) -> None:
    own = write_study(tmp_path / "study")
    with TestClient(study_application(own), base_url="http://127.0.0.1") as client:
        one = participant(own, 0)
        shutil.rmtree(own.path / "images")
        got = client.get(f"/study/{one.token}/0/left", headers=JSON)
    assert got.status_code == 503
    assert "cannot be read now" in got.json()["error"]


def test_a_database_that_fails_is_503_and_no_traceback(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    one = participant(study, 1)
    with TestClient(study_application(study), base_url="http://127.0.0.1") as client:
        with study.answers() as kept:
            kept._rows.execute("DROP TABLE answers")
        answer = client.get(f"/study/{one.token}/state", headers=JSON)
    assert answer.status_code == 503
    assert "answers" not in answer.text


def _take_part(server: StudyServer, token: str, acknowledged: list[tuple[int, str]]) -> None:
    """Answer every question, and note each one that was acknowledged; try again for ever."""
    url = f"{server.address}/study/{token}"
    state: dict[str, Any] = {"step": 0, "finished": False}
    while not state["finished"]:
        side = ("left", "right")[hash((token, state["step"])) % 2]
        body = json.dumps({"step": state["step"], "side": side}).encode()
        request = urllib.request.Request(f"{url}/answer", body, JSON)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                after = json.load(answer)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException, ValueError):  # none, or half an answer
            time.sleep(0.02)
            continue
        acknowledged.append((state["step"], side))
        state = after


def test_twenty_at_once_lose_no_answer_though_the_server_is_killed(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", rounds=3, practice=1, participants=20)
    with study.answers() as kept:
        people = kept.participants()
    notes: dict[str, list[tuple[int, str]]] = {one.token: [] for one in people}
    with study_server(study.path) as server:
        threads = [
            threading.Thread(target=_take_part, args=(server, *note), daemon=True)
            for note in notes.items()
        ]
        for thread in threads:
            thread.start()
        half = sum(one.steps for one in people) // 3
        while sum(map(len, notes.values())) < half:
            time.sleep(0.002)
        server.kill()
        acknowledged = {token: list(note) for token, note in notes.items()}
        kept_now = all_answers(study)
        for one in people:
            mine = [answer.side for answer in kept_now if answer.participant == one.number]
            noted = [side for _, side in acknowledged[one.token]]
            # At most the one that was kept and could not be acknowledged any more.
            assert mine[: len(noted)] == noted
            assert len(mine) <= len(noted) + 1
        assert 0 < sum(map(len, acknowledged.values())) < sum(one.steps for one in people)
        server.start()
        for thread in threads:
            thread.join(timeout=60)
    answers = all_answers(study)
    for one in people:
        mine = [answer.side for answer in answers if answer.participant == one.number]
        assert notes[one.token] == list(enumerate(mine))
        assert len(mine) == one.steps == 8
