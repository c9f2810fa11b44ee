"""What this kernel does beyond the specification: it answers everything while a cell runs, and everything before it ends."""

import os
import signal

import pytest
from processes import guard_of, host_of, session_folder, wait_until_gone

QUESTIONS = {
    "kernel_info_request": {},
    "complete_request": {"code": "marker", "cursor_pos": 6},
    "inspect_request": {"code": "marker", "cursor_pos": 6, "detail_level": 0},
    "is_complete_request": {"code": "if true {"},
    "history_request": {"hist_access_type": "tail", "n": 3, "output": False, "raw": True},
    "comm_info_request": {},
}


def test_every_question_is_answered_on_the_shell_while_a_cell_uses_every_core(kernel, dialect):
    kernel.run(dialect.declare)
    kernel.ask("complete_request", QUESTIONS["complete_request"])
    cell = kernel.submit(dialect.spin(600))
    kernel.wait_for_output(cell, "go")
    waiting = kernel.submit("1")
    # The cell runs until it is interrupted: whatever comes before that, comes while it runs.
    outcomes = {kind: kernel.ask(kind, content) for kind, content in QUESTIONS.items()}
    for kind, outcome in outcomes.items():
        assert outcome.reply["msg_type"] == kind.replace("request", "reply")
        assert outcome.kinds == ["busy", "idle"]
    assert "marker" in outcomes["complete_request"].content["matches"]
    assert "Int" in outcomes["inspect_request"].content["data"]["text/plain"]
    assert outcomes["is_complete_request"].content["status"] == "incomplete"
    # What runs is in the history already.
    assert outcomes["history_request"].content["history"][-1][2] == dialect.spin(600)
    kernel.interrupt()
    assert kernel.outcome(cell).status == "error"
    assert kernel.outcome(waiting).status == "aborted"


def test_usage_is_what_was_used_since_the_last_request(kernel, dialect):
    def cpu():
        return kernel.ask("usage_request", channel="control").content["kernel_cpu"]

    cell = kernel.submit(dialect.forever)
    kernel.wait_for_output(cell, "go")
    cpu()
    busy = 0
    while busy < 10:  # A cell that computes gets more than a tenth of a core sooner or later.
        busy = cpu()
    kernel.interrupt()
    kernel.outcome(cell)
    cpu()
    usage = kernel.ask("usage_request", channel="control").content
    assert usage["kernel_memory"] > 0
    memory = usage["host_virtual_memory"]
    assert 0 < memory["available"] <= memory["total"]
    while cpu() > 10:  # And none once it is over: an average over the kernel's life would stay.
        pass


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_an_unknown_request_gets_busy_an_error_and_idle(kernel, channel):
    identifier = kernel.send("strange_request", channel=channel)
    assert [m["content"]["execution_state"] for m in kernel.published(identifier)] == ["busy", "idle"]
    reply = kernel.reply(identifier, channel)
    assert reply["msg_type"] == "strange_reply"
    assert reply["content"]["status"] == "error"


def test_what_is_not_there_is_not_announced(kernel):
    content = kernel.ask("kernel_info_request").content
    assert content["supported_features"] == ["kernel subshells"]
    assert content.get("debugger", False) is False
    assert kernel.ask("debug_request", {"type": "request"}, channel="control").status == "error"


def test_a_request_to_a_subshell_that_is_gone_is_refused(kernel):
    created = kernel.ask("create_subshell_request", channel="control").content
    identifier = created["subshell_id"]
    kernel.ask("delete_subshell_request", {"subshell_id": identifier}, channel="control")
    for unknown in (identifier, "never there"):
        outcome = kernel.outcome(kernel.submit("5", subshell=unknown))
        assert outcome.status == "error"
        assert outcome.content["ename"] == "NoSuchSubshell"


# The end


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_everything_is_answered_before_the_kernel_ends(own_kernel, dialect, channel):
    kernel = own_kernel
    processes = [kernel.pid, host_of(kernel)]
    running = kernel.submit(dialect.forever)
    kernel.wait_for_output(running, "go")
    waiting = [kernel.submit(str(n)) for n in range(20)]
    shutdown = kernel.send("shutdown_request", {"restart": False}, channel=channel)
    kernel.published(shutdown)
    for identifier in [running, *waiting]:
        # On IOPub the shutdown's idle is the last word: what belongs to the others was read on the way.
        kinds = [
            message["content"].get("execution_state", message["msg_type"])
            for message in kernel.kept[kernel.client.iopub_channel]
            if message["parent_header"].get("msg_id") == identifier
        ]
        assert kinds[-1] == "idle"
        assert kinds == ["busy", "idle"] or identifier == running
    assert kernel.reply(running)["content"]["status"] == "error"
    for identifier in waiting:
        assert kernel.reply(identifier)["content"]["status"] == "aborted"
    assert kernel.reply(shutdown, channel)["content"] == {"status": "ok", "restart": False}
    wait_until_gone(processes, seconds=10)


def test_a_kernel_comes_back_on_the_same_ports(own_kernel):
    before = own_kernel.manager.get_connection_info()
    host = host_of(own_kernel)
    own_kernel.manager.restart_kernel(now=False)
    own_kernel.client.wait_for_ready(timeout=60)
    assert own_kernel.manager.get_connection_info() == before
    assert own_kernel.run("2").result == "2"
    assert host_of(own_kernel) != host
    wait_until_gone([host])


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_and_no_folder_outlives_a_kernel(own_kernel, signal_number):
    processes = [own_kernel.pid, guard_of(own_kernel), host_of(own_kernel)]
    folder = session_folder(own_kernel)
    os.kill(own_kernel.pid, signal_number)
    wait_until_gone(processes, seconds=30)
    # The guard is the last to go, and it has seen to the folder.
    assert not folder.exists()
