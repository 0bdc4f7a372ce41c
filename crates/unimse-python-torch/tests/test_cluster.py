"""Answers and embeddings of many files: Ray, and the functions that Spark maps over a partition."""

from __future__ import annotations

import importlib
import os
import pathlib
import pickle
import shutil
import sys
import time
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import unimse
from conftest import ENCODER
from unimse.stream import embedded, embedding_in_arrow, prediction_in_arrow

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

from unimse import ray as scale  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Ray on this machine: two cores, an object store of 256 MiB."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=256 * 2**20, log_to_driver=False, logging_level="warning")
    yield
    ray.shutdown()


@pytest.fixture
def source(table: pa.Table, tmp_path: pathlib.Path) -> pathlib.Path:
    """Six files, no dialogue in two of them."""
    folder = tmp_path / "rows"
    folder.mkdir()
    dialogues = table["dialogue_id"].unique().to_pylist()
    for part in range(6):
        rows = pa.compute.is_in(table["dialogue_id"], pa.array(dialogues[part::6]))
        pq.write_table(table.filter(rows), folder / f"part-{part}.parquet")
    return folder


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*.parquet")}


@pytest.mark.parametrize("no_restart", [False, True])
def test_a_killed_worker_loses_and_duplicates_no_answer(
    run: pathlib.Path, table: pa.Table, source: pathlib.Path, tmp_path: pathlib.Path, no_restart: bool
) -> None:
    expected, out = tmp_path / "expected", tmp_path / "out"
    expected.mkdir()
    torch.set_num_threads(1)
    predictor = unimse.Predictor(run)
    for file in source.iterdir():
        scale.predict_file(predictor, file, expected)
    answers = {file.name: pq.read_table(file) for file in expected.iterdir()}
    assert sum(map(len, answers.values())) == len(table)

    def make() -> scale._Write:
        """A worker that dies once in the middle of its file."""
        write = scale._predictor(str(run), None, 1)

        def killed_once(file: pathlib.Path, target: pathlib.Path) -> int:
            marker = target / "killed"
            if file.name == "part-2.parquet" and not marker.exists():
                marker.touch()
                (target / f".{file.name}.{os.getpid()}.partial").write_bytes(b"half")
                ray.kill(ray.get_runtime_context().current_actor, no_restart=no_restart)
                time.sleep(60)
            return write(file, target)

        return killed_once

    files = scale._Files(source, out)
    files.receipt({})
    done = files.write(make, (), 2, 1)
    assert (out / "killed").exists() and done == {"files": 6, "rows": len(table), "skipped": 0}
    assert contents(out) == contents(expected)
    assert len(list(out.glob(".*.partial"))) == 1  # it goes with a call an hour later


def test_a_second_call_answers_what_is_left_and_another_model_is_refused(
    run: pathlib.Path, table: pa.Table, source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "out"
    assert scale.predict(source, run, out, workers=2) == {"files": 6, "rows": len(table), "skipped": 0}
    before = contents(out)
    (out / "part-3.parquet").unlink()
    left = len(pq.read_table(source / "part-3.parquet"))
    assert scale.predict(source, run, out, workers=2) == {"files": 1, "rows": left, "skipped": 5}
    assert contents(out) == before
    whole = pa.concat_tables([pq.read_table(file) for file in sorted(out.glob("*.parquet"))])
    assert sorted(whole["utterance_id"].to_pylist()) == sorted(table["utterance_id"].to_pylist())
    with pytest.raises(unimse.InputError, match="_unimse.json: expected .*; choose another folder, or remove this one$"):
        scale.predict(source, run, out, workers=2, context=0)
    with pytest.raises(unimse.InputError, match="no trained model is here; run `unimse train` first$"):
        scale.predict(source, tmp_path, out, workers=2)
    with pytest.raises(unimse.InputError, match="^threads: 0, expected 1 or more$"):
        scale.predict(source, run, out, workers=1, threads=0)
    pq.write_table(table.drop_columns("text"), source / "part-9.parquet")
    with pytest.raises(unimse.InputError, match="^[^:]*part-9.parquet: row 1: field text is missing$"):
        scale.predict(source, run, out, workers=1)


def test_embeddings_of_files_are_those_of_one_process_and_lend_labels(table: pa.Table, source: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out, expected = tmp_path / "out", tmp_path / "expected"
    done = scale.embed(source, ENCODER, out, workers=2, rows=10)
    assert done == {"files": 6, "rows": len(table), "skipped": 0}
    expected.mkdir()
    torch.set_num_threads(1)
    encoder = unimse.Encoder(ENCODER)
    for file in source.iterdir():
        scale.embed_file(encoder, file, expected, 10)
    assert contents(out) == contents(expected)
    rows = pq.read_table(out / "part-0.parquet")
    assert rows.drop_columns("embedding").equals(pq.read_table(source / "part-0.parquet"))
    # what comes out is what `unify` takes
    asked = tmp_path / "asked"
    asked.mkdir()
    pq.write_table(rows, asked / "part-0.parquet")
    assert scale.unify(asked, out / "part-1.parquet", tmp_path / "labels", workers=1)["rows"] == len(rows)
    with pytest.raises(unimse.InputError, match=r"^[^:]*part-\d\.parquet: column embedding: expected none, it is what comes back$"):
        scale.embed(out, ENCODER, tmp_path / "again", workers=1)
    with pytest.raises(unimse.FileError, match="config.json"):
        scale.embed(source, tmp_path, tmp_path / "other", workers=1)


def test_partitions_are_mapped_and_what_maps_them_travels(run: pathlib.Path, table: pa.Table) -> None:
    predictor, encoder = unimse.Predictor(run), unimse.Encoder(ENCODER)
    batches = table.to_batches(max_chunksize=17)
    answered = pa.Table.from_batches(prediction_in_arrow(predictor)(iter(batches)))
    assert answered.equals(predictor(table).to_pyarrow())
    assert list(prediction_in_arrow(predictor)(iter([]))) == []
    rows = pa.Table.from_batches(embedding_in_arrow(encoder)(iter(batches)))
    assert rows["text"].equals(table["text"]) and rows.schema == embedded(encoder, table.slice(0, 0)).schema
    sent = ray.cloudpickle.dumps(prediction_in_arrow(predictor))
    again = pickle.loads(sent)
    assert pa.Table.from_batches(again(iter(batches))).equals(answered)
    with pytest.raises(unimse.InputError, match="^column text: expected a value in every row, found 1 null$"):
        embedded(encoder, pa.table({"text": ["a", None]}))


@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
def test_spark_maps_partitions(run: pathlib.Path, table: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    pyspark = pytest.importorskip("pyspark")
    importlib.import_module("pyspark.sql")
    from_arrow_schema = importlib.import_module("pyspark.sql.pandas.types").from_arrow_schema
    torch.set_num_threads(1)
    predictor, encoder = unimse.Predictor(run), unimse.Encoder(ENCODER)
    rows = table.select(["corpus", "split", "utterance_id", "dialogue_id", "turn", "text"])
    session = pyspark.sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        frame = session.createDataFrame(rows.to_pandas()).coalesce(1)
        schema = from_arrow_schema(predictor(rows.slice(0, 0)).to_pyarrow().schema)
        found = frame.mapInArrow(prediction_in_arrow(predictor), schema).toPandas()
        expected = predictor(rows).to_pandas()
        assert found["utterance_id"].tolist() == expected["utterance_id"].tolist()
        assert found["intensity"].tolist() == pytest.approx(expected["intensity"].tolist(), abs=1e-5)
        schema = from_arrow_schema(embedded(encoder, rows.slice(0, 0)).schema)
        vectors = frame.mapInArrow(embedding_in_arrow(encoder), schema).toPandas()["embedding"]
        assert len(vectors) == len(rows) and len(vectors[0]) == encoder.dim
    finally:
        session.stop()
