"""Conditions over metadata and parameters: when to stop an execution, and what the actions of a node wait for.

Expressions are evaluated by leval, with which the valohai-yaml package checks them: comparisons, arithmetic, no code.
"""

from __future__ import annotations

import keyword
import logging
from collections.abc import Iterable, Mapping
from typing import Any

logger = logging.getLogger("crystallize")

DEEPEST = 8


def holds(expression: str, metadata: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Whether a condition is met: ``accuracy > 0.9``, ``metadata.accuracy > 0.9``, ``parameter.epochs == 5``.

    A name that has no value yet, and values that cannot be compared, do not meet it.
    """
    from leval.excs import EvaluatorError
    from leval.rewriter_evaluator import RewriterEvaluator
    from leval.universe.simple import SimpleUniverse

    class Evaluator(RewriterEvaluator):
        def rewrite_keyword(self, kw: str) -> str:
            return f"_{kw}"

    values: dict[Any, Any] = {}
    for name, value in metadata.items():
        values[f"_{name}" if keyword.iskeyword(name) else name] = value
        values[("metadata", name)] = value
    for name, value in parameters.items():
        values[("parameter", name)] = values[("parameters", name)] = value
    try:
        return bool(
            Evaluator(SimpleUniverse(functions={}, values=values), max_depth=DEEPEST).evaluate_expression(expression)
        )
    except (EvaluatorError, TypeError, SyntaxError, ValueError, ArithmeticError) as error:
        logger.debug("condition %r: %s", expression, error)
        return False


def all_hold(expressions: Iterable[str], metadata: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Whether all conditions are met; there may be none."""
    return all(holds(str(expression), metadata, parameters) for expression in expressions)
