"""Percentile intervals of all metrics of scores from resampled videos: by numpy, and by scipy.stats.bootstrap on fewer resamples, scaled up.

Both compute the metrics in numpy: scikit-learn would be slower by far.
"""

import os

import numpy as np

from protocol import serve

SCALE = 50  # scipy takes a fiftieth of the resamples


def weighted_f1(predicted, true):
    total, n = 0.0, len(true)
    for of_class in (False, True):
        p, t = predicted == of_class, true == of_class
        both, support, found = np.count_nonzero(p & t), np.count_nonzero(t), np.count_nonzero(p)
        total += support * 2 * both / (support + found) if both else 0.0
    return total / n


def rounded(values, limit):
    return np.round(np.clip(values, -limit, limit))


def metrics(prediction, truth):
    kept = truth != 0
    non_zero, true_non_zero = prediction[kept] > 0, truth[kept] > 0
    has_zero, true_has_zero = prediction >= 0, truth >= 0
    return np.array([
        np.mean(np.abs(prediction - truth)),
        np.corrcoef(prediction, truth)[0, 1],
        *(np.mean(rounded(prediction, limit) == rounded(truth, limit)) for limit in (3, 2, 1)),
        np.mean(non_zero == true_non_zero),
        weighted_f1(non_zero, true_non_zero),
        np.mean(has_zero == true_has_zero),
        weighted_f1(has_zero, true_has_zero),
    ])


def open_rows(job):
    prediction, truth = (np.fromfile(os.path.join(job["folder"], name), np.float32).astype(np.float64) for name in ("prediction.f32", "truth.f32"))
    clusters = np.fromfile(os.path.join(job["folder"], "clusters.i64"), np.int64)
    members = [np.flatnonzero(clusters == cluster) for cluster in np.unique(clusters)]
    # one row a cluster, filled with -1: resampled rows are one look-up
    table = np.full((len(members), max(map(len, members))), -1)
    for row, rows in zip(table, members):
        row[: len(rows)] = rows
    resamples = 200 if job["quick"] else 10_000

    def of_clusters(drawn):
        rows = table[drawn].ravel()
        rows = rows[rows >= 0]
        return metrics(prediction[rows], truth[rows])

    return len(members), resamples, of_clusters


def by_numpy(job):
    clusters, resamples, of_clusters = open_rows(job)
    random = np.random.default_rng(1)

    def bounds():
        values = np.array([of_clusters(random.integers(clusters, size=clusters)) for _ in range(resamples)])
        return np.quantile(values, [0.025, 0.975], axis=0).ravel().tolist()

    return bounds(), bounds


def by_scipy(job):
    from scipy.stats import bootstrap

    clusters, resamples, of_clusters = open_rows(job)
    random = np.random.default_rng(1)

    def bounds(count):
        found = bootstrap(
            (np.arange(clusters),), of_clusters, n_resamples=count, vectorized=False, method="percentile", rng=random
        ).confidence_interval
        return [*np.ravel(found.low).tolist(), *np.ravel(found.high).tolist()]

    return bounds(resamples // 10 if resamples > 1000 else resamples), lambda: bounds(resamples // SCALE), SCALE


serve({"numpy": by_numpy, "scipy": by_scipy}, ["numpy", "scipy"])
