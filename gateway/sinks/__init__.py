"""Databases that get every reading: line protocol over HTTP, each with a durable cursor.

``open_sink`` makes the sink that a section of the configuration names, ``drain.Drain`` empties
the outbox into it. The client library of InfluxDB 2 is loaded by those who have such a sink: it
takes a tenth of a second, and a killed gateway shall be back within one.
"""

import importlib
from collections.abc import Callable, Mapping

from gateway.config.sections import SinkSection
from gateway.ports import Sink
from gateway.sinks.dialects import Dialect, Influx1, Influx3, VictoriaMetrics
from gateway.sinks.http_sink import HttpSink

_DIALECTS: Mapping[str, Callable[[SinkSection], Dialect]] = {
    "influx1": Influx1,
    "influx3": Influx3,
    "victoriametrics": VictoriaMetrics,
}


def open_sink(section: SinkSection, clock: Callable[[], int]) -> Sink:
    """Return the sink of a section; nothing is sent before ``connect``.

    Raises:
        ConfigError: a secret is not there.
    """
    if section.type == "influx2":
        sink: Sink = importlib.import_module("gateway.sinks.influx2").Influx2Sink(section, clock)
        return sink
    return HttpSink(section, _DIALECTS[section.type](section), clock)
