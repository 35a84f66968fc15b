"""Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True)
class Metric:
    """`samples` are its values, each with its labels. A counter's name ends in `_total`, others in the unit."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    samples: tuple[Sample, ...]


def gauge(name: str, help: str, *samples: Sample) -> Metric:
    return Metric(name, "gauge", help, samples)


def counter(name: str, help: str, *samples: Sample) -> Metric:
    return Metric(name, "counter", help, samples)


def text(metrics: Iterable[Metric]) -> str:
    return "".join(line for metric in metrics for line in _lines(metric))


def _lines(metric: Metric) -> Iterable[str]:
    yield f"# HELP {metric.name} {metric.help}\n"
    yield f"# TYPE {metric.name} {metric.kind}\n"
    for labels, value in metric.samples:
        named = ",".join(f'{name}="{said.translate(_ESCAPED)}"' for name, said in labels.items())
        yield f"{metric.name}{f'{{{named}}}' if named else ''} {value:.17g}\n"
