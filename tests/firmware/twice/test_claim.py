"""A node with a claim makes its own password, and a power cut at any step does not lock it out."""

from fieldnode.core.claim import Login, draw_secret
from tests.firmware.twice.support import Draw

CLAIM = "c1" * 32


class Cut(Exception):  # noqa: N818 - it is no error of the program
    """The power went."""


class Gateway:
    """What gateway/security does with a claim; test_provisioning.py asks the real one."""

    def __init__(self) -> None:
        self.claim = CLAIM
        self.password = ""

    def lets_in(self, shown: "str | None") -> bool:
        word, _, rest = (shown or "").partition(":")
        claim, _, secret = rest.partition(":")
        if word == "claim" and self.claim and claim == self.claim:
            self.claim, self.password = "", secret
            return True
        return bool(shown) and shown == self.password


def test_a_secret_has_256_bits_in_hex() -> None:
    draw = Draw(7)
    secrets = [draw_secret(lambda: draw(2**31)) for _ in range(20)]
    assert {len(secret) for secret in secrets} == {64}
    assert len(set(secrets)) == 20
    assert int(draw_secret(lambda: 0xDEADBEEF), 16) == int("deadbeef" * 8, 16)


def never(_: object) -> None:
    raise AssertionError("there was nothing to store")


def test_a_password_alone_is_shown_as_it_is() -> None:
    for password in ("", "secret"):
        login = Login({"claim": "", "password": password}, never, lambda: 1 // 0)
        assert login.password() == (password or None)
        login.refused()
        assert login.password() == (password or None)
        login.accepted()


class Node:
    """A node whose power goes at one step."""

    def __init__(self, cut_at: int) -> None:
        self.gateway = Gateway()
        self.stored = {"claim": CLAIM, "password": ""}
        self.lives = self.tries = self._steps = 0
        self._cut_at = cut_at
        self._draw = Draw(cut_at)

    def step(self) -> None:
        self._steps += 1
        if self._steps == self._cut_at:
            raise Cut

    def save(self, config: "dict[str, str]") -> None:
        self.step()
        self.stored.update(config)
        self.step()

    def live(self) -> bool:
        """Start and try to get in; whether it did."""
        self.lives += 1
        login = Login(dict(self.stored), self.save, lambda: self._draw(2**31))
        for _ in range(3):
            self.tries += 1
            is_in = self.gateway.lets_in(login.password())
            self.step()
            if is_in:
                login.accepted()
                return True
            login.refused()
        return False


def test_a_claim_ends_in_a_password_whatever_is_cut() -> None:
    for cut_at in range(8):
        node = Node(cut_at)
        try:
            assert node.live()
        except Cut:
            assert node.live()
        assert (node.lives, node.tries) <= (2, 4)
        assert node.stored == {"claim": "", "password": node.gateway.password}
        assert node.gateway.claim == ""
