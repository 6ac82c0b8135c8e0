"""One catalogue of metrics; what is exposed and what is documented comes from it."""

import re
from pathlib import Path

import pytest

from paceline.runtime import metric_names as names
from paceline.runtime.metric_names import Metric, MetricKind, Unit, as_markdown, catalogue
from paceline.runtime.metrics import Metrics

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"


@pytest.mark.parametrize("metric", catalogue(), ids=lambda metric: metric.name)
def test_a_name_follows_prometheus(metric: Metric) -> None:
    assert re.fullmatch(r"paceline(_[a-z0-9]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
    assert metric.name.endswith("_seconds") == (metric.unit is Unit.SECONDS)
    assert metric.help.endswith(".")


@pytest.mark.parametrize("metric", catalogue(), ids=lambda metric: metric.name)
def test_a_histogram_and_nothing_else_has_rising_buckets(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind is MetricKind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_no_name_is_used_twice() -> None:
    assert len({metric.name for metric in catalogue()}) == len(catalogue())


def test_no_label_names_one_account() -> None:
    labels = {label for metric in catalogue() for label in metric.labels}
    assert labels.isdisjoint({"account", "account_id", "order", "order_id", "symbol", "follower"})


def test_the_document_is_the_catalogue() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == as_markdown()


def test_all_of_them_can_be_exposed_at_once() -> None:
    metrics = Metrics()
    for metric in catalogue():
        getattr(metrics, metric.kind.value)(metric)
    exposed = metrics.exposition().decode()
    assert all(f"# TYPE {metric.name} {metric.kind.value}" in exposed for metric in catalogue())


def test_a_value_can_be_read_back() -> None:
    metrics = Metrics()
    metrics.counter(names.DEAD_LETTERS).labels("unparseable").inc(2)
    metrics.gauge(names.READY).set(1)
    metrics.histogram(names.JOURNAL_SECONDS).observe(0.1)
    assert metrics.value(names.DEAD_LETTERS, reason="unparseable") == 2
    assert metrics.value(names.READY) == 1
    assert metrics.value(names.JOURNAL_SECONDS) == 1
    assert metrics.value(names.FRAMES, broker="fyers", kind="order") == 0


def test_a_metric_is_built_once_and_each_process_has_its_own() -> None:
    one, other = Metrics(), Metrics()
    assert one.counter(names.RISK_WARNINGS) is one.counter(names.RISK_WARNINGS)
    one.counter(names.RISK_WARNINGS).inc()
    assert other.value(names.RISK_WARNINGS) == 0


def test_a_metric_is_used_as_what_it_is() -> None:
    metrics = Metrics()
    with pytest.raises(TypeError, match="no counter"):
        metrics.counter(names.READY)
    with pytest.raises(TypeError, match="no gauge"):
        metrics.gauge(names.JOURNAL_SECONDS)
    with pytest.raises(TypeError, match="no histogram"):
        metrics.histogram(names.READY)


def test_the_process_itself_is_measured() -> None:
    assert "process_resident_memory_bytes" in Metrics().exposition().decode()
