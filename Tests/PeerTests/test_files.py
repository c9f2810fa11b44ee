"""Files that the engine writes, and texts that both cut: llama.cpp's own judgement on them."""

import json
import sys

import gguf
import models
import numpy as np
import pytest
from conftest import DATA, ROOT
from test_numbers import TOLERANCE, agree, relative

sys.path.insert(0, str(ROOT / "Tests/Fixtures/python"))
import random_texts  # noqa: E402


def tensors(path):
    return {t.name: (t.tensor_type.name, np.ascontiguousarray(t.data).tobytes()) for t in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize("type", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "F16", "BF16"])
def test_quantizing_gives_llama_cpps_bytes_and_llama_cpp_runs_them(llama_cpp, ours, tmp_path, type):
    plain = models.make(tmp_path, "plain")
    mine = tmp_path / "mine.gguf"
    report = ours.json("quantize", "--model", plain, "--type", type, "--output", mine)
    assert report["type"] == type
    theirs = llama_cpp.quantize(plain, tmp_path / "theirs.gguf", type)
    found, expected = tensors(mine), tensors(theirs)
    assert found.keys() == expected.keys()
    assert sum(kind == type for kind, _ in found.values()) == 2 + 7 * models.SHAPE["layers"]
    for name, (kind, data) in found.items():
        assert (kind, data) == expected[name], name
    # The same bytes would load anyway; the metadata around them is ours.
    agree(llama_cpp, ours, mine, models.prompt(80), tmp_path)


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


def test_a_hugging_face_folder_becomes_a_file_with_its_states(llama_cpp, ours, vocabularies, tmp_path):
    """Query and key rows are permuted on the way: transformers, llama.cpp and the engine have to agree."""
    import shutil

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=32000, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=8,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=False, attn_implementation="eager",
        initializer_range=0.15)
    model = LlamaForCausalLM(config).float().eval()
    folder = tmp_path / "checkpoint"
    model.save_pretrained(folder, max_shard_size="4MB")
    assert (folder / "model.safetensors.index.json").exists()
    shutil.copy(vocabularies / "tokenizer-llama32k.model", folder / "tokenizer.model")
    path = tmp_path / "model.gguf"
    ours.json("quantize", "--model", folder, "--type", "F32", "--output", path)
    ids = models.prompt(64, 32000)
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_hidden_states=True)
    theirs, found = llama_cpp.states(path, ids, tmp_path), ours.states(folder, ids)
    assert relative(theirs["l_out-0"], out.hidden_states[1][0].numpy()) <= TOLERANCE
    assert relative(theirs["result_output"], out.logits[0].numpy()) <= TOLERANCE
    assert relative(found["1"], out.hidden_states[1][0].numpy()) <= 1e-5
    assert relative(found["logits"], out.logits[0].numpy()) <= 1e-5
    texts = ["Hello world", " naïve 日本 🙂\n\t x", "</s>"]
    for text, expected in zip(texts, llama_cpp.tokenize(path, texts, "--add-special")):
        assert ours.json("tokenize", "--model", folder, "--text", text)["ids"] == expected


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
    found = [json.loads(line)["ids"] for line in ours.run(
        "tokenize", "--model", vocabulary, "--lines", lines, *flags, "--json").splitlines()]
    expected = llama_cpp.tokenize(vocabulary, texts, *(["--add-special", "--parse-special"] if special else []))
    assert len(found) == len(texts)
    for text, mine, theirs in zip(texts, found, expected):
        assert mine == theirs, repr(text)
