"""Where Jupyter runs, cells run: other users, homes that can't be written, read-only systems, temporary folders of all kinds.

Each kernel is started in a mount namespace of its own (`containers.py`), as a container would start it.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest
from containers import STRANGER, Surroundings, can_be_entered

pytestmark = pytest.mark.skipif(
    not can_be_entered(), reason="surroundings of their own need root and mount namespaces (docker: --privileged)"
)

TMP = "mode=1777"
#: As docker mounts it.
SHM = "mode=1777,noexec,size=64m"
#: Temporary folders that hold nothing yet.
FRESH = {"/tmp": TMP, "/var/tmp": TMP, "/dev/shm": SHM}
NOEXEC = {folder: "mode=1777,noexec" for folder in FRESH}


@pytest.fixture
def shared(executable):
    """A folder that is the same inside and outside, whatever is mounted: for connection files and a kernelspec."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="surroundings-", dir=executable.parents[1].resolve()))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def variables(**more):
    """The environment of a container: what the image sets, and little else."""
    path = f"{os.environ['PATH']}:/opt/swift/usr/bin"
    kept = {name: os.environ[name] for name in ("ICL_TOOLCHAIN", "ICL_LOG") if name in os.environ}
    return {"PATH": path, "LANG": "C.UTF-8"} | kept | more


@pytest.fixture
def start(start_kernel, executable, shared):
    def start(surroundings):
        folder = shared / "kernels/inside"
        folder.mkdir(parents=True, exist_ok=True)
        argv = surroundings.command(executable.resolve(), "run", "-f", "{connection_file}")
        (folder / "kernel.json").write_text(
            json.dumps({"argv": argv, "display_name": "", "language": "swift", "interrupt_mode": "message"})
        )
        os.environ["JUPYTER_PATH"] = f"{shared}:{os.environ['JUPYTER_PATH']}"
        connection = shared / "connection"
        connection.mkdir(exist_ok=True)
        os.chown(connection, surroundings.user, surroundings.user)
        kernel = start_kernel(name="inside", connection_file=str(connection / "kernel.json"))
        return kernel

    before = os.environ["JUPYTER_PATH"]
    yield start
    os.environ["JUPYTER_PATH"] = before


#: Surroundings in which cells run; with words of the warning, if there is one.
GOOD = {
    "docker run --user": (
        Surroundings(environment=variables(HOME="/"), disks=FRESH),
        ["/.cache can't be made: Permission denied", "/tmp/icl-kernel-12345/history.sqlite"],
    ),
    "read-only root with one tmpfs": (
        Surroundings(environment=variables(HOME="/"), is_read_only=True, disks={"/tmp": TMP + ",size=64m"}),
        ["/.cache can't be made: Read-only file system", "/tmp/icl-kernel-12345/cache"],
    ),
    "read-only root with one tmpfs elsewhere": (
        Surroundings(
            environment=variables(HOME="/home/nobody-at-all", TMPDIR="/srv/scratch"), is_read_only=True,
            disks={"/srv": "mode=755", "/srv/scratch": TMP},
        ),
        ["Read-only file system", "/srv/scratch/icl-kernel-12345"],
    ),
    "HOME unset": (
        Surroundings(environment=variables(), disks=FRESH),
        ["no home folder is known: HOME is not set", "ICL_CACHE"],
    ),
    "HOME missing": (
        Surroundings(environment=variables(HOME="/nowhere/home"), disks=FRESH),
        ["/nowhere can't be made: Permission denied"],
    ),
    "HOME is a file": (
        Surroundings(environment=variables(HOME="/etc/passwd"), disks=FRESH), ["/etc/passwd is not a folder"],
    ),
    "root whose HOME is read-only": (
        Surroundings(
            user=0, environment=variables(HOME="/mnt"), disks=FRESH | {"/mnt": "ro"},
        ),
        ["/mnt/.cache can't be made: Read-only file system"],
    ),
    "XDG folders unwritable and relative": (
        Surroundings(
            environment=variables(HOME="/", XDG_CACHE_HOME="/usr/share", XDG_DATA_HOME="data"), disks=FRESH,
        ),
        ["/usr/share/icl-kernel can't be made", "data/icl-kernel is not an absolute path"],
    ),
    "XDG folders alone": (
        Surroundings(
            environment=variables(HOME="/", XDG_CACHE_HOME="/mnt/cache", XDG_DATA_HOME="/mnt/data"),
            disks=FRESH | {"/mnt": TMP},
        ),
        [],
    ),
    "folders of the kernel's own": (
        Surroundings(
            environment=variables(HOME="/", ICL_CACHE="/mnt/c", ICL_HISTORY="/mnt/h/history.sqlite"),
            disks=FRESH | {"/mnt": TMP},
        ),
        [],
    ),
    "TMPDIR noexec": (
        Surroundings(
            environment=variables(HOME="/mnt/home", TMPDIR="/mnt/scratch"),
            disks=FRESH | {"/mnt": "mode=755", "/mnt/scratch": "mode=1777,noexec"}, folders={"/mnt/home": STRANGER},
        ),
        ["/mnt/scratch holds no code that may be run: it is mounted noexec", "cells are compiled in /tmp", "TMPDIR"],
    ),
    "TMPDIR unwritable": (
        Surroundings(
            environment=variables(HOME="/mnt/home", TMPDIR="/mnt"), disks=FRESH | {"/mnt": "mode=755"},
            folders={"/mnt/home": STRANGER},
        ),
        ["/mnt can't be written: Permission denied", "cells are compiled in /tmp"],
    ),
    "all temporary folders noexec": (
        Surroundings(
            environment=variables(HOME="/mnt/home"), disks=NOEXEC | {"/mnt": "mode=755"},
            folders={"/mnt/home": STRANGER},
        ),
        ["/tmp holds no code that may be run", "cells are compiled in /mnt/home/.cache/icl-kernel/sessions"],
    ),
    "no folder that outlives the session": (
        # Somebody else has taken the name of the private folder.
        Surroundings(
            environment=variables(HOME="/"), disks=FRESH, folders={f"/tmp/icl-kernel-{STRANGER}": 4711},
        ),
        ["the history of inputs is kept for this session alone"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_session_runs(start, name):
    surroundings, words = GOOD[name]
    kernel = start(surroundings)
    first = kernel.run('import Foundation\nlet text = String(format: "%.2f", 1.5)\ntext')
    assert first.result == '"1.50"'
    warning = first.stream("stderr")
    assert bool(warning) == bool(words), warning
    for each in words:
        assert each in warning
    second = kernel.run('print(text)\ntext + "!"')
    assert (second.result, second.stream(), second.stream("stderr")) == ('"1.50!"', "1.50\n", "")
    assert kernel.run("%%bash\nid -u").stream() == f"{surroundings.user}\n"
    assert "text" in kernel.ask("complete_request", {"code": "tex", "cursor_pos": 3}).content["matches"]
    asked = {"hist_access_type": "tail", "n": 2, "raw": True, "output": False}
    assert kernel.ask("history_request", asked).content["history"][0][2].startswith("print(text)")


def test_the_history_is_there_in_the_next_session(start):
    """Kept where nothing else can be written: the private folder lives as long as temporary files do."""
    scratch = pathlib.Path(tempfile.mkdtemp(dir="/var/tmp", prefix="icl-scratch-"))
    try:
        os.chown(scratch, STRANGER, STRANGER)
        surroundings = Surroundings(environment=variables(HOME="/", TMPDIR=str(scratch)), disks={"/tmp": TMP})
        kernel = start(surroundings)
        kernel.run("let kept = 1")
        kernel.ask("shutdown_request", {"restart": False}, channel="control")
        kernel = start(surroundings)
        asked = {"hist_access_type": "search", "pattern": "let kept*", "raw": True, "output": False}
        assert len(kernel.ask("history_request", asked).content["history"]) == 1
        assert (scratch / f"icl-kernel-{STRANGER}").stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(scratch)


#: The compiler's cache doesn't fit there, which shows only when it is written.
NARROW = Surroundings(
    environment=variables(HOME="/mnt"), disks=FRESH | {"/mnt": f"mode=700,size=2m,uid={STRANGER}"}
)


def test_a_home_without_room_for_the_cache_fails_no_cell(start, executable, shared):
    kernel = start(NARROW)
    first = kernel.run('import Foundation\nString(format: "%.2f", 1.5)')
    assert first.result == '"1.50"'
    assert "/mnt/.cache/icl-kernel" in first.stream("stderr") and "for this session alone" in first.stream("stderr")
    second = kernel.run("1 + 1")
    assert (second.result, second.stream("stderr")) == ("2", "")
    ended = doctor(executable, shared, NARROW)
    assert ended.returncode == 0 and "absent   compiler's cache in use: /mnt/.cache" in ended.stdout, ended.stdout


NOWHERE = Surroundings(environment=variables(HOME="/"), is_read_only=True, disks=NOEXEC)


def test_where_no_folder_can_hold_code_cells_say_what_to_do(start):
    kernel = start(NOWHERE)
    for _ in range(2):
        outcome = kernel.execute("1 + 1")
        assert outcome.content["ename"] == "SetupError", outcome.explanation
        for words in (
            "/tmp holds no code that may be run: it is mounted noexec", "/dev/shm", "/.cache can't be made",
            "set TMPDIR", "--tmpfs /tmp:exec",
        ):  # fmt: skip
            assert words in outcome.explanation
    # The rest of a session is there.
    assert kernel.ask("is_complete_request", {"code": "let a = 1"}).content["status"] == "complete"
    assert kernel.ask("kernel_info_request").content["status"] == "ok"


def test_a_package_is_built_without_a_home(start, shared):
    source = shared / "Pack"
    (source / "Sources/Tiny").mkdir(parents=True)
    (source / "Package.swift").write_text(
        "// swift-tools-version: 5.9\nimport PackageDescription\nlet package = Package(name: \"Tiny\", products: "
        '[.library(name: "Tiny", targets: ["Tiny"])], targets: [.target(name: "Tiny")])\n'
    )
    (source / "Sources/Tiny/Tiny.swift").write_text("public func tiny() -> Int { 4 }\n")
    kernel = start(Surroundings(environment=variables(HOME="/"), is_read_only=True, disks={"/tmp": TMP}))
    kernel.run(f"%package {source}")
    assert kernel.run("import Tiny\ntiny()").result == "4"


# doctor


def doctor(executable, shared, surroundings, *arguments):
    subprocess.run([executable, "install", "--prefix", shared], check=True, stdout=subprocess.DEVNULL)
    inside = Surroundings(**vars(surroundings))
    inside.environment = inside.environment | {"JUPYTER_PATH": str(shared / "share/jupyter")}
    return subprocess.run(
        inside.command(executable.resolve(), "doctor", *arguments), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("name", GOOD)
def test_doctor_runs_a_cell_and_names_what_cannot_be_written(executable, shared, name):
    surroundings, words = GOOD[name]
    ended = doctor(executable, shared, surroundings, "--json")
    report = json.loads(ended.stdout)
    assert ended.returncode == 0 and report["ok"], ended.stdout
    checks = {check["name"]: check for check in report["checks"]}
    assert checks["cell"]["ok"] and "ran in" in checks["cell"]["found"]
    folders = [checks[name] for name in ("session folder", "compiler's cache", "package cache", "history")]
    assert all(check["ok"] for check in folders) == (not words)
    assert all(check["mend"] and not check["needed"] for check in folders if not check["ok"])


def test_doctor_says_that_no_cell_can_run(executable, shared):
    ended = doctor(executable, shared, NOWHERE)
    assert ended.returncode == 1
    assert "MISSING  session folder" in ended.stdout and "mounted noexec" in ended.stdout
    assert "TMPDIR" in ended.stdout


def test_doctor_finds_a_compiler_that_is_there_and_does_not_work(executable, tmp_path):
    found = subprocess.run([executable, "doctor", "--json"], capture_output=True, text=True).stdout
    (toolchain,) = [check for check in json.loads(found)["checks"] if check["name"] == "Swift toolchain"]
    real = pathlib.Path(toolchain["found"].split(" (")[0])
    (tmp_path / "bin").mkdir()
    for entry in [*real.iterdir(), *(real / "bin").iterdir()]:
        place = tmp_path / entry.relative_to(real)
        if place != tmp_path / "bin":
            place.symlink_to(entry)
    broken = tmp_path / "bin/swift-frontend"
    broken.unlink()
    broken.write_text('#!/bin/sh\n[ "$1" = -version ] && echo "Swift version 6.3.1" && exit 0\necho "no disk" >&2; exit 1\n')
    broken.chmod(0o755)
    ended = subprocess.run(
        [executable, "doctor"], capture_output=True, text=True, env=os.environ | {"ICL_TOOLCHAIN": str(tmp_path)}
    )
    assert ended.returncode == 1
    assert "MISSING  cell" in ended.stdout and "no disk" in ended.stdout
