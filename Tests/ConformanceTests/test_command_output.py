"""Output that can't be written is an error; what is asked to stop saves what it has and says how to go on."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time

import pytest

SMALL = ["--demonstrations", "2", "--queries", "2", "--repetitions", "1", "--steps", "1", "--seed", "1"]
TEXTS = ["Review: a fine film\nMood: good\n", "Review: dull from start to end\nMood: bad\n"]


@pytest.fixture(scope="module")
def kept(executable, tmp_path_factory):
    """A folder that keeps a whole experiment."""
    folder = tmp_path_factory.mktemp("kept") / "kept"
    subprocess.run([executable, "compare", *SMALL, "--keep", folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def examples(tmp_path):
    path = tmp_path / "examples.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return path


@pytest.fixture
def commands(kept, examples, tmp_path):
    """A command line of each command that prints."""
    notebook = {
        "nbformat": 4, "nbformat_minor": 5, "metadata": {},
        "cells": [{"cell_type": "code", "id": "a", "source": "1 + 1", "metadata": {}, "outputs": [], "execution_count": None}],
    }  # fmt: skip
    (tmp_path / "one.ipynb").write_text(json.dumps(notebook))
    return {
        "merge": ["merge", kept, "--json"], "merge, tables": ["merge", kept], "compare": ["compare", *SMALL, "--json"],
        "states": ["states", "--text", "a b", "--json"], "states, tables": ["states", "--text", "a b"],
        "tokenize": ["tokenize", "--text", "a b", "--json"], "tokenize, lines": ["tokenize", "--text", "a b"],
        "generate": ["generate", "--text", "Review:", "--tokens", "4"],
        "generate, json": ["generate", "--text", "Review:", "--tokens", "4", "--json"],
        "tune": ["tune", "--data", examples, "--steps", "1", "--out", tmp_path / "adapter"],
        "quantize": ["quantize", "--type", "Q4_0", "--output", tmp_path / "m.gguf"],
        "bench": ["bench", "prefill", "--tokens", "4", "--repeat", "1", "--json"],
        "steps": ["steps", *SMALL], "vectors": ["vectors", *SMALL],
        "verify": ["verify", tmp_path / "one.ipynb"], "doctor": ["doctor"], "doctor, json": ["doctor", "--json"],
        "install": ["install", "--prefix", tmp_path / "prefix"], "help": ["--help"], "help of one": ["compare", "--help"],
        "version": ["--version"],
    }  # fmt: skip


NAMES = [
    "merge", "merge, tables", "compare", "states", "states, tables", "tokenize", "tokenize, lines", "generate",
    "generate, json", "tune", "quantize", "bench", "steps", "vectors", "verify", "doctor", "doctor, json", "install", "help",
    "help of one", "version",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_is_an_error(executable, commands, name):
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [executable, *commands[name]], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert ended.returncode == 1
    assert "No space left on device" in ended.stderr and "next:" in ended.stderr, ended.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_standard_output_is_an_error(executable, commands, name):
    line = shlex.join([str(executable), *map(str, commands[name])]) + " >&-"
    ended = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, text=True, timeout=120)
    assert ended.returncode == 1
    assert "standard output cannot be written" in ended.stderr, ended.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_that_went_away_has_an_exit_code_of_its_own(executable, commands, name):
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [executable, *commands[name]], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writing)
    assert ended.returncode == 141
    assert "is gone" in ended.stderr, ended.stderr


def test_a_closed_standard_error_is_no_trouble(executable, tmp_path):
    out = tmp_path / "out"
    line = f"{shlex.quote(str(executable))} tokenize --text a --json 2>&- > {out}"
    assert subprocess.run(["sh", "-c", line]).returncode == 0
    assert json.loads(out.read_text())["ids"]


@pytest.fixture
def tiny(tmp_path):
    """A disk of 64 kB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("name, place", [
    ("quantize", "m.gguf"), ("quantize to a folder", "folder"), ("tune a model", "m.gguf"), ("tune to a folder", "folder"),
    ("adapter", "adapter"), ("checkpoint", "state"), ("report", "report.html"), ("export", "script"), ("grow", "grown"),
])  # fmt: skip
def test_a_disk_that_runs_full_leaves_nothing_half(executable, tiny, examples, name, place):
    out = tiny / place
    (tiny / "ballast").write_bytes(b"x" * 60_000)
    line = {
        "quantize": ["quantize", "--output", out], "quantize to a folder": ["quantize", "--hugging-face", "--output", out],
        "tune a model": ["tune", "--method", "full", "--data", examples, "--steps", "1", "--out", out],
        "tune to a folder": ["tune", "--method", "full", "--data", examples, "--steps", "1", "--out", out],
        "adapter": ["tune", "--data", examples, "--steps", "1", "--out", out],
        "checkpoint": ["tune", "--data", examples, "--steps", "1", "--out", examples.parent / "a", "--checkpoint", out],
        "report": ["compare", *SMALL, "--report", out], "export": ["compare", *SMALL, "--export", out],
        "grow": ["grow", "--small", "--output", out],
    }[name]  # fmt: skip
    ended = subprocess.run([executable, *line], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    assert "No space left on device" in ended.stderr or "no space left" in ended.stderr, ended.stderr
    left = sorted(path.name for path in tiny.rglob("*"))
    assert left == (["ballast", "grown"] if name == "grow" else ["ballast"])


def test_a_result_whose_page_fails_is_printed(executable, kept, tiny):
    (tiny / "ballast").write_bytes(b"x" * 60_000)
    ended = subprocess.run(
        [executable, "merge", kept, "--json", "--report", tiny / "report.html"], capture_output=True, text=True)
    assert ended.returncode == 1 and "report.html" in ended.stderr
    assert json.loads(ended.stdout)["task"] == "sentiment"


def test_a_device_is_not_replaced(executable, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ended = subprocess.run([executable, "quantize", "--output", pipe], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and "a device, a pipe or a socket" in ended.stderr
    assert pipe.is_fifo()


# Signals


def stop_when(process, sees, number):
    """Sends a signal as soon as `sees` says so; returns what came out."""
    out, err = [], []
    readers = [
        threading.Thread(target=lambda: out.extend(process.stdout), daemon=True),
        threading.Thread(target=lambda: err.extend(process.stderr), daemon=True),
    ]
    for reader in readers:
        reader.start()
    deadline = time.monotonic() + 120
    while not sees(err):
        assert process.poll() is None, "".join(err)
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(number)
    process.wait(120)
    for reader in readers:
        reader.join(10)
    return "".join(out), "".join(err)


def begin(executable, *arguments, **options):
    return subprocess.Popen(
        [executable, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.mark.parametrize("number, code", STOPS)
def test_a_stopped_comparison_says_so_and_goes_on(executable, tmp_path, number, code):
    folder = tmp_path / "kept"
    arguments = ["compare", "--demonstrations", "2", "--queries", "4", "--repetitions", "40", "--steps", "30", "--seed", "3",
                 "--keep", folder, "--json"]
    process = begin(executable, *arguments)
    out, err = stop_when(process, lambda _: list(folder.glob("repetition-*.json")), number)
    assert process.returncode == code, err
    assert f"Interrupted by {signal.Signals(number).name}" in err and "of 40 repetitions" in err
    assert f"goes on from there: icl-kernel {shlex.join(map(str, arguments))}" in err
    assert json.loads(out)["isPartial"] is True
    assert not [path for path in folder.iterdir() if not re.fullmatch(r"experiment.json|repetition-\d+-\d+.json", path.name)]


def test_a_stopped_comparison_that_keeps_nothing_says_what_would(executable):
    process = begin(executable, "compare", "--queries", "40", "--repetitions", "40", "--steps", "200")
    _, err = stop_when(process, lambda err: err, signal.SIGTERM)
    assert process.returncode == 143 and "--keep" in err


@pytest.mark.parametrize("number, code", STOPS)
def test_a_stopped_tuning_is_saved_and_is_not_exit_code_0(executable, examples, tmp_path, number, code):
    line = ["tune", "--data", examples, "--steps", "2000", "--out", tmp_path / "adapter", "--checkpoint", tmp_path / "state"]
    process = begin(executable, *line)
    _, err = stop_when(process, lambda err: any("step 3 of" in line for line in err), number)
    assert process.returncode == code
    assert str(tmp_path / "state") in err and f"goes on from there: icl-kernel {shlex.join(map(str, line))}" in err
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file() and (tmp_path / "state").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "examples.jsonl", "state"]


@pytest.mark.parametrize("number, code", STOPS[:2])
@pytest.mark.parametrize("folder", [False, True])
def test_a_stopped_writing_leaves_no_part(executable, examples, tmp_path, number, code, folder):
    """Of a model that is large enough to be stopped in the middle."""
    big = tmp_path / "big"
    subprocess.run(
        [executable, "quantize", "--hugging-face", "--type", "F32", "--output", big], check=True, capture_output=True)
    out = tmp_path / "out"
    out.mkdir()
    line = ["quantize", "--model", big, "--type", "F32", "--output", out / ("m" if folder else "m.gguf")]
    process = begin(executable, *line, *(["--hugging-face"] if folder else []))
    while process.poll() is None and not list(out.iterdir()):
        time.sleep(0.0005)
    process.send_signal(number)
    process.communicate(timeout=60)
    # It may have been done already, and then it is whole.
    assert process.returncode in (code, 0)
    left = [path.name for path in out.iterdir()]
    assert left == ([] if process.returncode else ["m" if folder else "m.gguf"]), (process.returncode, left)


def test_a_stopped_text_is_written_up_to_there(executable):
    process = begin(executable, "generate", "--text", "Review:", "--tokens", "100000")
    first = process.stdout.read(1)
    process.send_signal(signal.SIGTERM)
    rest, err = process.communicate(timeout=60)
    # The context may have been full before.
    assert process.returncode in (143, 0) and first
    if process.returncode:
        assert "SIGTERM" in err and (first + rest).endswith("\n")


def test_nohup_holds(executable, tmp_path):
    folder = tmp_path / "kept"
    process = begin(
        "nohup", executable, "compare", "--demonstrations", "2", "--queries", "4", "--repetitions", "3", "--steps", "60",
        "--keep", folder, "--json")
    out, err = stop_when(process, lambda _: (folder / "experiment.json").exists(), signal.SIGHUP)
    assert process.returncode == 0, err
    assert json.loads(out)["isPartial"] is False


# Progress, and what comes as it comes


def test_a_batch_log_has_a_line_now_and_then(executable):
    ended = subprocess.run(
        [executable, "compare", "--queries", "24", "--repetitions", "6", "--steps", "400", "--seed", "1"], capture_output=True,
        text=True, timeout=600, env={**os.environ, "ICL_THREADS": "1"})
    assert ended.returncode == 0
    lines = ended.stderr.splitlines()
    assert any(re.match(r"about .* for 6 repetitions of 24 queries", line) for line in lines), ended.stderr
    steps = [line for line in lines if re.match(r"comparing sentiment: \d+ of \d+ steps", line)]
    assert 1 <= len(steps) <= 40 and "left" in ended.stderr and "\r" not in ended.stderr, ended.stderr


def test_a_text_comes_token_by_token(executable):
    process = begin(executable, "generate", "--text", "Review:", "--tokens", "100", "--seed", "1")
    pieces = []
    while piece := os.read(process.stdout.fileno(), 4096):
        pieces.append(piece)
    assert process.wait(60) == 0
    whole = json.loads(subprocess.run(
        [executable, "generate", "--text", "Review:", "--tokens", "100", "--seed", "1", "--json"], capture_output=True,
        text=True).stdout)
    assert b"".join(pieces).decode() == whole["text"] + "\n"
    assert len(pieces) > 3 or len(whole["tokens"]) < 8


def test_tuning_that_saves_nothing_warns(executable, examples):
    ended = subprocess.run([executable, "tune", "--data", examples, "--steps", "1"], capture_output=True, text=True)
    assert ended.returncode == 0 and "warning: without --out" in ended.stderr


def test_libraries_that_are_missing_are_told_by_doctor(executable, tmp_path):
    """In a mount namespace in which libzmq is an empty file."""
    library = next(
        (path for path in map(pathlib.Path, ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"])
         if (path / "libzmq.so.5").exists()), None)
    if not library or not shutil.which("unshare"):
        pytest.skip("no libzmq.so.5 to hide")
    hide = f"mount --bind /dev/null {(library / 'libzmq.so.5').resolve()} && exec "
    def hidden(*arguments):
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", hide + shlex.join([str(executable), *arguments])], capture_output=True, text=True)
    ended = hidden("doctor")
    if "unshare" in ended.stderr or "mount:" in ended.stderr:
        pytest.skip("no right to hide a library")
    assert ended.returncode == 1
    assert "MISSING  libzmq: libzmq.so.5 cannot be loaded" in ended.stdout and "apt-get install libzmq5" in ended.stdout
    # The engine's commands need none of it, and a kernel says what it lacks.
    assert hidden("tokenize", "--text", "a").returncode == 0
    connection = tmp_path / "kernel.json"
    connection.write_text(json.dumps({
        "transport": "tcp", "ip": "127.0.0.1", "shell_port": 0, "iopub_port": 0, "stdin_port": 0, "control_port": 0,
        "hb_port": 0, "key": "a", "signature_scheme": "hmac-sha256"}))
    connection.chmod(0o600)
    ended = hidden("run", "-f", str(connection))
    assert ended.returncode == 1 and "libzmq" in ended.stderr
