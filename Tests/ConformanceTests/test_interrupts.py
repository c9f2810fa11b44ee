"""What one interrupt does, whatever the cell is at: the cell ends as interrupted, what waits is aborted, variables stay, and
nothing that the cell has begun goes on."""

import os
import pathlib
import time

import pytest
from processes import host_of

PRELUDE = "import Foundation\nimport Dispatch\nvar kept = [1, 2, 3]"

SWALLOWING = {
    "a stream that ends with its task": (
        "let (stream, continuation) = AsyncStream<Int>.makeStream()\ncontinuation.yield(1)\n"
        'for await x in stream { print("go", x) }'
    ),
    "catch": 'print("go")\ndo { try await Task.sleep(for: .seconds(600)) } catch { }',
    "catch around defer": (
        'print("go")\ndo { defer { print("left") }; try await Task.sleep(for: .seconds(600)) } catch { print("after") }'
    ),
    "try?": 'print("go")\ntry? await Task.sleep(for: .seconds(600))',
    "try!": 'print("go")\ntry! await Task.sleep(for: .seconds(600))',
    "a binding by try?": 'print("go")\nlet slept: Void? = try? await Task.sleep(for: .seconds(600))',
    "a loop over catch": 'print("go")\nfor _ in 0..<1000 { do { try await Task.sleep(for: .seconds(60)) } catch { } }',
    "a task group": (
        'print("go")\nawait withTaskGroup(of: Void.self) { group in\n'
        "  for _ in 0..<3 { group.addTask { try? await Task.sleep(for: .seconds(600)) } }\n}"
    ),
    "a cancellation handler": (
        'print("go")\nlet answer = await withTaskCancellationHandler {\n'
        "  await withCheckedContinuation { (c: CheckedContinuation<Int, Never>) in pending = c }\n"
        "} onCancel: { pending?.resume(returning: 0); pending = nil }"
    ),
    "isCancelled": 'print("go")\nawait Task { 1 }.value\nfunc poll() async { while !Task.isCancelled { await Task.yield() } }\nawait poll()',
    "an argument": 'print("go")\nfunc f() async -> Int { try? await Task.sleep(for: .seconds(600)); return 3 }\nprint("after", await f())',
    "async let": (
        'print("go")\nfunc g() async -> Int { try? await Task.sleep(for: .seconds(600)); return 3 }\nasync let v = g()\n'
        'print("after", await v)'
    ),
    "a value's own trap": (
        'print("go")\nfunc h() async -> Int? { try? await Task.sleep(for: .seconds(600)); return nil }\nlet n = await h()!'
    ),
    "an error of its own": (
        'print("go")\nstruct Gone: Error {}\n'
        "func k() async throws { do { try await Task.sleep(for: .seconds(600)) } catch { throw Gone() } }\ntry await k()"
    ),
}

LIBRARY = {
    "a regular expression": 'let text = String(repeating: "a", count: 40) + "c"\nprint("go")\n_ = text.wholeMatch(of: /(a+)+b/)',
    "a large set": 'print("go")\nlet large = Set(0..<150_000_000)',
    "a sort": 'print("go")\nlet sorted = (0..<40_000_000).map { ($0 &* 7919) % 40_000_003 }.sorted(by: <)',
    "a search in a string": (
        'let hay = String(repeating: "ab", count: 400_000)\nprint("go")\n'
        "for i in 0..<1000 { _ = hay.components(separatedBy: String(repeating: \"ab\", count: 1000 + i) + \"c\") }"
    ),
    "arithmetic of C": 'print("go")\nvar sum = 0.0\nwhile true { sum += pow(sum, 1.5).truncatingRemainder(dividingBy: 3) }',
    "a semaphore": 'print("go")\nDispatchSemaphore(value: 0).wait()',
    "a lock": 'let lock = NSLock()\nlock.lock()\nprint("go")\nlock.lock()',
    "a condition": 'let condition = NSCondition()\ncondition.lock()\nprint("go")\ncondition.wait()',
    "Thread.sleep": 'print("go")\nThread.sleep(forTimeInterval: 600)',
    "a child process": (
        'let child = Process()\nchild.executableURL = URL(fileURLWithPath: "/bin/sleep")\nchild.arguments = ["600"]\n'
        'try child.run()\nprint("go")\nchild.waitUntilExit()'
    ),
    "a run loop": 'print("go")\nRunLoop.current.run(until: Date(timeIntervalSinceNow: 600))',
    "a group": 'let group = DispatchGroup()\ngroup.enter()\nprint("go")\ngroup.wait()',
}

BURNING = {
    "the global queue": 'for _ in 0..<2 { DispatchQueue.global().async { while true {} } }',
    "a queue of its own": 'DispatchQueue(label: "own").async { while true {} }',
    "a work item": 'DispatchQueue.global().async(execute: DispatchWorkItem(block: { while true {} }))',
    "concurrentPerform": 'DispatchQueue.global().async { DispatchQueue.concurrentPerform(iterations: 4) { _ in while true {} } }',
    "a thread": "Thread.detachNewThread { while true {} }",
    "a thread that naps": "Thread.detachNewThread { var n = 0; while true { usleep(500); for i in 0..<300_000 { n &+= i } } }",
    "a task": "Task { while true {} }",
    "a detached task": "Task.detached { while true {} }",
    "a task that naps": "Task.detached { var n = 0; while true { try? await Task.sleep(for: .milliseconds(1)); for i in 0..<300_000 { n &+= i } } }",
    "tasks that yield": "for _ in 0..<4 { Task { while true { await Task.yield() } } }",
    "library code in a task": 'Task { _ = (String(repeating: "a", count: 40) + "c").wholeMatch(of: /(a+)+b/) }',
    "the main queue": "DispatchQueue.main.async { while true {} }",
    "the main actor": "Task { @MainActor in while true {} }",
    "blocks that follow one another": "func again() { DispatchQueue.global().async { for _ in 0..<1000 { }; again() } }\nagain()",
    "an operation": "let operations = OperationQueue()\noperations.addOperation { while true {} }",
    "a pool's queue of blocks": "for _ in 0..<1000 { DispatchQueue.global().async { let end = Date().addingTimeInterval(1); while Date() < end {} } }",
}


@pytest.fixture(scope="module")
def session(kernel):
    kernel.run(PRELUDE)
    kernel.run("nonisolated(unsafe) var pending: CheckedContinuation<Int, Never>?")
    return kernel


def interrupted(kernel, cell, patience=12):
    """Runs a cell until it says go, interrupts it once, and looks that it ended as it should."""
    running = kernel.submit(cell + '\nprint("after")')
    waiting = kernel.submit('print("waiting")')
    kernel.wait_for_output(running, "go")
    time.sleep(0.2)
    kernel.interrupt()
    outcome = kernel.outcome(running, timeout=patience)
    assert outcome.content.get("ename") == "Interrupted", outcome.content
    assert "after" not in outcome.stream(), outcome.stream()
    assert kernel.outcome(waiting).status == "aborted"
    assert kernel.run("kept").result == "[1, 2, 3]"
    return outcome


@pytest.mark.parametrize("form", SWALLOWING)
def test_an_interrupt_ends_the_cell_whatever_its_cancelled_code_does(session, form):
    interrupted(session, SWALLOWING[form])


def test_what_the_cell_has_to_do_at_its_end_is_done_where_an_error_leaves_it(session):
    outcome = interrupted(session, 'do { defer { print("left") }; print("go"); try await Task.sleep(for: .seconds(600)) }')
    assert "left" in outcome.stream()


def test_a_variable_keeps_what_was_done_by_the_interrupt(session):
    session.run("func work() async -> [Int] { var done = [1]; try? await Task.sleep(for: .seconds(600)); done.append(2); return done }")
    interrupted(session, 'print("go")\nlet partial = await work()')
    assert session.run("partial").result == "[1, 2]"


@pytest.mark.parametrize("form", LIBRARY)
def test_one_interrupt_ends_library_code_that_does_not_come_back(own_kernel, form):
    own_kernel.run(PRELUDE)
    interrupted(own_kernel, LIBRARY[form])
    assert own_kernel.run('(0..<3).map { "\\($0)" }.sorted().joined()').result == '"012"'


def burned(pid, seconds=1.0):
    """The share of a core that a process uses."""

    def ticks():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(seconds)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds


@pytest.mark.parametrize("form", BURNING)
def test_nothing_that_an_interrupted_cell_has_begun_burns_on(own_kernel, form):
    own_kernel.run(PRELUDE)
    interrupted(own_kernel, BURNING[form] + '\nprint("go")\nwhile true {}')
    deadline = time.monotonic() + 8
    while (share := burned(host_of(own_kernel))) > 0.1 and time.monotonic() < deadline:
        pass
    assert share <= 0.1
    own_kernel.run("let done = DispatchSemaphore(value: 0)\nDispatchQueue.global().async { done.signal() }\ndone.wait()")
    own_kernel.run("await Task.detached { 1 }.value + MainActor.run { 2 }")


def test_what_earlier_cells_have_begun_goes_on(own_kernel):
    own_kernel.run(PRELUDE)
    own_kernel.run(
        "import Synchronization\nfinal class Beats: Sendable { let task = Atomic<Int>(0), queue = Atomic<Int>(0), thread = Atomic<Int>(0) }\n"
        "let beats = Beats()\n"
        "Task.detached { while true { try? await Task.sleep(for: .milliseconds(5)); beats.task.add(1, ordering: .relaxed) } }\n"
        'DispatchQueue(label: "own").async { while true { usleep(5000); beats.queue.add(1, ordering: .relaxed) } }\n'
        "Thread.detachNewThread { while true { usleep(5000); beats.thread.add(1, ordering: .relaxed) } }"
    )
    read = "[beats.task.load(ordering: .relaxed), beats.queue.load(ordering: .relaxed), beats.thread.load(ordering: .relaxed)]"
    interrupted(own_kernel, 'Task { while true {} }\nprint("go")\nwhile true {}')
    before = eval(own_kernel.run(read).result)
    time.sleep(1)
    after = eval(own_kernel.run(read).result)
    assert all(b > a + 5 for a, b in zip(before, after)), (before, after)


def test_what_can_not_be_stopped_says_so_and_what_further_interrupts_do(own_kernel):
    own_kernel.run(PRELUDE)
    cell = (
        "let bytes = UnsafeMutableRawPointer.allocate(byteCount: 400_000_000, alignment: 16)\n"
        "arc4random_buf(bytes, 400_000_000)\nbytes.storeBytes(of: 0, toByteOffset: 399_999_999, as: UInt8.self)\n"
        "typealias Order = @convention(c) (UnsafeRawPointer?, UnsafeRawPointer?) -> Int32\n"
        'let order = unsafeBitCast(dlsym(nil, "strcmp"), to: Order.self)\nprint("go")\nqsort(bytes, 200_000_000, 2, order)'
    )
    running = own_kernel.submit(cell)
    own_kernel.wait_for_output(running, "go")

    def said():
        message = own_kernel.next_about(running, own_kernel.client.iopub_channel, 20)
        assert message["msg_type"] == "stream" and message["content"]["name"] == "stderr", message
        return message["content"]["text"]

    own_kernel.interrupt()
    first = said()
    assert "libc.so" in first and "two more interrupts replace the process" in first, first
    own_kernel.interrupt()
    second = said()
    assert "Still not stopped" in second and "Interrupt again to replace" in second, second
    own_kernel.interrupt()
    outcome = own_kernel.outcome(running)
    assert outcome.content["ename"] == "HostStuck" and "three interrupts" in outcome.content["evalue"]
    assert own_kernel.run("1 + 1").result == "2"
