"""T5 of Hugging Face transformers on the batches that the contest prepared: training steps, or greedy generation without constraint.

`fp32` trains with torch's default AdamW, `autocast` in bf16 with the fused one.
"""

import json
import os

import torch
from transformers import T5ForConditionalGeneration

from protocol import serve


def padded(rows, value):
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def tensors(batch):
    ids = padded(batch["ids"], -1)
    return {"input_ids": ids.clamp_min(0), "attention_mask": (ids >= 0).long(), "labels": padded(batch["labels"], -100)}


def side(bf16):
    def open_model(job):
        torch.set_num_threads(job["threads"])
        torch.manual_seed(1)
        with open(os.path.join(job["folder"], "work.json"), encoding="utf-8") as file:
            task = json.load(file)
        batches = [tensors(batch) for batch in task["theirs"]]
        model = T5ForConditionalGeneration.from_pretrained(os.path.join(job["folder"], "checkpoint")).eval()

        def half():
            return torch.autocast("cpu", torch.bfloat16, enabled=bf16)

        with torch.no_grad(), half():
            check = [model(**batches[0]).loss.item()]
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, **({"fused": True} if bf16 else {}))

        def train():
            for batch in batches:
                with half():
                    loss = model(**batch).loss
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                loss.item()

        def generate():
            for batch in batches:
                with torch.no_grad(), half():
                    model.generate(
                        input_ids=batch["input_ids"],
                        attention_mask=batch["attention_mask"],
                        max_new_tokens=task["longest"],
                        do_sample=False,
                        num_beams=1,
                    )

        model.train(task["train"])
        return check, train if task["train"] else generate

    return open_model


serve({"fp32": side(False), "autocast": side(True)}, ["torch", "transformers"])
