"""The engine's commands from outside: tuning in every method, going on after an interruption, adapters merged into files,
a comparison written out."""

import json
import pathlib
import signal
import struct
import subprocess

import pytest

TEXTS = ["Review: a fine film\nMood: good\n", "Review: dull from start to end\nMood: bad\n"]


def tensors(path):
    """Name to bytes of a safetensors file."""
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    return {name: body[slice(*entry["data_offsets"])] for name, entry in header.items() if name != "__metadata__"}


@pytest.fixture
def examples(tmp_path):
    path = tmp_path / "examples.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return path


@pytest.fixture
def command(executable):
    def run(*arguments):
        ended = subprocess.run([executable, *map(str, arguments)], capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)
    return run


@pytest.mark.parametrize("method, changed", [
    ("full", lambda name: True),
    ("key-value", lambda name: ".k_proj." in name or ".v_proj." in name),
])
def test_tuning_a_model_changes_what_the_method_names(command, examples, tmp_path, method, changed):
    before, after = tmp_path / "before", tmp_path / "after"
    command("quantize", "--hugging-face", "--type", "F32", "--output", before, "--json")
    report = command("tune", "--method", method, "--data", examples, "--steps", 3, "--out", after, "--json")
    assert report["method"] == method and report["model"] == str(after) and "adapter" not in report
    assert report["steps"] == 3 and len(report["losses"]) == 3 and not report["interrupted"]
    assert report["losses"][2] < report["losses"][0]
    old, new = tensors(before / "model.safetensors"), tensors(after / "model.safetensors")
    assert old.keys() == new.keys() and any(changed(name) for name in old)
    for name in old:
        assert (old[name] != new[name]) == changed(name), name
    # The tuned model is one: its loss begins where the run ended.
    again = command("tune", "--model", after, "--data", examples, "--steps", 1, "--json")
    assert again["losses"][0] < report["losses"][2]


def test_a_tuned_model_is_saved_as_gguf_too(command, examples, tmp_path):
    out = tmp_path / "tuned.gguf"
    command("tune", "--method", "full", "--data", examples, "--steps", 2, "--out", out, "--type", "q8_0", "--json")
    assert out.read_bytes()[:4] == b"GGUF"
    text = ["states", "--text", TEXTS[0], "--layers", "last", "--json"]
    tuned, plain = command(*text, "--model", out), command(*text)
    assert tuned["tokens"] == plain["tokens"] and tuned["layers"] != plain["layers"]


@pytest.mark.parametrize("method", ["lora", "full", "key-value"])
def test_an_interrupted_run_goes_on_with_the_same_bits(executable, command, examples, tmp_path, method):
    def arguments(name):
        return ["tune", "--method", method, "--data", examples, "--batch", 1, "--steps", 40, "--rate", "1e-4",
                "--seed", 5, "--out", tmp_path / name, "--checkpoint", tmp_path / f"{name}.state"]

    whole = command(*arguments("whole"), "--json")
    process = subprocess.Popen(
        [executable, *map(str, arguments("parts"))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("step 3 of 40"):
            process.send_signal(signal.SIGINT)
            break
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in said, said
    done = int(said.split()[0])
    assert 3 <= done < 40
    # What was tuned by then is there, of the last whole update.
    kept = tmp_path / "parts" / ("adapter_model.safetensors" if method == "lora" else "model.safetensors")
    first = tensors(kept)
    rest = command(*arguments("parts"), "--json")
    assert rest["losses"] == whole["losses"] and rest["steps"] == 40
    end = tensors(tmp_path / "whole" / kept.name)
    assert tensors(kept) == end and first != end


def test_options_of_adapters_and_models_are_kept_apart(executable, examples):
    for arguments, word in [
        (["--method", "full", "--rank", "4"], "--rank"), (["--method", "key-value", "--projections", "q"], "--projections"),
        (["--type", "F16"], "--type"), (["--method", "full", "--out", "folder", "--type", "Q8_0"], "Hugging Face folder"),
        (["--method", "some"], "--method"),
    ]:
        ended = subprocess.run([executable, "tune", "--data", examples, *arguments], capture_output=True, text=True)
        assert ended.returncode == 64 and word in ended.stderr, ended.stderr


def test_an_adapter_is_merged_into_the_file_that_is_written(command, examples, tmp_path):
    adapter = tmp_path / "adapter"
    command("tune", "--data", examples, "--steps", 4, "--rate", "0.01", "--out", adapter, "--json")
    states = ["states", "--text", TEXTS[1], "--layers", "last", "--json"]
    found = {}
    for kind in ("F32", "Q8_0"):
        path = tmp_path / f"{kind}.gguf"
        command("quantize", "--adapter", adapter, "--type", kind, "--output", path, "--json")
        found[kind] = command(*states, "--model", path)["layers"]
    plain = command(*states)["layers"]

    def distance(a, b):
        pairs = list(zip(a["final"][0], b["final"][0], strict=True))
        return (sum((x - y) ** 2 for x, y in pairs) / sum(y * y for _, y in pairs)) ** 0.5

    # Rounding to 8 bits moves states by a percent or less, the update by far more.
    assert 0 < distance(found["Q8_0"], found["F32"]) < 0.02 < distance(plain, found["F32"])


def test_a_comparison_is_written_out_for_another_program(command, executable, tmp_path):
    folder = tmp_path / "script"
    ended = subprocess.run(
        [executable, "compare", "--demonstrations", "2", "--queries", "3", "--repetitions", "2", "--export", folder],
        capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    script = json.loads((folder / "comparison.json").read_text())
    assert script["spec"]["queries"] == 3 and len(script["repetitions"]) == 2
    for index, part in enumerate(script["repetitions"]):
        assert part["adapter"] == f"adapter-{index}"
        assert {"adapter_config.json", "adapter_model.safetensors"} <= {p.name for p in (folder / part["adapter"]).iterdir()}
        (group,) = part["groups"]
        assert len(group["queries"]) == 3 and len(group["tuning"]) == 2
        for query in group["queries"]:
            prompts = query["prompts"]
            assert prompts.keys() == {"anchor", "ICL", "otherOrder", "otherDemonstrations"}
            assert len(prompts["ICL"]["answers"]) == len(part["labelWords"])
            for prompt in prompts.values():
                ids = command("tokenize", "--text", prompt["text"], "--json")["ids"]
                assert ids == prompt["tokens"]
        for example in group["tuning"]:
            assert len(example["tokens"]) == len(example["lossWeights"]) and sum(example["lossWeights"]) > 0
