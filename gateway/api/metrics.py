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
from gateway.views.samples import account_samples, merge
from gateway.views.sight import Sight

router = APIRouter(tags=["health"])


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
