"""The registry: which devices may send, and where each of them was at any time.

A reading belongs to the transformer or road section its device hung on *when it was taken*, so
every fact has a period. ``Registry`` is the checked file, ``Directory`` what the pipeline asks.
"""

from gateway.registry.directory import Directory
from gateway.registry.entries import ALWAYS_MS, NEVER_MS, Device, Link, MeterFact, Node, NodeKind
from gateway.registry.registry import Registry, Standing

__all__ = [
    "ALWAYS_MS",
    "NEVER_MS",
    "Device",
    "Directory",
    "Link",
    "MeterFact",
    "Node",
    "NodeKind",
    "Registry",
    "Standing",
]
