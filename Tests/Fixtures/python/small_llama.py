"""A small Llama of transformers, and PEFT on it, from what a Swift test sent: see training_reference.py."""
import json
import pathlib
import sys

import numpy
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

folder = pathlib.Path(sys.argv[1])
request = json.loads((folder / "request.json").read_text())
c = request["configuration"]
flat = numpy.fromfile(folder / "tensors.f32", dtype=numpy.float32)
tensors, at = {}, 0
for t in request["tensors"]:
    count = t["rows"] * t["columns"]
    tensors[t["name"]] = torch.from_numpy(flat[at : at + count].reshape(t["rows"], t["columns"]).copy())
    at += count
assert at == len(flat)

PLACES = {"q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj",
          "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}


def heads(projection):
    return {"q": c["headCount"], "k": c["keyValueHeadCount"]}.get(projection)


def to_hf(x, projection):
    """Rows from neighbouring pairs to rotate-half, head by head."""
    n = heads(projection)
    if not n:
        return x
    e = x.shape[0] // n
    return x.reshape(n, e // 2, 2, -1).transpose(1, 2).reshape(x.shape)


def to_gguf(x, projection):
    n = heads(projection)
    if not n:
        return x
    e = x.shape[0] // n
    return x.reshape(n, 2, e // 2, -1).transpose(1, 2).reshape(x.shape)


def model(dtype):
    tied = "output.weight" not in tensors
    biased = any(name.endswith(" bias") for name in tensors)
    m = LlamaForCausalLM(LlamaConfig(
        vocab_size=c["vocabularySize"], hidden_size=c["hiddenSize"], intermediate_size=c["feedForwardSize"],
        num_hidden_layers=c["layerCount"], num_attention_heads=c["headCount"],
        num_key_value_heads=c["keyValueHeadCount"], head_dim=c["headDimension"], rms_norm_eps=c["normEpsilon"],
        rope_theta=c["ropeBase"], max_position_embeddings=c["contextLength"], tie_word_embeddings=tied,
        attention_bias=biased, mlp_bias=biased, attn_implementation="eager")).to(dtype)
    with torch.no_grad():
        for name, (parameter, projection) in places(m).items():
            if name in tensors:
                values = tensors[name].to(dtype).reshape(parameter.shape if parameter.dim() == 2 else (-1, 1))
                parameter.copy_(to_hf(values, projection).reshape(parameter.shape))
    return m


def places(m):
    """Our names of a transformers model's parameters, with the projection they belong to."""
    found = {"token_embd.weight": (m.model.embed_tokens.weight, ""), "final norm": (m.model.norm.weight, "")}
    if "output.weight" in tensors:
        found["output.weight"] = (m.lm_head.weight, "")
    for i, layer in enumerate(m.model.layers):
        found[f"block {i} attention norm"] = (layer.input_layernorm.weight, "")
        found[f"block {i} feed-forward norm"] = (layer.post_attention_layernorm.weight, "")
        for p, path in PLACES.items():
            linear = layer.get_submodule(path)
            linear = getattr(linear, "base_layer", linear)
            found[f"block {i} {p}"] = (linear.weight, p)
            if linear.bias is not None:
                found[f"block {i} {p} bias"] = (linear.bias, p)
    return found


def low_rank(m):
    found = {}
    for i, layer in enumerate(m.base_model.model.model.layers):
        for p in request["projections"]:
            linear = layer.get_submodule(PLACES[p])
            found[f"block {i} {p} A"] = (linear.lora_A["default"].weight, "")
            found[f"block {i} {p} B"] = (linear.lora_B["default"].weight, p)
    return found


def tuned(dtype):
    m = get_peft_model(model(dtype), LoraConfig(
        r=request["rank"], lora_alpha=request["alpha"], lora_dropout=0.0, bias="none",
        target_modules=[PLACES[p].split(".")[1] for p in request["projections"]]))
    with torch.no_grad():
        for name, (parameter, projection) in low_rank(m).items():
            parameter.copy_(to_hf(tensors[name].to(dtype), projection))
    return m
