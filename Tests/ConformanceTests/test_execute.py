"""execute_request: order, counting, silence, errors, queues."""

import pytest


def test_busy_input_outputs_idle(kernel):
    outcome = kernel.run('print("out")\n1 + 1')
    assert outcome.kinds == ["busy", "execute_input", "stream", "execute_result", "idle"]
    assert outcome.stream() == "out\n"
    assert outcome.result == "2"
    count = outcome.content["execution_count"]
    assert outcome.of("execute_input") == [{"code": 'print("out")\n1 + 1', "execution_count": count}]
    assert outcome.of("execute_result")[0]["execution_count"] == count


def test_silent_shows_nothing_and_does_not_count(kernel):
    before = kernel.run("1").content["execution_count"]
    for code in ['print("x")', "2", "let nothing: Int? = nil\nnothing!"]:
        outcome = kernel.execute(code, silent=True)
        assert outcome.kinds == ["busy", "idle"]
    assert kernel.run("1").content["execution_count"] == before + 1


def test_without_store_history_the_count_stays(kernel):
    before = kernel.run("1").content["execution_count"]
    assert kernel.run("2", store_history=False).content["execution_count"] == before
    assert kernel.run("1").content["execution_count"] == before + 1


def test_user_expressions_are_answered_one_by_one(kernel):
    outcome = kernel.run("let base = 20", user_expressions={"good": "base + 1", "bad": "unknownName"})
    answers = outcome.content["user_expressions"]
    assert answers["good"]["status"] == "ok"
    assert answers["good"]["data"]["text/plain"] == "21"
    assert answers["bad"]["status"] == "error"
    assert "unknownName" in answers["bad"]["evalue"]


@pytest.mark.parametrize(
    ("code", "name", "words"),
    [
        ("let x: Int = \"text\"", "CompileError", "cannot convert"),
        ("let = 3", "CompileError", "expected"),
        ("[1][3]", "FatalError", "Index out of range"),
        ("struct Oops: Error {}\nthrow Oops()", "Oops", "Oops"),
    ],
)
def test_an_error_is_published_once_and_replied_alike(kernel, code, name, words):
    outcome = kernel.execute(code)
    assert outcome.kinds == ["busy", "execute_input", "error", "idle"], "no copy of it on a stream"
    (published,) = outcome.of("error")
    for content in (outcome.content, published):
        assert content["ename"] == name
        assert words in content["evalue"]
        assert content["traceback"] and all(isinstance(line, str) for line in content["traceback"])
    assert outcome.status == "error"
    assert outcome.content["execution_count"] > 0


def test_a_compile_error_names_the_users_own_line_and_column(kernel):
    outcome = kernel.execute("let fine = 1\n\n  let wrong: Int = \"text\"")
    assert ":3:20" in outcome.explanation


def test_a_failure_aborts_exactly_what_was_queued(kernel):
    first = kernel.submit("import Foundation\nThread.sleep(forTimeInterval: 0.5)")
    failing = kernel.submit("[1][3]")
    queued = [kernel.submit("var mark = 1"), kernel.submit("mark = 2")]
    asked = kernel.send("kernel_info_request")
    assert kernel.outcome(first).status == "ok"
    assert kernel.outcome(failing).status == "error"
    for identifier in queued:
        outcome = kernel.outcome(identifier)
        assert outcome.status == "aborted"
        assert outcome.kinds == ["busy", "idle"]
    assert kernel.reply(asked)["msg_type"] == "kernel_info_reply"
    assert kernel.run("3").result == "3"


def test_without_stop_on_error_the_queue_goes_on(kernel):
    failing = kernel.submit("[1][3]", stop_on_error=False)
    queued = kernel.submit("4")
    assert kernel.outcome(failing).status == "error"
    assert kernel.outcome(queued).result == "4"


def test_a_cell_can_be_run_again_and_names_redefined(kernel):
    code = "protocol Named { var name: String { get } }\nextension Int: Named { var name: String { \"#\\(self)\" } }"
    for _ in range(3):
        kernel.run(code, metadata={"cellId": "one"})
    assert kernel.run("7.name").result == '"#7"'
    kernel.run("func twice(_ n: Int) -> Int { n + n }")
    kernel.run("func twice(_ n: Int) -> Int { 2 * n + 1 }")
    assert kernel.run("twice(4)").result == "9"
    kernel.run("let value = 1")
    kernel.run('let value = "now text"')
    assert kernel.run("value").result == '"now text"'


def test_await_at_the_top_level(kernel):
    kernel.run("func later(_ n: Int) async throws -> Int { try await Task.sleep(for: .milliseconds(5)); return n }")
    assert kernel.run("let late = try await later(6)\nlate + 1").result == "7"
    assert kernel.run("late").result == "6"


@pytest.mark.parametrize("code", ["", "   \n", "// only a comment", "/* and\nanother */"])
def test_a_cell_without_code_is_no_error(kernel, code):
    assert kernel.run(code).of("execute_result") == []


def test_unicode_names_and_text(kernel):
    kernel.run('let größe = "é👩‍🔬"')
    assert kernel.run("print(größe)").stream() == "é👩‍🔬\n"


def test_a_question_opens_a_page(kernel):
    kernel.run("/// How many there are.\nlet count = 3")
    (page,) = kernel.run("?count").content["payload"]
    assert page["source"] == "page"
    assert "count" in page["data"]["text/plain"] and "Int" in page["data"]["text/plain"]
    assert kernel.run("?nothingOfThisName").content["payload"] == []
    assert "Tab" in kernel.run("%help").content["payload"][0]["data"]["text/plain"]
