"""Control requests, interrupts, subshells, the heartbeat, and the end of a kernel: for any kernel."""

import os
import signal
import time

import pytest
from processes import wait_until_gone


@pytest.mark.parametrize("kind", ["kernel_info_request", "usage_request", "list_subshell_request"])
def test_control_is_answered_while_a_cell_uses_every_core(kernel, dialect, kind):
    cell = kernel.submit(dialect.spin(600))
    kernel.wait_for_output(cell, "go")
    # The cell runs until it is interrupted: whatever comes before that, comes while it runs.
    reply = kernel.reply(kernel.send(kind, channel="control"), "control")
    assert reply["msg_type"] == kind.replace("request", "reply")
    assert reply["content"].get("status", "ok") == "ok"
    kernel.interrupt()
    assert kernel.outcome(cell).status == "error"


def test_the_heart_beats_while_a_cell_uses_every_core(kernel, dialect):
    cell = kernel.submit(dialect.spin(600))
    kernel.wait_for_output(cell, "go")
    assert kernel.beats(3)
    kernel.interrupt()
    kernel.outcome(cell)


def test_usage_tells_of_this_process(kernel):
    content = kernel.ask("usage_request", channel="control").content
    assert content["pid"] == kernel.pid
    assert content["hostname"] == os.uname().nodename
    assert content["cpu_count"] == os.cpu_count()


@pytest.mark.parametrize("how", ["message", "signal"])
@pytest.mark.parametrize("cell", ["forever", "sleep"])
def test_an_interrupt_ends_the_cell_aborts_what_waits_and_keeps_the_variables(kernel, dialect, how, cell):
    kernel.run(dialect.declare)
    running = kernel.submit(dialect.sleep(600) if cell == "sleep" else dialect.forever)
    kernel.wait_for_output(running, "go")
    waiting = kernel.submit("1")
    # The answer to a later request of the same socket: the waiting cell has arrived by then.
    if how == "message":
        reply = kernel.reply(kernel.send("interrupt_request", channel="control"), "control")
        assert reply["msg_type"] == "interrupt_reply"
        assert reply["content"]["status"] == "ok"
    else:
        os.kill(kernel.pid, signal.SIGINT)
    outcome = kernel.outcome(running)
    assert outcome.status == "error"
    assert len(outcome.of("error")) == 1
    assert kernel.outcome(waiting).status == "aborted"
    assert kernel.run(dialect.read).result == "20"


def test_an_interrupt_while_nothing_runs_harms_nothing(kernel):
    reply = kernel.reply(kernel.send("interrupt_request", channel="control"), "control")
    assert reply["content"]["status"] == "ok"
    assert kernel.run("1").result == "1"


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_after_an_unknown_message_the_kernel_answers(kernel, channel):
    kernel.send("strange", channel=channel)
    assert kernel.reply(kernel.send("kernel_info_request", channel=channel), channel)["content"]["status"] == "ok"


# Subshells


@pytest.fixture
def subshell(kernel):
    assert "kernel subshells" in kernel.ask("kernel_info_request").content["supported_features"]
    created = kernel.ask("create_subshell_request", channel="control")
    assert created.status == "ok"
    identifier = created.content["subshell_id"]
    yield identifier
    kernel.ask("delete_subshell_request", {"subshell_id": identifier}, channel="control")


def subshells(kernel):
    return kernel.ask("list_subshell_request", channel="control").content["subshell_id"]


def test_subshells_come_go_and_are_listed(kernel):
    assert subshells(kernel) == []
    created = [kernel.ask("create_subshell_request", channel="control").content["subshell_id"] for _ in range(2)]
    assert sorted(subshells(kernel)) == sorted(created) and len(set(created)) == 2
    for identifier in created:
        gone = kernel.ask("delete_subshell_request", {"subshell_id": identifier}, channel="control")
        assert gone.status == "ok"
    assert subshells(kernel) == []
    again = kernel.ask("delete_subshell_request", {"subshell_id": created[0]}, channel="control")
    assert again.status == "error"


def test_a_subshell_runs_cells_and_shares_the_variables(kernel, dialect, subshell):
    kernel.run(dialect.declare)
    outcome = kernel.outcome(kernel.submit(dialect.read, subshell=subshell))
    assert outcome.result == "20"
    assert outcome.kinds[0] == "busy" and outcome.kinds[-1] == "idle"
    assert kernel.run(dialect.read).content["execution_count"] == outcome.content["execution_count"] + 1


def test_a_subshell_runs_a_cell_while_the_main_shell_is_busy(kernel, dialect, subshell):
    kernel.run(dialect.declare)
    cell = kernel.submit(dialect.sleep(600))
    kernel.wait_for_output(cell, "go")
    for _ in range(3):
        assert kernel.outcome(kernel.submit(dialect.read, subshell=subshell)).result == "20"
    kernel.interrupt()
    assert kernel.outcome(cell).status == "error"


def test_a_failure_in_a_subshell_aborts_nothing_in_the_main_shell(kernel, dialect, subshell):
    cell = kernel.submit(dialect.sleep(1))
    kernel.wait_for_output(cell, "go")
    waiting = kernel.submit("1")
    assert kernel.outcome(kernel.submit(dialect.fail, subshell=subshell)).status == "error"
    assert kernel.outcome(cell).status == "ok"
    assert kernel.outcome(waiting).status == "ok"


# The end


@pytest.mark.parametrize("restart", [False, True])
def test_shutdown_is_replied_published_and_done(own_kernel, restart):
    pid = own_kernel.pid
    outcome = own_kernel.ask("shutdown_request", {"restart": restart}, channel="control")
    assert outcome.content == {"status": "ok", "restart": restart}
    assert outcome.kinds == ["busy", "shutdown_reply", "idle"]
    assert outcome.of("shutdown_reply") == [outcome.content]
    wait_until_gone([pid])


def test_a_kernel_restarts_without_its_variables(own_kernel, dialect):
    own_kernel.run(dialect.declare)
    own_kernel.manager.restart_kernel(now=False)
    own_kernel.client.wait_for_ready(timeout=60)
    assert own_kernel.execute(dialect.read).status == "error"
    assert own_kernel.run("2").result == "2"


def test_a_kernel_ends_on_sigterm(own_kernel):
    os.kill(own_kernel.pid, signal.SIGTERM)
    wait_until_gone([own_kernel.pid], seconds=10)
