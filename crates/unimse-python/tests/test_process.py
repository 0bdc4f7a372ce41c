"""Processes, threads and signals."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import unimse
from conftest import unit_rows


def work(seed: int) -> tuple[float, int]:
    """Something that all threads of the pool take part in."""
    rows = unit_rows(600, 16, seed)
    truth = rows[:, 0].astype(np.float64)
    interval = unimse.metrics.bootstrap(truth, rows[:, 1], metric="mae", resamples=200)
    return interval["low"], int(unimse.Donors(rows).nearest(rows, k=2)[0].sum())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_children_work_whatever_way_they_start(method: str) -> None:
    expected = [work(seed) for seed in range(4)]  # the parent's threads run before the fork
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(work, range(4)).get(timeout=120) == expected
    assert work(0) == expected[0]


def test_threads_of_python_share_it() -> None:
    expected = [work(seed) for seed in range(6)]
    found: dict[int, tuple[float, int]] = {}
    threads = [threading.Thread(target=lambda seed=seed: found.update({seed: work(seed)})) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[seed] for seed in range(6)] == expected


def test_other_threads_go_on_meanwhile() -> None:
    rows, donors = unit_rows(6000, 256, 1), unimse.Donors(unit_rows(6000, 256, 2))
    ticks, done = [], threading.Event()

    def tick() -> None:
        while not done.wait(0.001):
            ticks.append(time.perf_counter())

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    donors.nearest(rows)
    end = time.perf_counter()
    done.set()
    thread.join()
    assert len([at for at in ticks if start < at < end]) >= 3


SLOW = {
    "nearest": "rows = unit(60000, 512); donors = unimse.Donors(rows); start(); [donors.nearest(rows, k=9) for _ in range(99)]",
    "unify": (
        "n = 40000; rows = unit(n, 512); ids = [str(i) for i in range(n)]; half = ['mosi', 'meld'] * (n // 2)\n"
        "table = pa.table({'corpus': half, 'split': ['train'] * n, 'utterance_id': ids, 'dialogue_id': ids, 'polarity': ['positive'] * n,\n"
        "    'score': pa.array([1.0 if c == 'mosi' else None for c in half]), 'emotion': ['joy' if c == 'meld' else None for c in half]})\n"
        "start(); [unimse.unify(table, rows) for _ in range(99)]"
    ),
    "bootstrap": "x = np.arange(200000.0); start(); unimse.metrics.bootstrap(x, x + 1, metric='corr', resamples=1000000)",
}
PROLOGUE = """
import sys, numpy as np, pyarrow as pa, unimse
def unit(n, dim):
    values = np.random.default_rng(1).standard_normal((n, dim), dtype=np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)
def start():
    print("started", flush=True)
try:
"""
EPILOGUE = """
except KeyboardInterrupt:
    sys.exit(77)
"""


@pytest.mark.parametrize("name", SLOW)
def test_ctrl_c_ends_long_work(name: str) -> None:
    pytest.importorskip("pyarrow")
    body = "\n".join("    " + line for line in SLOW[name].splitlines())
    child = subprocess.Popen([sys.executable, "-c", PROLOGUE + body + EPILOGUE], stdout=subprocess.PIPE, text=True)
    assert child.stdout and child.stdout.readline() == "started\n"
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=60) == 77


def test_ctrl_c_leaves_no_tables(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "t"

    def stop(line: str) -> None:
        if line == "meld: reading":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)  # until the waiting thread has looked

    with pytest.raises(KeyboardInterrupt):
        unimse.ingest(data, out, progress=stop)
    assert list(tmp_path.iterdir()) == []
    unimse.ingest(data, out)  # and the next one works
    assert len(list(out.glob("*.parquet"))) == 4 * 3
