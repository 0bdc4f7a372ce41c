"""A step of fine-tuning an encoder of Hugging Face transformers: mean pooling, one linear head of seven classes, cross-entropy, AdamW of all weights.

`fp32` trains with torch's default AdamW, `autocast` in bf16 with the fused one.
"""

import json
import os

import torch
from transformers import AutoModel

from protocol import serve

CLASSES = 7


def padded(rows, value):
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


class Classifier(torch.nn.Module):
    def __init__(self, folder):
        super().__init__()
        self.body = AutoModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32)
        dim = self.body.config.hidden_size
        self.head = torch.nn.Linear(dim, CLASSES)
        with torch.no_grad():  # the same on both sides
            self.head.weight.copy_(((torch.arange(CLASSES * dim) * 37 % 101).float() / 101 - 0.5).view(CLASSES, dim) / 10)
            self.head.bias.zero_()

    def forward(self, ids, mask, labels):
        states = self.body(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        mean = (states * weights).sum(1) / weights.sum(1)
        return torch.nn.functional.cross_entropy(self.head(mean).float(), labels)


def side(bf16):
    def open_model(job):
        torch.set_num_threads(job["threads"])
        torch.manual_seed(1)
        with open(os.path.join(job["folder"], "work.json"), encoding="utf-8") as file:
            task = json.load(file)
        batches = []
        for batch in task["batches"]:
            ids = padded(batch["ids"], -1)
            batches.append((ids.clamp_min(0), (ids >= 0).long(), torch.tensor(batch["labels"])))
        model = Classifier(task["model"]).eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            check = [model(*batches[0]).item()]
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01, **({"fused": True} if bf16 else {}))

        def train():
            for batch in batches:
                with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    loss = model(*batch)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                loss.item()

        return check, train

    return open_model


serve({"fp32": side(False), "autocast": side(True)}, ["torch", "transformers"])
