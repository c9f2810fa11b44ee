"""Top-level code runs on the main actor, as a script's does, and the language mode of cells can be chosen.

What a script shows is asked of `swiftc`; the run loop that ends such a script stands in the last cell.
"""

import pytest
from harness import get
from swiftc import one_file

# Prints of the main actor come in the order in which a script has them.
LIKE_A_SCRIPT = {
    "assumeIsolated": [
        "import Foundation\n@MainActor final class Model { var count = 0; func up() -> Int { count += 1; return count } }",
        "MainActor.assumeIsolated { print(Model().up()) }\nMainActor.preconditionIsolated()",
    ],
    "assumeIsolated in a function": [
        "@MainActor var level = 1\nfunc raise() -> Int { MainActor.assumeIsolated { level += 1; return level } }".replace(
            "@MainActor var level = 1", "@MainActor enum Levels { static var level = 1 }"
        ).replace("level += 1; return level", "Levels.level += 1; return Levels.level"),
        "print(raise(), raise())",
    ],
    "the main queue": [
        "import Foundation",
        'dispatchPrecondition(condition: .onQueue(.main))\nprint(Thread.isMainThread, RunLoop.current == RunLoop.main)',
        'DispatchQueue.main.async { MainActor.assumeIsolated { print("later", Thread.isMainThread) } }\nprint("first")',
        "RunLoop.main.run(until: Date(timeIntervalSinceNow: 0.3))",
    ],
    "asyncAfter": [
        "import Foundation",
        'DispatchQueue.main.asyncAfter(deadline: .now() + 0.2) { dispatchPrecondition(condition: .onQueue(.main)); print("b") }\n'
        'DispatchQueue.main.asyncAfter(deadline: .now() + 0.1) { print("a") }\nprint("first")',
        "RunLoop.main.run(until: Date(timeIntervalSinceNow: 0.6))",
    ],
    "a timer": [
        "import Foundation\nvar fired = 0",
        "let timer = Timer.scheduledTimer(withTimeInterval: 0.05, repeats: true) { timer in\n"
        '  fired += 1; print("fired", fired, Thread.isMainThread); if fired == 3 { timer.invalidate() }\n}\nprint("first")',
        "RunLoop.main.run(until: Date(timeIntervalSinceNow: 0.6))\nprint(fired)",
    ],
    "a timer that was added": [
        "import Foundation",
        'let late = Timer(timeInterval: 0.05, repeats: false) { _ in MainActor.assumeIsolated { print("fired") } }\n'
        'RunLoop.main.add(late, forMode: .common)\nprint("first")',
        "RunLoop.current.run(until: Date(timeIntervalSinceNow: 0.3))",
    ],
    "perform": [
        "import Foundation",
        'RunLoop.main.perform { print("performed", Thread.isMainThread) }\nprint("first")',
        "RunLoop.main.run(until: Date(timeIntervalSinceNow: 0.3))",
    ],
    "the main operation queue": [
        "import Foundation",
        'OperationQueue.main.addOperation { print("operation", Thread.isMainThread) }\nprint("first")',
        "RunLoop.main.run(until: Date(timeIntervalSinceNow: 0.3))",
    ],
    "a notification": [
        "import Foundation\nlet name = Notification.Name(\"news\")",
        "let token = NotificationCenter.default.addObserver(forName: name, object: nil, queue: .main) { _ in\n"
        '  print("news", Thread.isMainThread)\n}',
        'NotificationCenter.default.post(name: name, object: nil)\nprint("posted")',
        "RunLoop.main.run(until: Date(timeIntervalSinceNow: 0.3))",
    ],
    "a task of the main actor": [
        "import Foundation",
        'Task { @MainActor in print("task", Thread.isMainThread) }\nusleep(0)\nprint("first")',
        "RunLoop.main.run(until: Date(timeIntervalSinceNow: 0.3))",
    ],
    "the main queue and top-level code take turns": [
        "import Foundation\nvar total = 0",
        "for _ in 0..<50 { DispatchQueue.main.async { let old = total; for _ in 0..<1000 { }; total = old + 1 } }\n"
        "for _ in 0..<200_000 { let old = total; total = old + 1 }",
        "RunLoop.main.run(until: Date(timeIntervalSinceNow: 0.4))\nprint(total)",
    ],
    "another thread is not the main actor's": [
        "import Foundation",
        "let seen = DispatchSemaphore(value: 0)\nThread.detachNewThread { print(Thread.isMainThread, RunLoop.current == RunLoop.main); "
        "dispatchPrecondition(condition: .notOnQueue(.main)); seen.signal() }\nseen.wait()",
    ],
}

MODE_SIX = {
    "calls to the main actor without await": [
        "@MainActor final class Model { var count = 0; func up() { count += 1 } }\n@MainActor func two() -> Int { 2 }",
        "let model = Model()\nmodel.up()\nvar total = model.count + two()",
        "total += 1\nprint(total)",
    ],
    "await among top-level variables": [
        "class Box { var value = 1 }\nlet box = Box()\nvar sum = 0\nfunc five() async -> Int { 5 }",
        "for i in 0..<3 { sum += await five() + i; box.value += sum }\nprint(sum, box.value)",
        "let more = await five() + sum\nprint(more)",
    ],
    "a race through a function": ["var count = 0", "func up() { count += 1 }"],
    "a race through a task": ["class Box { var value = 1 }\nvar box = Box()", "Task.detached { print(box.value) }"],
    "a race through a queue": ["import Dispatch\nvar count = 0", "DispatchQueue.global().async { count += 1 }"],
    "a type that may not be sent": [
        "final class Counter { var n = 0 }\nactor Store { var kept: Counter?; func keep(_ c: Counter) { kept = c } }",
        "func share() async { let c = Counter(); await Store().keep(c); c.n += 1 }",
    ],
    "a global of a type": ["enum Settings { static var level = 1 }", "print(Settings.level)"],
    "sendable closures": [
        "func run(_ f: @Sendable () -> Void) { f() }",
        "var n = 1\nrun { n += 1 }",
    ],
}


@pytest.fixture
def notebook(start_kernel):
    return start_kernel()


@pytest.mark.parametrize("form", LIKE_A_SCRIPT)
def test_top_level_code_runs_on_the_main_actor_as_in_a_script(own_kernel, form):
    cells = LIKE_A_SCRIPT[form]
    expected = one_file(cells)
    assert expected.compiles, expected.errors
    shown = ""
    for cell in cells:
        shown += printed_meanwhile(own_kernel, cell)
    assert shown == expected.stdout


def printed_meanwhile(kernel, cell):
    """What is printed while a cell runs, in order: what an earlier cell began prints to that cell."""
    identifier = kernel.submit(cell)
    text = ""
    while True:
        message = get(kernel.client.iopub_channel, 60)
        if message["msg_type"] == "stream":
            text += message["content"]["text"]
        is_own = message["parent_header"].get("msg_id") == identifier
        if is_own and message["content"].get("execution_state") == "idle":
            break
    assert kernel.reply(identifier)["content"]["status"] == "ok"
    return text


@pytest.mark.parametrize("form", MODE_SIX)
def test_mode_six_says_what_swiftc_says(own_kernel, form):
    cells = MODE_SIX[form]
    expected = one_file(cells, language_mode="6")
    own_kernel.run("%swift 6")
    shown = ""
    for cell in cells:
        outcome = own_kernel.execute(cell)
        shown += outcome.stream()
        if outcome.status == "error":
            assert not expected.compiles, outcome.explanation
            assert outcome.content["ename"] == "CompileError"
            assert any(message in outcome.explanation for message in expected.errors), (expected.errors, outcome.explanation)
            return
    assert expected.compiles, expected.errors
    assert shown == expected.stdout


def test_the_language_mode_is_told_chosen_and_reset(own_kernel):
    race = "var shared = 0\nfunc change() { shared += 1 }"
    assert "5" in own_kernel.run("%swift").stream()
    own_kernel.run(race)
    own_kernel.run("%swift 6")
    assert "6" in own_kernel.run("%swift").stream()
    assert own_kernel.execute(race).content["ename"] == "CompileError"
    wrong = own_kernel.execute("%swift 7")
    assert wrong.content["ename"] == "UsageError" and "5 or 6" in wrong.content["evalue"]
    assert "6" in own_kernel.run("%swift").stream()
    own_kernel.run("%reset")
    assert "5" in own_kernel.run("%swift").stream()
    own_kernel.run(race)
    assert "%swift" in own_kernel.run("%help").content["payload"][0]["data"]["text/plain"]


def test_the_default_is_what_swiftc_takes_for_a_script():
    race = ["var shared = 0\nfunc change() { shared += 1 }"]
    assert one_file(race, language_mode="5").compiles and not one_file(race, language_mode="6").compiles


def test_a_mode_chosen_in_a_cell_holds_for_what_follows_in_it(own_kernel):
    assert own_kernel.execute("%swift 6\nvar shared = 0\nfunc change() { shared += 1 }").content["ename"] == "CompileError"


def test_what_was_declared_in_one_mode_is_used_in_the_other(own_kernel):
    own_kernel.run("import Foundation\nvar number = 1\nclass Box { var value = 1 }\nlet box = Box()\nfunc twice(_ n: Int) -> Int { 2 * n }")
    own_kernel.run("%swift 6")
    own_kernel.run("number += 1\nbox.value += number\nvar six = twice(number)\nlet words = [\"a\"]\n@MainActor func onMain() -> Int { six }")
    own_kernel.run("struct Point: Equatable { var x = 0 }\nvar point = Point(x: six)\nvar maybe: Box? = box")
    own_kernel.run("%swift 5")
    assert own_kernel.run("six += 1\npoint.x += 1\nfunc plain() -> Int { six + number }\n[six, plain(), point.x, maybe!.value]").result == "[5, 7, 5, 3]"
    assert own_kernel.run("await onMain()").result == own_kernel.run("MainActor.assumeIsolated { onMain() }").result == "5"
    own_kernel.run("%swift 6")
    assert own_kernel.run("six += 1\nwords + [\"\\(six)\", \"\\(onMain())\"]").result == '["a", "6", "6"]'


def test_timers_fire_between_cells_and_while_a_cell_awaits(own_kernel):
    own_kernel.run("import Foundation\nvar beats = 0\nlet timer = Timer.scheduledTimer(withTimeInterval: 0.02, repeats: true) { _ in beats += 1 }")
    import time

    time.sleep(1)
    first = int(own_kernel.run("beats").result)
    assert first > 10
    own_kernel.run("let before = beats\ntry await Task.sleep(for: .seconds(1))\nlet during = beats - before")
    assert int(own_kernel.run("during").result) > 10
    own_kernel.run("timer.invalidate()\nlet last = beats")
    time.sleep(0.3)
    assert own_kernel.run("beats == last").result == "true"


def test_work_of_the_main_queue_waits_until_the_cell_waits(own_kernel):
    own_kernel.run("import Foundation")
    cell = (
        'DispatchQueue.main.async { print("queue") }\nTask { @MainActor in print("actor") }\n'
        'var n = 0\nfor i in 0..<3_000_000 { n &+= i }\nprint("cell")\nawait Task.detached { try? await Task.sleep(for: .milliseconds(200)) }.value\n'
        'print("end")'
    )
    lines = own_kernel.run(cell).stream().split()
    assert lines[0] == "cell" and lines[-1] == "end" and set(lines) == {"cell", "queue", "actor", "end"}, lines


def test_a_cell_may_wait_for_work_that_it_gave_to_the_main_queue(own_kernel):
    own_kernel.run("import Foundation\nimport Synchronization")
    own_kernel.run("let s = DispatchSemaphore(value: 0)\nDispatchQueue.main.async { s.signal() }\ns.wait()", timeout=10)
    own_kernel.run("var seen = 0\nDispatchQueue.main.sync { seen = 1 }")
    own_kernel.run("let g = DispatchGroup()\nDispatchQueue.main.async(group: g) { seen += 1 }\ng.wait()", timeout=10)
    own_kernel.run("let t = DispatchSemaphore(value: 0)\nTask { @MainActor in t.signal() }\nt.wait()", timeout=10)
    own_kernel.run(
        "final class Flag: Sendable { let isSet = Atomic<Bool>(false) }\nlet flag = Flag()\n"
        "DispatchQueue.main.async { flag.isSet.store(true, ordering: .relaxed) }\nwhile !flag.isSet.load(ordering: .relaxed) {}",
        timeout=10,
    )
    own_kernel.run("while seen < 3 { DispatchQueue.main.async { seen += 1 }; Thread.sleep(forTimeInterval: 0.01) }", timeout=10)


def test_subshells_are_not_the_main_actor(own_kernel):
    own_kernel.run("import Foundation")
    made = own_kernel.reply(own_kernel.send("create_subshell_request", channel="control"), "control")
    subshell = made["content"]["subshell_id"]
    cell = own_kernel.submit("print(Thread.isMainThread, RunLoop.current == RunLoop.main)", subshell=subshell)
    assert own_kernel.outcome(cell).stream() == "false false\n"


def test_dispatch_main_keeps_the_cell_until_it_is_interrupted(own_kernel):
    own_kernel.run("import Foundation")
    cell = own_kernel.submit('DispatchQueue.main.asyncAfter(deadline: .now() + 0.1) { print("go") }\ndispatchMain()')
    own_kernel.wait_for_output(cell, "go")
    own_kernel.interrupt()
    assert own_kernel.outcome(cell).content["ename"] == "Interrupted"
    own_kernel.run("DispatchQueue.main.sync { }")


def test_the_run_loop_outlives_traps_and_interrupts(own_kernel):
    own_kernel.run("import Foundation")
    cell = own_kernel.submit('print("go")\nRunLoop.main.run(until: Date(timeIntervalSinceNow: 600))')
    own_kernel.wait_for_output(cell, "go")
    own_kernel.interrupt()
    assert own_kernel.outcome(cell, timeout=10).content["ename"] == "Interrupted"
    trap = "Timer.scheduledTimer(withTimeInterval: 0.05, repeats: false) { _ in _ = [Int]()[1] }\nRunLoop.main.run(until: Date(timeIntervalSinceNow: 1))"
    assert own_kernel.execute(trap).content["ename"] == "FatalError"
    again = 'var isFired = false\nTimer.scheduledTimer(withTimeInterval: 0.05, repeats: false) { _ in isFired = true }\nRunLoop.main.run(until: Date(timeIntervalSinceNow: 0.5))\nisFired'
    assert own_kernel.run(again).result == "true"


def test_completion_follows_the_mode(own_kernel):
    own_kernel.run("%swift 6")
    own_kernel.run("var telescope = 1\n@MainActor final class Observatory { var open = true }")
    reply = own_kernel.ask("complete_request", {"code": "telesc", "cursor_pos": 6})
    assert "telescope" in reply.content["matches"]
    reply = own_kernel.ask("inspect_request", {"code": "telescope", "cursor_pos": 3, "detail_level": 0})
    assert "Int" in reply.content["data"]["text/plain"]


def test_a_group_counts_who_enters_and_leaves(own_kernel):
    cells = [
        "import Foundation\nlet group = DispatchGroup()\ngroup.enter()",
        "print(group.wait(timeout: .now() + 0.2))",
        "DispatchQueue.global().asyncAfter(deadline: .now() + 0.2) { group.leave() }\nprint(group.wait(timeout: .now() + 5))",
        'let queue = DispatchQueue(label: "own")\nqueue.suspend(); queue.async { print("resumed") }; queue.resume(); queue.sync { }',
    ]
    assert "".join(own_kernel.run(cell).stream() for cell in cells) == one_file(cells).stdout
