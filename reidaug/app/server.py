"""Web server of the pages in a browser: this machine alone by default, nothing from outside.

Whoever writes a page makes Starlette routes, secures them with `application` and runs them with
`serve`. Pages are templates in ``reidaug/app/templates`` that extend ``app.html``; their style is
that of every page of the package, at `THEME`.
"""

import ipaddress
import re
import signal
import socket
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any, TypeVar
from urllib.parse import urlsplit

import uvicorn
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from reidaug.errors import ReidaugError, UsageError

LOOPBACK = "127.0.0.1"
MOST_BODY = 64 * 1024
"""Bytes of the largest request that is read, unless an application takes more."""
MOST_CONNECTIONS = 512
"""Connections at a time; further ones are told to come again (503)."""
SECONDS_TO_END = 3
"""Time for the answers under way when the server ends."""
THEME = "/assets/theme.css"

SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every answer that does not set them itself."""

_READ_ONLY = ("GET", "HEAD", "OPTIONS")
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "png": "image/png"}
Values = TypeVar("Values", bound=BaseModel)


def application(
    routes: Sequence[BaseRoute],
    *,
    names: Collection[str] = (),
    most_body: int = MOST_BODY,
    lifespan: Lifespan[Starlette] | None = None,
) -> ASGIApp:
    """Make a secured application of routes.

    Every answer has `SECURITY_HEADERS`; errors are short pages (short JSON where the request asks
    for ``application/json``) without tracebacks. Requests get 400 if they are for another host,
    403 if a page of another site sent them, and 413 if they are too large.

    Args:
        routes: The routes; `THEME` is added.
        names: Host names that the server is reached by, beside ``localhost`` and IP addresses.
            Any other could be a page of strangers that had its name point to this machine.
        most_body: Bytes of the largest request that is read.
        lifespan: What to open before the first request and close after the last.
    """
    app = Starlette(
        routes=[*routes, asset(THEME, theme())],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        lifespan=lifespan,
    )
    # Around the whole of it: as a middleware it would not see answers about failures.
    return _Guard(app, names=frozenset(names), most_body=most_body)


def listen(host: str, port: int) -> socket.socket:
    """Open a port of this machine; a request that comes before `serve` waits.

    Args:
        host: Address or name of this machine; `LOOPBACK` is reached from this machine alone.
        port: The port; 0 for a free one.

    Raises:
        UsageError: There is no such address on this machine.
        ReidaugError: The port is taken, or may not be opened.
    """
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise UsageError(f"--host {host}: no address of this machine") from None
    opened = socket.socket(family, kind)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen()
    except OSError as error:
        opened.close()
        why = f"{error.strerror}; choose another with --port, or a free one with --port 0"
        raise ReidaugError(f"{host}, port {port}: {why}") from None
    return opened


def address_of(opened: socket.socket) -> str:
    """Write the address of an open port as it is typed into a browser, ``http://host:port``."""
    host, port = opened.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def serve(app: ASGIApp, opened: socket.socket) -> None:
    """Answer requests on an open port until Ctrl-C, SIGTERM or SIGHUP, which end it in order.

    Answers under way are given `SECONDS_TO_END`.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=SECONDS_TO_END,
        )
    )
    with opened, suppress(KeyboardInterrupt), _ended_by_its_terminal(server):
        server.run(sockets=[opened])


@contextmanager
def _ended_by_its_terminal(server: uvicorn.Server) -> Iterator[None]:
    """Let a server hear SIGHUP as it hears SIGTERM, unless the caller ignores it (``nohup``)."""
    before = signal.getsignal(signal.SIGHUP)
    if threading.current_thread() is not threading.main_thread() or before == signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGHUP, server.handle_exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def page(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Fill a template, a file in ``reidaug/app/templates``; values are escaped."""
    return HTMLResponse(_environment().get_template(template).render(values), status_code=status)


def asset(path: str, content: str | bytes) -> Route:
    """Make the route of a file that comes with the package; its type is that of the path's end."""
    kind = _TYPES[path.rsplit(".", 1)[-1]]

    async def answer(request: Request) -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return Route(path, answer)


def packaged(name: str) -> str:
    """Read a text file in ``reidaug/app/templates``."""
    return (files("reidaug.app") / "templates" / name).read_text(encoding="utf-8")


async def read_json(request: Request, model: type[Values]) -> Values:
    """Read the JSON of a request, strictly: no number is taken for a string, no unknown key.

    Raises:
        HTTPException: 415 if it is not said to be JSON, 400 if it is not what the model asks for.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send application/json")
    try:
        return model.model_validate_json(await request.body(), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"][:3])[:100]
        line = f"{where}: {first['msg']}" if where else str(first["msg"])
        raise HTTPException(400, line[:300]) from None
    except ClientDisconnect:
        raise HTTPException(400, "the request was cut off") from None


def is_of_this_host(header: str, names: Collection[str]) -> bool:
    """Tell whether a ``Host`` header means this server, and not a stranger's name for it.

    A page of strangers can have its own name point to this machine and so read what the server
    answers (DNS rebinding); an address cannot point elsewhere.

    Args:
        header: The header, ``host`` or ``host:port``.
        names: Names of the server beside ``localhost``.
    """
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]@/\s]+))(?::\d{1,5})?", header)
    if found is None:
        return False
    host = (found[1] or found[2]).lower().rstrip(".")
    if host == "localhost" or host in {name.lower().rstrip(".") for name in names}:
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host) is not None
    return False


@cache
def theme() -> str:
    """Read the style of every page of the package, as CSS."""
    return (files("reidaug.report") / "templates" / "theme.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("reidaug.app"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class _Guard:
    """What every request passes: see `application`."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str], most_body: int) -> None:
        self._app = app
        self._names = names
        self._most_body = most_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if refusal := self._refusal(scope):
            await _refused(Request(scope), refusal)(scope, receive, send_secured)
            return
        await self._app(scope, self._limited(receive), send_secured)

    def _refusal(self, scope: Scope) -> HTTPException | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not is_of_this_host(hosts[0], self._names):
            return HTTPException(400, "this server has another name")
        if scope["method"] not in _READ_ONLY:
            origin = headers.get("origin")
            elsewhere = origin is not None and _place(origin) != hosts[0].lower()
            if elsewhere or headers.get("sec-fetch-site", "same-origin") not in (
                "same-origin",
                "none",
            ):
                return HTTPException(403, "sent by a page of another site")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            return HTTPException(400, "no length of a request")
        if len(length) > 18 or int(length) > self._most_body:
            return self._too_large()
        return None

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"a request has at most {self._most_body:,} bytes")

    def _limited(self, receive: Receive) -> Receive:
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most_body:
                raise self._too_large()
            return message

        return limited


def _place(origin: str) -> str:
    with suppress(ValueError):
        return urlsplit(origin).netloc.lower()
    return ""


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(request, error.status_code, error.detail, error.headers)


def _failed(request: Request, error: Exception) -> Response:
    return _error(request, 500, "what went wrong is in the terminal of the server")


def _error(
    request: Request, status: int, line: str, headers: Mapping[str, str] | None = None
) -> Response:
    title = HTTPStatus(status).phrase
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"error": line}, status_code=status, headers=headers)
    answer = page("error.html", status=status, title=title, line=line if line != title else "")
    answer.headers.update(headers or {})
    return answer
