"""Families of metrics for Prometheus. What is not known has no sample: NaN would be taken for a number by rules that sum up."""

from __future__ import annotations

import math
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from drm.durations import Durations

Sample = tuple[tuple[str, ...], float]
"""Values of labels, and the number."""


def gauge(name: str, words: str, value: float) -> Metric:
    """One number that goes up and down."""
    return filled(GaugeMetricFamily(name, words, labels=()), [((), value)])


def counter(name: str, words: str, samples: Iterable[Sample], labels: tuple[str, ...] = ()) -> Metric:
    """Numbers that only grow; `_total` is put behind the name."""
    return filled(CounterMetricFamily(name, words, labels=labels), samples)


def histogram(name: str, words: str, durations: Durations) -> Metric:
    """How many took at most so long."""
    return HistogramMetricFamily(name, words, buckets=durations.buckets(), sum_value=durations.seconds)


def filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Iterable[Sample]) -> Metric:
    """The family with those samples that are numbers."""
    for labels, value in samples:
        if math.isfinite(value):
            family.add_metric(labels, value)
    return family
