"""How a person's word is said on the board: only an operator's, on disk at once, soon in effect."""

import asyncio

from anyio.to_thread import run_sync
from nicegui import ui

from gateway.board.frame import Frame
from gateway.board.looks.alarms import LOOKS
from gateway.errors import GatewayError
from gateway.store.alarmwords import MOST_NOTE, Word, say
from gateway.views.visitor import Visitor, visitor_now

_EFFECT_S, _LOOK_EVERY_S = 3.0, 0.1


class Speaking:
    """One for a page."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._scope = ui.context.client.request.scope

    @property
    def visitor(self) -> Visitor:
        """Who has the page open, and what he may by now: it is asked anew at every act."""
        return visitor_now(self._scope) or Visitor("", is_operator=False)

    async def say(self, word: Word, done: str) -> bool:
        """Keep a word, wait a moment for its effect, and show that; return whether it is kept.

        Args:
            word: of this page's visitor, who is an operator.
            done: what to tell him.
        """
        frame = self._frame
        try:
            end = await run_sync(say, frame.hold.sight.data_dir, word)
        except (GatewayError, OSError, ValueError) as error:
            ui.notify(frame.words["acknowledge_failed"].format(error=error), type="negative")
            return False
        is_heard = await self._until_heard(end)
        told = done if is_heard else frame.words["acknowledge_later"]
        ui.notify(told, type="positive" if is_heard else "warning")
        frame.hold.shared.outdate(LOOKS)
        await frame.look_again()
        return True

    async def _until_heard(self, end: int) -> bool:
        alarms = self._frame.hold.sight.alarms
        for _ in range(round(_EFFECT_S / _LOOK_EVERY_S)):
            if await run_sync(alarms.heard) >= end:
                return True
            await asyncio.sleep(_LOOK_EVERY_S)
        return False


def one_line(text: object) -> str:
    """Return what was written as a note: a line, as lists show it."""
    return " ".join(str(text or "").split())[:MOST_NOTE]
