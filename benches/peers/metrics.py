"""Metrics of a million rows: of scores as the MMSA framework takes them (numpy, and scikit-learn for the two-class ones), of emotions by
scikit-learn and by torchmetrics. Told in our own words, without code of MMSA.
"""

import os

import numpy as np

from protocol import serve

CLASSES = 7


def read(job, name, kind):
    return np.fromfile(os.path.join(job["folder"], name), kind)


def mmsa(job):
    from sklearn.metrics import accuracy_score, f1_score

    prediction, truth = (read(job, name, np.float32) for name in ("prediction.f32", "truth.f32"))

    def same_class(limit):
        clipped = (np.round(np.clip(values, -limit, limit)) for values in (prediction, truth))
        return float(np.mean(np.equal(*clipped)))

    def two_classes(predicted, true):
        return [accuracy_score(true, predicted), f1_score(true, predicted, average="weighted")]

    def metrics():
        non_zero = truth != 0
        return [
            float(np.mean(np.abs(prediction.astype(np.float64) - truth))),
            float(np.corrcoef(prediction, truth)[0, 1]),
            same_class(3),
            same_class(2),
            same_class(1),
            *two_classes(prediction[non_zero] > 0, truth[non_zero] > 0),
            *two_classes(prediction >= 0, truth >= 0),
        ]

    return metrics(), metrics


def emotions_sklearn(job):
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    prediction, truth = (read(job, name, np.int64) for name in ("prediction.i64", "truth.i64"))

    def metrics():
        return [
            accuracy_score(truth, prediction),
            f1_score(truth, prediction, average="weighted"),
            f1_score(truth, prediction, average="macro"),
            recall_score(truth, prediction, average="macro"),
        ]

    return metrics(), metrics


def emotions_torchmetrics(job):
    import torch
    from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score, multiclass_recall

    torch.set_num_threads(job["threads"])
    prediction, truth = (torch.from_numpy(read(job, name, np.int64)) for name in ("prediction.i64", "truth.i64"))

    def metrics():
        return [
            multiclass_accuracy(prediction, truth, CLASSES, average="micro").item(),
            multiclass_f1_score(prediction, truth, CLASSES, average="weighted").item(),
            multiclass_f1_score(prediction, truth, CLASSES, average="macro").item(),
            multiclass_recall(prediction, truth, CLASSES, average="macro").item(),
        ]

    return metrics(), metrics


serve(
    {"mmsa": mmsa, "scikit-learn": emotions_sklearn, "torchmetrics": emotions_torchmetrics},
    ["numpy", "scikit-learn", "torchmetrics"],
)
