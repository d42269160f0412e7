"""What a foreign format may be besides one that reads messages: ``Decoders`` asks each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from gateway.model import Record
from gateway.ports import Collecting, Decode, DeviceDirectory, LatestRow


class Foreign(Protocol):
    """A format with topics of its own, such as a declarative mapping. Pure, as ``ports.Decode``."""

    def takes(self, topic: str) -> bool:
        """Return whether messages of this topic are its own; the first taker gets them."""

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the readings of one message to ``out``, all of them or none.

        Raises:
            RejectedError: it cannot be read, or its device may not send; ``out`` is unchanged.
        """


@runtime_checkable
class Gathering(Protocol):
    """A foreign format that reads many ordinary messages at once."""

    def decode_plain(self, records: Sequence[Record], out: Collecting) -> Sequence[Record]:
        """Add what is ordinary among records of its topics; return the others, for ``decode``."""


@runtime_checkable
class Learning(Protocol):
    """A foreign format that may come to take topics that it did not take before."""

    def tell(self, on_learnt: Callable[[], None]) -> None:
        """Call ``on_learnt`` whenever other topics are taken than before."""


@runtime_checkable
class Remembering(Protocol):
    """A foreign format that remembers routes."""

    def forget_routes(self) -> None:
        """Ask the directory anew from now on: the registry has changed."""


@runtime_checkable
class Asking(Protocol):
    """A foreign format that has something to ask of devices."""

    def wishes(self) -> list[tuple[str, bytes]]:
        """Return topics and payloads of commands to be sent, each once; a lost one is no harm."""


@runtime_checkable
class Keeping(Protocol):
    """A foreign format that knows something of earlier messages, which commits with the cursor."""

    @property
    def room(self) -> str:
        """Its name, by which it finds again what it kept."""

    def memories(self) -> Iterable[tuple[str, bytes]]:
        """Return what has changed since the last call, by key; empty rows, which go, come first."""

    def restore(self, memories: Iterable[tuple[str, bytes]]) -> None:
        """Know again what was kept."""


@runtime_checkable
class Resuming(Protocol):
    """A foreign format that goes on from the newest readings of an earlier life."""

    def resume(self, latest: Sequence[LatestRow]) -> None:
        """Know them."""


@runtime_checkable
class Lending(Protocol):
    """A foreign format that is read on the native lanes t and b as well."""

    @property
    def formats(self) -> Mapping[int, Decode]:
        """By first byte; one that native payloads begin with stays theirs."""
