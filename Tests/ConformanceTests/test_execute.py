"""Cells of Swift: errors worth reading, running again, questions. What holds for any kernel is in test_protocol_execute."""

import pytest


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
