"""Small random models as `transformers` saves them, with their states and logits in F32.

usage: hugging_face_models.py FOLDER
Reads FOLDER/cases.json, a list of cases {"name", "prompts", "type", "config", "spelling", "shard"}: `config` goes to
LlamaConfig, or to MistralConfig when "mistral" is true; `type` is the saved type (float32, float16, bfloat16);
`shard` is the largest part in bytes; `spelling` "old" rewrites config.json with rope_theta and rope_scaling, "oldest"
calls the kind "type" instead of "rope_type" too. `config` may hold "rope", which becomes rope_parameters. A case with
"existing" is a folder FOLDER/NAME that is there already.
Writes the folder FOLDER/NAME, and FOLDER/NAME.f32 and .json as llama_reference.py does.
"""

import json
import math
import pathlib
import sys

import torch
from llama_reference import run
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM


def randomize(model, seed):
    """Values so large that a wrong permutation or bias shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = torch.randn(parameter.shape, generator=generator)
            if name.endswith("norm.weight"):
                parameter.copy_(1 + 0.1 * values)
            elif parameter.dim() == 2:
                parameter.copy_(values / math.sqrt(parameter.shape[1]))
            else:
                parameter.copy_(0.1 * values)


def respell(path, spelling):
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    if rope.get("rope_type", "default") != "default":
        if spelling == "oldest":
            rope["type"] = rope.pop("rope_type")
        config["rope_scaling"] = rope
    else:
        config["rope_scaling"] = None
    path.write_text(json.dumps(config))


def tokenizer(folder):
    """Bytes and the space alone: these models are given ids."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"<0x{b:02X}>": 3 + b for b in range(256)} | {"▁": 259}
    t = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    t.save(str(folder / "tokenizer.json"))


def make(place, case, number):
    settings = dict(case["config"])
    rope = {"rope_type": "default", "rope_theta": 10000.0} | settings.pop("rope", {})
    is_mistral = settings.pop("mistral", False)
    kind, architecture = (MistralConfig, MistralForCausalLM) if is_mistral else (LlamaConfig, LlamaForCausalLM)
    model = architecture(kind(rope_parameters=rope, **settings))
    randomize(model, number)
    model.to(getattr(torch, case.get("type", "float32"))).save_pretrained(place, max_shard_size=case.get("shard", 10**9))
    if "spelling" in case:
        respell(place / "config.json", case["spelling"])
    tokenizer(place)


def main(folder):
    torch.set_num_threads(1)
    for number, case in enumerate(json.loads((folder / "cases.json").read_text())):
        place = folder / case["name"]
        if not case.get("existing"):
            make(place, case, number)
        again = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, attn_implementation="eager")
        run(again.eval(), case["prompts"], folder / case["name"])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
