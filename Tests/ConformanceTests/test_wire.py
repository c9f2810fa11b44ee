"""Sockets, signatures, connection files: what a kernel accepts, and how it says that it can't start."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from jupyter_client.connect import write_connection_file
from test_control import is_alive, wait_until_gone


def test_kernel_info_says_what_this_kernel_is(kernel):
    outcome = kernel.ask("kernel_info_request")
    assert outcome.kinds == ["busy", "idle"]
    assert outcome.content["protocol_version"] == "5.5"
    assert outcome.content["implementation"] == "swift-icl-kernel"
    language = outcome.content["language_info"]
    assert language.pop("version")
    assert language == {
        "name": "swift", "file_extension": ".swift", "mimetype": "text/x-swift", "pygments_lexer": "swift",
        "codemirror_mode": "swift",
    }  # fmt: skip
    assert outcome.content["supported_features"] == ["kernel subshells"]
    assert all(link["text"] and link["url"].startswith("https://") for link in outcome.content["help_links"])


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_a_wrong_or_replayed_signature_is_dropped(kernel, channel):
    session, stream = kernel.client.session, getattr(kernel.client, f"{channel}_channel").socket
    frames = session.serialize(session.msg("kernel_info_request"))
    forged = frames[:1] + [b"0" * 64] + frames[2:]
    stream.send_multipart(forged)
    stream.send_multipart(frames)
    stream.send_multipart(frames)
    # One answer: to the one good message. The next answer is to the next question.
    reply = getattr(kernel.client, f"{channel}_channel").get_msg(timeout=10)
    assert reply["msg_type"] == "kernel_info_reply"
    asked = kernel.send("kernel_info_request", channel=channel)
    assert getattr(kernel.client, f"{channel}_channel").get_msg(timeout=10)["parent_header"]["msg_id"] == asked


def test_without_a_key_messages_are_unsigned(start_kernel):
    assert start_kernel(key=b"").run("1").result == "1"


def test_ipc_works_like_tcp(start_kernel, tmp_path):
    kernel = start_kernel(transport="ipc", ip=str(tmp_path / "k"))
    assert kernel.run("1 + 1").result == "2"
    assert kernel.ask("kernel_info_request", channel="control").status == "ok"


def test_two_clients_each_get_their_own_replies_and_see_everything(kernel):
    other = kernel.connect()
    try:
        outcome = kernel.execute("40 + 2", client=other)
        assert outcome.result == "42"
        seen = kernel.published(outcome.reply["parent_header"]["msg_id"])
        assert "execute_result" in [m["msg_type"] for m in seen]
        assert kernel.run("1").result == "1"
    finally:
        other.stop_channels()


def test_only_loopback_is_listened_on(kernel):
    ports = {kernel.client.get_connection_info()[f"{name}_port"] for name in ("shell", "iopub", "stdin", "control")}
    with open("/proc/net/tcp") as file:
        listening = [line.split()[1].split(":") for line in file.readlines()[1:] if line.split()[3] == "0A"]
    addresses = {address for address, port in listening if int(port, 16) in ports}
    assert addresses == {"0100007F"}


# Starting


def start(executable, *arguments, **options):
    return subprocess.run([executable, "run", *arguments], capture_output=True, text=True, timeout=30, **options)


def test_a_port_that_is_taken_ends_the_kernel_at_once(executable, tmp_path):
    path, info = write_connection_file(str(tmp_path / "kernel.json"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", info["iopub_port"]))
        taken.listen()
        started = time.monotonic()
        ended = start(executable, "-f", path)
    assert ended.returncode != 0
    assert time.monotonic() - started < 5
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


def test_a_key_that_others_can_read_is_warned_about(executable, tmp_path):
    path, _ = write_connection_file(str(tmp_path / "kernel.json"))
    os.chmod(path, 0o644)
    process = subprocess.Popen([executable, "run", "-f", path], stderr=subprocess.PIPE, text=True)
    try:
        assert "chmod 600" in process.stderr.readline()
    finally:
        process.terminate()
        process.communicate(timeout=10)


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
    time.sleep(1)  # The kernel must have looked at its parent while that still lived.
    assert is_alive(pid)
    server.send_signal(signal.SIGKILL)
    server.wait()
    wait_until_gone([pid], seconds=10)


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
