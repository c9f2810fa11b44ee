"""Starting and the command line: what a kernel says when it can't begin, what doctor finds, what install writes."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from processes import is_alive, wait_until_gone


def start(executable, *arguments, **options):
    return subprocess.run([executable, "run", *arguments], capture_output=True, text=True, timeout=30, **options)


def test_a_port_that_is_taken_ends_the_kernel_at_once(executable, tmp_path):
    path, info = write_connection_file(str(tmp_path / "kernel.json"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", info["iopub_port"]))
        taken.listen()
        ended = start(executable, "-f", path)
    assert ended.returncode != 0
    assert "Address already in use" in ended.stderr
    assert f"127.0.0.1:{info['iopub_port']}" in ended.stderr


@pytest.mark.parametrize(
    ("text", "words"), [(None, "cannot be read"), ("{", "not JSON"), ('{"transport": "tcp"}', 'no "')]
)
def test_a_bad_connection_file_is_explained(executable, tmp_path, text, words):
    path = tmp_path / "kernel.json"
    if text is not None:
        path.write_text(text)
    ended = start(executable, "--connection-file", str(path))
    assert ended.returncode != 0
    assert words in ended.stderr and str(path) in ended.stderr


LAUNCH = """
import os, subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], env={**os.environ, "JPY_PARENT_PID": str(os.getpid())})
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_kernel_ends_with_the_server_that_started_it(executable, tmp_path):
    path, _ = write_connection_file(str(tmp_path / "kernel.json"))
    server = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, executable, "run", "-f", path], stdout=subprocess.PIPE, text=True
    )
    pid = int(server.stdout.readline())
    # The kernel must have looked at its parent while that still lived: it has once it answers.
    client = BlockingKernelClient()
    client.load_connection_file(path)
    client.start_channels()
    client.wait_for_ready(timeout=60)
    client.stop_channels()
    assert is_alive(pid)
    server.send_signal(signal.SIGKILL)
    server.wait()
    wait_until_gone([pid], seconds=20)


# The command line


def test_doctor_reports_as_json(executable):
    ended = subprocess.run([executable, "doctor", "--json"], capture_output=True, text=True)
    report = json.loads(ended.stdout)
    assert ended.returncode == (0 if report["ok"] else 1)
    checks = {check["name"]: check for check in report["checks"]}
    for name in ("Swift toolchain", "cell host", "libzmq", "OpenSSL"):
        assert checks[name]["ok"], checks[name]
    assert all(check["mend"] for check in report["checks"] if not check["ok"])


def test_doctor_names_what_is_missing_and_the_command_that_mends_it(executable):
    environment = {**os.environ, "ICL_MODEL": "/nowhere/model.gguf"}
    ended = subprocess.run([executable, "doctor"], capture_output=True, text=True, env=environment)
    assert ended.returncode == 1
    assert "/nowhere/model.gguf is not there" in ended.stdout
    assert "unset ICL_MODEL" in ended.stdout


def test_install_writes_a_spec_that_starts_this_executable(executable, tmp_path):
    subprocess.run([executable, "install", "--prefix", tmp_path, "--name", "Two"], check=True, capture_output=True)
    folder = tmp_path / "share/jupyter/kernels/two"
    spec = json.loads((folder / "kernel.json").read_text())
    assert os.path.samefile(spec["argv"][0], executable)
    assert spec["interrupt_mode"] == "message"
    assert spec["language"] == "swift"
    # What jupyter_client asks for before it makes keys for encryption.
    assert spec["metadata"] == {"debugger": False, "supported_encryption": "curve"}
    assert {file.name for file in folder.iterdir()} == {
        "kernel.json", "logo-svg.svg", "logo-32x32.png", "logo-64x64.png",
    }  # fmt: skip


def test_install_refuses_a_name_that_jupyter_refuses(executable, tmp_path):
    ended = subprocess.run(
        [executable, "install", "--prefix", tmp_path, "--name", "a b"], capture_output=True, text=True
    )
    assert ended.returncode != 0
    assert "'a b'" in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cells, outcome, code, said", [
    ([], "nothing", 2, "no cell to compare"),
    ([{"cell_type": "markdown", "source": "Text alone."}], "nothing", 2, "no cell to compare"),
    ([{"cell_type": "code", "source": "1 + 1", "outputs": [], "metadata": {"tags": ["volatile"]}}], "nothing", 2, "all 1 volatile"),
    ([{"cell_type": "code", "source": "let a = 1", "outputs": []}], "same", 0, "1 cell,"),
    ([{"cell_type": "code", "source": "1 + 1", "outputs": []}], "changed", 1, "1 changed"),
])  # fmt: skip
def test_verifying_nothing_is_an_outcome_of_its_own(executable, tmp_path, cells, outcome, code, said):
    for number, cell in enumerate(cells):
        cell.setdefault("metadata", {})
        cell["id"] = f"cell-{number}"
        if cell["cell_type"] == "code":
            cell["execution_count"] = None
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    shown = subprocess.run([executable, "verify", "a.ipynb"], capture_output=True, text=True, cwd=tmp_path)
    assert shown.returncode == code and said in shown.stdout, shown.stdout + shown.stderr
    report = subprocess.run([executable, "verify", "--json", "."], capture_output=True, text=True, cwd=tmp_path)
    assert report.returncode == code
    (one,) = json.loads(report.stdout)
    assert one["outcome"] == outcome and one["path"] == "./a.ipynb"


def test_a_toolchain_that_is_not_there_is_named(executable, start_kernel):
    # The kernel serves, so that whoever runs a cell reads in the notebook what is the matter.
    environment = {**os.environ, "ICL_TOOLCHAIN": "/nowhere/usr"}
    kernel = start_kernel(env=environment)
    told = kernel.execute("1").content
    assert told["ename"] == "SetupError" and "ICL_TOOLCHAIN" in told["evalue"] and "/nowhere/usr" in told["evalue"]
    doctor = subprocess.run([executable, "doctor"], capture_output=True, text=True, env=environment)
    assert doctor.returncode == 1 and "ICL_TOOLCHAIN" in doctor.stdout and "/nowhere/usr" in doctor.stdout


@pytest.mark.parametrize("name, value", [("ICL_MODEL", "/nowhere/m.gguf"), ("ICL_THREADS", "many"), ("ICL_THREADS", "0")])
def test_a_variable_that_means_nothing_is_named(executable, name, value):
    ended = subprocess.run(
        [executable, "states", "--text", "a"], capture_output=True, text=True, env={**os.environ, name: value})
    assert ended.returncode == 1
    assert name in ended.stderr and value in ended.stderr and "next:" in ended.stderr
