"""The compiler and linker that are loaded before the next cell: each under a guard, and gone with the kernel."""

import os
import pathlib
import signal
import time

import pytest
from processes import descendants

TOOLS = {"swift-frontend", "ld.lld", "lld"}
pytestmark = pytest.mark.skipif("ICL_KERNEL_NAME" in os.environ, reason="another kernel has other children")


def tools_of(pid):
    found = []
    for process in descendants(pid):
        try:
            name = pathlib.Path(f"/proc/{process}/stat").read_text().split("(", 1)[1].rsplit(")", 1)[0]
        except OSError:
            continue
        if name in TOOLS:
            found.append(process)
    return found


def wait(condition):
    deadline = time.monotonic() + 60
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_tools_wait_for_the_next_cell_and_serve_it(own_kernel):
    own_kernel.run("let a = 1")
    waiting = wait(lambda: (found := tools_of(own_kernel.pid)) and len(found) == 2 and found)
    assert own_kernel.run("a + 1").result == "2"
    wait(lambda: len(tools_of(own_kernel.pid)) == 2 and not set(tools_of(own_kernel.pid)) & set(waiting))
    assert own_kernel.execute("a +").status == "error"
    # One that was killed while it waited is replaced without a word.
    for pid in wait(lambda: (found := tools_of(own_kernel.pid)) and len(found) == 2 and found):
        os.kill(pid, signal.SIGKILL)
    assert own_kernel.run("a + 2").result == "3"


def test_tools_end_with_a_kernel_that_is_killed(own_kernel):
    own_kernel.run("1")
    waiting = wait(lambda: (found := tools_of(own_kernel.pid)) and len(found) == 2 and found)
    os.kill(own_kernel.pid, signal.SIGKILL)
    wait(lambda: not any(alive(pid) for pid in waiting))
