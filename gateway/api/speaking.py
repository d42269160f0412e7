"""How a person's word comes in: from an operator, on disk before the answer, soon in effect.

Reading is for everybody who may look. A word is appended to ``alarm-words.jsonl`` and synced; the
annunciator hears it within a second, and while it does not run the word waits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import Depends, Request, Response

from gateway.api.documents import Problem, ProblemError, to_answer
from gateway.store.alarmwords import Word, WordsFullError, say
from gateway.views.sight import Sight
from gateway.views.visitor import Visitor, visitor_of

# How long an answer waits for its effect: the annunciator looks every second.
EFFECT_S, LOOK_EVERY_S = 3.0, 0.05
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"  # a note stands on one line of a list


SAID: dict[int | str, dict[str, Any]] = {
    202: {"description": "kept; it has its effect when the annunciator runs again"},
    403: {"model": Problem, "description": "not an operator"},
    404: {"model": Problem, "description": "not known"},
}


def operator_of(request: Request) -> Visitor:
    """Return who asks, if he may do more than look."""
    visitor = visitor_of(request.scope)
    if not visitor.is_operator:
        detail = "this takes an operator: sign in with an account, or send an operator's token"
        raise ProblemError(HTTPStatus.FORBIDDEN, detail)
    return visitor


Operating = Annotated[Visitor, Depends(operator_of)]


async def speak(sight: Sight, word: Word, answer: Callable[[], object]) -> Response:
    """Write a word down and wait for its effect; without it the answer is 202."""
    try:
        end = await run_sync(say, sight.data_dir, word)
    except WordsFullError as error:
        raise ProblemError(HTTPStatus.INSUFFICIENT_STORAGE, str(error)) from error
    except OSError as error:
        detail = "the disk does not take it: nothing was done"
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail) from error
    has_effect = await _until(lambda: run_sync(_is_heard, sight, end))
    response = to_answer(await run_sync(answer))
    response.status_code = HTTPStatus.OK if has_effect else HTTPStatus.ACCEPTED
    return response


async def _until(is_so: Callable[[], Awaitable[bool]]) -> bool:
    for _ in range(round(EFFECT_S / LOOK_EVERY_S)):
        if await is_so():
            return True
        await asyncio.sleep(LOOK_EVERY_S)
    return False


def _is_heard(sight: Sight, end: int) -> bool:
    return sight.alarms.heard() >= end
