"""Results as text for machines: JSON, and XML as crystallize 0.27 gave it to language models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crystallize.experiment.results.result import Result
from crystallize.store.codecs import plain


def to_json(results: Mapping[str, Result]) -> str:
    """One object per experiment, without provenance."""
    shown = {name: {k: v for k, v in result.to_dict().items() if k != "provenance"} for name, result in results.items()}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def to_xml(results: Mapping[str, Result]) -> str:
    """One ``<Experiment>`` per experiment: metrics by condition, hypotheses, where artifacts lie, errors."""
    from xml.etree import ElementTree as Xml

    top = Xml.Element("CrystallizeSummary")
    for name, result in results.items():
        part = Xml.SubElement(top, "Experiment", name=name)
        _add_metrics(part, result)
        _add_hypotheses(part, result)
        artifacts = Xml.SubElement(part, "Artifacts")
        for file, paths in result.artifacts.items():
            artifact = Xml.SubElement(artifacts, "Artifact", name=file)
            for condition, path in paths.items():
                Xml.SubElement(artifact, "Path", condition=condition).text = _text(str(path))
        errors = Xml.SubElement(part, "Errors")
        for key, error in result.errors.items():
            Xml.SubElement(errors, "Error", trial=key).text = _text(str(error))
    Xml.indent(top)
    return Xml.tostring(top, encoding="unicode")


def _add_metrics(part: Any, result: Result) -> None:
    from xml.etree import ElementTree as Xml

    metrics = Xml.SubElement(part, "Metrics")
    by_metric: dict[str, dict[str, Any]] = {}
    for condition, samples in result.metrics.conditions():
        for metric, values in samples.items():
            by_metric.setdefault(metric, {})[condition] = values
    for metric, conditions in by_metric.items():
        element = Xml.SubElement(metrics, "Metric", name=metric)
        for condition, values in conditions.items():
            Xml.SubElement(element, "Value", condition=condition).text = _text(_json(values))


def _add_hypotheses(part: Any, result: Result) -> None:
    from xml.etree import ElementTree as Xml

    hypotheses = Xml.SubElement(part, "Hypotheses")
    for each in result.metrics.hypotheses:
        best = each.ranking.get("best")
        element = Xml.SubElement(hypotheses, "Hypothesis", name=each.name, best="" if best is None else str(best))
        for condition, said in each.results.items():
            Xml.SubElement(element, "Result", condition=condition).text = _text(_json(said))


def _json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


def _text(text: str) -> str:
    """`text` without the characters that no XML may hold."""
    return "".join(char for char in text if char in "\t\n\r" or char >= " ")
