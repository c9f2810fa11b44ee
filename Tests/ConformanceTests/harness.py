"""A kernel under test, and what came back from it."""

import dataclasses
import time

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from jupyter_kernel_test.msgspec_v5 import schema_fragments, validate_message

TIMEOUT = 60


@dataclasses.dataclass
class Outcome:
    """The reply to one request and everything IOPub said of it, `busy` and `idle` included."""

    reply: dict
    messages: list

    @property
    def content(self):
        return self.reply["content"]

    @property
    def status(self):
        return self.content["status"]

    @property
    def kinds(self):
        """The types in order, statuses by their state."""
        return [m["content"]["execution_state"] if m["msg_type"] == "status" else m["msg_type"] for m in self.messages]

    def of(self, kind):
        return [m["content"] for m in self.messages if m["msg_type"] == kind]

    def stream(self, name="stdout"):
        return "".join(c["text"] for c in self.of("stream") if c["name"] == name)

    @property
    def result(self):
        """The text of the cell's result; fails when there is none."""
        (content,) = self.of("execute_result")
        return content["data"]["text/plain"]

    @property
    def explanation(self):
        return f"{self.content.get('ename')}: {self.content.get('evalue')}\n" + "\n".join(
            self.content.get("traceback", [])
        )


class Kernel:
    """A running kernel with one client. Every message that arrives is checked against the specification."""

    def __init__(self, name, key=None, cwd=None, env=None, **options):
        self.process = {"cwd": cwd} | ({} if env is None else {"env": env})
        self.manager = KernelManager(kernel_name=name, **options)
        # By channel: what arrived while something else was looked for.
        self.kept = {}
        if key is not None:
            self.manager.session.key = key

    def __enter__(self):
        self.manager.start_kernel(**self.process)
        self.client = ready(self.manager.client())
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=not self.manager.is_alive())
        self.manager.cleanup_resources()

    def connect(self):
        """Another client, with a session of its own: sockets of one session share their name."""
        client = BlockingKernelClient()
        client.load_connection_info(self.manager.get_connection_info())
        client.session.key = self.manager.session.key
        return ready(client)

    @property
    def pid(self):
        return self.manager.provisioner.process.pid

    # Asking

    def send(self, kind, content=None, channel="shell", client=None, subshell=None, metadata=None):
        """Sends a request; returns its id."""
        client = client or self.client
        message = client.session.msg(kind, content or {}, metadata=metadata)
        if subshell:
            message["header"]["subshell_id"] = subshell
        getattr(client, f"{channel}_channel").send(message)
        return message["header"]["msg_id"]

    def ask(self, kind, content=None, channel="shell", client=None, timeout=TIMEOUT, **options):
        client = client or self.client
        identifier = self.send(kind, content, channel, client, **options)
        return self.outcome(identifier, channel, client, timeout)

    def submit(self, code, client=None, subshell=None, metadata=None, **fields):
        """Sends an execute_request; returns its id."""
        content = {
            "code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
            "stop_on_error": True, **fields,
        }  # fmt: skip
        return self.send("execute_request", content, client=client, subshell=subshell, metadata=metadata)

    def execute(self, code, client=None, timeout=TIMEOUT, **fields):
        return self.outcome(self.submit(code, client, **fields), client=client, timeout=timeout)

    def run(self, code, **fields):
        """Executes a cell that must succeed."""
        outcome = self.execute(code, **fields)
        assert outcome.status == "ok", outcome.explanation
        return outcome

    # What comes back

    def outcome(self, identifier, channel="shell", client=None, timeout=TIMEOUT):
        client = client or self.client
        messages = self.published(identifier, client, timeout)
        return Outcome(self.reply(identifier, channel, client, timeout), messages)

    def reply(self, identifier, channel="shell", client=None, timeout=TIMEOUT):
        return self.next_about(identifier, getattr(client or self.client, f"{channel}_channel"), timeout)

    def published(self, identifier, client=None, timeout=TIMEOUT):
        """Everything on IOPub about one request, up to its `idle`."""
        channel = (client or self.client).iopub_channel
        deadline = time.monotonic() + timeout
        messages = []
        while not messages or messages[-1]["content"].get("execution_state") != "idle":
            messages.append(self.next_about(identifier, channel, deadline - time.monotonic()))
        return messages

    def next_about(self, identifier, channel, timeout):
        """The next message that answers one request; those that answer others are kept for who asks for them."""
        deadline = time.monotonic() + timeout
        kept = self.kept.setdefault(channel, [])
        for index, message in enumerate(kept):
            if message["parent_header"].get("msg_id") == identifier:
                return kept.pop(index)
        while True:
            message = get(channel, deadline - time.monotonic())
            if message["parent_header"].get("msg_id") == identifier:
                return message
            kept.append(message)

    def wait_for_output(self, identifier, text, timeout=TIMEOUT):
        """Reads IOPub until the cell has printed `text`."""
        printed = ""
        while text not in printed:
            message = self.next_about(identifier, self.client.iopub_channel, timeout)
            if message["msg_type"] == "stream":
                printed += message["content"]["text"]

    def interrupt(self):
        self.manager.interrupt_kernel()

    def address(self, channel):
        info = self.manager.get_connection_info()
        separator, scheme = ("-", "ipc") if info["transport"] == "ipc" else (":", "tcp")
        return f"{scheme}://{info['ip']}{separator}{info[f'{channel}_port']}"

    def beats(self, times):
        """Whether the heartbeat echoes so many pings."""
        with zmq.Context.instance().socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(self.address("hb"))
            for number in range(times):
                ping = b"ping %d" % number
                socket.send(ping)
                if not socket.poll(10_000) or socket.recv() != ping:
                    return False
        return True


def ready(client):
    client.start_channels()
    client.wait_for_ready(timeout=TIMEOUT)
    return client


def get(channel, timeout):
    message = channel.get_msg(timeout=max(0.001, timeout))
    # The checker knows neither newer messages nor the specification's word for a request that was not carried out.
    if message["msg_type"] in schema_fragments and message["content"].get("status") != "aborted":
        validate_message(message)
    return message
