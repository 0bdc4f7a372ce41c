"""Data folders: ingest, doctor, runs, the command line."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
import unimse


def test_the_tables_are_those_of_the_binary(
    binary: pathlib.Path, data: pathlib.Path, tables: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    subprocess.run([binary, "ingest", "--data", data, "--out", tmp_path / "t"], check=True, capture_output=True)
    files = sorted(file.name for file in tables.iterdir())
    assert files == sorted(file.name for file in (tmp_path / "t").iterdir())
    assert all((tables / name).read_bytes() == (tmp_path / "t" / name).read_bytes() for name in files)


def test_ingest_tells_what_it_wrote(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    lines: list[str] = []
    written = unimse.ingest(data, tmp_path / "t", progress=lines.append)
    assert {table["corpus"] for table in written} == {"mosi", "mosei", "meld", "iemocap"}
    names = {f"{table['corpus']}-{table['split']}.parquet" for table in written}
    assert names | {"croissant.json"} == {file.name for file in (tmp_path / "t").iterdir()}
    assert all(table["synthetic"] and sum(table["labels"].values()) == table["utterances"] for table in written)
    assert "mosi: reading" in lines


def test_mlcroissant_reads_the_rows_that_the_tables_hold(tables: pathlib.Path) -> None:
    mlcroissant, pq = pytest.importorskip("mlcroissant"), pytest.importorskip("pyarrow.parquet")
    described = mlcroissant.Dataset(tables / "croissant.json")
    for name in ("mosi-dev", "meld-test"):
        expected = pq.read_table(tables / f"{name}.parquet").to_pylist()
        assert len(expected) > 40
        records = described.records(record_set=name)
        for row, record in zip(expected, records, strict=True):
            found = {key.removeprefix(f"{name}/"): value for key, value in record.items()}
            assert {key: value.decode() if isinstance(value, bytes) else value for key, value in found.items()} == row


def test_what_progress_raises_ends_the_work_and_leaves_nothing(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    def stop(line: str) -> None:
        raise LookupError(line)

    with pytest.raises(LookupError, match="^mosi: reading$"):
        unimse.ingest(data, tmp_path / "t", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_errors_are_those_of_the_command_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(unimse.FileError, match="nowhere"):
        unimse.ingest(tmp_path / "nowhere", tmp_path / "t")
    with pytest.raises(unimse.InputError, match="no corpus found.*an empty folder$"):
        unimse.ingest(tmp_path, tmp_path / "t")
    (tmp_path / "meld").mkdir()
    (tmp_path / "meld/train_sent_emo.csv").write_text("a,b\n1,2\n")
    with pytest.raises(unimse.InputError, match="train_sent_emo.csv"):
        unimse.ingest(tmp_path, tmp_path / "t")
    with pytest.raises(unimse.InputError, match="expected an empty folder or demo corpora"):
        unimse.demo(tmp_path)


def test_doctor_says_what_is_there_and_what_is_wrong(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    findings = unimse.doctor(data)
    assert {"FOUND"} <= {finding["code"] for finding in findings}
    assert not [finding for finding in findings if finding["severity"] == "error"]
    (empty,) = unimse.doctor(tmp_path)
    assert (empty["code"], empty["severity"]) == ("NO_CORPUS", "error") and empty["advice"]


def test_a_run_is_read(tmp_path: pathlib.Path) -> None:
    scores = {"n": 686, "metrics": {"mae": 0.75}}
    corpora = {"mosi": {"task": "sentiment", "test": scores}}
    for folder in (tmp_path, tmp_path / "seed-1", tmp_path / "seed-2"):
        folder.mkdir(exist_ok=True)
        (folder / "results.json").write_text(json.dumps({"schema": 4, "synthetic": False, "corpora": corpora}))
    run = unimse.load_run(tmp_path)
    assert run.scores("mosi")["metrics"] == {"mae": 0.75}
    assert list(run.seeds) == [1, 2] and run.seed(2).path == tmp_path / "seed-2"
    with pytest.raises(unimse.InputError, match="no dev scores of 'mosi'; its corpora: mosi"):
        run.scores("mosi", "dev")
    with pytest.raises(unimse.InputError, match="expected one of the seeds 1, 2, found 3"):
        run.seed(3)
    (tmp_path / "results.json").write_text('{"schema": 99}')
    with pytest.raises(unimse.InputError, match="results.json"):
        unimse.load_run(tmp_path)
    with pytest.raises(unimse.FileError, match="No such file"):
        unimse.load_run(tmp_path / "seed-3")


def module(*words: object, path: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unimse", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PATH": path})


def test_the_command_line_has_what_the_package_has(tmp_path: pathlib.Path) -> None:
    demo, tables = tmp_path / "demo", tmp_path / "tables"
    assert module("demo", "--out", demo).returncode == 0
    said = module("ingest", "--data", demo, "--out", tables)
    assert said.returncode == 0 and "mosi train: " in said.stdout and "ingest: mosi: reading" in said.stderr
    findings = json.loads(module("doctor", demo, "--json").stdout)["findings"]
    assert findings == unimse.doctor(demo)
    nothing = module("doctor", tables / "..")
    assert nothing.returncode == 1 and nothing.stdout.startswith("error NO_CORPUS")
    failed = module("ingest", "--data", tmp_path / "nowhere", "--out", tables)
    assert failed.returncode == 1 and failed.stderr.startswith("error: ") and "Traceback" not in failed.stderr
    assert module("ingest").returncode == 2
    assert module("--version").stdout == f"unimse {unimse.__version__} (Python package)\n"


def test_other_commands_go_to_the_binary_on_path_which_is_named(tmp_path: pathlib.Path) -> None:
    without = module("train", "--config", "x")
    assert without.returncode == 2
    assert without.stderr == (
        "error: `train` needs the binary unimse, and none is on PATH; the Python package has: demo, ingest, doctor\n"
    )
    binary = tmp_path / "unimse"
    binary.write_text('#!/bin/sh\necho "$@"\nexit 7\n')
    binary.chmod(0o755)
    within = module("train", "--config", "a b", path=str(tmp_path))
    assert (within.returncode, within.stdout) == (7, "train --config a b\n")
    assert within.stderr == f"unimse: {binary} train\n"
