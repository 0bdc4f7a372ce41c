"""A run that the binary trained on the demo corpora, for one epoch, and rows that it is asked."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import unimse

ROOT = pathlib.Path(__file__).resolve().parents[3]
ENCODER = ROOT / ".models/all-MiniLM-L6-v2"


def binary(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """The binary that UNIMSE_BINARY names, with one thread where none are named."""
    command = [os.environ["UNIMSE_BINARY"], *map(str, arguments)]
    if "--threads" not in command:
        command += ["--threads", "1"]
    return subprocess.run(command, capture_output=True, check=False, **options)  # type: ignore[call-overload]


def done(*arguments: object, **options: object) -> bytes:
    result = binary(*arguments, **options)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A run folder with labels and a trained model that reads text, audio and video."""
    folder = tmp_path_factory.mktemp("torch")
    unimse.demo(folder / "data")
    for other in ("mosei", "iemocap"):
        shutil.rmtree(folder / "data" / other)
    run = folder / "run"
    unimse.ingest(folder / "data", run / "corpus")
    # no embeddings of the user's: they may be of another number of threads
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    done("unify", "--corpus", run / "corpus", "--out", run / "labels", "--encoder", ENCODER, env=environment)
    (run / "config.toml").write_text(CONFIG.format(encoder=ENCODER))
    done("train", "--config", run / "config.toml", env=environment)
    return run


CONFIG = """
[labels]
encoder = "{encoder}"
[model]
checkpoint = "{encoder}"
max_tokens = 24
context_before = 2
context_after = 1
[train]
epochs = 1
batch = 64
precision = "fp32"
"""


@pytest.fixture(scope="session")
def table(run: pathlib.Path) -> pa.Table:
    """Test rows of the demo's MELD and MOSI, dialogues with features; of some the features are not there."""
    tables = [pq.read_table(run / f"corpus/{corpus}-test.parquet").slice(0, 30) for corpus in ("meld", "mosi")]
    return pa.concat_tables([pa.Table.from_pylist(table.to_pylist()) for table in tables], promote_options="permissive")


def answers_of_binary(run: pathlib.Path, lines: bytes, place: pathlib.Path, threads: int) -> bytes:
    """What `unimse predict` prints of a file of these lines."""
    file = place / "rows.jsonl"
    file.write_bytes(lines)
    return done("predict", "--run", run, "--input", file, "--threads", threads)
