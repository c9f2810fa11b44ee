"""Output comes in the order in which it was printed, whoever printed it, and goes to the cell that it belongs to."""

import pytest

FOUNDATION = "import Foundation\n"

# Each prints the lines 1, 2, 3 … by different means.
IN_ORDER = {
    "system": 'print(1); system("echo 2"); print(3)',
    "write": 'print(1); _ = "2\\n".withCString { write(1, $0, 2) }; print(3)',
    "FileHandle": 'print(1); FileHandle.standardOutput.write(Data("2\\n".utf8)); print(3)',
    "C": 'print(1); puts("2"); putchar(51); putchar(10); fputs("4\\n", stdout); withVaList([5]) { _ = vprintf("%d\\n", $0) }',
    "Process": """
        func echo(_ text: String) throws {
          let process = Process()
          process.executableURL = URL(filePath: "/bin/sh")
          process.arguments = ["-c", "echo \\(text)"]
          try process.run()
          process.waitUntilExit()
        }
        print(1); try echo("2"); print(3); try echo("4"); print(5)
        """,
    "posix_spawn": """
        var child = pid_t()
        var words: [UnsafeMutablePointer<CChar>?] = [strdup("echo"), strdup("2"), nil]
        print(1)
        posix_spawnp(&child, "echo", nil, nil, words, environ)
        var status: Int32 = 0
        waitpid(child, &status, 0)
        print(3)
        """,
    "popen": """
        print(1)
        let pipe = popen("cat; echo 3", "w")!
        fputs("2\\n", pipe)
        pclose(pipe)
        print(4)
        """,
    "a copy of the descriptor": 'print(1); let copy = dup(1); _ = "2\\n".withCString { write(copy, $0, 2) }; print(3); close(copy)',
    "a stream of the user's": """
        struct Out: TextOutputStream { mutating func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) } }
        var out = Out()
        print(1); print(2, to: &out); print(3)
        """,
    "no buffer": 'setvbuf(stdout, nil, _IONBF, 0); print(1); system("echo 2"); puts("3"); setvbuf(stdout, nil, _IOFBF, 1 << 16)',
    "many at a time": 'for i in 0..<10 { print(3 * i + 1); system("echo \\(3 * i + 2)"); puts("\\(3 * i + 3)") }',
    "writev": """
        print(1)
        let two = Array("2\\n".utf8)
        two.withUnsafeBytes { bytes in
          var part = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: 2)
          writev(1, &part, 1)
        }
        print(3)
        """,
}  # fmt: skip


@pytest.mark.parametrize("means", IN_ORDER)
def test_lines_come_in_the_order_in_which_they_were_printed(kernel, means):
    lines = kernel.run(FOUNDATION + IN_ORDER[means] + "\n()").stream().splitlines()
    assert lines == [str(number) for number in range(1, len(lines) + 1)] and len(lines) >= 3, lines


@pytest.mark.parametrize("means", IN_ORDER)
def test_lines_of_a_subshells_cell_come_in_order(own_kernel, means):
    subshell = own_kernel.ask("create_subshell_request", channel="control").content["subshell_id"]
    outcome = own_kernel.outcome(own_kernel.submit(FOUNDATION + IN_ORDER[means] + "\n()", subshell=subshell))
    lines = outcome.stream().splitlines()
    assert lines == [str(number) for number in range(1, len(lines) + 1)] and len(lines) >= 3, lines


def streams(outcome):
    return [(content["name"], content["text"]) for content in outcome.of("stream")]


def test_standard_error_keeps_its_place_between_lines_of_standard_output(kernel):
    cell = 'print("a"); fputs("b\\n", stderr); print("c"); FileHandle.standardError.write(Data("d\\n".utf8)); puts("e")\n()'
    assert streams(kernel.run(FOUNDATION + cell)) == [
        ("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n"), ("stderr", "d\n"), ("stdout", "e\n")
    ]  # fmt: skip


def test_a_childs_errors_keep_their_place(kernel):
    cell = 'print("a"); system("echo b >&2"); print("c")\n()'
    assert streams(kernel.run(FOUNDATION + cell)) == [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n")]


def test_streams_written_to_in_turns_lose_nothing_and_make_few_messages(kernel):
    cell = 'for i in 0..<20_000 { print(i); fputs("\\(i)\\n", stderr) }\n()'
    outcome = kernel.run(FOUNDATION + cell)
    expected = "".join(f"{i}\n" for i in range(20_000))
    assert outcome.stream() == expected and outcome.stream("stderr") == expected
    # Jupyter's server lets 1000 a second through.
    assert len(outcome.of("stream")) < 3000


def late(kernel, identifier, until, timeout=30):
    """What a cell's threads printed after its end."""
    text = ""
    while until not in text:
        message = kernel.next_about(identifier, kernel.client.iopub_channel, timeout)
        if message["msg_type"] == "stream":
            text += message["content"]["text"]
    return text


LATE = {
    "thread": "Thread.detachNewThread { BODY }",
    "task": "Task.detached { BODY }",
    "queue": "DispatchQueue.global().async { BODY }",
}


@pytest.mark.parametrize("kind", LATE)
def test_what_a_thread_prints_goes_to_the_cell_that_began_it(own_kernel, kind):
    kernel = own_kernel
    kernel.run(FOUNDATION + 'import Synchronization\nfinal class Gate: Sendable { let open = Atomic(false) }\nlet gate = Gate()')  # fmt: skip
    body = """
      while !gate.open.load(ordering: .relaxed) { usleep(1000) }
      for i in 0..<5 { print("late", i); puts("from C"); fputs("e", stderr) }
      print("end")
    """
    first = kernel.submit(LATE[kind].replace("BODY", body) + '\nprint("first")')
    assert kernel.outcome(first).stream() == "first\n"
    # The second cell opens the gate, and goes on printing while the first one's thread does.
    second = kernel.submit(
        "gate.open.store(true, ordering: .relaxed)\nfor i in 0..<50 { print(i); usleep(5000) }"
    )
    outcome = kernel.outcome(second)
    assert outcome.stream() == "".join(f"{i}\n" for i in range(50))
    assert outcome.stream("stderr") == ""
    text = late(kernel, first, "end\n")
    assert text.replace("e\n", "\n").count("from C") == 5 and "late 4" in text


def test_half_a_character_stays_in_its_cell(kernel):
    def bytes_of(*values):
        return f"_ = {list(values)}.map(UInt8.init).withUnsafeBytes {{ write(1, $0.baseAddress, $0.count) }}"

    kernel.run(FOUNDATION)
    assert kernel.run(bytes_of(0x61, 0xC3)).stream() == "a\ufffd"
    assert kernel.run(bytes_of(0xA9, 0x62)).stream() == "\ufffdb"
    assert kernel.run(bytes_of(0xC3) + "\n" + bytes_of(0xA9)).stream() == "é"
