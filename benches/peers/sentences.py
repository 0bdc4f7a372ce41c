"""Seconds that sentence-transformers takes for the texts on stdin, and its first embeddings.

python sentences.py ENCODER BATCH THREADS < texts.json, a JSON list; prints [seconds, [values of the first 8 rows]].
The encoder is a folder with config.json, tokenizer.json and model.safetensors; loading it is not timed.
"""
import json
import sys
import time

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

folder, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
texts = json.load(sys.stdin)
body = Transformer(folder, max_seq_length=256)
dim = body.auto_model.config.hidden_size
model = SentenceTransformer(modules=[body, Pooling(dim, pooling_mode="mean"), Normalize()], device="cpu")
assert next(body.auto_model.parameters()).dtype == torch.float32
model.encode(texts[:batch], batch_size=batch)
start = time.perf_counter()
rows = model.encode(texts, batch_size=batch, show_progress_bar=False)
seconds = time.perf_counter() - start
print(json.dumps([seconds, rows[:8].flatten().tolist()]))
