"""The embedded store: SQLite files that hold pages of readings, one file per UTC day.

``Store`` is the processor's (``ports.StoreWriter``), ``Merger`` and ``Roller`` are the keeper's,
``StoreReader`` is the web process's. They meet in the files only.
"""

from gateway.store.merge import Merger
from gateway.store.reader import StoreReader
from gateway.store.roller import Roller
from gateway.store.writer import Store

__all__ = ["Merger", "Roller", "Store", "StoreReader"]
