"""A real model quantized by both, and texts that both cut. (Random models: test_quantize.py.)"""

import json
import sys

import gguf
import numpy as np
import pytest
from conftest import ROOT
from test_numbers import agree

sys.path.insert(0, str(ROOT / "Tests/Fixtures/python"))
import random_texts  # noqa: E402


def tensors(path):
    return {t.name: (t.tensor_type.name, np.ascontiguousarray(t.data).tobytes()) for t in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize("type", ["Q8_0", "Q5_1"])
def test_a_real_model_is_quantized_to_the_same_bytes(llama_cpp, ours, stories, tmp_path, type):
    mine = tmp_path / "mine.gguf"
    ours.json("quantize", "--model", stories, "--type", type, "--output", mine)
    found, expected = tensors(mine), tensors(llama_cpp.quantize(stories, tmp_path / "theirs.gguf", type))
    assert found.keys() == expected.keys()
    compared = 0
    for name, (kind, data) in found.items():
        # Rows of 172 are no whole blocks: llama.cpp makes F16 of such matrices, the engine leaves them.
        if expected[name][0] == "F16":
            assert kind == "F32"
            continue
        compared += kind == type
        assert (kind, data) == expected[name], name
    assert compared == 31
    agree(llama_cpp, ours, mine, [1] + ours.json("generate", "--model", mine, "--tokens", 60, "--greedy")["tokens"], tmp_path)


@pytest.mark.parametrize("name", ["llama-spm", "gpt-2"])
@pytest.mark.parametrize("special", [False, True], ids=["plain", "special"])
def test_texts_are_cut_as_llama_cpp_cuts_them(llama_cpp, ours, vocabularies, tmp_path, name, special):
    vocabulary = vocabularies / f"ggml-vocab-{name}.gguf"
    texts = (vocabularies / f"ggml-vocab-{name}.gguf.inp").read_text().split("\n__ggml_vocab_test__\n")
    texts += random_texts.texts(2000, seed=17)
    texts = [text for text in texts if "\0" not in text]
    lines = tmp_path / "texts.jsonl"
    lines.write_text("".join(json.dumps(text) + "\n" for text in texts))
    flags = ["--parse-special"] if special else ["--no-special"]
    # Not splitlines(): tokens may be separators that Python takes for a line's end.
    found = [json.loads(line)["ids"] for line in ours.run(
        "tokenize", "--model", vocabulary, "--lines", lines, *flags, "--json").rstrip("\n").split("\n")]
    expected = llama_cpp.tokenize(vocabulary, texts, *(["--add-special", "--parse-special"] if special else []))
    assert len(found) == len(texts)
    for text, mine, theirs in zip(texts, found, expected):
        assert mine == theirs, repr(text)
