"""Quantizes F32 values with the `gguf` package.

usage: quantize_blocks.py values.f32 columns TYPE out.bin
"""

import sys

import gguf
import numpy as np

values = np.fromfile(sys.argv[1], dtype="<f4").reshape(-1, int(sys.argv[2]))
kind = gguf.GGMLQuantizationType[sys.argv[3]]
gguf.quants.quantize(values, kind).tofile(sys.argv[4])
