"""Whatever a cell does, the session goes on with every variable: all of it in one session."""

import os
import signal
import time

import pytest
from processes import host_of


def still_there(kernel, after):
    assert kernel.run("treasure").result == "[1, 2, 3]", f"lost after {after}"


def test_a_session_survives_every_way_to_break_a_cell(own_kernel):
    kernel = own_kernel
    kernel.run("var treasure = [1, 2, 3]")

    for after, code, name, words in [
        ("an index out of range", "let a = [1]\na[5]", "FatalError", "Index out of range"),
        ("a nil unwrap", "let none: Int? = nil\nnone!", "FatalError", "nil"),
        ("an overflow", "var small: Int8 = 100\nsmall += 100", None, "overflow"),
        ("fatalError", 'fatalError("no more")', "FatalError", "no more"),
        ("runaway recursion", "func deep(_ n: Int) -> Int { deep(n + 1) + 1 }\ndeep(0)", "StackOverflow", ""),
        ("a thrown error", "struct Oops: Error { var code = 3 }\nthrow Oops()", "Oops", "3"),
        ("exit", "import Foundation\nexit(7)", "Exit", "7"),
        ("abort", "import Foundation\nabort()", None, ""),
        ("a null pointer", "UnsafePointer<Int>(bitPattern: 8)!.pointee", None, ""),
        ("a syntax error", "let = ", "CompileError", ""),
    ]:
        outcome = kernel.execute(code)
        assert outcome.status == "error", after
        assert outcome.kinds[-2:] == ["error", "idle"], after
        assert name is None or outcome.content["ename"] == name, outcome.explanation
        assert words in outcome.content["evalue"], outcome.explanation
        still_there(kernel, after)

    for after, code in [
        ("an interrupted loop", 'print("go")\nwhile true {}'),
        ("an interrupted flood", 'print("go")\nwhile true { print("x") }'),
        ("an interrupted sleep", 'import Foundation\nprint("go")\nThread.sleep(forTimeInterval: 600)'),
        ("an interrupted await", 'print("go")\ntry await Task.sleep(for: .seconds(600))'),
    ]:
        identifier = kernel.submit(code)
        kernel.wait_for_output(identifier, "go")
        asked = time.monotonic()
        kernel.interrupt()
        reply = kernel.outcome(identifier).reply
        # Interrupts are to work within a second; the rest is for a machine that is busy.
        assert time.monotonic() - asked < 5, after
        assert reply["content"]["status"] == "error", after
        still_there(kernel, after)


@pytest.mark.parametrize("running", [True, False])
def test_the_death_of_the_cell_process_is_said_and_survived(own_kernel, running):
    kernel = own_kernel
    kernel.run("var treasure = [1, 2, 3]")
    if running:
        identifier = kernel.submit('print("go")\nwhile true {}')
        kernel.wait_for_output(identifier, "go")
        os.kill(host_of(kernel), signal.SIGKILL)
        outcome = kernel.outcome(identifier)
        assert outcome.status == "error"
        told = outcome.explanation
    else:
        os.kill(host_of(kernel), signal.SIGKILL)
        time.sleep(0.2)  # The kernel has to see its child die before it can tell of it.
        outcome = kernel.run("1 + 1")
        told = outcome.stream("stderr")
        assert outcome.result == "2"
    assert "killed by SIGKILL" in told
    assert "treasure" in told, "what was lost is named"
    assert kernel.execute("treasure").content["ename"] == "CompileError"
    kernel.run("var treasure = [1, 2, 3]")
    still_there(kernel, "a new start")
