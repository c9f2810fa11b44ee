"""Random models of shapes that stories260K doesn't have, as llama.cpp's converter would lay them out."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Fixtures/python"))

from llama_reference import write_random  # noqa: E402

SHAPE = {
    "layers": 2, "hidden": 256, "heads": 8, "kvHeads": 4, "feedForward": 512, "vocabulary": 320, "context": 1024,
    "tied": False,
}


def make(folder, name, **changes):
    path = folder / f"{name}.gguf"
    if not path.exists():
        write_random(path, SHAPE | changes)
    return path


def prompt(count, vocabulary=320):
    """BOS and ids that look random."""
    return [1] + [3 + (i * 7919 + i * i * 31) % (vocabulary - 3) for i in range(1, count)]
