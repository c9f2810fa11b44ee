"""Who may talk to a kernel, what others on the machine can read, and what it takes no code from."""

import os
import pathlib
import stat
import subprocess

import pytest
from jupyter_client.connect import write_connection_file
from processes import host_of, session_folder


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def listening(pid):
    """The addresses, in the kernel's hexadecimal, at which a process listens on TCP."""
    sockets = set()
    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        path = pathlib.Path(f"/proc/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                found.append(fields[1].split(":")[0])
    return found


def test_only_loopback_is_listened_on(kernel):
    assert listening(kernel.pid) == ["0100007F"] * 5
    assert listening(host_of(kernel)) == []


def test_the_session_folder_is_its_owners_alone(kernel):
    kernel.run("1")
    folder = session_folder(kernel)
    assert mode(folder) == 0o700
    assert folder.stat().st_uid == os.getuid()


def test_the_history_is_its_owners_alone(own_kernel):
    own_kernel.run("1")
    assert mode(os.path.dirname(os.environ["ICL_HISTORY"])) == 0o700


def test_ipc_sockets_are_their_owners_alone(start_kernel, tmp_path):
    # A folder that is open to everybody, with the permissive mask of many systems.
    os.chmod(tmp_path, 0o755)
    before = os.umask(0)
    try:
        kernel = start_kernel(transport="ipc", ip=str(tmp_path / "k"))
    finally:
        os.umask(before)
    assert kernel.run("1").result == "1"
    sockets = list(tmp_path.iterdir())
    assert len(sockets) == 5
    assert [mode(socket) & 0o077 for socket in sockets] == [0] * 5
    # What a cell writes follows the user's mask, not the sockets'.
    made = tmp_path / "made"
    kernel.run(f'import Foundation\ntry "x".write(toFile: "{made}", atomically: false, encoding: .utf8)')
    assert mode(made) & 0o044 == 0o044


def start(executable, path, **environment):
    return subprocess.Popen(
        [executable, "run", "-f", path], stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("open_mode", [0o644, 0o660, 0o666])
def test_a_connection_file_that_others_can_read_is_made_private_with_a_warning(executable, tmp_path, open_mode):
    path, _ = write_connection_file(str(tmp_path / "kernel.json"))
    os.chmod(path, open_mode)
    process = start(executable, path)
    try:
        said = process.stderr.readline()
        assert path in said and f"{open_mode:o}" in said and "600" in said
        assert mode(path) == 0o600
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_an_open_interface_is_warned_about(executable, tmp_path):
    path, _ = write_connection_file(str(tmp_path / "kernel.json"), ip="0.0.0.0")
    process = start(executable, path)
    try:
        assert "0.0.0.0" in process.stderr.readline()
    finally:
        process.terminate()
        process.communicate(timeout=20)


TRAP = "#error(\"code of the working directory was read\")\n"


@pytest.fixture
def hostile_folder(tmp_path):
    """A working directory, as somebody else's repository might bring it along, full of what could be picked up."""
    for name in ("Package.swift", "main.swift", "Foundation.swift", "CellSupport.swift", "In1.swift", "Prelude.swift"):
        (tmp_path / name).write_text(TRAP)
    for name in ("Foundation", "CellSupport", "NotebookDisplay", "ICLEngine", "Swift", "In1", "Glibc"):
        (tmp_path / f"{name}.swiftmodule").write_text("not a module")
        (tmp_path / f"{name}.swiftinterface").write_text(f"// swift-interface-format-version: 1.0\n{TRAP}")
    (tmp_path / "module.modulemap").write_text('module Glibc { header "trap.h" }\nmodule Hostile { header "trap.h" }\n')
    (tmp_path / "trap.h").write_text('#error "code of the working directory was read"\n')
    for name in ("stdio.h", "stdint.h", "shim.h"):
        (tmp_path / name).write_text('#error "code of the working directory was read"\n')
    # A library that leaves a mark when it is loaded.
    source = tmp_path / "trap.c"
    source.write_text(
        "#include <fcntl.h>\n__attribute__((constructor)) static void trap(void) "
        f'{{ open("{tmp_path}/loaded", O_CREAT | O_WRONLY, 0600); }}\n'
    )
    library = tmp_path / "libtrap.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-I/nowhere", "-o", library, source], check=True, cwd="/")
    for name in (
        "libIn1.so", "libIn2.so", "libPrelude.so", "libFoundation.so", "libswiftCore.so", "libzmq.so.5",
        "libsqlite3.so.0", "libsourcekitdInProc.so", "libopenblas.so.0", "swiftrt.o",
    ):  # fmt: skip
        (tmp_path / name).write_bytes(library.read_bytes())
    for name in ("swift-frontend", "ld.lld", "swiftc", "clang", "icl-cell-host", "icl-cell-guard"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/loaded\n")
        os.chmod(tmp_path / name, 0o755)
    os.chmod(tmp_path, 0o755)
    return tmp_path


def test_no_code_is_read_from_the_working_directory(start_kernel, hostile_folder):
    kernel = start_kernel(cwd=hostile_folder)
    assert kernel.run("import Foundation\nFileManager.default.currentDirectoryPath").result == f'"{hostile_folder}"'
    kernel.run("let first = 1")
    assert kernel.run("first + 1").result == "2"
    assert "first" in kernel.ask("complete_request", {"code": "fir", "cursor_pos": 3}).content["matches"]
    assert kernel.ask("inspect_request", {"code": "print", "cursor_pos": 2, "detail_level": 0}).content["found"]
    assert kernel.execute("import Hostile").content["ename"] == "CompileError"
    assert not (hostile_folder / "loaded").exists()


# What a cell shows is text

SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "code",
    [
        'Table(["%s"], [["%s"]], caption: "%s")',
        'let p = ProgressLine("%s", total: 2, unit: "%s"); Thread.sleep(forTimeInterval: 0.5); p.advance(note: "%s")',
        'struct Named: CustomStringConvertible { var description: String { "%s" } }\nNamed()',
        '["%s": "%s"]',
    ],
)
def test_a_script_in_text_is_shown_as_text(kernel, code):
    kernel.run("import Foundation")
    outcome = kernel.run(code.replace("%s", SCRIPT))
    shown = outcome.of("execute_result") + outcome.of("display_data")
    assert shown
    for content in shown:
        assert SCRIPT in content["data"]["text/plain"]
        for mime in ("text/html", "image/svg+xml"):
            markup = content["data"].get(mime)
            assert markup is None or ("<script" not in markup and "&lt;script&gt;" in markup)
