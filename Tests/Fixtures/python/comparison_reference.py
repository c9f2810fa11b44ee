"""The similarities of a comparison, by transformers and torch alone, for the engine to agree with.

usage: comparison_reference.py FOLDER
Reads FOLDER/case.json: {"gguf": PATH, "anchor": [[ids]…], "icl": [[ids]…], "scale": S,
"adapter": [{"q": {"a": […], "b": […]}, …} for each block], "rank": R}; a is [rank, input], b is [output, rank], both
row-major, with the rows of q and k in GGUF's order.
Writes FOLDER/similarity.json: {"ICL ~ IT": [cosine by layer…], …}: means over the prompts of the cosine of the last
token's states: embeddings, after each block, after the final norm. The tuned conditions use weights into which the
adapter was merged.
"""

import json
import pathlib
import sys

import gguf
import torch

from llama_reference import config_of, load

folder = pathlib.Path(sys.argv[1])
case = json.loads((folder / "case.json").read_text())
reader = gguf.GGUFReader(case["gguf"])
config = config_of(reader)
model = load(reader, config)
MODULES = {
    "q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj",
}
HEADS = {"q": config["heads"], "k": config["kvHeads"]}


def merge():
    for layer, block in zip(model.model.layers, case["adapter"]):
        for name, pair in block.items():
            a = torch.tensor(pair["a"]).reshape(case["rank"], -1)
            b = torch.tensor(pair["b"]).reshape(-1, case["rank"])
            update = case["scale"] * (b @ a)
            if name in HEADS:
                # GGUF's neighbours become Hugging Face's halves, head by head.
                rows = update.shape[0] // HEADS[name]
                order = [
                    head * rows + 2 * pair + half
                    for head in range(HEADS[name]) for half in (0, 1) for pair in range(rows // 2)
                ]
                update = update[order]
            layer.get_submodule(MODULES[name]).weight.data += update


def states(prompts):
    """[prompt][layer] → state; transformers gives the last block's state after the final norm, so a hook takes it."""
    result = []
    for prompt in prompts:
        before_norm = []
        hook = model.model.norm.register_forward_pre_hook(lambda _, args: before_norm.append(args[0]))
        with torch.no_grad():
            hidden = model.model(torch.tensor([prompt]), output_hidden_states=True).hidden_states
        hook.remove()
        layers = list(hidden[:-1]) + [before_norm[0], hidden[-1]]
        result.append([x[0, -1].double() for x in layers])
    return result


conditions = {"anchor": states(case["anchor"]), "ICL": states(case["icl"])}
merge()
conditions["IT"] = states(case["anchor"])
conditions["IT+ICL"] = states(case["icl"])

names = list(conditions)
similarity = {}
for i, first in enumerate(names):
    for second in names[i + 1:]:
        pairs = list(zip(conditions[first], conditions[second]))
        similarity[f"{first} ~ {second}"] = [
            sum(torch.cosine_similarity(a[layer], b[layer], dim=0).item() for a, b in pairs) / len(pairs)
            for layer in range(len(pairs[0][0]))
        ]
(folder / "similarity.json").write_text(json.dumps(similarity))
