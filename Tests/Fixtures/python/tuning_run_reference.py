"""Runs of LoRA and of full tuning by PyTorch, transformers' schedules and PEFT, for the engine's runs to follow.

usage: tuning_run_reference.py FOLDER
FOLDER as for training_reference.py (request.json, tensors.f32), and FOLDER/runs.json, a list of runs:
  {"name", "isFull", "isRankStabilized", "optimizer": "adamW" or "sgd", "momentum", "beta2", "decay", "rate",
   "schedule": "constant", "linear" or "cosine", "floor", "warmUp", "steps", "clip" (or null), "portions"}
Writes FOLDER/losses.json {name: [loss before each update]} and FOLDER/rates.json {name: [rate of each update]}.

A batch's loss is the mean over all its tokens that count; with portions it is accumulated over parts of the batch.
Gains and biases don't decay, as in transformers' Trainer.
"""
import json

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    get_constant_schedule_with_warmup, get_cosine_with_min_lr_schedule_with_warmup, get_linear_schedule_with_warmup,
)

from small_llama import PLACES, folder, low_rank, model, request, tensors, to_hf

torch.set_num_threads(1)


def prepared(run):
    m = model(torch.float32)
    if run["isFull"]:
        return m
    m = get_peft_model(m, LoraConfig(
        r=request["rank"], lora_alpha=request["alpha"], lora_dropout=0.0, bias="none",
        use_rslora=run["isRankStabilized"],
        target_modules=[PLACES[p].split(".")[1] for p in request["projections"]]))
    with torch.no_grad():
        for name, (parameter, projection) in low_rank(m).items():
            parameter.copy_(to_hf(tensors[name], projection))
    return m


def schedule_of(run, optimizer):
    if run["schedule"] == "constant":
        return get_constant_schedule_with_warmup(optimizer, run["warmUp"])
    if run["schedule"] == "linear":
        return get_linear_schedule_with_warmup(optimizer, run["warmUp"], run["steps"])
    return get_cosine_with_min_lr_schedule_with_warmup(
        optimizer, run["warmUp"], run["steps"], min_lr_rate=run["floor"])


def accumulate(m, batch, portions):
    total = sum(sum(e["weights"][1:]) for e in batch)
    whole = 0.0
    for part in range(portions):
        loss = 0
        for e in batch[len(batch) * part // portions:len(batch) * (part + 1) // portions]:
            if len(e["tokens"]) > 1:
                logits = m(torch.tensor([e["tokens"]])).logits[0]
                each = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(e["tokens"][1:]), reduction="none")
                loss = loss + (each * torch.tensor(e["weights"][1:])).sum() / total
        if torch.is_tensor(loss):
            loss.backward()
            whole += loss.item()
    return whole


losses, rates = {}, {}
for run in json.loads((folder / "runs.json").read_text()):
    m = prepared(run)
    trained = [p for p in m.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": run["decay"]},
        {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0},
    ]
    if run["optimizer"] == "sgd":
        optimizer = torch.optim.SGD(groups, lr=run["rate"], momentum=run["momentum"])
    else:
        optimizer = torch.optim.AdamW(groups, lr=run["rate"], betas=(0.9, run["beta2"]), eps=1e-8)
    schedule = schedule_of(run, optimizer)
    losses[run["name"]], rates[run["name"]] = [], []
    for _ in range(run["steps"]):
        optimizer.zero_grad()
        losses[run["name"]].append(accumulate(m, request["batch"], run["portions"]))
        rates[run["name"]].append(optimizer.param_groups[0]["lr"])
        if run["clip"] is not None:
            torch.nn.utils.clip_grad_norm_(trained, run["clip"])
        optimizer.step()
        schedule.step()
(folder / "losses.json").write_text(json.dumps(losses))
(folder / "rates.json").write_text(json.dumps(rates))
