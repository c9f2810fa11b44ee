"""Quantized files against llama.cpp's own quantizer, and llama.cpp running what we wrote."""

import json

import gguf
import models
import numpy as np
import pytest

TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]


def tensors(path):
    return {t.name: (t.tensor_type.name, t.data.tobytes()) for t in gguf.GGUFReader(path).tensors}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Values of many magnitudes, with ties, so that every rounding shows."""
    path = models.make(tmp_path_factory.mktemp("quantize"), "source", layers=1, tied=False)
    random = np.random.default_rng(5)
    reader = gguf.GGUFReader(path, "r+")
    for tensor in reader.tensors:
        if len(tensor.shape) == 2:
            scale = np.exp2(random.integers(-20, 8, (tensor.data.shape[0], 1))).astype(np.float32)
            values = random.standard_normal(tensor.data.shape).astype(np.float32) * scale
            ties = random.random(tensor.data.shape) < 0.3
            values[ties] = np.round(values[ties] / scale.repeat(values.shape[1], 1)[ties] * 8) / 8 * scale.repeat(
                values.shape[1], 1)[ties]
            values[random.random(values.shape) < 0.02] = 0
            tensor.data[:] = values
    del reader
    return path


@pytest.mark.parametrize("kind", TYPES)
def test_blocks_are_llama_cpps_to_the_byte(llama_cpp, ours, source, tmp_path, kind):
    wanted = tensors(llama_cpp.quantize(source, tmp_path / "theirs.gguf", kind))
    report = ours.json("quantize", "--model", source, "--type", kind, "--output", tmp_path / "ours.gguf")
    found = tensors(tmp_path / "ours.gguf")
    assert report["type"] == kind and report["bytes"] == (tmp_path / "ours.gguf").stat().st_size
    assert found.keys() == wanted.keys()
    for name, (stored, blocks) in wanted.items():
        assert found[name][0] == stored, name
        assert found[name][1] == blocks, name
    assert sum(stored == kind for stored, _ in found.values()) == 9


@pytest.mark.parametrize("kind", [*TYPES, "F16", "BF16", "F32"])
def test_llama_cpp_runs_what_we_wrote_as_we_do(llama_cpp, ours, tmp_path, kind):
    source = models.make(tmp_path, "model")
    ours.run("quantize", "--model", source, "--type", kind, "--output", tmp_path / "out.gguf")
    ids = models.prompt(24)
    theirs, own = llama_cpp.states(tmp_path / "out.gguf", ids, tmp_path), ours.states(tmp_path / "out.gguf", ids)
    error = np.linalg.norm(own["logits"] - theirs["result_output"]) / np.linalg.norm(theirs["result_output"])
    # llama.cpp rounds activations to 8 bits for quantized weights, and to the weights' type for F16 and BF16.
    assert error < (1e-5 if kind == "F32" else 0.05), error


def test_a_hugging_face_folder_becomes_a_file_that_llama_cpp_runs(llama_cpp, ours, tmp_path):
    import hugging_face_models

    folder = tmp_path / "hf"
    folder.mkdir()
    ids = models.prompt(40, 259)
    shape = {
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 320, "max_position_embeddings": 512,
        "rope": {
            "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
        },
    }
    cases = [{"name": "m", "prompts": [ids], "type": "bfloat16", "shard": 50000, "config": shape}]
    (folder / "cases.json").write_text(json.dumps(cases))
    hugging_face_models.main(folder)
    path = tmp_path / "m.gguf"
    ours.run("quantize", "--model", folder / "m", "--type", "F32", "--output", path)
    theirs = llama_cpp.states(path, ids, tmp_path)["result_output"]
    index = json.loads((folder / "m.json").read_text())
    values = np.fromfile(folder / "m.f32", "<f4")
    entry = next(e for e in index if e["point"] == "logits")
    wanted = values[entry["offset"]:][: entry["rows"] * entry["columns"]].reshape(entry["rows"], entry["columns"])
    # F32 on both sides, in other orders of summation, and Llama 3's frequencies through a rounded quotient.
    assert np.linalg.norm(theirs - wanted) / np.linalg.norm(wanted) < 1e-4
    texts = ["größe 🙂", "a b", "", " x"]
    found = [ours.json("tokenize", "--model", folder / "m", "--text", t)["ids"] for t in texts]
    assert [ours.json("tokenize", "--model", path, "--text", t)["ids"] for t in texts] == found
    # This tokenizer's file puts nothing around a text.
    assert llama_cpp.tokenize(path, texts) == found


def test_a_merged_adapter_runs_in_llama_cpp_as_apart_here(llama_cpp, ours, tmp_path):
    from safetensors.numpy import save_file
    from test_numbers import agree, relative

    source = models.make(tmp_path, "model")
    base = tmp_path / "base.gguf"
    ours.run("quantize", "--model", source, "--type", "Q4_0", "--output", base)
    random = np.random.default_rng(3)
    (tmp_path / "adapter").mkdir()
    pairs = {}
    for layer in range(2):
        for name, width in (("q", 256), ("v", 128)):
            for side, shape in (("A", (4, 256)), ("B", (width, 4))):
                key = f"base_model.model.model.layers.{layer}.self_attn.{name}_proj.lora_{side}.weight"
                pairs[key] = (random.standard_normal(shape) * 0.05).astype(np.float32)
    save_file(pairs, tmp_path / "adapter/adapter_model.safetensors")
    (tmp_path / "adapter/adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]}))
    logits = {}
    for kind in ("F32", "Q4_0"):
        merged = tmp_path / f"merged-{kind}.gguf"
        ours.run("quantize", "--model", base, "--adapter", tmp_path / "adapter", "--type", kind, "--output", merged)
        logits[kind] = agree(llama_cpp, ours, merged, models.prompt(80), tmp_path)
    # Four matrices rounded to 4 bits move the logits by some percent; not one bit of the others is another.
    assert 1e-3 < relative(logits["Q4_0"], logits["F32"]) < 0.3
    found, before = tensors(tmp_path / "merged-Q4_0.gguf"), tensors(base)
    assert found.keys() == before.keys()
    assert {name for name in found if found[name] != before[name]} == {
        f"blk.{layer}.attn_{name}.weight" for layer in range(2) for name in "qv"}
