"""Reads a GGUF file with the `gguf` package and writes what it holds as JSON to the standard output.

usage: describe_gguf.py file.gguf

Of each tensor: its type, dims as NumPy has them, and the SHA-256 of its stored bytes.
"""

import hashlib
import json
import sys

import gguf
import numpy as np

reader = gguf.GGUFReader(sys.argv[1])
keys = {
    name: field.contents()
    for name, field in reader.fields.items()
    if not name.startswith("GGUF.")
}
tensors = {
    t.name: {
        "type": t.tensor_type.name,
        "shape": [int(n) for n in reversed(t.shape)],
        "sha256": hashlib.sha256(np.ascontiguousarray(t.data).tobytes()).hexdigest(),
    }
    for t in reader.tensors
}
json.dump({"keys": keys, "tensors": tensors}, sys.stdout)
