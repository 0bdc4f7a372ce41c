"""What Hugging Face transformers needs for a job on a T5 checkpoint: the peer of the bench `t5`.

    python t5.py < job.json

The job: `checkpoint` (folder), `threads`, `mode` (`train` or `generate`), `bf16` (autocast, and the fused AdamW instead of the
default one), `dropout`, `lr`, `warm` (batches before the clock starts), `steps` (batches to train on, those behind them only give a loss), `most` (new
tokens of a generation) and `batches`, each with `ids` and `labels`, rows of token ids that are padded here to the batch. Prints {"seconds",
"losses", "peak"}: the seconds of the batches after the warm ones, the loss of every batch, the process's largest memory in bytes.
"""

import json
import resource
import sys
import time

import torch
from transformers import T5ForConditionalGeneration


def padded(rows, value):
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def main():
    job = json.load(sys.stdin)
    torch.set_num_threads(job["threads"])
    torch.manual_seed(1)
    model = T5ForConditionalGeneration.from_pretrained(job["checkpoint"], dropout_rate=job["dropout"])
    train = job["mode"] == "train"
    model.train(train)
    fused = {"fused": True} if job["bf16"] else {}
    optimizer = torch.optim.AdamW(model.parameters(), lr=job["lr"], weight_decay=0.01, **fused)
    batches = []
    for batch in job["batches"]:
        ids = padded(batch["ids"], -1)
        batches.append((ids.clamp_min(0), (ids >= 0).long(), padded(batch["labels"], -100)))
    losses, start = [], time.perf_counter()
    for i, (ids, mask, labels) in enumerate(batches):
        if i == job["warm"]:
            start = time.perf_counter()
        if train:
            step = i < job["steps"]
            with torch.set_grad_enabled(step), torch.autocast("cpu", torch.bfloat16, enabled=job["bf16"]):
                loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
            if step:
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
            losses.append(loss.item())
        else:
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=job["bf16"]):
                model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=job["most"], do_sample=False, num_beams=1)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "losses": losses, "peak": peak}))


if __name__ == "__main__":
    main()
