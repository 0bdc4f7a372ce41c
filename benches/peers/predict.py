"""Answers to rows of text by the pipeline that people write with transformers: the same backbone, its states averaged, one linear head for each of
polarity, both emotions and intensity, batches of 32 in the order of the rows, padded to their longest, fp32.

As a side: `start` runs this file anew each round, `warm` keeps it loaded. By itself: python predict.py MODEL ROWS THREADS, one JSON line a row.
"""

import json
import os
import subprocess
import sys

from protocol import serve

HEADS = {"polarity": 3, "meld": 7, "iemocap": 6, "intensity": 1}
BATCH = 32


def load(folder, threads):
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    body = AutoModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32).eval()
    heads = {name: torch.nn.Linear(body.config.hidden_size, classes) for name, classes in HEADS.items()}

    def answer(texts):
        for at in range(0, len(texts), BATCH):
            batch = texts[at : at + BATCH]
            with torch.no_grad():
                tokens = tokenizer(batch, padding=True, truncation=True, max_length=256, return_tensors="pt")
                states = body(**tokens).last_hidden_state
                weights = tokens["attention_mask"].unsqueeze(-1).float()
                mean = (states * weights).sum(1) / weights.sum(1)
                out = {name: head(mean) for name, head in heads.items()}
                out = {name: (logits.softmax(-1) if logits.shape[1] > 1 else logits).tolist() for name, logits in out.items()}
            for i, text in enumerate(batch):
                yield json.dumps({"text": text, **{name: values[i] for name, values in out.items()}})

    return answer


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def warm(job):
    answer = load(job["models"]["all-MiniLM-L6-v2"], job["threads"])
    path = os.path.join(job["folder"], "rows.jsonl")
    return [float(sum(1 for _ in answer(read(path))))], lambda: sum(1 for _ in answer(read(path)))


def start(job):
    command = [sys.executable, __file__, job["models"]["all-MiniLM-L6-v2"], os.path.join(job["folder"], "rows.jsonl"), str(job["threads"])]

    def whole():
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.count(b"\n")

    return [float(whole())], whole


if len(sys.argv) > 1:
    for line in load(sys.argv[1], int(sys.argv[3]))(read(sys.argv[2])):
        print(line)
else:
    serve({"start": start, "warm": warm}, ["transformers", "torch"], spawns=True)
