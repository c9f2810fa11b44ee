"""Writes a GGUF model of a known shape and random weights: as large and as slow as a real one, and free.

    python Benchmarks/engine/random_model.py 7b Q4_0 /tmp/7b.gguf

Shapes: 7b and 13b (Llama 2), 8b (Llama 3.1), tiny (TinyLlama 1.1B), mistral (7B), 160m (with the vocabulary of the model
that ships, so that it reads text in words, not in bytes). Types: Q4_0, Q8_0, F16. As
llama-quantize has it, the output matrix of a Q4_0 file is Q6_K. Weights have the deviation 1/√columns, so that states
stay finite through all layers; the same seed gives the same file. Memory stays below 300 MB.
"""

import argparse
import math
import pathlib

import gguf
import numpy as np

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "Sources/ICLEngine/Resources/tour.gguf"
SHAPES = {
    "160m": dict(layers=12, hidden=768, heads=12, kv=12, ff=3072, vocabulary=32000, context=2048, base=10000.0,
                 reads=SHIPPED),
    "tiny": dict(layers=22, hidden=2048, heads=32, kv=4, ff=5632, vocabulary=32000, context=2048, base=10000.0),
    "7b": dict(layers=32, hidden=4096, heads=32, kv=32, ff=11008, vocabulary=32000, context=4096, base=10000.0),
    "mistral": dict(layers=32, hidden=4096, heads=32, kv=8, ff=14336, vocabulary=32000, context=32768, base=10000.0),
    "8b": dict(layers=32, hidden=4096, heads=32, kv=8, ff=14336, vocabulary=128256, context=8192, base=500000.0),
    "13b": dict(layers=40, hidden=5120, heads=40, kv=40, ff=13824, vocabulary=32000, context=4096, base=10000.0),
}
# Where the half-precision scale stands in a block, and the deviation of the weights when it is 1.
SCALES = {"Q4_0": (0, 4.61), "Q8_0": (0, 73.9), "Q6_K": (208, 18.5 * 73.9)}


def rows(random, count, columns, kind, deviation):
    """Stored rows of random blocks, `[count, bytes of a row]`."""
    if kind.name == "F16":
        return (random.standard_normal((count, columns), np.float32) * deviation).astype(np.float16)
    at, spread = SCALES[kind.name]
    weights, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = np.frombuffer(random.bytes(count * columns // weights * size), np.uint8).reshape(-1, size).copy()
    scales = random.uniform(0.5, 1.5, len(blocks)) * deviation / spread
    blocks[:, at : at + 2] = scales.astype("<f2").view(np.uint8).reshape(-1, 2)
    return blocks.reshape(count, -1)


def vocabulary(path):
    """Pieces, scores and types of a file's tokens; bytes alone without one."""
    if path is None:
        return ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)], [0.0] * 259, [2, 3, 3] + [6] * 256
    fields = gguf.GGUFReader(path).fields
    return tuple(fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "scores", "token_type"))


def write(path, shape, kind, seed=0):
    random = np.random.Generator(np.random.SFC64(seed))
    c = SHAPES[shape]
    kind = gguf.GGMLQuantizationType[kind]
    d, e, kv, ff, v = c["hidden"], c["hidden"] // c["heads"], c["kv"], c["ff"], c["vocabulary"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"random {shape} {kind.name}")
    writer.add_context_length(c["context"])
    writer.add_embedding_length(d)
    writer.add_block_count(c["layers"])
    writer.add_feed_forward_length(ff)
    writer.add_head_count(c["heads"])
    writer.add_head_count_kv(kv)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(e)
    writer.add_rope_freq_base(c["base"])
    pieces, scores, types = vocabulary(c.get("reads"))
    rest = v - len(pieces)
    writer.add_tokenizer_model("llama")
    # Pieces that no text has fill the rest.
    writer.add_token_list(pieces + [f"<unused {i}>" for i in range(rest)])
    writer.add_token_scores(scores + [-1e6] * rest)
    writer.add_token_types(types + [5] * rest)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)

    last = gguf.GGMLQuantizationType.Q6_K if kind.name == "Q4_0" else kind
    matrices = [("token_embd.weight", v, d, kind, 1.0)]
    for i in range(c["layers"]):
        # What writes to the residual stream is smaller, so that this grows like its square root.
        small = 1 / math.sqrt(2 * c["layers"])
        matrices += [
            (f"blk.{i}.attn_norm.weight", d), (f"blk.{i}.attn_q.weight", d, d, kind, 1 / math.sqrt(d)),
            (f"blk.{i}.attn_k.weight", kv * e, d, kind, 1 / math.sqrt(d)),
            (f"blk.{i}.attn_v.weight", kv * e, d, kind, 1 / math.sqrt(d)),
            (f"blk.{i}.attn_output.weight", d, d, kind, small / math.sqrt(d)),
            (f"blk.{i}.ffn_norm.weight", d), (f"blk.{i}.ffn_gate.weight", ff, d, kind, 1 / math.sqrt(d)),
            (f"blk.{i}.ffn_up.weight", ff, d, kind, 1 / math.sqrt(d)),
            (f"blk.{i}.ffn_down.weight", d, ff, kind, small / math.sqrt(ff)),
        ]
    matrices += [("output_norm.weight", d), ("output.weight", v, d, last, 1 / math.sqrt(d))]
    for name, count, *rest in matrices:
        if not rest:
            writer.add_tensor_info(name, [count], np.dtype(np.float32), count * 4)
            continue
        columns, type, _ = rest
        weights, size = gguf.GGML_QUANT_SIZES[type]
        width = columns // weights * size
        if type.name == "F16":
            writer.add_tensor_info(name, [count, columns], np.dtype(np.float16), count * width)
        else:
            writer.add_tensor_info(name, [count, width], np.dtype(np.uint8), count * width, raw_dtype=type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, count, *rest in matrices:
        writer.write_tensor_data(
            rows(random, count, *rest) if rest else (1 + 0.1 * random.standard_normal(count)).astype(np.float32))
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("type", choices=["Q4_0", "Q8_0", "F16"])
    parser.add_argument("path", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write(arguments.path, arguments.shape, arguments.type, arguments.seed)
    print(f"{arguments.path}: {arguments.path.stat().st_size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
