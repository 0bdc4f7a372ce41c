"""Scorers for scikit-learn, which must be installed: `cross_val_score(model, x, y, scoring=unimse.sklearn.scorer("mae"))`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from . import metrics

if TYPE_CHECKING:
    from .types import Numbers

__all__ = ["emotion_score", "scorer", "sentiment_score"]

#: Metrics of which less is better.
LESS_IS_BETTER = frozenset({"mae"})
#: Metrics of emotions.
EMOTION = frozenset({"accuracy", "weighted_f1", "macro_f1", "unweighted_average_recall"})


def sentiment_score(
    y_true: Numbers,
    y_pred: Numbers,
    *,
    metric: str = "mae",
    convention: Literal["mmsa", "mult", "mag"] = "mmsa",
) -> float:
    """One metric of `unimse.metrics.sentiment` as a number; NaN where it is undefined."""
    scores = metrics.sentiment(y_true, y_pred, convention=convention)
    return _value(scores["metrics"], scores["undefined"], metric)


def emotion_score(
    y_true: Iterable[str],
    y_pred: Iterable[str],
    *,
    labels: Literal["meld", "iemocap"] | Iterable[str],
    metric: str = "weighted_f1",
) -> float:
    """One metric of `unimse.metrics.emotion` as a number."""
    scores = metrics.emotion(y_true, y_pred, labels=labels)["scores"]
    return _value(scores["metrics"], scores["undefined"], metric)


def scorer(metric: str, **options: Any) -> Callable[..., float]:
    """A scorer of a metric, larger better: an error counts as its negative.

    Args:
        metric: As in `mae`, `acc2_non0`, `weighted_f1`.
        options: `convention` of a metric of sentiment, `labels` of one of emotions.
    """
    make_scorer: Callable[..., Callable[..., float]] = import_module("sklearn.metrics").make_scorer
    score = emotion_score if metric in EMOTION else sentiment_score
    better = metric not in LESS_IS_BETTER
    return make_scorer(score, greater_is_better=better, metric=metric, **options)


def _value(values: dict[str, float], undefined: dict[str, str], metric: str) -> float:
    if metric in undefined:
        return math.nan
    if metric not in values:
        from .errors import InputError

        raise InputError(f"no metric `{metric}` here, expected one of: {', '.join(values)}")
    return values[metric]
