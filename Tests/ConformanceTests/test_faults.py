"""What a client can do to a kernel: after each of these it answers, and its memory is bounded."""

import json
import os
import random
import signal
import uuid

import pytest
import zmq
from processes import host_of, memory, wait_until_gone

MEGABYTE = 1 << 20


def expect_alive(kernel):
    """Every channel answers, and a cell runs."""
    for channel in ("shell", "control"):
        assert kernel.reply(kernel.send("kernel_info_request", channel=channel), channel)["content"]["status"] == "ok"
    assert kernel.beats(1)
    assert kernel.execute("1 + 1").result == "2"


def test_10_000_random_messages(own_kernel):
    """Well signed, so that all of them get through: any type, any content, on any channel."""
    kernel = own_kernel
    generator = random.Random(11)
    session = kernel.client.session
    types = [
        "kernel_info_request", "complete_request", "inspect_request", "is_complete_request", "history_request",
        "comm_info_request", "comm_open", "comm_msg", "comm_close", "execute_request", "input_reply", "interrupt_request",
        "usage_request", "create_subshell_request", "list_subshell_request", "delete_subshell_request",
        "connect_request", "debug_request", "execute_reply", "status", "", "_request", "\u0000", "x" * 1000,
    ]  # fmt: skip
    keys = [
        "code", "cursor_pos", "detail_level", "silent", "store_history", "user_expressions", "allow_stdin", "comm_id",
        "target_name", "data", "hist_access_type", "n", "pattern", "output", "session", "start", "stop", "subshell_id",
        "value", "stop_on_error",
    ]  # fmt: skip

    def value(depth=0):
        kind = generator.randrange(9 if depth < 3 else 7)
        if kind == 0:
            return None
        if kind == 1:
            return generator.random() < 0.5
        if kind == 2:
            return generator.choice([0, -1, 1, 2**31, -(2**63), 2**63, 10**30])
        if kind == 3:
            return generator.choice([0.5, -1e308, 1e-320])
        if kind in (4, 5):
            return generator.choice(["", "tail", "range", "search", "*", "é👩‍🔬\u0000\ud83d", "}{", "//", "let"])
        if kind == 6:
            return "".join(chr(generator.randrange(32, 0x2000)) for _ in range(generator.randrange(30)))
        if kind == 7:
            return [value(depth + 1) for _ in range(generator.randrange(4))]
        return {generator.choice(keys): value(depth + 1) for _ in range(generator.randrange(4))}

    def dumped(thing):
        return json.dumps(thing).encode()

    # What the language services hold once they are warm is not these messages' doing.
    kernel.run("1")
    kernel.ask("complete_request", {"code": "[1].ma", "cursor_pos": 6})
    before = memory(kernel.pid)
    sent = 0
    while sent < 10_000:
        kind = generator.choice(types)
        content = {key: value() for key in generator.sample(keys, generator.randrange(6))}
        # Cells of comments and nonsense alone: what a cell itself may do is tested elsewhere.
        if kind == "execute_request" and generator.random() < 0.98:
            continue
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "s", "username": "", "version": "5.3"}
        if generator.random() < 0.1:
            header[generator.choice(["subshell_id", "session", "date", "msg_type", "msg_id"])] = value()
        parts = [dumped(header), dumped({}), dumped(value()), dumped(content)]
        if generator.random() < 0.1:
            parts[generator.randrange(4)] = dumped(value())
        if generator.random() < 0.05:
            part = generator.randrange(4)
            parts[part] = parts[part][: generator.randrange(len(parts[part]) + 1)]
        buffers = [generator.randbytes(8) for _ in range(generator.randrange(3))]
        channel = generator.choice(["shell", "control", "stdin"])
        getattr(kernel.client, f"{channel}_channel").socket.send_multipart(
            [b"<IDS|MSG>", session.sign(parts), *parts, *buffers]
        )
        sent += 1
    # Behind all of them on the same sockets.
    fresh = kernel.connect()
    try:
        # A random cell that fails aborts what waits behind it, and an interrupt among them stops what runs.
        while (outcome := kernel.execute("1 + 1", client=fresh, timeout=120)).status != "ok":
            assert outcome.status == "aborted" or outcome.content["ename"] == "Interrupted"
        assert outcome.result == "2"
    finally:
        fresh.stop_channels()
    assert memory(kernel.pid) - before < 200 * MEGABYTE


@pytest.mark.parametrize("frame", range(7))
def test_frames_of_100_megabytes(kernel, frame):
    session, stream = kernel.client.session, kernel.client.shell_channel.socket
    frames = session.serialize(session.msg("kernel_info_request"))
    huge = b"x" * (100 * MEGABYTE)
    if frame < 6:
        frames[frame] = huge
    else:
        frames.append(huge)
    if 2 <= frame < 6:
        frames[1] = session.sign(frames[2:6])
    before = memory(kernel.pid)
    stream.send_multipart(frames, copy=False)
    expect_alive(kernel)
    # One may lie in a queue or an allocator's cache; more than one may not.
    assert memory(kernel.pid) - before < 250 * MEGABYTE


def test_a_cell_of_100_megabytes(own_kernel):
    outcome = own_kernel.execute("// " + "x" * 100_000_000, store_history=False)
    assert outcome.kinds[0] == "busy" and outcome.kinds[-1] == "idle"
    expect_alive(own_kernel)


def test_a_client_that_vanishes_in_mid_reply(kernel):
    for _ in range(10):
        gone = kernel.connect()
        for _ in range(50):
            kernel.send("complete_request", {"code": "pr", "cursor_pos": 2}, client=gone)
        # Nothing waits for what is still to be sent or read.
        for channel in ("shell", "iopub", "stdin", "control"):
            getattr(gone, f"{channel}_channel").socket.close(linger=100)
        expect_alive(kernel)


def test_a_client_that_vanishes_with_a_question_open(kernel):
    gone = kernel.connect()
    identifier = kernel.submit("readLine()", client=gone, allow_stdin=True)
    gone.get_stdin_msg(timeout=60)
    gone.stop_channels()
    kernel.interrupt()
    assert kernel.published(identifier)[-1]["content"]["execution_state"] == "idle"
    expect_alive(kernel)


def test_a_subscriber_that_reads_nothing_holds_up_nobody_for_good(own_kernel):
    kernel = own_kernel
    with zmq.Context.instance().socket(zmq.SUB) as stalled:
        stalled.rcvhwm = 1
        stalled.rcvbuf = 4096
        stalled.linger = 0
        stalled.connect(kernel.address("iopub"))
        stalled.subscribe(b"")
        assert stalled.poll(10_000)
        identifier = kernel.submit(
            'let line = String(repeating: "x", count: 999)\nfor _ in 0..<150_000 { print(line) }'
        )
        size = 0
        for message in kernel.published(identifier, timeout=120):
            if message["msg_type"] == "stream":
                size += len(message["content"]["text"])
        assert size == 150_000_000, "who reads gets everything"
        assert kernel.reply(identifier)["content"]["status"] == "ok"
        expect_alive(kernel)
        assert memory(kernel.pid) < 500 * MEGABYTE


def test_a_stopped_client_takes_nothing_from_the_others(own_kernel):
    other = own_kernel.connect()
    try:
        # It is asked nothing more and reads nothing more.
        outcome = own_kernel.run("for n in 0..<20_000 { print(n) }", timeout=120)
        assert outcome.stream() == "".join(f"{n}\n" for n in range(20_000))
        seen = own_kernel.published(outcome.reply["parent_header"]["msg_id"], client=other)
        assert sum(len(m["content"].get("text", "")) for m in seen) == len(outcome.stream())
    finally:
        other.stop_channels()


def test_a_kernel_whose_clients_all_vanish_can_be_ended(own_kernel):
    kernel = own_kernel
    processes = [kernel.pid, host_of(kernel)]
    kernel.wait_for_output(kernel.submit('print("go")\nwhile true { print("x") }'), "go")
    kernel.client.stop_channels()
    os.kill(kernel.pid, signal.SIGTERM)
    wait_until_gone(processes, seconds=10)
