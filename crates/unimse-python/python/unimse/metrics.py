"""Metrics by named convention, and their intervals by resampling whole videos or dialogues.

Truth comes first, as in scikit-learn. Numbers are taken as float64, in the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from . import _native

if TYPE_CHECKING:
    from .types import EmotionScores, Interval, Numbers, Scores

__all__ = ["bootstrap", "emotion", "sentiment"]


def sentiment(
    truth: Numbers, prediction: Numbers, *, convention: Literal["mmsa", "mult", "mag"] = "mmsa"
) -> Scores:
    """Metrics of sentiment scores in [-3, 3].

    Args:
        truth: One number a row, all finite.
        prediction: As many.
        convention: `mmsa`: mae corr acc7 acc5 acc3 acc2_non0 f1_non0 acc2_has0 f1_has0. `mult`: the same without has0 and with the F1's
            arguments swapped, as MulT and MISA have them. `mag`: mae corr acc2 f1, all over rows whose truth is not 0.

    Returns:
        The metrics, MAE in units of the score, the others without one; a metric without a value (the correlation of a constant) stands in
        `undefined` with the reason.

    Raises:
        InputError: No rows, unequal lengths, a number that is not finite.
    """
    return _native.sentiment(truth, prediction, convention=convention)


def emotion(
    truth: Iterable[str], prediction: Iterable[str], *, labels: Literal["meld", "iemocap"] | Iterable[str]
) -> EmotionScores:
    """Metrics of emotions: accuracy, weighted_f1, macro_f1, unweighted_average_recall, each class, the confusion matrix.

    Args:
        truth: One class name a row.
        prediction: As many.
        labels: The class list, or the taxonomy whose list it is. Absent classes count in macro_f1; the recall is over those that occur.

    Raises:
        InputError: No rows, unequal lengths, a class outside the list.
    """
    return _native.emotion(truth, prediction, labels=labels)


def bootstrap(
    truth: Numbers,
    prediction: Numbers,
    *,
    metric: str,
    groups: Iterable[object] | None = None,
    convention: Literal["mmsa", "mult", "mag"] = "mmsa",
    labels: Literal["meld", "iemocap"] | Iterable[str] | None = None,
    resamples: int = 1000,
    seed: int = 1,
    method: Literal["percentile", "bca"] = "percentile",
) -> Interval:
    """A metric with its 95 % bootstrap interval.

    Args:
        truth: As of `sentiment`, or of `emotion` where the metric is one of emotions.
        prediction: As many.
        metric: Its key in the results of these functions, as in `mae` and `weighted_f1`.
        groups: The video or dialogue of each row, of any hashable kind. Whole groups are drawn, as many as there are, with replacement:
            rows of one video are alike, and drawn one by one they give intervals that are too narrow. Default: each row is its own.
        convention: Of a metric of sentiment.
        labels: Of a metric of emotions.
        resamples: How often, 1 to a million.
        seed: The same seed, rows and groups give the same interval, on any number of threads.
        method: `percentile`, or the bias-corrected and accelerated interval `bca`.

    Raises:
        InputError: As of the functions above; an unknown metric; groups of another length.
        KeyboardInterrupt: Ctrl-C.
    """
    return _native.bootstrap(
        truth,
        prediction,
        metric=metric,
        groups=groups,
        convention=convention,
        labels=labels,
        resamples=resamples,
        seed=seed,
        method=method,
    )
