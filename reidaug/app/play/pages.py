"""Pages of the playground: requests on one side, `reidaug.app.play.playground` on the other."""

import math
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar

import torch
from jaxtyping import Bool
from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp
from torch import Tensor

from reidaug.app.play.newest_work import BusyError, NewestWork, SupersededError
from reidaug.app.play.pictures import (
    LONGEST_MOVE,
    flow_picture,
    overlay,
    place_picture,
    shares,
    uri,
)
from reidaug.app.play.playground import SHOWN_TURNS, PlayedCrop, Playground, Warped, Wish
from reidaug.app.play.reproduction import archive, lines
from reidaug.app.server import application, asset, page, read_json
from reidaug.augment.missing_poses import WORDS
from reidaug.augment.quality import POOR
from reidaug.augment.shipped_poses import SIZE, load_shipped, shipped_name
from reidaug.data.skeletons import HEAD, LEFT, RIGHT
from reidaug.errors import ReidaugError, printable
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import FLIP_18, OPENPOSE_18, Pose
from reidaug.machine import one_thread
from reidaug.report.flow_colours import colour_wheel

MOST_BODY = 16 * 2**20  # bytes of an image that is sent
MOST_TEXT = 2**16  # bytes of any other request
LONGEST_NAME = 80
SCRIPTS = ("play.js", "pose_editor.js", "cards.js", "requests.js")
BACKGROUNDS = {"grey": "grey", "source": "the crop's own", "other": "another's"}
FIRST_TARGET = 5  # number of a shipped pose

Result = TypeVar("Result")
Coordinate = Annotated[float, Field(allow_inf_nan=False, ge=-10_000, le=10_000)]
Name = Annotated[str, Field(max_length=4096)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PoseBody(_Body):
    """A pose as the page sends it: 18 joints in pixels."""

    xy: list[tuple[Coordinate, Coordinate]] = Field(min_length=18, max_length=18)
    visible: list[bool] = Field(min_length=18, max_length=18)

    def pose(self) -> Pose:
        """Make the pose (18, 2)."""
        return Pose(torch.tensor(self.xy), torch.tensor(self.visible))


class OutlineBody(_Body):
    """The outline of a target: that of a shipped pose, or of a crop by its token."""

    of: Annotated[str, Field(max_length=40)]
    mirrored: bool = False


class WishBody(_Body):
    """A warp that the page asks for."""

    session: str = Field(pattern=r"^[\w-]{1,40}$")  # a page: its newest question counts
    crop: Annotated[str, Field(max_length=40)]
    source: PoseBody
    target: PoseBody
    outline: OutlineBody | None  # None: limbs are drawn from the joints
    flow: Name
    background: Literal["grey", "source", "other"]
    turns: Name


def play_application(playground: Playground, crops: Sequence[PlayedCrop]) -> ASGIApp:
    """Make the application of a playground.

    Args:
        playground: From now on used by the application alone.
        crops: Crops in it that the page offers; the first is shown at once. They are loaded again
            where they were forgotten.
    """
    pages = _Pages(playground, crops)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        pages.work.close()

    static = files("reidaug.app.play") / "static"
    names = (*SCRIPTS, "play.css")
    routes = [
        Route("/", pages.start_page),
        Route("/start", pages.start),
        Route("/crops", pages.load, methods=["POST"]),
        Route("/warps", pages.warp, methods=["POST"]),
        Route("/archives", pages.archive, methods=["POST"]),
        *(asset(f"/assets/{name}", (static / name).read_text(encoding="utf-8")) for name in names),
    ]
    return application(routes, most_body=MOST_BODY, lifespan=lifespan)


class _Pages:
    """The answers to requests. Everything with tensors is done in one thread of `work`."""

    def __init__(self, playground: Playground, crops: Sequence[PlayedCrop]) -> None:
        self._playground = playground
        self._crops = crops
        self.work = NewestWork(within=_within_one_thread)

    async def start_page(self, request: Request) -> Response:
        return page("play.html")

    async def start(self, request: Request) -> Response:
        def work() -> dict[str, Any]:
            crops = [_of_crop(self._playground.keep(crop)) for crop in self._crops]
            return _start(self._playground, crops)

        return JSONResponse(await self._done(object(), work))

    async def load(self, request: Request) -> Response:
        name = request.query_params.get("name", "") or "crop"
        name = printable(name.replace("\\", "/").rsplit("/", 1)[-1])[-LONGEST_NAME:] or "crop"
        try:
            content = await request.body()
        except ClientDisconnect:
            raise HTTPException(400, "the image was cut off") from None
        loaded = await self._done(object(), lambda: _of_crop(self._playground.load(content, name)))
        return JSONResponse(loaded, status_code=201)

    async def warp(self, request: Request) -> Response:
        body = await _read(request)

        def work() -> dict[str, Any]:
            wish = self._wish(body)
            return _of_warp(self._playground.warp(wish), wish)

        return JSONResponse(await self._done((body.session, body.flow), work))

    async def archive(self, request: Request) -> Response:
        body = await _read(request)
        content = await self._done(
            (body.session, "archive"), lambda: archive(self._playground, self._wish(body))
        )
        return Response(content, media_type="application/zip")

    def _wish(self, body: WishBody) -> Wish:
        crop = self._playground.crop(body.crop)
        outline: Bool[Tensor, "H W"] | None = None
        if body.outline is not None:
            outline = self._playground.outline(
                body.outline.of, crop.size, mirrored=body.outline.mirrored
            )
        return Wish(
            crop, body.source.pose(), body.target.pose(), outline, body.flow, body.background,
            body.turns,
        )  # fmt: skip

    async def _done(self, kind: Hashable, work: Callable[[], Result]) -> Result:
        try:
            return await self.work.do(kind, work)
        except SupersededError:
            raise HTTPException(409, "a newer request took its place") from None
        except BusyError:
            raise HTTPException(429, "too many requests are waiting") from None
        except KeyError:
            raise HTTPException(
                404, "the server no longer has this crop or pose; load it, or the page, again"
            ) from None
        except ReidaugError as error:
            raise HTTPException(422, " ".join(str(error).split())) from None


def _within_one_thread(run: Callable[[], None]) -> None:
    with one_thread():
        run()


async def _read(request: Request) -> WishBody:
    if int(request.headers.get("content-length", 0)) > MOST_TEXT:
        raise HTTPException(413, f"a request for a warp has at most {MOST_TEXT:,} bytes")
    return await read_json(request, WishBody)


def _start(playground: Playground, crops: Sequence[dict[str, Any]]) -> dict[str, Any]:
    shipped = load_shipped()
    return {
        "joints": [name.replace("_", " ") for name in OPENPOSE_18],
        "twins": FLIP_18,
        "limbs": {"right": RIGHT, "left": LEFT, "head": HEAD},
        "flows": [{"name": name, "label": _label(name)} for name in playground.flows],
        "backgrounds": BACKGROUNDS,
        "turns": SHOWN_TURNS,
        "poor": POOR,
        "move": LONGEST_MOVE,
        "most": MOST_BODY,
        "wheel": uri(colour_wheel(96)),
        "crops": crops,
        "poses": {
            "size": SIZE,
            "first": FIRST_TARGET,
            "all": [
                {"name": shipped_name(number), **_of_pose(Pose(xy, visible))}
                for number, (xy, visible) in enumerate(zip(*shipped.pose, strict=True))
            ],
        },
    }


def _label(flow: str) -> str:
    """Shorten the name of an estimator: of a checkpoint, the last folders of its path."""
    parts = flow.replace("\\", "/").split("/")
    return printable("/".join(parts[-2:]))


def _of_pose(pose: Pose) -> dict[str, Any]:
    xy = [[round(x, 2), round(y, 2)] for x, y in pose.xy.tolist()]
    return {"xy": xy, "visible": pose.visible.tolist()}


def _of_crop(crop: PlayedCrop) -> dict[str, Any]:
    size: Size = crop.size
    return {
        "token": crop.token,
        "name": crop.name,
        "size": size,
        "image": uri(crop.image),
        "mask": None if crop.mask is None else uri(overlay(crop.mask)),
        "said": WORDS[crop.pose_from].removeprefix("poses "),
        "found": crop.pose_from in ("given", "first", "second"),
        **_of_pose(crop.pose),
    }


def _of_warp(warped: Warped, wish: Wish) -> dict[str, Any]:
    quality = warped.quality
    stretch = float(quality.stretch)
    return {
        "warp": uri(warped.pixels),
        "flow": uri(flow_picture(warped)),
        "places": uri(place_picture(warped)),
        "outline": uri(overlay(warped.asked)),
        "quality": _share(float(quality.quality)),
        "shown": _share(float(quality.seen)),
        "joints": _share(warped.joints),
        "folded": _share(float(quality.folded)),
        "stretch": round(math.exp(stretch), 2) if 0 <= stretch < 20 else None,
        "half_turn": warped.half_turn,
        "shares": [
            {
                "words": place.words,
                "colour": "rgb({}, {}, {})".format(*place.colour),
                "share": _share(share),
            }
            for place, share in shares(warped)
        ],
        "lines": lines(wish),
    }


def _share(value: float) -> float | None:
    return round(min(max(value, 0.0), 1.0), 3) if math.isfinite(value) else None
