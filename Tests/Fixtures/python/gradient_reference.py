"""Losses and gradients of models in GGUF files by PyTorch's autograd, through Hugging Face's own architectures and PEFT:
scaled rotations, a sliding window, biases, a quantized base.

usage: gradient_reference.py FOLDER
Reads FOLDER/cases.json, a list of cases:
  {"name", "config": as in llama_reference.py, "batch": [{"tokens", "lossWeights"}…], "steps", "rate", "decay", "clip",
   "adapter": null or {"rank", "alpha", "projections": [q…]}}
A case's FOLDER/N.gguf is written first. With an adapter, FOLDER/N.adapter.f32 holds the first A and B, block after
block, projection after projection in the order q k v o gate up down, A before B, in GGUF's row order.
Without an adapter the file FOLDER/N.adapter.f32 isn't read, and everything is trained.
Writes FOLDER/N.gradients.f32, FOLDER/N.gradients.json ([{"name", "offset", "count"}…]: names as in GGUF, "…lora_a",
"…lora_b") for the first step, and FOLDER/N.losses.json: the loss before each step.

With "--models" only the GGUF files are written.
"""

import json
import pathlib
import sys

import gguf
import numpy as np
import torch
from peft import LoraConfig, get_peft_model

from llama_reference import load, write_random

MODULES = {
    "q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj",
}
GGUF_NAMES = {
    "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "gate": "ffn_gate", "up": "ffn_up",
    "down": "ffn_down",
}


def to_pairs(values, heads):
    """Rows from Hugging Face's order (halves of a head) to GGUF's (neighbouring pairs)."""
    return values.reshape(heads, 2, -1, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def to_halves(values, heads):
    return values.reshape(heads, -1, 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def heads_of(projection, c):
    return {"q": c["heads"], "k": c.get("kvHeads", c["heads"])}.get(projection)


def loss_of(model, batch):
    total = sum(sum(e["lossWeights"][1:]) for e in batch)
    loss = 0.0
    for e in batch:
        logits = model(torch.tensor([e["tokens"]])).logits[0, :-1]
        each = torch.nn.functional.cross_entropy(logits, torch.tensor(e["tokens"][1:]), reduction="none")
        loss = loss + (each * torch.tensor(e["lossWeights"][1:])).sum() / total
    return loss


def run(folder, case):
    c, name = case["config"], case["name"]
    model = load(gguf.GGUFReader(folder / f"{name}.gguf"), c)
    adapter = case.get("adapter")
    named = {}
    if adapter:
        model = get_peft_model(model, LoraConfig(
            r=adapter["rank"], lora_alpha=adapter["alpha"], lora_dropout=0.0,
            target_modules=[MODULES[p].split(".")[1] for p in adapter["projections"]]))
        values = np.fromfile(folder / f"{name}.adapter.f32", dtype="<f4")
        offset = 0
        for layer in range(c["layers"]):
            block = model.base_model.model.model.layers[layer]
            for p in MODULES:
                if p not in adapter["projections"]:
                    continue
                module = block.get_submodule(MODULES[p])
                for letter, part in (("a", module.lora_A["default"]), ("b", module.lora_B["default"])):
                    shape = part.weight.shape
                    piece = values[offset:offset + shape.numel()].reshape(tuple(shape))
                    offset += shape.numel()
                    heads = heads_of(p, c) if letter == "b" else None
                    piece = to_halves(piece, heads) if heads else piece
                    part.weight.data = torch.from_numpy(piece.copy())
                    named[f"blk.{layer}.{GGUF_NAMES[p]}.lora_{letter}"] = (part.weight, heads)
        assert offset == len(values)
    else:
        named["token_embd.weight"] = (model.model.embed_tokens.weight, None)
        named["output_norm.weight"] = (model.model.norm.weight, None)
        if not c.get("tied", True):
            named["output.weight"] = (model.lm_head.weight, None)
        for layer, block in enumerate(model.model.layers):
            named[f"blk.{layer}.attn_norm.weight"] = (block.input_layernorm.weight, None)
            named[f"blk.{layer}.ffn_norm.weight"] = (block.post_attention_layernorm.weight, None)
            for p in MODULES:
                module = block.get_submodule(MODULES[p])
                named[f"blk.{layer}.{GGUF_NAMES[p]}.weight"] = (module.weight, heads_of(p, c))
                if module.bias is not None:
                    named[f"blk.{layer}.{GGUF_NAMES[p]}.bias"] = (module.bias, heads_of(p, c))
    parameters = [p for p, _ in named.values()]
    matrices = [p for p in parameters if p.dim() > 1]
    vectors = [p for p in parameters if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": case["decay"]}, {"params": vectors, "weight_decay": 0.0}],
        lr=case["rate"], betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for step in range(case["steps"]):
        optimizer.zero_grad()
        loss = loss_of(model, case["batch"])
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            index, offset = [], 0
            with open(folder / f"{name}.gradients.f32", "wb") as out:
                for key, (parameter, heads) in named.items():
                    gradient = parameter.grad.numpy()
                    gradient = to_pairs(gradient, heads) if heads else gradient
                    out.write(np.ascontiguousarray(gradient).astype("<f4").tobytes())
                    index.append({"name": key, "offset": offset, "count": gradient.size})
                    offset += gradient.size
            (folder / f"{name}.gradients.json").write_text(json.dumps(index))
        torch.nn.utils.clip_grad_norm_(parameters, case["clip"])
        optimizer.step()
    (folder / f"{name}.losses.json").write_text(json.dumps(losses))


def main():
    folder = pathlib.Path(sys.argv[1])
    for case in json.loads((folder / "cases.json").read_text()):
        if "--models" in sys.argv:
            write_random(folder / f"{case['name']}.gguf", case["config"])
        else:
            run(folder, case)


if __name__ == "__main__":
    main()
