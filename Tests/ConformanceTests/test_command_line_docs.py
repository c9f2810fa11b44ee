"""What docs/COMMAND_LINE.md promises is what the sources have: variables, exit codes, one version."""

import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = (ROOT / "docs/COMMAND_LINE.md").read_text()
SMALL = ["--demonstrations", "1", "--queries", "2", "--repetitions", "1", "--steps", "1"]


def texts(*folders):
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".swift", ".c", ".h", ".py", ".sh"}:
                yield path.read_text(errors="replace")


def test_every_environment_variable_is_documented():
    names = {name for text in texts("Sources", "Tests", "examples", "Benchmarks", "Scripts")
             for name in re.findall(r"\bICL_[A-Z]+(?:_[A-Z]+)*\b", text)}
    assert len(names) > 10
    assert {name for name in names if f"`{name}`" not in DOCS} == set()


def test_every_exit_code_is_documented_here_and_in_help(executable):
    source = (ROOT / "Sources/EngineCommands/CommandEnd.swift").read_text()
    codes = {0, 129, 130, 143} | {
        eval(text) for text in re.findall(r"static let \w+: Int32 = ([\d +]+)", source)}
    assert {1, 2, 64, 141} <= codes
    table = DOCS.split("## Exit codes")[1].split("##")[0]
    listed = {int(code) for line in re.findall(r"^\| ([\d, ]+) \|", table, re.M) for code in line.split(",")}
    assert listed == codes
    shown = subprocess.run([executable, "--help"], capture_output=True, text=True).stdout
    assert all(re.search(rf"\b{code}\b", shown) for code in codes)


def test_there_is_one_version(executable):
    version = subprocess.run([executable, "--version"], capture_output=True, text=True).stdout.strip()
    result = subprocess.run([executable, "compare", *SMALL, "--json"], capture_output=True, text=True, check=True).stdout
    assert json.loads(result)["provenance"]["engineVersion"] == version
    assert re.search(rf"^## (Unreleased \({re.escape(version)}\)|{re.escape(version)})", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_json_names_no_folder_and_has_null_for_what_is_not_defined(executable, tmp_path):
    model = tmp_path / "mine.gguf"
    subprocess.run([executable, "quantize", "--type", "F16", "--output", model], check=True, capture_output=True)
    for command in (["compare", *SMALL], ["steps", *SMALL], ["vectors", *SMALL], ["states", "--text", "a b", "--lens", "2"]):
        text = subprocess.run(
            [executable, *command, "--model", model, "--json"], capture_output=True, text=True, check=True).stdout
        assert str(tmp_path) not in text and '"/' not in text
        assert "NaN" not in text
        json.loads(text, parse_constant=lambda name: 1 / 0)
    text = subprocess.run([executable, "compare", *SMALL, "--model", model, "--json"], capture_output=True, text=True).stdout
    found = json.loads(text)["provenance"]["model"]
    assert found["file"] == "mine.gguf" and len(found["sha256"]) == 64 and "path" not in found
    # One demonstration has no other order: its similarity is not defined.
    assert "null" in text


def test_make_help_lists_the_targets():
    shown = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, check=True).stdout
    for target in ("tour", "test", "lab", "build", "docs", "bench", "clean"):
        assert re.search(rf"^make {target} ", shown, re.M), target
