"""Labels synthetic utterances on a local Ray cluster and by one process; both must give the same bytes. `cargo xtask scale` runs it."""

import argparse
import contextlib
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DIM = 384
FILE = 50_000  # rows of a file
BLOCK = 16_384  # rows of a block


def table(name: str, start: int, rows: int, lends: bool) -> pa.Table:
    """Unit rows of both polarities; those that lend have a score or an emotion."""
    draw = np.random.default_rng([start, lends])
    values = draw.standard_normal((rows, DIM), dtype=np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    positive = draw.random(rows) < 0.5
    columns = {
        "corpus": [name] * rows,
        "split": ["train"] * rows,
        "utterance_id": [f"{row:012}" for row in range(start, start + rows)],
        "dialogue_id": [f"{row // 20:012}" for row in range(start, start + rows)],
        "polarity": np.where(positive, "positive", "negative"),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), DIM),
    }
    if lends:
        scored = np.arange(rows) % 2 == 0
        columns["score"] = pa.array(np.where(positive, 1.0, -1.0), mask=~scored)
        columns["meld"] = pa.array(np.where(positive, "joy", "anger"), mask=scored)
    return pa.table(columns)


def one_process(folder: pathlib.Path, threads: int) -> float:
    """Seconds that a process of its own needs for all files."""
    code = (
        "import pathlib, sys, time, pyarrow.parquet as pq\n"
        "from unimse.ray import label_file\n"
        "from unimse.stream import Labeller\n"
        "folder = pathlib.Path(sys.argv[1]); (folder / 'one').mkdir()\n"
        "start = time.perf_counter()\n"
        "labeller = Labeller(pq.ParquetFile(folder / 'donors.parquet').read())\n"
        f"for file in sorted((folder / 'queries').iterdir()): label_file(labeller, file, folder / 'one', {BLOCK})\n"
        "print(time.perf_counter() - start)"
    )
    env = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    return float(subprocess.run([sys.executable, "-c", code, folder], env=env, check=True, capture_output=True, text=True).stdout)


class Resident(threading.Thread):
    """Follows the most that a worker of Ray had in memory, its share of the object store included."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gigabytes = 0.0

    def run(self) -> None:
        while True:
            for status in pathlib.Path("/proc").glob("[0-9]*/status"):
                with contextlib.suppress(OSError):  # it ended
                    if status.with_name("cmdline").read_bytes().startswith(b"ray::"):
                        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
                        self.gigabytes = max(self.gigabytes, int(peak.split()[1]) / 2**20)
            time.sleep(0.5)


def killed_once(labeller: Any, rows: int, marker: pathlib.Path) -> Any:
    """What a worker does with its files; the one that comes to file `marker` first is killed while it writes it."""
    import ray
    from unimse import ray as scale

    write = scale._labeller(labeller, rows)

    def begin(source: pathlib.Path, target: pathlib.Path) -> int:
        if source.name == marker.name and not marker.exists():
            marker.touch()
            worker = ray.get_runtime_context().current_actor
            threading.Timer(1.0, lambda: ray.kill(worker, no_restart=True)).start()
        return write(source, target)

    return begin


def by_ray(folder: pathlib.Path, workers: int, kill: bool) -> dict[str, int]:
    """Labels all files into `ray`; with `kill`, the worker in the middle of them dies."""
    import ray
    from unimse import ray as scale

    if not kill:
        return dict(scale.unify(folder / "queries", folder / "donors.parquet", folder / "ray", workers=workers, rows=BLOCK))
    files, marker = scale._Files(folder / "queries", folder / "ray"), folder / "killed"
    marker.mkdir()
    files.receipt({})
    labeller = ray.put(scale.Labeller(pq.ParquetFile(folder / "donors.parquet").read()))
    middle = marker / files.names[len(files.names) // 2]
    done = files.write(killed_once, (labeller, BLOCK, middle), workers, 1)
    assert middle.exists()
    return dict(done)


def write_queries(folder: pathlib.Path, rows: int) -> None:
    """All files, by a process a core."""
    starts = range(0, rows, FILE)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(write_file, [folder] * len(starts), starts, [min(FILE, rows - start) for start in starts]))


def write_file(folder: pathlib.Path, start: int, rows: int) -> None:
    file = folder / f"queries/{start:012}.parquet"
    pq.write_table(table("web", start, rows, False), file, row_group_size=BLOCK, compression="none", use_dictionary=["corpus", "split", "polarity"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="utterances that ask")
    parser.add_argument("--donors", type=int, default=25_000)
    parser.add_argument("--workers", type=int, default=2, help="actors of one thread; the process beside them gets as many threads")
    parser.add_argument("--kill", action="store_true", help="kill a worker while it writes the file in the middle")
    options = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        (folder / "queries").mkdir()
        pq.write_table(table("donors", 0, options.donors, True), folder / "donors.parquet")
        write_queries(folder, options.rows)
        ray.init(num_cpus=options.workers, include_dashboard=False, object_store_memory=2**30, log_to_driver=False, logging_level="warning")
        ray.data.DataContext.get_current().enable_progress_bars = False
        resident = Resident()
        resident.start()
        start = time.perf_counter()
        done = by_ray(folder, options.workers, options.kill)
        on_ray = time.perf_counter() - start
        ray.shutdown()
        alone = one_process(folder, options.workers)
        files = sorted(file.name for file in (folder / "queries").iterdir())
        same = all((folder / "one" / name).read_bytes() == (folder / "ray" / name).read_bytes() for name in files)
    print(f"{done['rows']} rows in {done['files']} files against {options.donors} donors of {DIM} dimensions")
    killed = ", one of them killed" if options.kill else ""
    print(f"ray, {options.workers} workers of one thread{killed}: {on_ray:.1f} s, {done['rows'] / on_ray:.0f} rows a second")
    print(f"at most {resident.gigabytes:.2f} GB resident in a worker")
    print(f"one process, {options.workers} threads: {alone:.1f} s; efficiency of ray {alone / on_ray:.2f}")
    print("the bytes are the same" if same else "the bytes differ")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
