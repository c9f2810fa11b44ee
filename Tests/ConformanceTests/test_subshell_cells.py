"""Cells of subshells beside the main shell's: they look at variables, and each one's output is its own."""

import pytest

LONG = """
import Foundation
import Synchronization
final class Switch: Sendable { let on = Atomic<Bool>(false) }
let stop = Switch()
let known = 41
"""
WAIT = "while !stop.on.load(ordering: .relaxed) { usleep(1000) }"
STOP = "stop.on.store(true, ordering: .relaxed)"


@pytest.fixture
def subshell(own_kernel):
    own_kernel.run(LONG)
    return own_kernel.ask("create_subshell_request", channel="control").content["subshell_id"]


def test_a_subshell_runs_cells_while_the_main_shell_is_busy(own_kernel, subshell):
    kernel = own_kernel
    main = kernel.submit(f'var partial = [1, 2, 3]\nprint("go")\n{WAIT}\nlet late = 5\n"done"')
    kernel.wait_for_output(main, "go")

    def ask(code):
        return kernel.outcome(kernel.submit(code, subshell=subshell))

    assert ask("known + 1").result == "42"
    assert ask("partial").result == "[1, 2, 3]"
    printing = ask('print("mine")\nfputs("error\\n", stderr)\n"value"')
    assert (printing.stream(), printing.stream("stderr"), printing.result) == ("mine\n", "error\n", '"value"')
    assert "late" in ask("late").content["evalue"], "what the running cell has not reached is not there"
    failed = ask("[Int]()[1]")
    assert (failed.status, failed.content["evalue"]) == ("error", "Index out of range")
    assert ask(STOP).status == "ok"
    whole = kernel.outcome(main)
    assert (whole.status, whole.stream(), whole.of("execute_result")[0]["data"]["text/plain"]) == ("ok", "", '"done"')
    assert kernel.run("late + partial.count").result == "8"


def test_an_interrupt_stops_the_cells_of_every_shell(own_kernel, subshell):
    kernel = own_kernel
    cells = [kernel.submit('print("go")\nwhile true {}'), kernel.submit('print("go")\nwhile true {}', subshell=subshell)]
    for cell in cells:
        kernel.wait_for_output(cell, "go")
    kernel.interrupt()
    for cell in cells:
        assert kernel.outcome(cell).content["ename"] == "Interrupted"
    assert kernel.run("known").result == "41"


def test_a_subshell_asks_for_input_of_its_own(own_kernel, subshell):
    kernel = own_kernel
    main = kernel.submit(f'print("go")\n{WAIT}')
    kernel.wait_for_output(main, "go")
    cell = kernel.submit('print("Hello, \\(readLine() ?? "nobody")")', subshell=subshell, allow_stdin=True)
    question = kernel.client.get_stdin_msg(timeout=60)
    assert (question["msg_type"], question["parent_header"]["msg_id"]) == ("input_request", cell)
    kernel.client.input("Ada")
    assert kernel.outcome(cell).stream() == "Hello, Ada\n"
    kernel.outcome(kernel.submit(STOP, subshell=subshell))
    assert kernel.outcome(main).status == "ok"
