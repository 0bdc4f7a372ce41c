"""Labels against brute force, the binary and golden values; tables of every library."""

from __future__ import annotations

import csv
import os
import pathlib
import subprocess

import numpy as np
import pytest
import unimse
from conftest import ROOT, unit_rows

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

EMOTIONS = "neutral surprise fear sadness joy disgust anger".split()


def frame(rows: int, seed: int) -> pd.DataFrame:
    """Half of it scored, half with emotions, over few dialogues and all splits."""
    draw = np.random.default_rng(seed)
    scored = np.arange(rows) % 2 == 0
    polarity = draw.choice(["negative", "neutral", "positive"], rows)
    sign = np.select([polarity == "negative", polarity == "positive"], [-1.0, 1.0], 0.0)
    return pd.DataFrame(
        {
            "corpus": np.where(scored, "mosi", "meld"),
            "split": draw.choice(["train", "dev", "test"], rows, p=[0.7, 0.15, 0.15]),
            "utterance_id": [f"u{row:05}" for row in draw.permutation(rows)],
            "dialogue_id": [f"d{number}" for number in draw.integers(0, max(2, rows // 10), rows)],
            "polarity": polarity,
            "score": np.where(scored, sign * draw.integers(1, 30, rows) / 10, np.nan),
            "emotion": [None if is_scored else draw.choice(EMOTIONS) for is_scored in scored],
        }
    )


def brute_force(table: pd.DataFrame, rows: np.ndarray) -> list[str | None]:
    """The donor of every row's missing field, by the whole similarity matrix."""
    similarity = rows.astype(np.float64) @ rows.astype(np.float64).T
    train, ids = (table.split == "train").to_numpy(), table.utterance_id.to_numpy()
    donors: list[str | None] = []
    for row in range(len(table)):
        me = table.iloc[row]
        may = train & (table.polarity == me.polarity).to_numpy() & (table.corpus != me.corpus).to_numpy()
        if me.split == "test" or me.polarity == "neutral" or not may.any():
            donors.append(None)
        else:
            best = np.flatnonzero(may)[np.argmax(similarity[row, may])]
            donors.append(ids[best])
    return donors


def test_donors_are_those_of_brute_force() -> None:
    table, rows = frame(600, 1), unit_rows(600, 16, 2)
    labels = unimse.unify(table, rows).to_pandas()
    assert (labels.utterance_id == table.utterance_id).all() and (labels.corpus == table.corpus).all()
    scored = table.corpus == "mosi"
    found = labels.meld_donor_id.where(scored, labels.intensity_donor_id)
    expected = brute_force(table, rows)
    assert sum(donor is not None for donor in expected) > 200
    assert [None if pd.isna(donor) else donor for donor in found] == expected
    # neutral by the rule, test rows with gold alone
    neutral = labels[scored & (table.polarity == "neutral") & (table.split != "test")]
    assert set(neutral.meld) == {"neutral"} and set(neutral.meld_source) == {"rule"}
    assert set(labels[scored & (table.split == "test")].meld_source) == {"missing"}
    assert set(labels[scored].intensity_source) == {"gold"}


def test_every_library_s_table_goes_in_and_out() -> None:
    pl, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    table, rows = frame(60, 3), unit_rows(60, 4, 4)
    arrow = pa.Table.from_pandas(table)
    chunked = pa.concat_tables([arrow.slice(0, 7), arrow.slice(7)])
    connection = duckdb.connect()
    connection.register("t", arrow)
    forms = [table, arrow, chunked, pl.from_arrow(arrow), connection.sql("from t"), arrow.to_batches()[0]]
    labels = [unimse.unify(form, rows) for form in forms]
    assert labels[0].column_names[:4] == ["corpus", "utterance_id", "split", "polarity"]
    assert len(labels[0]) == 60 and repr(labels[0]).startswith("<unimse.Table of 60 rows: corpus,")
    first = labels[0].to_pyarrow()
    first.validate(full=True)
    assert all(other.to_pyarrow().equals(first) for other in labels[1:])
    # out: pyarrow on the same memory, polars, pandas, DuckDB
    again = pa.table(labels[0])
    assert again["intensity"].chunk(0).buffers()[1].address == first["intensity"].chunk(0).buffers()[1].address
    assert labels[0].to_polars().equals(pl.from_arrow(first))
    pd.testing.assert_frame_equal(pd.DataFrame.from_arrow(labels[0]), first.to_pandas(), check_dtype=False)
    made = labels[0]
    counted = connection.sql("select count(intensity) from made").fetchall()
    assert counted == [(60 - first["intensity"].null_count,)]
    assert made is labels[0]


def test_the_words_of_users_are_read_and_refused_by_row() -> None:
    table, rows = frame(20, 5), unit_rows(20, 4, 6)
    table["split"] = table["split"].replace("dev", "valid")  # as others call it
    unimse.unify(table.astype({"corpus": "category"}), rows)

    def refused(message: str, embeddings: object = rows, **columns: object) -> None:
        with pytest.raises(unimse.InputError, match=message):
            unimse.unify(table.assign(**columns), embeddings)  # type: ignore[arg-type]

    refused("^table: row 1: column split: unknown split `all`, expected one of: train, dev, test$", split="all")
    refused("^table: column utterance_id: expected text, found Int64$", utterance_id=range(20))
    refused("^intensity of mosi .*: 3.5, expected a value in", score=3.5, polarity="positive")
    refused("^embedding of mosi .*: all zero, expected a finite row of unit length$", np.zeros((20, 4), np.float32))
    refused("^embeddings hold 40 values, expected 20 samples x 4 dimensions$", unit_rows(10, 4, 1))
    with pytest.raises(unimse.InputError, match="^unknown donor protocol `test`, expected one of: train, all"):
        unimse.unify(table, rows, donors="test")  # type: ignore[arg-type]
    with pytest.raises(unimse.InputError, match="^table: column dialogue_id is missing$"):
        unimse.unify(table.drop(columns="dialogue_id"), rows)
    with pytest.raises(TypeError, match=r"found ndarray of float64 \(20, 4\)$"):
        unimse.unify(table, rows.astype(np.float64))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"found ndarray of float32 \(20, 4\), not contiguous$"):
        unimse.unify(table, np.asfortranarray(rows))
    with pytest.raises(TypeError, match="expected one with Arrow's PyCapsule interface.*found list$"):
        unimse.unify([], rows)  # type: ignore[arg-type]


def encoder() -> pathlib.Path:
    folder = pathlib.Path(os.environ.get("UNIMSE_MINILM", ROOT / ".models/all-MiniLM-L6-v2"))
    if not (folder / "model.safetensors").is_file():
        pytest.skip("needs .models/all-MiniLM-L6-v2 or UNIMSE_MINILM")
    return folder


def unified(binary: pathlib.Path, tables: pathlib.Path, out: pathlib.Path, *options: str) -> tuple[pa.Table, np.ndarray, pa.Table]:
    """The binary's labels of all corpora, the embeddings that it had, and the utterances, row by row."""
    import pyarrow.parquet as pq

    command = [binary, "unify", "--corpus", tables, "--out", out, "--encoder", encoder(), *options]
    subprocess.run(command, check=True, capture_output=True)
    labels, embeddings, utterances = [], [], []
    for file in sorted(out.glob("*.parquet")):
        table = pq.read_table(file).replace_schema_metadata()
        labels.append(table.add_column(0, pa.field("corpus", pa.string(), False), pa.array([file.stem] * len(table))))
        rows = pq.read_table(out / "embeddings" / file.name)
        parts = [pq.read_table(part) for part in sorted(tables.glob(f"{file.stem}-*.parquet"))]
        names = ["corpus", "split", "utterance_id", "dialogue_id", "polarity", "score", "emotion"]
        parts = [part.select(names).replace_schema_metadata() for part in parts]
        by_id = pa.concat_tables([part.cast(pa.schema([(n, pa.float32() if n == "score" else pa.string()) for n in names])) for part in parts])
        place = {name: at for at, name in enumerate(by_id["utterance_id"].to_pylist())}
        utterances.append(by_id.take([place[name] for name in table["utterance_id"].to_pylist()]))
        values = rows["embedding"].combine_chunks()
        embeddings.append(values.flatten().to_numpy().reshape(len(rows), -1))
        assert rows["utterance_id"].to_pylist() == table["utterance_id"].to_pylist()
    return pa.concat_tables(labels), np.ascontiguousarray(np.concatenate(embeddings)), pa.concat_tables(utterances)


@pytest.mark.parametrize("options", [{}, {"donors": "all", "queries": "all"}, {"donors": "shuffled", "min_similarity": 0.2}])
def test_the_binary_gives_the_same_table(
    binary: pathlib.Path, tables: pathlib.Path, tmp_path: pathlib.Path, options: dict[str, object]
) -> None:
    words = [word for name, value in options.items() for word in ("--" + name.replace("_", "-"), str(value))]
    labels, embeddings, utterances = unified(binary, tables, tmp_path / "labels", *words)
    mine = unimse.unify(utterances, embeddings, **options).to_pyarrow()  # type: ignore[arg-type]
    assert mine.schema.names == labels.schema.names
    for name in labels.schema.names:
        assert mine[name].combine_chunks().equals(labels[name].combine_chunks()), name
    assert len(set(mine["meld_source"].to_pylist())) >= 3


def test_golden_donors(binary: pathlib.Path, golden: pathlib.Path, tmp_path: pathlib.Path) -> None:
    data = os.environ.get("UNIMSE_DATA")
    if not data:
        pytest.skip("needs UNIMSE_DATA")
    unimse.ingest(data, tmp_path / "tables")
    _, embeddings, utterances = unified(binary, tmp_path / "tables", tmp_path / "labels")
    compared = 0
    with (golden / "unify/donors.csv").open() as file:
        golden_rows = list(csv.DictReader(file))
    for protocol in ("train", "all"):
        labels = unimse.unify(utterances, embeddings, donors=protocol, queries="all")  # type: ignore[arg-type]
        found = {(row["corpus"], row["utterance_id"]): row for row in labels.to_pyarrow().to_pylist()}
        for row in golden_rows:
            if row["protocol"] != f"{protocol}_donors" or row["polarity"] == "neutral" or not row["donor_id"]:
                continue
            label = found[row["query_corpus"], row["query_id"]]
            field = "meld" if row["query_corpus"] == "mosi" else "intensity"
            assert label[f"{field}_similarity"] == pytest.approx(float(row["similarity"]), abs=1e-5)
            if float(row["similarity"]) - float(row["runner_up_similarity"] or -1) >= 1e-5:
                assert label[f"{field}_donor_id"] == row["donor_id"]
            compared += 1
    assert compared > 10_000
