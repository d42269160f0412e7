"""``GET /metrics``: the numbers of all processes and the accounts, for Prometheus."""

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from typing_extensions import override

from gateway.api.answers import Seeing
from gateway.api.glossary import METRICS
from gateway.stats import BUCKETS_S, Labels, Sample
from gateway.views.accounts import accounts_of
from gateway.views.fleet import DeviceState
from gateway.views.sight import Sight

router = APIRouter(tags=["health"])


def merge(samples: Iterable[Sample]) -> dict[str, dict[Labels, Sample]]:
    """Return samples by name and labels; what several processes count adds up."""
    merged: dict[str, dict[Labels, Sample]] = {}
    for sample in samples:
        series = merged.setdefault(sample.name, {})
        before = series.get(sample.labels)
        if before is not None and before.kind == sample.kind != "gauge":
            buckets = tuple(map(sum, zip(before.buckets, sample.buckets, strict=False)))
            sample = sample._replace(value=before.value + sample.value, buckets=buckets)  # noqa: PLW2901
        series[sample.labels] = sample
    return merged


def to_family(name: str, series: dict[Labels, Sample]) -> Metric:
    """Return one metric with all its label sets."""
    first = next(iter(series.values()))
    keys = sorted({key for labels in series for key, _ in labels})
    rows = [([dict(labels).get(key, "") for key in keys], one) for labels, one in series.items()]
    text = METRICS[name].text if name in METRICS else name.replace("_", " ")
    if first.kind == "histogram":
        histogram = HistogramMetricFamily(name, text, labels=keys)
        for values, one in rows:
            histogram.add_metric(values, to_cumulative(one.buckets), one.value)
        return histogram
    kind = CounterMetricFamily if first.kind == "counter" else GaugeMetricFamily
    family = kind(name, text, labels=keys)
    for values, one in rows:
        family.add_metric(values, one.value)
    return family


def to_cumulative(buckets: Iterable[int]) -> list[tuple[str, float]]:
    """Return buckets as Prometheus counts them: each holds all below it, the last is +Inf."""
    total = 0
    cumulative = []
    for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), buckets, strict=False):
        total += count
        cumulative.append((bound, float(total)))
    return cumulative


def account_samples(sight: Sight) -> Iterator[Sample]:
    """Yield the accounts as samples, from the store: they outlive every process."""
    accounts = accounts_of(sight.accounting())
    for unit, account in (("messages", accounts.messages), ("readings", accounts.readings)):
        for name, value in account._asdict().items():
            if name == "pending":
                yield Sample("gauge", f"infragate_{unit}_pending", (), value)
            else:
                yield Sample("counter", f"infragate_{unit}_{name}_total", (), value)
    for sector, tally in sight.fleet().tally().items():
        for state in DeviceState:
            labels = (("sector", sector), ("state", str(state)))
            yield Sample("gauge", "infragate_devices", labels, tally[state])


class SightCollector(Collector):
    """Collects anew at each scrape."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    @override
    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the gateway."""
        metrics = merge(self._sight.samples())
        metrics.update(merge(account_samples(self._sight)))
        for name, series in sorted(metrics.items()):
            yield to_family(name, series)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def read_metrics(sight: Seeing, request: Request) -> Response:
    """Return all metrics in the exposition format that the scraper asks for."""
    registry = CollectorRegistry()
    registry.register(SightCollector(sight))
    ProcessCollector(namespace="infragate_web", registry=registry)
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"Content-Type": media_type})
