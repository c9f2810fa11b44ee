"""What comes from C, how much fits through, what a value looks like. The rest is in test_protocol_execute."""

from processes import peak_memory


def test_output_of_c_and_of_other_threads_arrives(kernel):
    outcome = kernel.run(
        """
        import Foundation
        let threads = (0..<4).map { number in
          Thread { for n in 0..<100 { print("thread \\(number) \\(n)") } }
        }
        for thread in threads { thread.start() }
        while threads.contains(where: { !$0.isFinished }) { usleep(1000) }
        puts("from C")
        """
    )
    lines = outcome.stream().splitlines()
    assert sorted(lines) == sorted([f"thread {t} {n}" for t in range(4) for n in range(100)] + ["from C"])


def test_what_was_printed_arrives_before_the_question_that_follows_it(kernel):
    # jupyter console shows what has arrived, asks, and shows nothing more before the answer.
    identifier = kernel.submit('for n in 0..<50 { print("colour \\(n)?"); _ = readLine() }', allow_stdin=True)
    for number in range(50):
        kernel.client.get_stdin_msg(timeout=60)
        arrived = ""
        while kernel.client.iopub_channel.socket.poll(0):
            message = kernel.client.get_iopub_msg(timeout=1)
            if message["msg_type"] == "stream":
                arrived += message["content"]["text"]
        assert arrived == f"colour {number}?\n"
        kernel.client.input("")
    assert kernel.reply(identifier)["content"]["status"] == "ok"


def test_200_megabytes_arrive_all_and_the_kernels_memory_stays_flat(kernel):
    before = peak_memory(kernel.pid)
    identifier = kernel.submit(
        'let line = String(repeating: "x", count: 999)\nfor _ in 0..<200_000 { print(line) }'
    )
    size = 0
    for message in kernel.published(identifier, timeout=240):
        if message["msg_type"] == "stream":
            size += len(message["content"]["text"])
            message["content"]["text"] = ""
    assert kernel.reply(identifier)["content"]["status"] == "ok"
    assert size == 200_000_000
    # 16 MiB unsent, at most 64 MiB in libzmq's queue, and copies on the way; 200 MB would show.
    assert peak_memory(kernel.pid) - before < 150 << 20


def test_every_mime_type_of_a_value_is_in_its_bundle(kernel):
    for code, mime, has in [
        ('HTML("<b>x</b>")', "text/html", "<b>x</b>"),
        ('SVG("<svg xmlns=\'http://www.w3.org/2000/svg\'/>")', "image/svg+xml", "<svg"),
        ('Markdown("**x**")', "text/markdown", "**x**"),
        ('LaTeX("$x$")', "text/latex", "$x$"),
        ('Table(["a"], [["<script>"]])', "text/html", "&lt;script&gt;"),
    ]:
        (content,) = kernel.run(code).of("execute_result")
        assert has in content["data"][mime]
        assert content["data"]["text/plain"]


def test_json_travels_as_json(kernel):
    (content,) = kernel.run('try JSON(encoding: ["a": 1])').of("execute_result")
    assert content["data"]["application/json"] == {"a": 1}
