"""The two query languages as data sources of Grafana: targets, variables, annotations."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from dashboards import influxql, promql
from dashboards.query import Ask
from dashboards.spec import Column, Events, Line, Variable

Target = dict[str, object]
UID = "${datasource}"


class Dialect(Protocol):
    """What is different between the sets of boards."""

    name: str  # of the folder
    datasource: str  # type of Grafana's data source

    def course(self, line: Line, title: str, every: str, /) -> Target:
        """Return the target of a line over time."""

    def moment(self, line: Line, title: str) -> Target:
        """Return the target of a number for the whole range."""

    def table(self, columns: Sequence[Column]) -> tuple[list[Target], Mapping[str, str]]:
        """Return the targets of a table, and the names of their columns → keys of ours."""

    def variable(self, variable: Variable) -> object:
        """Return the query of a variable."""

    def annotation(self, events: Events) -> Target:
        """Return the target of an annotation."""


class InfluxQL:
    """InfluxDB 1, 2 and 3."""

    name, datasource = "influxql", "influxdb"

    def course(self, line: Line, title: str, _every: str) -> Target:
        """See ``Dialect``; the panel's smallest interval holds here."""
        return self._target(influxql.over_time(line.ask), "time_series", title)

    def moment(self, line: Line, title: str) -> Target:
        """See ``Dialect``."""
        return self._target(influxql.at_once(line.ask), "time_series", title)

    def table(self, columns: Sequence[Column]) -> tuple[list[Target], Mapping[str, str]]:
        """See ``Dialect``."""
        tables: dict[tuple[object, ...], dict[str, Ask]] = {}
        for column in columns:
            if (ask := column.ask) is not None:
                tables.setdefault((ask.measurement, ask.where), {})[column.key] = ask
        return [self._target(_table(named), "table", "") for named in tables.values()], {}

    def variable(self, variable: Variable) -> object:
        """See ``Dialect``."""
        return influxql.tag_values(variable.measurements, variable.tag, variable.where)

    def annotation(self, events: Events) -> Target:
        """See ``Dialect``."""
        query = influxql.rows(
            events.measurement, (events.field, events.title, *events.text), events.where
        )
        target = {
            "refId": "Anno",
            "rawQuery": True,
            "fromAnnotations": True,
            "query": query,
            "textColumn": events.title,
            "tagsColumn": ",".join(events.text),
        }
        return {"target": target}

    @staticmethod
    def _target(query: str, form: str, alias: str) -> Target:
        target: Target = {"rawQuery": True, "query": query, "resultFormat": form}
        return target | ({"alias": alias} if alias else {})


class PromQL:
    """VictoriaMetrics, Prometheus and what speaks like them."""

    name, datasource = "promql", "prometheus"

    def course(self, line: Line, title: str, every: str) -> Target:
        """See ``Dialect``."""
        return {
            "expr": promql.over_time(line.ask),
            "range": True,
            "instant": False,
            "format": "time_series",
            "legendFormat": title,
            "interval": every,
        }

    def moment(self, line: Line, title: str) -> Target:
        """See ``Dialect``."""
        return self._instant(line.ask, "time_series", title)

    def table(self, columns: Sequence[Column]) -> tuple[list[Target], Mapping[str, str]]:
        """See ``Dialect``."""
        asked = [(column.key, column.ask) for column in columns if column.ask is not None]
        targets = [self._instant(ask, "table", "") for _, ask in asked]
        if len(asked) == 1:
            return targets, {"Value": asked[0][0]}
        return targets, {f"Value #{letter(k)}": key for k, (key, _) in enumerate(asked)}

    def variable(self, variable: Variable) -> object:
        """See ``Dialect``."""
        query = promql.tag_values(
            variable.measurements, variable.field, variable.tag, variable.where
        )
        return {
            "qryType": 1,
            "query": query,
            "refId": "PrometheusVariableQueryEditor-VariableQuery",
        }

    def annotation(self, events: Events) -> Target:
        """See ``Dialect``."""
        return {
            "expr": promql.samples(events.measurement, events.field, events.where),
            "titleFormat": f"{{{{{events.title}}}}}",
            "textFormat": " ".join(f"{{{{{tag}}}}}" for tag in events.text),
            "step": "60s",
        }

    @staticmethod
    def _instant(ask: Ask, form: str, title: str) -> Target:
        target: Target = {
            "expr": promql.at_once(ask),
            "range": False,
            "instant": True,
            "format": form,
        }
        return target | ({"legendFormat": title} if title else {})


DIALECTS: tuple[Dialect, ...] = (InfluxQL(), PromQL())


def letter(number: int) -> str:
    """Return the name of a query of a panel, from A on."""
    return chr(ord("A") + number)


def title_of(dialect: Dialect, line: Line, language: str) -> str:
    """Return how the answers of a line are called: words, its tags, or both."""
    form = "$tag_{}" if dialect.datasource == "influxdb" else "{{{{{}}}}}"
    tags = [form.format(tag) for tag in line.ask.by]
    words = [] if line.title is None else [line.title.of(language)]
    return " ".join([*tags, *words]) or "value"


def _table(named: dict[str, Ask]) -> str:
    key, ask = next(iter(named.items()))
    if ask.top is None:
        return influxql.columns(named)
    return influxql.at_once(ask, key)


__all__ = ["DIALECTS", "UID", "Dialect", "InfluxQL", "PromQL", "Target", "letter", "title_of"]
