"""Sockets, signatures, encryption, welcomes, damaged messages: for any kernel."""

import json
import random

import pytest
import zmq
from jupyter_client.session import Session
from zmq.utils.monitor import recv_monitor_message


def test_kernel_info_says_what_this_kernel_is(kernel, dialect):
    outcome = kernel.ask("kernel_info_request")
    assert outcome.kinds == ["busy", "idle"]
    assert tuple(map(int, outcome.content["protocol_version"].split("."))) >= (5, 3)
    assert outcome.content["implementation"] and outcome.content["banner"]
    language = outcome.content["language_info"]
    assert language.pop("version")
    assert dialect.language.items() <= language.items()
    assert all(link["text"] and link["url"].startswith("http") for link in outcome.content["help_links"])
    on_control = kernel.reply(kernel.send("kernel_info_request", channel="control"), "control")
    assert on_control["content"]["language_info"]["name"] == dialect.language["name"]


@pytest.mark.parametrize("topic", [pytest.param(b"", id="everything"), pytest.param(b"kernel.", id="topic")])
def test_a_subscriber_is_welcomed(kernel, topic):
    # A session of its own: the client gets what other subscribers of its topic get, and takes each signature once.
    session = Session(key=kernel.client.session.key)
    with zmq.Context.instance().socket(zmq.SUB) as socket:
        socket.linger = 0
        socket.connect(kernel.address("iopub"))
        socket.subscribe(topic)
        # A kernel that welcomes nobody is found out by the first message that comes of something else.
        while not socket.poll(1000):
            kernel.ask("kernel_info_request")
        _, frames = session.feed_identities(socket.recv_multipart())
        welcome = session.deserialize(frames)
        assert welcome["msg_type"] == "iopub_welcome"
        assert welcome["content"] == {"subscription": topic.decode()}
        assert welcome["parent_header"] == {}


def test_without_a_key_messages_are_unsigned(start_kernel):
    assert start_kernel(key=b"").run("1").result == "1"


def test_ipc_works_like_tcp(start_kernel, dialect, tmp_path):
    kernel = start_kernel(transport="ipc", ip=str(tmp_path / "k"))
    assert kernel.run("1 + 1").result == "2"
    assert kernel.beats(1)
    assert kernel.ask("kernel_info_request", channel="control").status == "ok"
    identifier = kernel.submit(dialect.ask, allow_stdin=True)
    kernel.client.get_stdin_msg(timeout=30)
    kernel.client.input("Ada")
    assert "hello Ada" in kernel.outcome(identifier).stream()


def test_two_clients_each_get_their_own_replies_and_see_everything(kernel):
    other = kernel.connect()
    try:
        outcome = kernel.execute("40 + 2", client=other)
        assert outcome.result == "42"
        seen = kernel.published(outcome.reply["parent_header"]["msg_id"])
        assert "execute_result" in [m["msg_type"] for m in seen]
        assert kernel.run("1").result == "1"
    finally:
        other.stop_channels()


def test_what_two_clients_ask_at_once_is_answered_to_each(kernel):
    other = kernel.connect()
    try:
        asked = [(client, kernel.submit(f"{n} + 0", client)) for n in range(8) for client in (kernel.client, other)]
        for number, (client, identifier) in enumerate(asked):
            assert kernel.outcome(identifier, client=client).result == str(number // 2)
    finally:
        other.stop_channels()


# Encryption


@pytest.fixture
def encrypted(start_kernel):
    return start_kernel(transport_encryption="required")


def test_jupyter_starts_a_kernel_with_encryption(encrypted, dialect):
    info = encrypted.manager.get_connection_info()
    assert len(info["curve_publickey"]) == len(info["curve_secretkey"]) == 40
    assert encrypted.run("1 + 1").result == "2"
    assert encrypted.ask("kernel_info_request", channel="control").status == "ok"
    identifier = encrypted.submit(dialect.ask, allow_stdin=True)
    encrypted.client.get_stdin_msg(timeout=30)
    encrypted.client.input("Ada")
    assert "hello Ada" in encrypted.outcome(identifier).stream()


@pytest.mark.parametrize("channel", ["shell", "iopub", "stdin", "control", "hb"])
def test_who_does_not_encrypt_is_not_heard(encrypted, channel):
    kind = {"iopub": zmq.SUB, "hb": zmq.REQ}.get(channel, zmq.DEALER)
    with zmq.Context() as context, context.socket(kind) as socket:
        monitor = socket.get_monitor_socket()
        socket.linger = monitor.linger = 0
        socket.connect(encrypted.address(channel))
        # The handshake fails: the socket never connects for good.
        refused = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        while True:
            assert monitor.poll(10_000)
            event = recv_monitor_message(monitor)["event"]
            assert event != zmq.EVENT_HANDSHAKE_SUCCEEDED
            if event & refused:
                break
        socket.disable_monitor()
        monitor.close()
    assert encrypted.run("1").result == "1"


# Signatures


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_a_wrong_or_missing_signature_is_dropped(kernel, channel):
    session, stream = kernel.client.session, getattr(kernel.client, f"{channel}_channel").socket
    frames = session.serialize(session.msg("kernel_info_request"))
    for signature in (b"0" * 64, b"", frames[1][:-1], frames[1].upper() + b"0", b"\xff" * 64):
        stream.send_multipart([frames[0], signature, *frames[2:]])
    # One answer: to the one good message.
    stream.send_multipart(frames)
    reply = getattr(kernel.client, f"{channel}_channel").get_msg(timeout=10)
    assert reply["parent_header"]["msg_id"] == json.loads(frames[2])["msg_id"]
    asked = kernel.send("kernel_info_request", channel=channel)
    assert getattr(kernel.client, f"{channel}_channel").get_msg(timeout=10)["parent_header"]["msg_id"] == asked


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_a_replayed_message_is_dropped(kernel, channel):
    session, stream = kernel.client.session, getattr(kernel.client, f"{channel}_channel").socket
    frames = session.serialize(session.msg("kernel_info_request"))
    stream.send_multipart(frames)
    stream.send_multipart(frames)
    assert getattr(kernel.client, f"{channel}_channel").get_msg(timeout=10)["msg_type"] == "kernel_info_reply"
    asked = kernel.send("kernel_info_request", channel=channel)
    assert getattr(kernel.client, f"{channel}_channel").get_msg(timeout=10)["parent_header"]["msg_id"] == asked


# Damaged messages


def expect_alive(kernel):
    assert kernel.reply(kernel.send("kernel_info_request"))["msg_type"] == "kernel_info_reply"
    assert kernel.reply(kernel.send("kernel_info_request", channel="control"), "control")["content"]["status"] == "ok"


@pytest.mark.parametrize("channel", ["shell", "control", "stdin"])
def test_with_any_frame_missing_or_doubled_the_kernel_answers(kernel, channel):
    session, stream = kernel.client.session, getattr(kernel.client, f"{channel}_channel").socket
    for index in range(6):
        frames = session.serialize(session.msg("strange"))
        stream.send_multipart(frames[:index] + frames[index + 1 :])
        frames = session.serialize(session.msg("strange"))
        stream.send_multipart(frames[: index + 1] + frames[index:])
    expect_alive(kernel)
    assert kernel.run("1").result == "1"


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_after_frames_of_random_bytes_the_kernel_answers(kernel, channel):
    generator = random.Random(7)
    stream = getattr(kernel.client, f"{channel}_channel").socket
    for _ in range(200):
        stream.send_multipart([generator.randbytes(generator.randint(0, 60)) for _ in range(generator.randint(1, 9))])
    expect_alive(kernel)


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        pytest.param("header", b"{", id="header_cut"),
        pytest.param("header", b"null", id="header_null"),
        pytest.param("header", b"[]", id="header_list"),
        pytest.param("header", b"{}", id="header_empty"),
        pytest.param("header", b'{"msg_id": 3, "msg_type": []}', id="header_types"),
        pytest.param("header", '{"msg_id": "x", "msg_type": "kernel_info_request"}'.encode("utf-16"), id="header_utf16"),
        pytest.param("content", b"{", id="content_cut"),
        pytest.param("content", b"[]", id="content_list"),
        pytest.param("content", b"\xff\xfe", id="content_bytes"),
        pytest.param("content", b'{"code": 3}', id="code_is_a_number"),
        pytest.param("content", b'{"code": null, "silent": "no"}', id="code_is_null"),
        pytest.param("content", b"[" * 100_000, id="content_deep"),
        pytest.param("metadata", b"not JSON", id="metadata"),
        pytest.param("parent", b"not JSON", id="parent"),
    ],
)
def test_after_a_signed_message_of_wrong_json_types_or_encoding_the_kernel_answers(kernel, frame, text):
    session = kernel.client.session
    frames = session.serialize(session.msg("execute_request", {"code": "1"}))
    dictionaries = dict(zip(("header", "parent", "metadata", "content"), frames[2:], strict=True))
    dictionaries[frame] = text
    parts = list(dictionaries.values())
    kernel.client.shell_channel.socket.send_multipart([frames[0], session.sign(parts), *parts])
    expect_alive(kernel)
    assert kernel.run("1").result == "1"


def test_a_client_that_vanishes_leaves_the_kernel_to_the_others(kernel, dialect):
    gone = kernel.connect()
    flood = kernel.submit(dialect.flood, client=gone)
    kernel.submit(dialect.ask, client=gone, allow_stdin=True)
    kernel.wait_for_output(flood, "go")
    for channel in ("shell", "iopub", "stdin", "control"):
        getattr(gone, f"{channel}_channel").socket.close(linger=1000)
    kernel.interrupt()
    kernel.published(flood)
    assert kernel.run("1 + 1").result == "2"
    fresh = kernel.connect()
    try:
        assert kernel.execute("1 + 1", client=fresh).result == "2"
    finally:
        fresh.stop_channels()
