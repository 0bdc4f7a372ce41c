"""Metrics against golden values, scikit-learn and arithmetic."""

from __future__ import annotations

import json
import math
import pathlib

import numpy as np
import pytest
import unimse
from unimse import metrics

#: The keys of the golden file by convention and metric.
GOLDEN = {
    "mmsa": {key: key for key in "mae corr acc7 acc5 acc3 acc2_non0 f1_non0 acc2_has0 f1_has0".split()},
    "mult": {"mae": "mae", "corr": "corr", "acc7": "acc7", "acc2_non0": "acc2_non0", "f1_non0": "f1_non0_swapped"},
    "mag": {key: f"mag_{key}" for key in "mae corr acc2 f1".split()},
}


def test_every_convention_gives_the_golden_values(golden: pathlib.Path) -> None:
    cases = json.loads((golden / "metrics/regression.json").read_text())
    compared = 0
    for case in cases:
        truths, predictions = (np.array(case[key], np.float32) for key in ("truths", "predictions"))
        for convention, keys in GOLDEN.items():
            scores = metrics.sentiment(truths, predictions, convention=convention)  # type: ignore[arg-type]
            assert scores["n"] == len(truths)
            for key, expected in keys.items():
                if (value := case["expect"].get(expected)) is not None:
                    assert scores["metrics"][key] == pytest.approx(value, abs=2e-6), (case["name"], convention, key)
                    compared += 1
    assert compared > 10 * len(GOLDEN)


def test_emotions_are_scored_as_scikit_learn_does() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    names = "neutral surprise fear sadness joy disgust anger".split()
    draw = np.random.default_rng(1)
    truth, prediction = draw.choice(names[:6], 300), draw.choice(names[:5], 300)
    scored = metrics.emotion(truth, prediction, labels="meld")
    assert scored["labels"] == names
    expected = {
        "accuracy": sk.accuracy_score(truth, prediction),
        "weighted_f1": sk.f1_score(truth, prediction, labels=names, average="weighted", zero_division=0),
        "macro_f1": sk.f1_score(truth, prediction, labels=names, average="macro", zero_division=0),
        "unweighted_average_recall": sk.balanced_accuracy_score(truth, prediction),
    }
    assert scored["scores"]["metrics"] == pytest.approx(expected)
    assert scored["confusion"] == sk.confusion_matrix(truth, prediction, labels=names).tolist()


def test_numbers_come_in_whatever_holds_them() -> None:
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    truth, prediction = [1.0, -1.0, 0.0], [0.5, -2.0, 0.0]
    expected = {"mae": (0.5 + 1.0 + 0.0) / 3, "acc7": 1 / 3, "acc2_non0": 1.0}
    for make in (list, tuple, np.array, np.float32, pd.Series, pl.Series, pa.array):
        found = metrics.sentiment(make(truth), make(prediction))["metrics"]
        # -2 of -1 and, halves to even, 0 of 1 are wrong classes
        assert {key: found[key] for key in expected} == pytest.approx(expected), make
    words = ["joy", "anger"]
    for make in (list, np.array, pd.Series, pl.Series, pa.array):
        assert metrics.emotion(make(words), make(words), labels="iemocap")["scores"]["metrics"]["accuracy"] == 1.0


def test_a_metric_without_a_value_says_why() -> None:
    scores = metrics.sentiment([1.0, 1.0], [0.5, 2.0])
    assert scores["undefined"] == {"corr": "the truths are constant"}
    assert "corr" not in scores["metrics"]


def test_an_interval_depends_on_rows_groups_and_seed_alone() -> None:
    draw = np.random.default_rng(1)
    truth = draw.uniform(-3, 3, 200)
    prediction = truth + draw.normal(0, 1, 200)
    groups = [f"video {row // 5}" for row in range(200)]

    def interval(**options: object) -> dict[str, float]:
        return metrics.bootstrap(truth, prediction, metric="mae", **options)  # type: ignore[arg-type, return-value]

    first = interval(groups=groups)
    assert first["estimate"] == pytest.approx(np.abs(truth - prediction).mean())
    assert first["low"] < first["estimate"] < first["high"]
    assert first == interval(groups=[int(name.split()[1]) for name in groups])
    assert first != interval(groups=groups, seed=2)
    assert first != interval()
    assert interval(groups=groups, method="bca")["estimate"] == first["estimate"]
    alone = interval(groups=["one"] * 200)
    assert "low" not in alone and "one cluster" in alone["undefined"]  # type: ignore[operator]


def test_an_interval_of_one_emotion_metric_is_arithmetic() -> None:
    truth, prediction = ["joy"] * 4, ["joy", "joy", "anger", "anger"]
    groups = [0, 0, 1, 1]  # a resample holds the right group, the wrong one, or both
    found = metrics.bootstrap(truth, prediction, metric="accuracy", labels="meld", groups=groups)
    assert found == {"estimate": 0.5, "low": 0.0, "high": 1.0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.sentiment([], []), "no rows, expected at least one"),
        (lambda: metrics.sentiment([1.0], [1.0, 2.0]), "2 predictions and 1 truths, expected as many of each"),
        (lambda: metrics.sentiment([1.0, math.nan], [1.0, 2.0]), "truth in row 2: NaN, expected a finite number"),
        (lambda: metrics.emotion(["hope"], ["joy"], labels="meld"), "truth in row 1: class `hope`, expected one of: neutral, surprise, .*"),
        (lambda: metrics.bootstrap([1.0], [1.0], metric="wf1"), "unknown metric `wf1`, .*"),
        (lambda: metrics.bootstrap([1.0], [1.0], metric="mae", groups=[1, 2]), "groups: expected 1, one a row, found 2"),
        (lambda: metrics.bootstrap([1.0], [1.0], metric="mae", resamples=0), "resamples: 0, expected 1 to 1000000"),
        (lambda: metrics.bootstrap([1.0], [1.0], metric="mae", method="t"), "unknown method `t`, .*"),  # type: ignore[arg-type]
    ],
)
def test_errors_say_what_was_expected_and_found(call: object, message: str) -> None:
    with pytest.raises(unimse.InputError, match=f"^{message}$"):
        call()  # type: ignore[operator]


def test_scorers_of_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.model_selection import cross_val_score
    from unimse import sklearn as scorers

    x, y = np.zeros((6, 1)), np.array([1.0, 2.0, 1.0, 2.0, 1.0, 2.0])
    errors = cross_val_score(DummyRegressor(), x, y, scoring=scorers.scorer("mae"), cv=3)
    assert errors == pytest.approx([-0.5] * 3)  # the mean, 1.5, is off by a half everywhere
    names = np.array(["joy", "anger"] * 3)
    model = DummyClassifier(strategy="constant", constant="joy")
    shares = cross_val_score(model, x, names, scoring=scorers.scorer("accuracy", labels="meld"), cv=3)
    assert shares == pytest.approx([0.5] * 3)
    assert math.isnan(scorers.sentiment_score([1.0, 1.0], [1.0, 2.0], metric="corr"))
    with pytest.raises(unimse.InputError, match="no metric `f2` here"):
        scorers.sentiment_score([1.0], [1.0], metric="f2")
