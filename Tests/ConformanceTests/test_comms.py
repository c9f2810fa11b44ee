"""Comms: lines between the page and code of the session, while no cell runs and while one does."""

import pytest

ECHO = """
registerCommTarget("echo") { comm, opening in
  comm.send(json: opening)
  comm.onMessage { json in
    print("heard", json)
    comm.send(json: "{\\"heard\\": \\(json)}")
  }
  comm.onClose { _ in print("closed") }
}
"""


def tell(kernel, kind, identifier, data=None, **fields):
    """What comes back for one comm message."""
    sent = kernel.send(kind, {"comm_id": identifier, "data": data or {}, **fields})
    messages = kernel.published(sent)
    return {m["msg_type"]: m["content"] for m in messages if m["msg_type"] != "status"}


def opened(kernel):
    return kernel.ask("comm_info_request").content["comms"]


@pytest.fixture
def echo(own_kernel):
    own_kernel.run(ECHO)
    return own_kernel


def test_a_target_of_a_cell_answers_between_cells(echo):
    answer = tell(echo, "comm_open", "c1", {"n": [1, None, "é"]}, target_name="echo")
    assert answer["comm_msg"] == {"comm_id": "c1", "data": {"n": [1, None, "é"]}}
    assert opened(echo) == {"c1": {"target_name": "echo"}}
    answer = tell(echo, "comm_msg", "c1", {"a": 1})
    assert answer["comm_msg"] == {"comm_id": "c1", "data": {"heard": {"a": 1}}}
    assert answer["stream"]["text"].startswith("heard"), "what a handler prints belongs to the message"
    assert tell(echo, "comm_close", "c1")["stream"]["text"] == "closed\n"
    assert opened(echo) == {}
    assert tell(echo, "comm_msg", "c1") == {}, "the line has ended"


def test_a_target_of_a_cell_answers_while_another_cell_runs(echo):
    tell(echo, "comm_open", "c1", target_name="echo")
    cell = echo.submit('print("go")\nwhile true {}')
    echo.wait_for_output(cell, "go")
    assert tell(echo, "comm_msg", "c1", {"a": 1})["comm_msg"]["data"] == {"heard": {"a": 1}}
    echo.interrupt()
    assert echo.outcome(cell).content["ename"] == "Interrupted"
    assert tell(echo, "comm_msg", "c1", {"a": 2})["comm_msg"]["data"] == {"heard": {"a": 2}}


def test_a_cell_opens_a_line_and_ends_it(own_kernel):
    outcome = own_kernel.run('let line = Comm.open("page", json: "[1]")\ntry line.send(["a": 1])')
    opening, first = outcome.of("comm_open"), outcome.of("comm_msg")
    assert [m["target_name"] for m in opening] == ["page"] and opening[0]["data"] == [1]
    assert first == [{"comm_id": opening[0]["comm_id"], "data": {"a": 1}}]
    assert opened(own_kernel) == {opening[0]["comm_id"]: {"target_name": "page"}}
    assert own_kernel.ask("comm_info_request", {"target_name": "other"}).content["comms"] == {}
    own_kernel.run("line.onMessage { print($0) }")
    assert tell(own_kernel, "comm_msg", opening[0]["comm_id"], {"b": 2})["stream"]["text"] == '{"b":2}\n'
    assert len(own_kernel.run("line.close()").of("comm_close")) == 1
    assert opened(own_kernel) == {}


def test_a_handler_that_traps_or_is_interrupted_ends_itself_alone(own_kernel):
    kernel = own_kernel
    kernel.run(
        'var treasure = [1, 2, 3]\nregisterCommTarget("bad") { comm, _ in\n'
        '  comm.onMessage { json in if json == "1" { fatalError("in a handler") } else { while true {} } }\n}'
    )
    tell(kernel, "comm_open", "c1", target_name="bad")
    sent = kernel.send("comm_msg", {"comm_id": "c1", "data": 1})
    shown = "".join(m["content"]["text"] for m in kernel.published(sent) if m["msg_type"] == "stream")
    assert "in a handler" in shown
    sent = kernel.send("comm_msg", {"comm_id": "c1", "data": 2})
    assert kernel.run("treasure").result == "[1, 2, 3]", "cells don't wait for handlers"
    kernel.interrupt()
    assert kernel.published(sent)[-1]["content"]["execution_state"] == "idle"
    assert kernel.run("treasure").result == "[1, 2, 3]"
