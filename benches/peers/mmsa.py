"""What people run today on an MMSA pickle: the peer of our reading and ingesting, on a file that it generates (`prepare`).

`load`: pickle.load, every array summed. `convert`: pickle.load, one Parquet file a split. Both check the sum of all numbers touched.
"""

import csv
import os
import pickle

import numpy as np

from protocol import serve

PICKLE = "mosei_unaligned.pkl"
TEXT, AUDIO, VISION = (50, 768), (500, 74), (500, 35)
SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}


def generate(folder, size):
    """The layout of MOSEI's unaligned_50.pkl: right-padded float32 arrays with lengths, protocol 4."""
    rng = np.random.default_rng(0)
    row = 4 * sum(steps * dim for steps, dim in (TEXT, AUDIO, VISION))
    data, labels = {}, []
    for split, share in SHARES.items():
        rows = max(1, int(size * share / row))
        ids = [f"{split}video{i // 10}$_${i % 10}" for i in range(rows)]
        scores = (rng.integers(-9, 10, rows) / 3).astype(np.float32)
        data[split] = {
            "raw_text": [f"this is sentence {i} of split {split}" for i in range(rows)],
            "id": ids,
            "text": rng.random((rows, *TEXT), np.float32),
            "regression_labels": scores,
        }
        for name, (steps, dim) in (("audio", AUDIO), ("vision", VISION)):
            lengths = rng.integers(1, steps + 1, rows)
            values = rng.random((rows, steps, dim), np.float32)
            for i, length in enumerate(lengths):
                values[i, length:] = 0
            data[split][name] = values
            data[split][name + "_lengths"] = [int(n) for n in lengths]
        for name, text, score in zip(ids, data[split]["raw_text"], scores):
            video, clip = name.split("$_$")
            labels.append([video, clip, text, f"{score:.6f}", split])
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, PICKLE), "wb") as file:
        pickle.dump(data, file, protocol=4)
    with open(os.path.join(folder, "label.csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["video_id", "clip_id", "text", "label", "mode"])
        writer.writerows(labels)


def read(path):
    with open(path, "rb") as file:
        return pickle.load(file)


def load(path):
    total = 0.0
    for split in read(path).values():
        for value in split.values():
            if isinstance(value, np.ndarray):
                total += float(value.sum())
            elif value and not isinstance(value[0], str):
                total += sum(value)
    return total


def convert(path, out):
    """The columns that `unimse ingest` writes: text, score, and the valid steps of audio and video."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    os.makedirs(out, exist_ok=True)
    total = 0.0
    for name, split in read(path).items():
        columns = {
            "split": pa.array([name] * len(split["id"])).dictionary_encode(),
            "utterance_id": pa.array([i.replace("$_$", "_") for i in split["id"]]),
            "text": pa.array(split["raw_text"]),
            "score": pa.array(split["regression_labels"]),
        }
        for column, key in (("audio", "audio"), ("video", "vision")):
            lengths = split[key + "_lengths"]
            valid = np.concatenate([steps[:n] for steps, n in zip(split[key], lengths)])
            offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
            rows = pa.FixedSizeListArray.from_arrays(pa.array(valid.reshape(-1)), valid.shape[1])
            columns[column] = pa.ListArray.from_arrays(offsets, rows)
            total += float(valid.sum())
        pq.write_table(
            pa.table(columns),
            os.path.join(out, name + ".parquet"),
            compression="zstd",
            compression_level=1,
            use_dictionary=["split", "utterance_id", "text"],
        )
    return total


def corpus(job):
    return os.path.join(job["folder"], "data", "mosei")


def prepare(job):
    generate(corpus(job), 1e7 if job["quick"] else 1e9)
    return [], lambda: None


def loading(job):
    path = os.path.join(corpus(job), PICKLE)
    return [load(path)], lambda: load(path)


def converting(job):
    path, out = os.path.join(corpus(job), PICKLE), os.path.join(job["folder"], "theirs")
    return [convert(path, out)], lambda: convert(path, out)


serve({"prepare": prepare, "load": loading, "convert": converting}, ["numpy", "pyarrow"])
