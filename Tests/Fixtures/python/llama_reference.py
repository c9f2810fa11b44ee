"""States and logits of Llama models by Hugging Face's LlamaForCausalLM in F32, for the engine to agree with.

usage: llama_reference.py FOLDER
Reads FOLDER/cases.json, a list of cases:
  {"name": N, "prompts": [[ids]…], "gguf": PATH}            a model that exists, or
  {"name": N, "prompts": [[ids]…], "config": {…}}           a random one, written to FOLDER/N.gguf first
Config: layers, hidden, heads, kvHeads, headDim, feedForward, vocabulary, context, seed, tied, bias, type (a GGUF type
name), ropeBase, scaling (none, linear, llama3, yarn), window.
Writes FOLDER/N.f32 (little-endian floats) and FOLDER/N.json: [{"prompt", "point", "layer", "rows", "columns",
"offset"}…], offsets in floats. Points: residual (layer 0 is the embeddings, the rest before the final norm),
headOutputs, attentionOutput, feedForwardOutput, finalNorm, logits.

Query and key rows are permuted between GGUF's convention (rotary pairs are neighbours) and Hugging Face's (first and
second half of a head).
"""

import json
import math
import pathlib
import sys

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

torch.set_num_threads(1)

# Where the scale and the minimum of a block stand, and how many scales the minimum is, so that weights are around
# zero; for types that the gguf package reads and doesn't write.
BLOCK_SCALES = {
    "Q2_K": (80, 82, 1.5), "Q3_K": (108, None, 0), "Q4_K": (0, 2, 7.5), "Q5_K": (0, 2, 15.5), "Q6_K": (208, None, 0),
    "IQ4_NL": (0, None, 0), "IQ4_XS": (0, None, 0),
}


def random_blocks(random, rows, columns, kind, deviation):
    """Rows of blocks of random bits, whose scales give the weights about this standard deviation."""
    scale_at, minimum_at, ratio = BLOCK_SCALES[kind.name]
    weights, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (rows * columns // weights, size), dtype=np.uint8)
    scales = random.uniform(0.5, 1.5, len(blocks))

    def put(factor):
        for at, values in [(scale_at, scales), (minimum_at, scales * ratio)]:
            if at is not None:
                blocks[:, at : at + 2] = (values * factor).astype("<f2").view(np.uint8).reshape(-1, 2)

    put(2.0**-6)
    put(2.0**-6 * deviation / gguf.quants.dequantize(blocks.reshape(1, -1), kind).std())
    return blocks.reshape(rows, columns // weights * size)


def write_random(path, c):
    """A random model as llama.cpp's converter would lay it out."""
    random = np.random.default_rng(c.get("seed", 0))
    d, heads, f, v = c["hidden"], c["heads"], c["feedForward"], c["vocabulary"]
    kv = c.get("kvHeads", heads)
    e = c.get("headDim", d // heads)
    kind = gguf.GGMLQuantizationType[c.get("type", "F32")]
    w = gguf.GGUFWriter(path, "llama")
    w.add_name(path.stem)
    w.add_context_length(c.get("context", 1024))
    w.add_embedding_length(d)
    w.add_block_count(c["layers"])
    w.add_feed_forward_length(f)
    w.add_head_count(heads)
    if kv != heads:
        w.add_head_count_kv(kv)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(e)
    if e != d // heads:
        w.add_key_length(e)
        w.add_value_length(e)
    if "ropeBase" in c:
        w.add_rope_freq_base(float(c["ropeBase"]))
    if "window" in c:
        w.add_sliding_window(c["window"])
    scaling = c.get("scaling", "none")
    if scaling == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(4.0)
    if scaling == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(4.0)
        w.add_rope_scaling_orig_ctx_len(64)
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += [f"p{i}" for i in range(v - len(pieces))]
    w.add_tokenizer_model("llama")
    w.add_token_list(pieces[:v])
    w.add_token_scores([0.0] * v)
    w.add_token_types(([2, 3, 3] + [6] * 256 + [1] * v)[:v])

    def matrix(name, rows, columns, type=kind):
        if type.name in BLOCK_SCALES:
            blocks = random_blocks(random, rows, columns, type, 1 / math.sqrt(columns))
            w.add_tensor(name, blocks, raw_dtype=type)
            return
        values = random.standard_normal((rows, columns)).astype(np.float32) / math.sqrt(columns)
        if type == gguf.GGMLQuantizationType.F32:
            w.add_tensor(name, values)
        else:
            w.add_tensor(name, gguf.quants.quantize(values, type), raw_dtype=type)

    def vector(name, count, around):
        w.add_tensor(name, (around + 0.1 * random.standard_normal(count)).astype(np.float32))

    matrix("token_embd.weight", v, d)
    if not c.get("tied", True):
        matrix("output.weight", v, d)
    vector("output_norm.weight", d, 1)
    if scaling == "llama3":
        model = LlamaForCausalLM(hf_config(c))
        plain = 1 / c.get("ropeBase", 10000.0) ** (torch.arange(0, e, 2).float() / e)
        w.add_tensor("rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq).numpy())
    for i in range(c["layers"]):
        vector(f"blk.{i}.attn_norm.weight", d, 1)
        vector(f"blk.{i}.ffn_norm.weight", d, 1)
        shapes = {
            "attn_q": (heads * e, d), "attn_k": (kv * e, d), "attn_v": (kv * e, d), "attn_output": (d, heads * e),
            "ffn_gate": (f, d), "ffn_up": (f, d), "ffn_down": (d, f),
        }
        for name, (rows, columns) in shapes.items():
            matrix(f"blk.{i}.{name}.weight", rows, columns)
            if c.get("bias"):
                vector(f"blk.{i}.{name}.bias", rows, 0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def hf_config(c):
    rope = {"rope_type": "default", "rope_theta": c.get("ropeBase", 10000.0)}
    scaling = c.get("scaling", "none")
    if scaling == "linear":
        rope |= {"rope_type": "linear", "factor": 4.0}
    if scaling == "llama3":
        rope |= {
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    if scaling == "yarn":
        rope |= {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    common = dict(
        hidden_size=c["hidden"], intermediate_size=c["feedForward"], num_hidden_layers=c["layers"],
        num_attention_heads=c["heads"], num_key_value_heads=c.get("kvHeads", c["heads"]),
        head_dim=c.get("headDim", c["hidden"] // c["heads"]), vocab_size=c["vocabulary"],
        max_position_embeddings=c.get("context", 1024), rms_norm_eps=c.get("epsilon", 1e-5), rope_parameters=rope,
        tie_word_embeddings=c.get("tied", True), attn_implementation="eager",
    )
    if "window" in c:
        return MistralConfig(sliding_window=c["window"], **common)
    return LlamaConfig(attention_bias=bool(c.get("bias")), mlp_bias=bool(c.get("bias")), **common)


def config_of(reader):
    """The config of a model that someone else wrote: plain Llama, no scaling."""
    def field(key, default=None):
        found = reader.fields.get("llama." + key)
        return found.contents() if found else default

    heads = field("attention.head_count")
    tensors = {t.name: t for t in reader.tensors}
    return {
        "layers": field("block_count"), "hidden": field("embedding_length"), "heads": heads,
        "kvHeads": field("attention.head_count_kv", heads), "feedForward": field("feed_forward_length"),
        "vocabulary": int(tensors["token_embd.weight"].shape[1]), "context": field("context_length"),
        "epsilon": field("attention.layer_norm_rms_epsilon", 1e-5), "ropeBase": field("rope.freq_base", 10000.0),
        "tied": "output.weight" not in tensors,
    }


def load(reader, c):
    def unpermute(values, heads):
        rows = values.shape[0]
        return values.reshape(heads, rows // heads // 2, 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)

    names = {
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    }
    state = {}
    for t in reader.tensors:
        values = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32)
        values = values.reshape(tuple(int(n) for n in reversed(t.shape)))
        parts = t.name.split(".")
        if parts[0] == "blk":
            if parts[2] == "attn_q":
                values = unpermute(values, c["heads"])
            if parts[2] == "attn_k":
                values = unpermute(values, c.get("kvHeads", c["heads"]))
            name = f"model.layers.{parts[1]}.{names[parts[2]]}.{parts[3]}"
        elif parts[0] == "rope_freqs":
            continue
        else:
            name = {
                "token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight",
                "output": "lm_head.weight",
            }[parts[0]]
        state[name] = torch.from_numpy(values.copy())
    if c.get("tied", True):
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    config = hf_config(c)
    model = (MistralForCausalLM if "window" in c else LlamaForCausalLM)(config).float().eval()
    model.load_state_dict(state, strict=True)
    return model


def run(model, prompts, out):
    captured = {}

    def keep(point, layer):
        def hook(_, __, output):
            captured[point, layer] = (output[0] if isinstance(output, tuple) else output)[0]
        return hook

    body = model.model
    body.embed_tokens.register_forward_hook(keep("residual", 0))
    for i, layer in enumerate(body.layers):
        layer.self_attn.o_proj.register_forward_pre_hook(
            lambda _, inputs, i=i: captured.__setitem__(("headOutputs", i + 1), inputs[0][0]))
        layer.self_attn.o_proj.register_forward_hook(keep("attentionOutput", i + 1))
        layer.mlp.register_forward_hook(keep("feedForwardOutput", i + 1))
        layer.register_forward_hook(keep("residual", i + 1))
    body.norm.register_forward_hook(keep("finalNorm", len(body.layers)))
    index, offset = [], 0
    with open(out.with_suffix(".f32"), "wb") as data, torch.no_grad():
        for p, prompt in enumerate(prompts):
            captured["logits", len(body.layers)] = model(torch.tensor([prompt])).logits[0]
            for (point, layer), values in captured.items():
                values = values.float().contiguous().numpy()
                data.write(values.astype("<f4").tobytes())
                index.append({
                    "prompt": p, "point": point, "layer": layer, "rows": values.shape[0],
                    "columns": values.shape[1], "offset": offset,
                })
                offset += values.size
    out.with_suffix(".json").write_text(json.dumps(index))


def main():
    folder = pathlib.Path(sys.argv[1])
    for case in json.loads((folder / "cases.json").read_text()):
        path = folder / (case["name"] + ".gguf")
        if "gguf" in case:
            path = pathlib.Path(case["gguf"])
        else:
            write_random(path, case["config"])
        reader = gguf.GGUFReader(path)
        c = case.get("config") or config_of(reader)
        run(load(reader, c), case["prompts"], folder / case["name"])


if __name__ == "__main__":
    main()
