"""Labels of streams: block by block, over a cluster, after a worker was killed."""

from __future__ import annotations

import os
import pathlib
import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import unimse
from conftest import unit_rows

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from unimse.stream import Labeller  # noqa: E402

EMOTIONS = "surprise fear sadness joy disgust anger".split()


def listed(rows: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])


def donors(rows: int, seed: int = 1, dim: int = 16) -> pa.Table:
    """Half of them scored, half with emotions."""
    draw = np.random.default_rng(seed)
    scored, sign = np.arange(rows) % 2 == 0, draw.choice([-1.0, 1.0], rows)
    columns = {
        "corpus": pa.array(np.where(scored, "mosi", "meld")),
        "split": pa.array(["train"] * rows),
        "utterance_id": pa.array([f"u{row:06}" for row in range(rows)]),
        "dialogue_id": pa.array([f"d{row // 10}" for row in range(rows)]),
        "polarity": pa.array(np.where(sign < 0, "negative", "positive")),
        "score": pa.array([float(s) * 1.5 if is_scored else None for s, is_scored in zip(sign, scored)]),
        "emotion": pa.array([None if is_scored else str(draw.choice(EMOTIONS)) for is_scored in scored]),
        "embedding": listed(unit_rows(rows, dim, seed)),
    }
    return pa.table(columns)


def queries(rows: int, seed: int, dim: int = 16) -> pa.Table:
    """Of another corpus, without scores and emotions; some neutral, some without polarity."""
    draw = np.random.default_rng(seed)
    polarity = draw.choice(["negative", "neutral", "positive", ""], rows)
    columns = {
        "corpus": pa.array(["web"] * rows),
        "split": pa.array(draw.choice(["train", "dev"], rows).tolist()),
        "utterance_id": pa.array([f"q{seed}-{row:06}" for row in range(rows)]),
        "dialogue_id": pa.array([f"page{row // 3}" for row in range(rows)]),
        "polarity": pa.array([str(word) or None for word in polarity]),
        "embedding": listed(unit_rows(rows, dim, seed)),
    }
    return pa.table(columns)


def at_once(kept: pa.Table, asked: pa.Table) -> pa.Table:
    """The labels of all rows by one call of `unify` over everything."""
    test = asked.set_column(asked.schema.get_field_index("split"), "split", pa.array(["test"] * len(asked)))
    table = pa.concat_tables([kept.drop_columns("embedding"), test.drop_columns("embedding")], promote_options="default")
    rows = np.concatenate([t["embedding"].combine_chunks().flatten().to_numpy().reshape(len(t), -1) for t in (kept, test)])
    labels = unimse.unify(table, rows, queries="test").to_pyarrow().slice(len(kept))
    return labels.set_column(2, labels.schema.field(2), asked["split"])


def test_blocks_of_any_size_get_what_one_call_gives() -> None:
    kept, asked = donors(300), queries(500, 2)
    expected = at_once(kept, asked)
    assert len(expected["meld_source"].unique()) == 3  # donor, rule, and null without polarity
    labeller = Labeller(kept)
    for size in (1, 7, 499, 500):
        blocks = [labeller(asked.slice(at, size)) for at in range(0, min(500, 40 * size), size)]
        found = pa.concat_tables(blocks)
        assert found.equals(expected.slice(0, len(found))), size
    assert labeller(asked.slice(0, 0)).schema == labeller.schema == expected.schema


def test_it_travels_to_other_processes_and_maps_batches() -> None:
    kept, asked = donors(100), queries(90, 3)
    labeller = pickle.loads(pickle.dumps(Labeller(kept)))
    batches = list(labeller.map_in_arrow(iter(asked.to_batches(max_chunksize=40))))
    assert pa.Table.from_batches(batches).equals(at_once(kept, asked))


def test_lists_of_any_kind_are_read_where_they_lie() -> None:
    kept, asked = donors(60), queries(50, 8)
    expected = at_once(kept, asked)
    for kind in (pa.list_(pa.float32()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 16)):
        of_kind = [table.set_column(table.schema.get_field_index("embedding"), "embedding", table["embedding"].cast(kind)) for table in (kept, asked)]
        labeller = Labeller(of_kind[0])
        assert labeller(of_kind[1].slice(7, 30)).equals(expected.slice(7, 30)), kind
        assert pickle.loads(pickle.dumps(labeller))(of_kind[1].slice(40)).equals(expected.slice(40)), kind


def test_a_smaller_block_after_a_larger_one_and_threads_share_a_labeller() -> None:
    kept, asked = donors(100), queries(200, 5)
    expected, labeller = at_once(kept, asked), Labeller(kept)
    spans = [(0, 5), (5, 120), (125, 1), (126, 60), (186, 14)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda span: labeller(asked.slice(*span)), spans))
    assert pa.concat_tables(found).equals(expected)


def test_a_split_gets_the_name_that_unify_gives_it() -> None:
    asked = queries(3, 6)
    asked = asked.set_column(1, "split", pa.array(["valid", "test", "train"]).dictionary_encode())
    assert Labeller(donors(40))(asked)["split"].to_pylist() == ["dev", "test", "train"]


def test_a_least_similarity_and_the_dialogue_of_a_donor_count() -> None:
    kept = donors(40)
    asked = kept.set_column(2, "utterance_id", pa.array([f"other{row}" for row in range(40)])).drop_columns(["score", "emotion"])
    free = Labeller(kept)(asked)
    assert not set(zip(free["intensity_donor_id"].to_pylist(), kept["utterance_id"].to_pylist())) & {(a, a) for a in kept["utterance_id"].to_pylist()}
    strict = Labeller(kept, min_similarity=0.999)(asked)
    assert strict["intensity_source"].null_count == 0 and "donor" not in strict["intensity_source"].to_pylist()


def test_what_cannot_be_labelled_is_refused() -> None:
    kept, asked = donors(40), queries(10, 4)
    labeller = Labeller(kept)

    def refused(message: str, table: pa.Table) -> None:
        with pytest.raises(unimse.InputError, match=message):
            labeller(table)

    refused("^column embedding is missing$", asked.drop_columns("embedding"))
    for place, name in enumerate(["corpus", "split", "utterance_id", "dialogue_id"]):
        refused(f"^column {name} is missing$", asked.drop_columns(name))
        numbers = asked.set_column(place, name, pa.array(range(10)))
        refused(f"^column {name}: expected text, found Int64$", numbers)
    refused("^column score: expected numbers, found Utf8$", asked.append_column("score", pa.array(["1"] * 10)))
    refused(r"^intensity of web q4-000000: .*, expected a value in \[-3, 3\]$", asked.append_column("score", pa.array([2**60 + 1] * 10)))
    words = ["train"] * 9
    refused("^row 10: column split: unknown split `tset`, expected one of: ", asked.set_column(1, "split", pa.array([*words, "tset"])))
    refused("^row 10: column split: expected a value, found null$", asked.set_column(1, "split", pa.array([*words, None])))
    emotions = asked.append_column("emotion", pa.array([None] * 9 + ["joy"]))
    refused("^row 10: column emotion: found `joy` in corpus web, whose taxonomy is not known", emotions)
    refused("^column polarity: expected in the donors and in the rows that ask, or in neither$", asked.drop_columns("polarity"))
    refused("^embedding: expected 16 dimensions, found 8$", queries(10, 4, dim=8))
    ragged = asked.set_column(5, "embedding", pa.array([[1.0]] * 9 + [[1.0, 0.0]], pa.list_(pa.float32())))
    refused("^row 10: column embedding: expected 1 numbers as in row 1, found 2$", ragged)
    for hole in ([[1.0]] * 3 + [None] + [[1.0]] * 6, [[1.0, 0.0]] * 3 + [[1.0, None]] + [[1.0, 0.0]] * 6):
        refused("^row 4: column embedding: expected numbers, found null$", asked.set_column(5, "embedding", pa.array(hole, pa.list_(pa.float32()))))
    refused(r"^column embedding: expected lists of float32, found List\(.*Float64\)$", asked.set_column(5, "embedding", pa.array([[1.0]] * 10)))
    refused("^iemocap: the rows that ask have it and no donor has$", asked.append_column("iemocap", pa.array(["joy"] * 10)))
    refused("occurs twice, expected every utterance once$", kept.slice(0, 3))
    with pytest.raises(unimse.InputError, match=r"expected a cosine in \[-1, 1\]$"):
        Labeller(kept, min_similarity=2.0)


def test_a_field_that_no_donor_has_is_refused_whatever_the_polarity_of_the_row() -> None:
    """Else the neutral rows of its block, and no others, would get it by rule."""
    scored = donors(40).filter(pa.array([True, False] * 20))
    asked = queries(4, 7).set_column(4, "polarity", pa.array([None, "neutral", "neutral", "positive"]))
    labeller = Labeller(scored)
    assert labeller(asked)["meld_source"].to_pylist()[1:] == ["missing"] * 3
    own = asked.append_column("meld", pa.array(["joy", None, None, None]))
    of_meld = asked.set_column(0, "corpus", pa.array(["meld", "web", "web", "web"])).append_column("emotion", own["meld"])
    for table in (own, of_meld):
        with pytest.raises(unimse.InputError, match="^meld: the rows that ask have it and no donor has$"):
            labeller(table)
    # a donor without polarity is in every block
    named = donors(40).set_column(4, "polarity", pa.nulls(40, pa.string())).set_column(5, "score", pa.nulls(40, pa.float64()))
    rule = Labeller(named)(own.slice(1))
    assert rule["meld_source"].to_pylist() == ["rule", "rule", "missing"]


@pytest.fixture(scope="module")
def cluster():  # type: ignore[no-untyped-def]
    """Ray on this machine: two cores, an object store of 256 MiB."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=256 * 2**20, log_to_driver=False, logging_level="warning")
    yield ray
    ray.shutdown()


def test_a_cluster_with_a_killed_worker_gives_what_one_process_gives(cluster: object, tmp_path: pathlib.Path) -> None:
    from unimse import ray as scale

    kept = donors(6000, dim=256)
    pq.write_table(kept, tmp_path / "donors.parquet")
    source, out = tmp_path / "queries", tmp_path / "labels"
    source.mkdir()
    tables = [queries(1500, 10 + number, dim=256) for number in range(6)]
    for number, table in enumerate(tables):
        pq.write_table(table, source / f"part-{number}.parquet")
    killed: list[int] = []

    def kill() -> None:
        """The first worker that is seen at work."""
        until = time.monotonic() + 60
        while not killed and time.monotonic() < until:
            for partial in out.glob(".part-*.partial"):
                killed.append(int(partial.name.split(".")[-2]))
                os.kill(killed[0], signal.SIGKILL)
                break
            time.sleep(0.002)

    killer = threading.Thread(target=kill)
    killer.start()
    done = scale.unify(source, tmp_path / "donors.parquet", out, workers=2, rows=100)
    killer.join()
    assert killed and done == {"files": 6, "rows": 6 * 1500, "skipped": 0}
    found = pa.concat_tables([pq.read_table(file) for file in sorted(out.glob("*.parquet"))])
    expected = at_once(kept, pa.concat_tables(tables))
    assert found.sort_by("utterance_id").equals(expected.sort_by("utterance_id"))
    # what is there stays, what is not is made again, with the same bytes
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in out.glob("*.parquet")}
    (out / "part-3.parquet").unlink()
    lost, busy = out / ".part-1.parquet.1.partial", out / ".part-2.parquet.1.partial"
    busy.touch()  # of another call
    for partial in (lost, *out.glob(f".*.{killed[0]}.partial")):
        partial.touch()
        os.utime(partial, (time.time() - 7200,) * 2)
    assert scale.unify(source, tmp_path / "donors.parquet", out, workers=2, rows=100) == {"files": 1, "rows": 1500, "skipped": 5}
    after = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in out.glob("*.parquet")}
    assert {name: content for name, (content, _) in after.items()} == {name: content for name, (content, _) in before.items()}
    assert [name for name in after if after[name][1] != before[name][1]] == ["part-3.parquet"]
    assert list(out.glob(".*.partial")) == [busy]


def test_a_folder_of_other_donors_or_of_bad_rows_is_refused(cluster: object, tmp_path: pathlib.Path) -> None:
    from unimse import ray as scale

    pq.write_table(donors(50), tmp_path / "donors.parquet")
    (tmp_path / "queries").mkdir()
    pq.write_table(queries(20, 10), tmp_path / "queries/part-000.parquet")
    scale.unify(tmp_path / "queries", tmp_path / "donors.parquet", tmp_path / "out", workers=1)
    with pytest.raises(unimse.InputError, match="_unimse.json: expected .*; choose another folder, or remove this one$"):
        scale.unify(tmp_path / "queries", tmp_path / "donors.parquet", tmp_path / "out", workers=1, min_similarity=0.5)
    with pytest.raises(unimse.InputError, match=r"expected \*.parquet files, found none$"):
        scale.unify(tmp_path / "out2", tmp_path / "donors.parquet", tmp_path / "out", workers=1)
    with pytest.raises(unimse.FileError, match="nobody.parquet"):
        scale.unify(tmp_path / "queries", tmp_path / "nobody.parquet", tmp_path / "out", workers=1)
    with pytest.raises(unimse.InputError, match="^workers: 0, expected 1 or more$"):
        scale.unify(tmp_path / "queries", tmp_path / "donors.parquet", tmp_path / "out", workers=0)
    with pytest.raises(unimse.InputError, match="expected an empty folder or one of a call like this$"):
        scale.unify(tmp_path / "queries", tmp_path / "donors.parquet", tmp_path / "queries", workers=1)
    pq.write_table(queries(20, 1).drop_columns("dialogue_id"), tmp_path / "queries/part-001.parquet")
    with pytest.raises(unimse.InputError, match="^[^:]*part-001.parquet: column dialogue_id is missing$"):
        scale.unify(tmp_path / "queries", tmp_path / "donors.parquet", tmp_path / "out", workers=1)
    (tmp_path / "queries/part-001.parquet").unlink()
    (tmp_path / "queries/part-001.parquet").mkdir()
    with pytest.raises(unimse.FileError, match="^[^:]*part-001.parquet: "):
        scale.unify(tmp_path / "queries", tmp_path / "donors.parquet", tmp_path / "out", workers=1)
    (tmp_path / "out/_unimse.json").write_text("{")
    with pytest.raises(unimse.InputError, match="_unimse.json: expected .*, found no JSON .*; choose another folder, or remove this one$"):
        scale.unify(tmp_path / "queries", tmp_path / "donors.parquet", tmp_path / "out", workers=1)


def test_donors_that_cannot_lend_leave_the_folder_as_it_is(cluster: object, tmp_path: pathlib.Path) -> None:
    from unimse import ray as scale

    source, out, file = tmp_path / "queries", tmp_path / "out", tmp_path / "donors.parquet"
    source.mkdir()
    pq.write_table(queries(20, 10), source / "part-000.parquet")
    file.write_bytes(b"no Parquet")
    with pytest.raises(unimse.InputError, match="^[^:]*donors.parquet: "):
        scale.unify(source, file, out, workers=1)
    pq.write_table(donors(50).drop_columns("split"), file)
    with pytest.raises(unimse.InputError, match="^[^:]*donors.parquet: column split is missing$"):
        scale.unify(source, file, out, workers=1)
    assert not out.exists()
    # a receipt without files binds nobody
    out.mkdir()
    (out / "_unimse.json").write_text("{")
    pq.write_table(donors(50), file)
    assert scale.unify(source, file, out, workers=1) == {"files": 1, "rows": 20, "skipped": 0}
    assert scale.unify(source, file, out, workers=1) == {"files": 0, "rows": 0, "skipped": 1}


def test_a_file_that_is_no_parquet_is_named(tmp_path: pathlib.Path) -> None:
    from unimse.ray import label_file

    labeller, bad = Labeller(donors(40)), tmp_path / "bad.parquet"
    bad.write_bytes(b"no Parquet")
    with pytest.raises(unimse.InputError, match="^[^:]*bad.parquet: "):
        label_file(labeller, bad, tmp_path / "out", 10)
    with pytest.raises(unimse.FileError, match="^[^:]*absent.parquet: "):
        label_file(labeller, tmp_path / "absent.parquet", tmp_path / "out", 10)
