"""Random blocks of every tensor type and what the gguf package makes of them.

usage: dequantize_reference.py FOLDER
Writes FOLDER/TYPE.blocks and FOLDER/TYPE.f32 for each type that the engine reads. The halves that scale a block are
kept finite and moderate; every other bit is random.
"""

import pathlib
import sys

import gguf
import numpy as np

# Where the halves stand in a block.
HALVES = {
    "F16": [], "BF16": [], "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82],
    "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}

folder = pathlib.Path(sys.argv[1])
random = np.random.default_rng(7)
for name, halves in HALVES.items():
    kind = gguf.GGMLQuantizationType[name]
    weights, size = gguf.GGML_QUANT_SIZES[kind]
    count = 64 if halves else 4096
    blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
    for at in halves:
        scale = (random.standard_normal(count) * 0.02).astype("<f2")
        scale[0] = np.float16(6e-8)  # the smallest there is: a denormal
        blocks[:, at : at + 2] = scale.view(np.uint8).reshape(count, 2)
    data = blocks.reshape(1, -1)
    if name == "F16":
        data = data.view("<f2")
    values = gguf.quants.dequantize(data, kind).astype("<f4")
    assert values.size == count * weights
    (folder / f"{name}.blocks").write_bytes(blocks.tobytes())
    (folder / f"{name}.f32").write_bytes(values.tobytes())
