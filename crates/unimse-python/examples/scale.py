"""Labels synthetic utterances on a local Ray cluster and by one process; both must give the same bytes. `cargo xtask scale` runs it."""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="utterances that ask")
    parser.add_argument("--donors", type=int, default=25_000)
    parser.add_argument("--workers", type=int, default=2, help="actors of one thread; the process beside them gets as many threads")
    options = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from unimse import ray as scale

    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        (folder / "queries").mkdir()
        pq.write_table(table("donors", 0, options.donors, True), folder / "donors.parquet")
        for start in range(0, options.rows, FILE):
            rows = min(FILE, options.rows - start)
            pq.write_table(table("web", start, rows, False), folder / f"queries/{start:012}.parquet", row_group_size=BLOCK)
        ray.init(num_cpus=options.workers, include_dashboard=False, object_store_memory=2**30, log_to_driver=False, logging_level="warning")
        ray.data.DataContext.get_current().enable_progress_bars = False
        start = time.perf_counter()
        done = scale.unify(folder / "queries", folder / "donors.parquet", folder / "ray", workers=options.workers, rows=BLOCK)
        on_ray = time.perf_counter() - start
        ray.shutdown()
        alone = one_process(folder, options.workers)
        files = sorted(file.name for file in (folder / "one").iterdir())
        same = all((folder / "one" / name).read_bytes() == (folder / "ray" / name).read_bytes() for name in files)
    print(f"{done['rows']} rows in {done['files']} files against {options.donors} donors of {DIM} dimensions")
    print(f"ray, {options.workers} workers of one thread: {on_ray:.1f} s, {done['rows'] / on_ray:.0f} rows a second")
    print(f"one process, {options.workers} threads: {alone:.1f} s; efficiency of ray {alone / on_ray:.2f}")
    print("the bytes are the same" if same else "the bytes differ")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
