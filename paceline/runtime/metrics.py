"""Metrics of a process, built from the catalogue on a registry of their own."""

from typing import TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from paceline.runtime.metric_names import Metric, MetricKind

Built: TypeAlias = Counter | Gauge | Histogram

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series per counter that nobody reads


class Metrics:
    """Hands out metrics of the catalogue; each is exposed from its first use on. Keep what was handed out."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self._built: dict[str, Built] = {}
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def counter(self, metric: Metric) -> Counter:
        built = self._get(metric)
        if not isinstance(built, Counter):
            raise TypeError(f"{metric.name} is no counter")
        return built

    def gauge(self, metric: Metric) -> Gauge:
        built = self._get(metric)
        if not isinstance(built, Gauge):
            raise TypeError(f"{metric.name} is no gauge")
        return built

    def histogram(self, metric: Metric) -> Histogram:
        built = self._get(metric)
        if not isinstance(built, Histogram):
            raise TypeError(f"{metric.name} is no histogram")
        return built

    def value(self, metric: Metric, **labels: str) -> float:
        """What a counter or gauge shows now, or how often a histogram was told; 0 when never touched."""
        suffix = "_count" if metric.kind is MetricKind.HISTOGRAM else ""
        return self._registry.get_sample_value(metric.name + suffix, labels) or 0.0

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)

    def _get(self, metric: Metric) -> Built:
        built = self._built.get(metric.name)
        if built is None:
            built = self._built[metric.name] = self._build(metric)
        return built

    def _build(self, metric: Metric) -> Built:
        if metric.kind is MetricKind.COUNTER:
            return Counter(metric.name, metric.help, metric.labels, registry=self._registry)
        if metric.kind is MetricKind.GAUGE:
            return Gauge(metric.name, metric.help, metric.labels, registry=self._registry)
        return Histogram(
            metric.name, metric.help, metric.labels, registry=self._registry, buckets=metric.buckets
        )
