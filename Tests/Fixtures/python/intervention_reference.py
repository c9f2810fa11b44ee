"""States, attention and logits of Llama models by transformers with forward hooks that change them on the way.

usage: intervention_reference.py FOLDER
Reads FOLDER/cases.json, a list of cases:
  {"name", "config": as in llama_reference.py, "prompt": [ids], "changes": [{"point", "layer", "head" (or null),
   "positions": [from 0], "replaces", "scale", "vector": [floats]}…]}
Points: residual, headOutputs, attentionOutput, feedForwardOutput, finalNorm, attentionLogits (which adds its vector to
the logits of one query and all heads, or of one).
Writes FOLDER/N.gguf, and as llama_reference.py does FOLDER/N.f32 and FOLDER/N.json; besides its points headOutputs,
attentionLogits and attentionProbabilities, with rows [query · head] of one number for each key.
"""

import json
import pathlib
import sys

import gguf
import torch

from llama_reference import load, write_random

torch.set_num_threads(1)


def run(folder, case):
    c = case["config"]
    model = load(gguf.GGUFReader(folder / f"{case['name']}.gguf"), c)
    body = model.model
    captured = {}

    def changed(point, layer, values):
        values = values.clone()
        for change in case["changes"]:
            if change["point"] != point or change["layer"] != layer:
                continue
            vector = torch.tensor(change["vector"])
            for position in change["positions"]:
                row = values[0, position]
                if change["head"] is not None:
                    e = c.get("headDim", c["hidden"] // c["heads"])
                    row = row[change["head"] * e:(change["head"] + 1) * e]
                row.copy_(vector if change["replaces"] else row + change["scale"] * vector)
        captured[point, layer] = values[0]
        return values

    def after(point, layer):
        def hook(_, __, output):
            if isinstance(output, tuple):
                return (changed(point, layer, output[0]),) + output[1:]
            return changed(point, layer, output)
        return hook

    body.embed_tokens.register_forward_hook(after("residual", 0))
    for i, block in enumerate(body.layers):
        block.self_attn.o_proj.register_forward_pre_hook(
            lambda _, inputs, i=i: (changed("headOutputs", i + 1, inputs[0]),))
        block.self_attn.o_proj.register_forward_hook(after("attentionOutput", i + 1))
        block.mlp.register_forward_hook(after("feedForwardOutput", i + 1))
        block.register_forward_hook(after("residual", i + 1))
    body.norm.register_forward_hook(after("finalNorm", c["layers"]))

    # Eager attention hands its scaled, masked logits to softmax, once for each layer.
    plain = torch.nn.functional.softmax
    seen = []

    def softmax(values, *arguments, **named):
        layer = len(seen) + 1
        values = values.clone()
        for change in case["changes"]:
            if change["point"] == "attentionLogits" and change["layer"] == layer:
                vector = torch.tensor(change["vector"])
                heads = range(c["heads"]) if change["head"] is None else [change["head"]]
                for head in heads:
                    for position in change["positions"]:
                        values[0, head, position, :len(vector)] += change["scale"] * vector
        captured["attentionLogits", layer] = values[0].transpose(0, 1).flatten(0, 1)
        seen.append(layer)
        return plain(values, *arguments, **named)

    torch.nn.functional.softmax = softmax
    try:
        with torch.no_grad():
            result = model(torch.tensor([case["prompt"]]), output_attentions=True)
    finally:
        torch.nn.functional.softmax = plain
    assert len(seen) == c["layers"]
    captured["logits", c["layers"]] = result.logits[0]
    with torch.no_grad():
        for layer in range(c["layers"] + 1):
            # forward: without the hooks
            captured["lens", layer] = model.lm_head(body.norm.forward(captured["residual", layer]))
    for i, values in enumerate(result.attentions):
        captured["attentionProbabilities", i + 1] = values[0].transpose(0, 1).flatten(0, 1)

    index, offset = [], 0
    with open(folder / f"{case['name']}.f32", "wb") as data:
        for (point, layer), values in captured.items():
            values = values.float().contiguous().numpy()
            data.write(values.astype("<f4").tobytes())
            index.append({
                "prompt": 0, "point": point, "layer": layer, "rows": values.shape[0], "columns": values.shape[1],
                "offset": offset,
            })
            offset += values.size
    (folder / f"{case['name']}.json").write_text(json.dumps(index))


def main():
    folder = pathlib.Path(sys.argv[1])
    for case in json.loads((folder / "cases.json").read_text()):
        write_random(folder / f"{case['name']}.gguf", case["config"])
        run(folder, case)


if __name__ == "__main__":
    main()
