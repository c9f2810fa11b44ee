"""Gradients, logits and a LoRA run of a small Llama, by transformers, PyTorch's autograd and PEFT.

usage: training_reference.py FOLDER

FOLDER/request.json: {"configuration": {...}, "tensors": [{"name", "rows", "columns"}...], "batch": [{"tokens",
"weights"}...], "steps", "rate", "decay", "clip", "rank", "alpha", "projections"}; FOLDER/tensors.f32: the tensors one
after another. Query and key rows are in GGUF's order (rotary pairs are neighbours).

Writes gradients.f32 (same order, float64 arithmetic, GGUF's row order), logits.f32 (all rows of all sequences) and
result.json {"loss", "losses"}.
"""
import json

import numpy
import torch

from small_llama import folder, low_rank, model, places, request, tensors, to_gguf, tuned


def loss_of(m, keep=None):
    total = sum(sum(e["weights"][1:]) for e in request["batch"])
    loss = 0
    for e in request["batch"]:
        logits = m(torch.tensor([e["tokens"]])).logits[0]
        if keep is not None:
            keep.append(logits.detach().float().numpy())
        if len(e["tokens"]) > 1:
            each = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(e["tokens"][1:]), reduction="none")
            loss = loss + (each * torch.tensor(e["weights"][1:], dtype=each.dtype)).sum()
    return loss / total


result = {}
if request["projections"]:
    m = tuned(torch.float64)
    kinds = low_rank(m)
else:
    m = model(torch.float64)
    kinds = places(m)
logits = []
loss = loss_of(m, logits)
loss.backward()
result["loss"] = loss.item()
numpy.concatenate(logits).astype(numpy.float32).tofile(folder / "logits.f32")
out = []
for t in request["tensors"]:
    if t["name"] in kinds:
        parameter, projection = kinds[t["name"]]
        g = parameter.grad.reshape(parameter.shape if parameter.dim() == 2 else (-1, 1))
        out.append(to_gguf(g, projection).flatten().numpy())
numpy.concatenate(out).astype(numpy.float32).tofile(folder / "gradients.f32")

if request["steps"]:
    m = tuned(torch.float32)
    trained = [p for p in m.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=request["rate"], weight_decay=request["decay"])
    losses = []
    for _ in range(request["steps"]):
        optimizer.zero_grad()
        loss = loss_of(m)
        loss.backward()
        losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(trained, request["clip"])
        optimizer.step()
    result["losses"] = losses
(folder / "result.json").write_text(json.dumps(result))
