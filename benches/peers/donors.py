"""Seconds of two faiss searches, either set in the other: python donors.py LEFT RIGHT DIM THREADS ROUNDS.

Needs faiss-cpu and numpy. Building the indexes is not timed.
"""
import sys
import time

import faiss
import numpy as np

left, right, dim, threads, rounds = map(int, sys.argv[1:])
faiss.omp_set_num_threads(threads)
rng = np.random.default_rng(1)


def unit_rows(n):
    rows = rng.standard_normal((n, dim), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


a, b = unit_rows(left), unit_rows(right)
indexes = []
for rows in (a, b):
    index = faiss.IndexFlatIP(dim)
    index.add(rows)
    indexes.append(index)
best = float("inf")
for _ in range(rounds):
    start = time.perf_counter()
    indexes[1].search(a, 2)
    indexes[0].search(b, 2)
    best = min(best, time.perf_counter() - start)
print(best)
