"""Adapters of many kinds, by PEFT, for the engine to read, refuse or agree with.

usage: peft_kinds.py FOLDER
FOLDER as for training_reference.py; FOLDER/ours: an adapter that the engine wrote, with ranks and alphas of its own.
Writes, for the first sequence of the batch:
  ours.f32: PEFT's logits under FOLDER/ours; FOLDER/ours-again: that adapter as PEFT saves it
  KIND/, KIND.f32: an adapter of that kind as PEFT saves it, and its logits, for the kinds below
  sum.f32: logits under 0.5 · patterns + 2 · stabilized (PEFT's "cat" combination)
  merged.f32: logits after PEFT merged patterns into the weights
"""
import json

import numpy
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from small_llama import folder, model, request

torch.set_num_threads(1)
tokens = torch.tensor([request["batch"][0]["tokens"]])


def logits(m, name):
    m.eval()
    with torch.no_grad():
        m(tokens).logits[0].numpy().astype(numpy.float32).tofile(folder / f"{name}.f32")


m = PeftModel.from_pretrained(model(torch.float32), str(folder / "ours"))
logits(m, "ours")
m.save_pretrained(str(folder / "ours-again"))

KINDS = {
    "patterns": dict(
        r=3, lora_alpha=6, target_modules=r".*\.(q|v|down)_proj",
        rank_pattern={r"layers\.1\.self_attn\.q_proj": 5, "down_proj": 2}, alpha_pattern={"v_proj": 11}),
    "stabilized": dict(r=4, lora_alpha=6, target_modules=["k_proj", "o_proj"], use_rslora=True),
    "linear": dict(r=2, lora_alpha=2, target_modules="all-linear"),
    "layer": dict(r=2, lora_alpha=5, target_modules=["gate_proj", "up_proj"], layers_to_transform=[1]),
    "dora": dict(r=2, lora_alpha=2, target_modules=["q_proj"], use_dora=True),
    "saving": dict(r=2, lora_alpha=2, target_modules=["q_proj"], modules_to_save=["lm_head"]),
    "biased": dict(r=2, lora_alpha=2, target_modules=["q_proj"], lora_bias=True),
    "pissa": dict(r=2, lora_alpha=2, target_modules=["q_proj"], init_lora_weights="pissa"),
    "embedded": dict(r=2, lora_alpha=2, target_modules=["q_proj", "embed_tokens"]),
}
generator = torch.Generator().manual_seed(1)
for name, settings in KINDS.items():
    m = get_peft_model(model(torch.float32), LoraConfig(task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for key, parameter in m.named_parameters():
            if "lora_" in key and parameter.dim() == 2:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    logits(m, name)
    m.save_pretrained(str(folder / name))

m = PeftModel.from_pretrained(model(torch.float32), str(folder / "patterns"), adapter_name="patterns")
m.load_adapter(str(folder / "stabilized"), adapter_name="stabilized")
m.base_model.set_adapter(["patterns", "stabilized"])
for module in m.modules():
    # What add_weighted_adapter's "cat" amounts to, also for ranks of their own, which it refuses.
    if hasattr(module, "scaling") and hasattr(module, "lora_A"):
        for name, weight in (("patterns", 0.5), ("stabilized", 2.0)):
            if name in module.scaling:
                module.scaling[name] *= weight
logits(m, "sum")
m = PeftModel.from_pretrained(model(torch.float32), str(folder / "patterns")).merge_and_unload()
logits(m, "merged")
(folder / "done.json").write_text(json.dumps(sorted(KINDS)))
