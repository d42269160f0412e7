"""What a board is written on, and how it leads to others."""

from collections.abc import Mapping
from typing import Any

from dashboards.dialect import UID, Dialect
from dashboards.spec import Link

Json = dict[str, Any]


class Paper:
    """What panels are written on: a query language, a language of people, names of boards.

    Args:
        dialect: the query language.
        language: of the words.
        uid_of: the uid of a board, by its key.
    """

    def __init__(self, dialect: Dialect, language: str, uid_of: Mapping[str, str]) -> None:
        self.dialect, self.language, self.uid_of = dialect, language, uid_of

    def link(self, link: Link, form: str) -> Json:
        """Return a data link; ``form`` makes Grafana's expression of a tag."""
        handed = [f"var-{name}={form.format(tag)}" for name, tag in link.variables]
        query = "&".join(["${__url_time_range}", "var-datasource=${datasource}", *handed])
        return {
            "title": link.title.of(self.language),
            "url": f"/d/{self.uid_of[link.board]}?{query}",
            "targetBlank": False,
        }

    def datasource(self) -> Json:
        """Return the reference to the data source that the board's variable names."""
        return {"type": self.dialect.datasource, "uid": UID}
