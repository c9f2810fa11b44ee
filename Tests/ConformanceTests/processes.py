"""Looking at processes from outside."""

import os
import pathlib
import re
import tempfile
import time


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids, seconds=5):
    deadline = time.monotonic() + seconds
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {[pid for pid in pids if is_alive(pid)]}"
        time.sleep(0.02)


def program(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def children(pid):
    found = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
        except OSError:
            pass  # The thread ended meanwhile.
    return found


def descendants(pid):
    return [each for child in children(pid) for each in [child, *descendants(child)]]


def guard_of(kernel):
    """The process that ends what cells started. Compilers have guards of their own."""
    (guard,) = [child for child in children(kernel.pid) if hosts_under(child)]
    return guard


def hosts_under(guard):
    return [child for child in children(guard) if program(child).endswith("/icl-cell-host")]


def host_of(kernel):
    """The process in which a kernel's cells run; compilers come and go beside it."""
    (host,) = hosts_under(guard_of(kernel))
    return host


def peak_memory(pid):
    """The most memory that a process ever held, in bytes."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) << 10


def memory(pid):
    """The memory that a process holds, in bytes."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) << 10


def session_folder(kernel):
    (folder,) = pathlib.Path(tempfile.gettempdir()).glob(f"icl-session-{kernel.pid}-*")
    return folder
