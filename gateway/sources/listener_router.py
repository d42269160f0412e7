"""Who gets a topic: subscriptions as a tree of topic levels."""

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

# Topics whose subscribers are remembered: the devices of a large site, one lane each. About
# 10 MB when full; then all are forgotten and found again in the tree at 3 µs each.
_CACHE_TOPICS = 65_536


class _Node(Generic[T]):
    """One level: where it leads, and who ends here."""

    __slots__ = ("children", "members")

    def __init__(self) -> None:
        self.children: dict[bytes, _Node[T]] = {}
        self.members: dict[T, int] = {}  # with subscription options


class Router(Generic[T]):
    """Subscriptions of all connections; bounds on their number are the caller's."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._cache: dict[bytes, tuple[tuple[T, int], ...]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return the number of subscriptions."""
        return self._count

    def add(self, topic_filter: bytes, member: T, options: int) -> bool:
        """Subscribe; return whether this member did not have this filter before."""
        node = self._root
        for level in topic_filter.split(b"/"):
            node = node.children.setdefault(level, _Node())
        is_new = member not in node.members
        node.members[member] = options
        self._count += is_new
        self._cache.clear()
        return is_new

    def remove(self, topic_filter: bytes, member: T) -> bool:
        """Unsubscribe, and drop branches that lead nowhere; return whether there was one."""
        path: list[tuple[_Node[T], bytes]] = []
        node = self._root
        for level in topic_filter.split(b"/"):
            path.append((node, level))
            child = node.children.get(level)
            if child is None:
                return False
            node = child
        if node.members.pop(member, None) is None:
            return False
        self._count -= 1
        self._cache.clear()
        for parent, level in reversed(path):
            child = parent.children[level]
            if child.members or child.children:
                break
            del parent.children[level]
        return True

    def match(self, topic: bytes) -> tuple[tuple[T, int], ...]:
        """Return each subscriber of a topic once, with the options of one of its filters."""
        found = self._cache.get(topic)
        if found is None:
            found = tuple(self._find(topic).items())
            if len(self._cache) >= _CACHE_TOPICS:
                self._cache.clear()
            self._cache[topic] = found
        return found

    def _find(self, topic: bytes) -> dict[T, int]:
        levels = topic.split(b"/")
        found: dict[T, int] = {}
        nodes = [self._root]
        for depth, level in enumerate(levels):
            below = [node.children[level] for node in nodes if level in node.children]
            # a leading wildcard does not match $SYS and the like (MQTT-4.7.2-1)
            if depth or not level.startswith(b"$"):
                below += [node.children[b"+"] for node in nodes if b"+" in node.children]
                _collect(nodes, found)
            nodes = below
        for node in nodes:
            found |= node.members
        _collect(nodes, found)  # "a/#" matches "a" too
        return found


def _collect(nodes: Iterable[_Node[T]], found: dict[T, int]) -> None:
    """Add who subscribed to everything below ``nodes``."""
    for node in nodes:
        rest = node.children.get(b"#")
        if rest is not None:
            found |= rest.members
