"""Where a page stands: language, light, span of time. Every link of the page keeps it."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from gateway.board.words import LANGUAGES

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
# few, so that what is worked out for one of them serves all who look
SPANS_MS = {
    "1h": HOUR_MS,
    "6h": 6 * HOUR_MS,
    "24h": DAY_MS,
    "7d": 7 * DAY_MS,
    "30d": 30 * DAY_MS,
}
USUAL_SPAN = "24h"
THEMES = {"dark": True, "light": False}
MOST_LETTERS = 160  # of a value in the address; longer ones are nobody's name


class Place(NamedTuple):
    """What an address says beside its path; a word that it does not know is the usual one."""

    lang: str = "en"
    theme: str = ""  # "": as the browser likes it
    span: str = USUAL_SPAN
    is_wall: bool = False  # seen from afar, touched by nobody

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Place":
        """Return what a query string says."""
        lang, theme = query.get("lang", "en"), query.get("theme", "")
        span = query.get("range", USUAL_SPAN)
        return cls(
            lang if lang in LANGUAGES else "en",
            theme if theme in THEMES else "",
            span if span in SPANS_MS else USUAL_SPAN,
            "wall" in query,
        )

    @property
    def span_ms(self) -> int:
        """Return the length of the span."""
        return SPANS_MS[self.span]

    def kept(self) -> dict[str, str]:
        """Return what an address says of it; what is usual is left out."""
        kept = {} if self.lang == "en" else {"lang": self.lang}
        kept |= {"theme": self.theme} if self.theme else {}
        kept |= {} if self.span == USUAL_SPAN else {"range": self.span}
        return kept | ({"wall": ""} if self.is_wall else {})

    def url(self, path: str, **more: str) -> str:
        """Return the address of a page from here."""
        said = self.kept() | {key: value for key, value in more.items() if value}
        return f"{path}?{urlencode(said)}" if said else path
