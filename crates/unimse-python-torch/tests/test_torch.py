"""Answers and embeddings on the installed torch: those of the binary, in whatever process and order of imports."""

from __future__ import annotations

import json
import multiprocessing
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import unimse
from conftest import ENCODER, answers_of_binary, binary

TEXTS = [{"text": text} for text in ("What a day.", "I never liked it", "no", "Oh! You are here.", "what a day.")] * 9


@pytest.fixture(scope="module")
def predictor(run: pathlib.Path) -> unimse.Predictor:
    return unimse.Predictor(run)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_bytes_are_those_of_the_binary(
    run: pathlib.Path, table: pa.Table, predictor: unimse.Predictor, tmp_path: pathlib.Path, threads: int
) -> None:
    torch.set_num_threads(threads)
    lines = unimse._native.json_lines(table)
    found = predictor.json_lines(table)
    assert found == answers_of_binary(run, lines, tmp_path, threads)
    assert found == predictor.json_lines([json.loads(line) for line in lines.splitlines()])
    assert torch.get_num_threads() == threads


def test_more_rows_than_a_chunk_and_context_over_the_file(run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    rows = [{"text": f"row {number}", "number": number} for number in range(530)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    expected = binary("predict", "--run", run, "--input", tmp_path / "rows.jsonl", "--context", 1)
    found = unimse.Predictor(run, context=1).json_lines(rows)
    assert found == expected.stdout and len(found.splitlines()) == 530
    alone = unimse.Predictor(run).json_lines(rows[:20])
    assert not set(alone.splitlines()) & set(found.splitlines())


def test_a_table_is_answered_with_a_table(table: pa.Table, predictor: unimse.Predictor) -> None:
    answers = predictor(table.to_pylist())
    found = predictor(table)
    assert len(found) == len(table) == len(answers)
    arrow = found.to_pyarrow()
    for name in ("polarity", "meld"):
        assert arrow[name].to_pylist() == [answer[name]["label"] for answer in answers]
        probabilities = np.array([list(answer[name]["probabilities"].values()) for answer in answers], np.float32)
        np.testing.assert_array_equal(np.array(arrow[f"{name}_probabilities"].to_pylist(), np.float32), probabilities)
    for column, key in (("intensity", "value"), ("intensity_low", "low"), ("intensity_high", "high")):
        assert arrow[column].to_pylist() == [np.float32(answer["intensity"][key]) for answer in answers]
    assert arrow["iemocap"].null_count == len(table) and arrow["text"].equals(table["text"])
    # its own columns come back, but for what the model read; names that are taken are told apart
    assert arrow["utterance_id"].equals(table["utterance_id"]) and arrow["input_polarity"].equals(table["polarity"])
    assert not {"audio", "video"} & set(arrow.column_names)
    assert predictor(table.slice(0, 0)).to_pyarrow().schema == arrow.schema


def test_features_that_are_not_finite_are_read_as_0_and_counted(table: pa.Table, predictor: unimse.Predictor) -> None:
    row = table.filter(pa.compute.is_valid(table["audio"])).slice(0, 1).to_pylist()[0]
    steps = [list(step) for step in row["audio"]]
    steps[0][0], steps[1][1] = float("nan"), float("inf")
    kind = table.schema.field("audio").type
    spoiled = pa.Table.from_pylist([row]).drop_columns("audio").append_column("audio", pa.array([steps], kind))
    assert predictor(spoiled).to_pyarrow()["non_finite_audio"].to_pylist() == [2]
    with pytest.raises(unimse.InputError, match="^rows: expected a table, or dicts of text, numbers and lists: "):
        predictor([{"text": "t", "audio": steps}])


def test_embeddings_are_those_of_unify(run: pathlib.Path) -> None:
    encoder = unimse.Encoder(ENCODER)
    texts, expected = [], []
    for corpus in ("mosi", "meld"):  # the order in which the stage reads corpora: texts of like length share a batch
        kept = pq.read_table(run / f"labels/embeddings/{corpus}.parquet")
        tables = [pq.read_table(file, columns=["utterance_id", "text"]) for file in (run / "corpus").glob(f"{corpus}-*.parquet")]
        text = {row["utterance_id"]: row["text"] for table in tables for row in table.to_pylist()}
        texts += [text[name] for name in kept["utterance_id"].to_pylist()]
        expected.append(kept["embedding"].combine_chunks().flatten().to_numpy().reshape(len(kept), -1))
    found = encoder(texts)
    assert found.dtype == np.float32 and encoder.dim == 384
    assert found.tobytes() == np.concatenate(expected).tobytes()
    assert encoder([]).shape == (0, 384)
    twice = encoder(pa.array(["b", "a longer text", "b"]))
    assert twice[0].tobytes() == twice[2].tobytes() and abs(np.linalg.norm(twice, axis=1) - 1).max() < 1e-6
    unimse.Donors(twice)  # unit rows


ORDERS = {
    "torch first": "import torch, unimse",
    "unimse first": "import unimse, torch",
    "unimse alone": "import unimse; unimse.Predictor; import torch",
    "work before": "import unimse, numpy as np; unimse.Donors(np.eye(3, dtype='float32')).nearest(np.eye(3, dtype='float32')); import torch; torch.rand(64, 64).matmul(torch.rand(64, 64))",
}
ORDERED = """
import sys
{imports}
torch.set_num_threads(1)
predictor = unimse.Predictor(sys.argv[1])
torch.nn.functional.softmax(torch.rand(99, 99), 1).sum().item()
sys.stdout.buffer.write(predictor.json_lines([{{"text": "What a day."}}, {{"text": "no"}}]))
maps = {{line.split()[-1] for line in open("/proc/self/maps") if "libtorch_cpu" in line}}
assert len(maps) == 1, maps
"""


@pytest.mark.parametrize("order", ORDERS)
def test_torch_and_unimse_share_one_libtorch_in_any_order(run: pathlib.Path, predictor: unimse.Predictor, order: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", ORDERED.format(imports=ORDERS[order]), str(run)], capture_output=True, check=False
    )
    assert child.returncode == 0, child.stderr.decode()
    assert child.stdout == predictor.json_lines([{"text": "What a day."}, {"text": "no"}])


def test_the_state_of_torch_does_not_reach_it(predictor: unimse.Predictor) -> None:
    expected = predictor.json_lines(TEXTS)
    torch.manual_seed(7)
    drawn = torch.rand(3)
    torch.manual_seed(7)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            assert predictor.json_lines(TEXTS) == expected
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.rand(3), drawn)  # and draws nothing from its generator
    weights = torch.ones(2, requires_grad=True)
    predictor.json_lines(TEXTS)
    assert (weights * 2).sum().requires_grad


def test_threads_share_a_predictor(predictor: unimse.Predictor) -> None:
    parts = [TEXTS[at : at + 5] for at in range(0, 30, 5)]
    expected = [predictor.json_lines(part) for part in parts]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(predictor.json_lines, parts)) == expected


def test_other_threads_go_on_meanwhile(predictor: unimse.Predictor) -> None:
    busy, looks = threading.Thread(target=lambda: predictor(TEXTS * 4)), 0
    busy.start()
    while busy.is_alive():
        time.sleep(0.001)
        looks += 1
    assert looks >= 3


class Texts(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """A data set that asks the model in the worker."""

    def __init__(self, predictor: unimse.Predictor) -> None:
        self.predictor = predictor

    def __len__(self) -> int:
        return 6

    def __getitem__(self, at: int) -> bytes:
        return self.predictor.json_lines(TEXTS[at : at + 3])


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_workers_of_a_data_loader_answer(predictor: unimse.Predictor, method: str) -> None:
    data = Texts(predictor)
    expected = [data[at] for at in range(len(data))]  # with one thread, as the workers have
    torch.set_num_threads(2)
    predictor.json_lines(TEXTS)  # the parent's threads have computed before the fork
    loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=2, multiprocessing_context=method, timeout=120)
    assert list(loader) == expected
    assert predictor.json_lines(TEXTS[:3])


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_computes_with_all_threads(predictor: unimse.Predictor) -> None:
    torch.set_num_threads(2)
    expected = predictor.json_lines(TEXTS)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for found in pool.map_async(predictor.json_lines, [TEXTS] * 4).get(timeout=120):
            assert found == expected
    assert pickle.loads(pickle.dumps(predictor)).json_lines(TEXTS) == expected


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_call_is_an_error_and_no_deadlock(predictor: unimse.Predictor) -> None:
    context = multiprocessing.get_context("fork")
    busy = threading.Thread(target=lambda: predictor(TEXTS * 30))
    busy.start()
    time.sleep(0.3)
    assert busy.is_alive()
    replies = context.SimpleQueue()

    def child() -> None:
        try:
            predictor.json_lines(TEXTS[:1])
            replies.put("answered")
        except unimse.InputError as error:
            replies.put(str(error))

    process = context.Process(target=child)
    process.start()
    process.join(60)
    assert not process.is_alive()
    assert replies.get() == "this process was forked while another thread computed with the model; load it again here"
    busy.join()


SLOW = {
    "predictor": "work = unimse.Predictor(sys.argv[1]); rows = [{'text': 'a text of some words ' * 3}] * 500",
    "encoder": "work = unimse.Encoder(sys.argv[2]); rows = [f'a text of some words {n}' for n in range(5000)]",
}
INTERRUPTED = """
import signal, sys, unimse
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have it ignored
{prepare}
print("started", flush=True)
try:
    while True:
        work(rows)
except KeyboardInterrupt:
    sys.exit(77)
"""


@pytest.mark.parametrize("name", SLOW)
def test_ctrl_c_ends_a_call_between_batches(run: pathlib.Path, name: str) -> None:
    code = INTERRUPTED.format(prepare=SLOW[name])
    child = subprocess.Popen([sys.executable, "-c", code, str(run), str(ENCODER)], stdout=subprocess.PIPE, text=True)
    assert child.stdout and child.stdout.readline() == "started\n"
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    try:
        assert child.wait(timeout=60) == 77
    finally:
        child.kill()


def test_errors_have_the_text_of_the_command_line(run: pathlib.Path, predictor: unimse.Predictor, tmp_path: pathlib.Path) -> None:
    said = binary("predict", "--run", tmp_path, "--text", "t")
    with pytest.raises(unimse.InputError) as refused:
        unimse.Predictor(tmp_path)
    assert said.stderr.decode().splitlines()[-1] == f"error: {refused.value}"
    for rows, text in [
        ([{"text": "t"}, {"note": 1}], "row 2: field text is missing"),
        ([{"text": "t"}, {"text": " "}], "row 2: field text: expected words, or audio or video beside it, found nothing"),
        ([{"text": "t", "audio": [[1.0], [1.0, 2.0]]}], "row 1: field audio: step 2: expected 1 features, found 2"),
        ([5], "row 1: expected a JSON object: invalid type: integer `5`, expected a map at line 1 column 1"),
    ]:
        with pytest.raises(unimse.InputError) as refused:
            predictor(rows)  # type: ignore[arg-type]
        assert str(refused.value) == text
    with pytest.raises(unimse.FileError, match="^row 1: field video: ./absent.npy: "):
        predictor([{"text": "t", "video": "absent.npy"}])
    with pytest.raises(unimse.InputError, match="^expected mean or cls, found max$"):
        unimse.Encoder(ENCODER, pooling="max")  # type: ignore[arg-type]
    with pytest.raises(unimse.InputError, match="nowhere"):
        unimse.Encoder(tmp_path / "nowhere")
    with pytest.raises(unimse.InputError, match="^context: -1, expected 0 or more$"):
        unimse.Predictor(run, context=-1)
    with pytest.raises(TypeError):
        unimse.Encoder(ENCODER)([1])  # type: ignore[list-item]


def test_seeds_answer_together(run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for seed in (1, 2):
        (tmp_path / f"seed-{seed}").symlink_to(run)
    rows = [{"text": "What a day."}]
    lines = json.dumps(rows[0]).encode()
    assert unimse.Predictor(tmp_path).json_lines(rows) == answers_of_binary(tmp_path, lines, tmp_path, 1)


@pytest.mark.parametrize(
    ("fake", "text"),
    [
        ("__version__ = '2.10.0+cpu'", "unimse.torch needs torch 2.11, found 2.10.0+cpu; pip install 'torch==2.11.*'"),
        ("__version__ = '2.110.0'", "unimse.torch needs torch 2.11, found 2.110.0; pip install 'torch==2.11.*'"),
        ("raise ImportError('no torch')", "unimse.torch needs torch 2.11, found none that can be imported (no torch); pip install 'unimse[torch]'"),
    ],
)
def test_another_torch_is_an_import_error_that_says_which_is_needed(tmp_path: pathlib.Path, fake: str, text: str) -> None:
    (tmp_path / "torch.py").write_text(fake)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import unimse; unimse.Predictor"
    child = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert child.stderr.splitlines()[-1] == f"ImportError: {text}"
    assert "libtorch" not in child.stderr


def test_what_is_public_is_documented_and_the_wheel_holds_no_torch() -> None:
    import unimse.torch
    import unimse_torch

    for owner in (unimse.torch, unimse.Predictor, unimse.Encoder):
        names = getattr(owner, "__all__", None) or [name for name in vars(owner) if not name.startswith("_")] + ["__init__", "__call__"]
        for name in names:
            assert getattr(owner, name).__doc__, name
    assert not [file for file in pathlib.Path(unimse_torch.__file__).parent.iterdir() if "torch_cpu" in file.name or "c10" in file.name]
