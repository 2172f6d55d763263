"""Pages of a study: a link for each participant, and the requests of the page behind it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from reidaug.app.server import application, asset, packaged, page, read_json
from reidaug.app.study.answers import QUESTIONS, Answers, OutOfOrderError, Participant, Question
from reidaug.app.study.folder import SOURCE, TARGET, Study
from reidaug.app.study.schedule import SIDES, Side
from reidaug.errors import ReidaugError

ASKED: dict[Question, str] = {
    "pose": "Which result shows the person better in this pose?",
    "parts": "Which result shows better what cannot be seen in the source image?",
}
"""The paper's questions, in the words of the page."""
MOST_BODY = 1024
MOST_STEPS = 10**6
_IMAGES = (SOURCE, TARGET, *SIDES)


class GivenAnswer(BaseModel):
    """An answer as the page sends it."""

    model_config = ConfigDict(extra="forbid")

    step: Annotated[int, Field(ge=0, lt=MOST_STEPS)]  # number of the question, from 0
    side: Side


def study_application(study: Study, *, names: tuple[str, ...] = ()) -> ASGIApp:
    """Make the application of a study.

    A participant's page is ``/study/TOKEN``; beside it are ``state`` (GET), ``answer`` (POST, see
    `GivenAnswer`) and the images ``ROUND/source``, ``ROUND/target``, ``ROUND/left`` and
    ``ROUND/right`` up to the round after the one that is asked. No address, name or number tells
    which method made a result.

    Args:
        study: The study.
        names: Host names, see `reidaug.app.server.application`.
    """
    pages = _Pages(study)

    @asynccontextmanager
    async def opened(app: Starlette) -> AsyncIterator[None]:
        with study.answers() as answers:
            pages.answers = answers
            yield

    routes = [
        Route("/", pages.front),
        Route("/study/{token}", pages.page),
        Route("/study/{token}/state", pages.state),
        Route("/study/{token}/answer", pages.answer, methods=["POST"]),
        Route("/study/{token}/{round}/{image}", pages.image),
        asset("/assets/study.js", packaged("study.js")),
        asset("/assets/study.css", packaged("study.css")),
    ]
    return application(routes, names=names, most_body=MOST_BODY, lifespan=opened)


class _Pages:
    answers: Answers

    def __init__(self, study: Study) -> None:
        self._study = study

    async def front(self, request: Request) -> Response:
        return page("front.html", title=self._study.settings.title)

    async def page(self, request: Request) -> Response:
        participant = await self._participant(request)
        return page(
            "study.html",
            settings=self._study.settings,
            begun=participant.answered > 0,
            token=participant.token,
        )

    async def state(self, request: Request) -> Response:
        return await self._state(await self._participant(request))

    async def answer(self, request: Request) -> Response:
        participant = await self._participant(request)
        given = await read_json(request, GivenAnswer)
        try:
            after = await _asked(self.answers.answer, participant, given.step, given.side)
        except OutOfOrderError as error:
            raise HTTPException(409, str(error)) from None
        return await self._state(after)

    async def image(self, request: Request) -> Response:
        number, image = request.path_params["round"], request.path_params["image"]
        if not re.fullmatch(r"[0-9]{1,6}", number) or image not in _IMAGES:
            raise HTTPException(404)
        participant = await self._participant(request)
        if int(number) > participant.answered // len(QUESTIONS) + 1:
            raise HTTPException(404)
        try:
            shown = await _asked(self.answers.round, participant, int(number))
        except IndexError:
            raise HTTPException(404) from None
        method = {"left": shown.left, "right": shown.right}.get(image, image)
        try:
            content = await run_in_threadpool(self._study.image(shown.sample, method).read_bytes)
        except OSError as error:
            raise HTTPException(503, "an image of the study cannot be read now") from error
        return Response(
            content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"}
        )

    async def _participant(self, request: Request) -> Participant:
        found: Participant | None = await _asked(self.answers.find, request.path_params["token"])
        if found is None:
            raise HTTPException(404, "this link belongs to no participant of the study")
        return found

    async def _state(self, participant: Participant) -> Response:
        """Tell the page where its participant is, and what is asked."""
        settings, answered = self._study.settings, participant.answered
        state: dict[str, Any] = {
            "step": answered,
            "steps": participant.steps,
            "practice_steps": settings.practice * len(QUESTIONS),
            "finished": participant.finished,
        }
        if not participant.finished:
            number, question = divmod(answered, len(QUESTIONS))
            state |= {
                "round": number,
                "rounds": participant.rounds,
                "question": question,
                "asked": ASKED[QUESTIONS[question]],
            }
        return JSONResponse(state)


async def _asked(ask: Any, *values: Any) -> Any:
    """Ask the database in another thread; 503 where it fails: the page asks again."""
    try:
        return await run_in_threadpool(ask, *values)
    except ReidaugError as error:
        raise HTTPException(503, "the study cannot be read or written now; try again") from error
