"""The numbers of all processes and the accounts, as one set of samples."""

from collections.abc import Iterable, Iterator

from gateway.stats import Labels, Sample
from gateway.views.accounts import accounts_of
from gateway.views.fleet import DeviceState
from gateway.views.sight import Sight


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
