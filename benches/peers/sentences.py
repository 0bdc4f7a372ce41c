"""Sentence embeddings of the contest's texts by sentence-transformers in fp32. Loading the encoder is not timed."""

import json
import os

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from protocol import serve

BATCH = 64
CHECKED = 8


def embed(job):
    torch.set_num_threads(job["threads"])
    with open(os.path.join(job["folder"], "texts.json"), encoding="utf-8") as file:
        texts = json.load(file)
    body = Transformer(job["models"]["all-MiniLM-L6-v2"], max_seq_length=256)
    dim = body.auto_model.config.hidden_size
    model = SentenceTransformer(modules=[body, Pooling(dim, pooling_mode="mean"), Normalize()], device="cpu")
    if next(body.auto_model.parameters()).dtype != torch.float32:
        raise SystemExit("the encoder is not in fp32")

    def encode(rows):
        return model.encode(rows, batch_size=BATCH, show_progress_bar=False)

    return encode(texts[:CHECKED]).ravel().tolist(), lambda: encode(texts)


serve({"sentence-transformers": embed}, ["sentence-transformers", "transformers", "torch"])
