"""The server behind the pages in a browser."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from reidaug.app import server
from reidaug.errors import ReidaugError, UsageError

ROOT = Path(__file__).parents[2]


class Sum(BaseModel):
    model_config = ConfigDict(extra="forbid")
    left: int
    right: int


async def add(request: Request) -> Response:
    values = await server.read_json(request, Sum)
    return JSONResponse(values.left + values.right)


async def fail(request: Request) -> Response:
    raise RuntimeError("a secret of the machine")


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello", headers={"Cache-Control": "private"})


ROUTES = [Route("/add", add, methods=["POST"]), Route("/fail", fail), Route("/hello", hello)]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = server.application(ROUTES, names=["study.example"], most_body=1000)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as found:
        yield found


@pytest.mark.parametrize("path", ["/hello", "/fail", "/nothing", server.THEME])
def test_every_answer_is_secured(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "http" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "cache-control" in answer.headers


def test_a_route_keeps_its_own_headers(client: TestClient) -> None:
    assert client.get("/hello").headers["cache-control"] == "private"


def test_errors_are_short_pages_without_a_traceback(client: TestClient) -> None:
    answer = client.get("/fail")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["content-type"].startswith("text/html")
    as_json = client.get("/nothing", headers={"accept": "application/json"})
    assert (as_json.status_code, as_json.json()) == (404, {"error": "Not Found"})
    refused = client.get("/add")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


def test_the_style_is_that_of_every_page(client: TestClient) -> None:
    style = client.get(server.THEME)
    assert style.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in style.text
    assert "<" not in style.text


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("LOCALHOST.:80", True),
        ("[::1]:8000", True),
        ("192.168.0.7:8000", True),
        ("study.example", True),
        ("rebound.example", False),
        ("127.0.0.1.rebound.example", False),
        ("localhost@rebound.example", False),
        ("localhost:x", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_the_host_is_this_one(client: TestClient, header: str, known: bool) -> None:
    assert server.is_of_this_host(header, ["study.example"]) is known
    answer = client.get("/hello", headers={"host": header})
    assert answer.status_code == (200 if known else 400)


@given(st.text("1a.:[]@/ \u00e9", max_size=30))
def test_any_text_is_a_host_or_none(header: str) -> None:
    assert server.is_of_this_host(header, []) in (True, False)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1"}, 200),
        ({"origin": "https://127.0.0.1"}, 200),
        ({"origin": "http://elsewhere.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-type": "text/plain"}, 415),
    ],
)
def test_only_own_pages_change_something(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/add", json={"left": 1, "right": 2}, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 900,
        b'{"left": 1}',
        b'{"left": 1, "right": "2"}',
        b'{"left": 1, "right": 2, "more": 3}',
        b'{"left": 1, "right": 2.5}',
        b'{"left": "\\ud800", "right": 2}',
        b"\xff",
    ],
)
def test_other_json_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/add", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert len(answer.text) < 1500


def test_large_requests_are_refused_with_and_without_a_length(client: TestClient) -> None:
    headers = {"content-type": "application/json"}

    def pieces() -> Iterator[bytes]:
        yield from [b" " * 400] * 3

    assert client.post("/add", content=b" " * 1001, headers=headers).status_code == 413
    assert client.post("/add", content=pieces(), headers=headers).status_code == 413
    for length in ("x", "-1", "9" * 5000):
        answer = client.post("/add", headers={**headers, "content-length": length})
        assert answer.status_code in (400, 413)


def test_a_taken_port_and_another_address_are_one_line() -> None:
    with server.listen(server.LOOPBACK, 0) as first:
        port = first.getsockname()[1]
        assert server.address_of(first) == f"http://127.0.0.1:{port}"
        with pytest.raises(ReidaugError, match="--port 0"):
            server.listen(server.LOOPBACK, port)
    with pytest.raises(UsageError, match="no address"):
        server.listen("no.such.name.invalid", 0)


def test_loopback() -> None:
    assert [server.is_loopback(h) for h in ("127.0.0.1", "::1", "localhost")] == [True] * 3
    assert [server.is_loopback(h) for h in ("0.0.0.0", "::", "10.0.0.1", "x.org")] == [False] * 4


PROGRAM = """
from reidaug.app import server
from reidaug.interruptions import interruptible
with interruptible(), server.listen("127.0.0.1", 0) as opened:
    print(server.address_of(opened), flush=True)
    server.serve(server.application([]), opened)
print("ended", flush=True)
"""


@pytest.mark.usefixtures("heard_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    """SIGINT does: tests/commands/test_study.py."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(address + server.THEME, timeout=10) as answer:
            assert answer.status == 200
            assert "server" not in answer.headers
        began = time.monotonic()
        os.kill(process.pid, number)
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, output, errors) == (0, "ended\n", "")
    assert time.monotonic() - began < server.SECONDS_TO_END + 2
    with socket.socket() as gone, pytest.raises(ConnectionRefusedError):
        gone.connect(("127.0.0.1", int(address.rsplit(":", 1)[1])))
