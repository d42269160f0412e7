"""The account, as an equation that either holds or does not."""

from collections.abc import Mapping

from nicegui import ui

from gateway.board.numbers import grouped
from gateway.ports import Totals
from gateway.views.accounts import accounts_of

TERMS = (("received", "="), ("stored", "+"), ("duplicate", "+"), ("quarantined", "+"))


class AccountLine:
    """received = stored + duplicate + quarantined + pending."""

    def __init__(self, words: Mapping[str, str], quarantine: str) -> None:
        self._words, self._quarantine = words, quarantine
        self._numbers: dict[str, ui.label] = {}
        with ui.element("section").classes("account"):
            with ui.element("div").classes("equation"):
                for term, sign in (*TERMS, ("pending", "")):
                    self._draw_term(term, sign)
            with ui.element("div").classes("verdict"):
                self._mark = ui.label().classes("balance")
                self._messages = ui.label().classes("caption")

    def _draw_term(self, term: str, sign: str) -> None:
        # what waits for a person is a click away, wherever the page is
        is_link = term == "quarantined"
        kind, link = ("a", f'href="{self._quarantine}"') if is_link else ("div", "")
        with ui.element(kind).classes(f"term {term}").props(link):
            self._numbers[term] = ui.label("–").classes("number")
            ui.label(self._words[term]).classes("caption")
        if sign:
            ui.label(sign).classes("sign")

    def show(self, totals: Totals) -> None:
        """Show the account and whether it balances."""
        accounts = accounts_of(totals)
        for term, value in accounts.readings._asdict().items():
            self._numbers[term].set_text(grouped(value))
        is_waiting = accounts.readings.quarantined > 0
        self._numbers["quarantined"].classes(replace="number some" if is_waiting else "number")
        is_balanced = accounts.readings.is_balanced and accounts.messages.is_balanced
        sign, word = ("✓", "balanced") if is_balanced else ("✗", "unbalanced")
        self._mark.set_text(f"{sign} {self._words[word]}")
        self._mark.classes(replace="balance good" if is_balanced else "balance bad")
        messages = f"{grouped(accounts.messages.received)} {self._words['messages']}"
        self._messages.set_text(f"{self._words['readings']} · {messages}")
