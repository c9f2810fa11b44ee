"""execute_request, for any kernel: order, counting, silence, errors, queues, streams, displays."""

import pytest


def test_busy_input_outputs_idle(kernel, dialect):
    code = dialect.print("out")
    outcome = kernel.run(code)
    assert outcome.kinds == ["busy", "execute_input", "stream", "idle"]
    assert outcome.stream() == "out\n"
    count = outcome.content["execution_count"]
    assert outcome.of("execute_input") == [{"code": code, "execution_count": count}]


def test_the_value_of_the_last_line_is_the_result(kernel, dialect):
    for code, expected in dialect.results.items():
        outcome = kernel.run(code)
        assert outcome.kinds == ["busy", "execute_input", "execute_result", "idle"]
        assert outcome.result == expected
        assert outcome.of("execute_result")[0]["execution_count"] == outcome.content["execution_count"]


def test_variables_stay(kernel, dialect):
    kernel.run(dialect.declare)
    assert kernel.run(dialect.read).result == "20"


@pytest.mark.parametrize("cell", ["empty", "comment_only"])
def test_a_cell_without_code_is_no_error(kernel, dialect, cell):
    outcome = kernel.run(getattr(dialect, cell))
    assert outcome.kinds == ["busy", "execute_input", "idle"]


def test_silent_shows_nothing(kernel, dialect):
    for code in [dialect.print("x"), "2"]:
        assert kernel.execute(code, silent=True).kinds == ["busy", "idle"]


def test_silent_does_not_count(kernel):
    before = kernel.run("1").content["execution_count"]
    assert kernel.execute("2", silent=True).status == "ok"
    assert kernel.run("1").content["execution_count"] == before + 1


def test_a_silent_error_is_replied_and_not_published(kernel, dialect):
    outcome = kernel.execute(dialect.fail, silent=True)
    assert outcome.status == "error"
    assert outcome.content["ename"] == dialect.fail_name
    assert outcome.kinds == ["busy", "idle"]


def test_without_store_history_the_count_stays(kernel):
    before = kernel.run("1").content["execution_count"]
    kernel.run("2", store_history=False)
    assert kernel.run("1").content["execution_count"] == before + 1


def test_user_expressions_are_answered_one_by_one(kernel, dialect):
    asked = {"good": dialect.add_one, "bad": dialect.fail_in_expression}
    answers = kernel.run(dialect.declare, user_expressions=asked).content["user_expressions"]
    assert set(answers) == {"good", "bad"}
    assert answers["good"]["status"] == "ok"
    assert answers["good"]["data"]["text/plain"] == "21"
    assert isinstance(answers["good"]["metadata"], dict)
    assert answers["bad"]["status"] == "error"
    assert answers["bad"]["ename"] and isinstance(answers["bad"]["evalue"], str)
    assert isinstance(answers["bad"]["traceback"], list)


def test_user_expressions_of_a_failed_cell_are_left_out(kernel, dialect):
    outcome = kernel.execute(dialect.fail, user_expressions={"one": "1"})
    assert outcome.status == "error"
    assert not outcome.content.get("user_expressions")


@pytest.mark.parametrize("cell", ["fail", "syntax_error"])
def test_an_error_is_published_once_and_replied_alike(kernel, dialect, cell):
    outcome = kernel.execute(getattr(dialect, cell))
    assert outcome.kinds == ["busy", "execute_input", "error", "idle"], "no copy of it on a stream"
    (published,) = outcome.of("error")
    for content in (outcome.content, published):
        assert content["ename"]
        assert content["traceback"] and all(isinstance(line, str) for line in content["traceback"])
    for field in ("ename", "evalue", "traceback"):
        assert published[field] == outcome.content[field]
    assert outcome.status == "error"
    assert outcome.content["execution_count"] > 0


# Queues


def test_cells_run_in_the_order_in_which_they_came(kernel, dialect):
    identifiers = [kernel.submit(dialect.print(f"n{n}")) for n in range(5)]
    outcomes = [kernel.outcome(identifier) for identifier in identifiers]
    assert [outcome.stream() for outcome in outcomes] == [f"n{n}\n" for n in range(5)]
    counts = [outcome.content["execution_count"] for outcome in outcomes]
    assert counts == list(range(counts[0], counts[0] + 5))


def test_a_failure_aborts_what_was_queued(kernel, dialect):
    first = kernel.submit(dialect.sleep(0.5))
    failing = kernel.submit(dialect.fail)
    queued = [kernel.submit("1"), kernel.submit("2")]
    assert kernel.outcome(first).status == "ok"
    assert kernel.outcome(failing).status == "error"
    for identifier in queued:
        outcome = kernel.outcome(identifier)
        assert outcome.status == "aborted"
        assert outcome.kinds == ["busy", "idle"]
    assert kernel.run("3").result == "3"


def test_without_stop_on_error_the_queue_goes_on(kernel, dialect):
    first = kernel.submit(dialect.sleep(0.5))
    failing = kernel.submit(dialect.fail, stop_on_error=False)
    queued = kernel.submit("4")
    assert kernel.outcome(first).status == "ok"
    assert kernel.outcome(failing).status == "error"
    assert kernel.outcome(queued).result == "4"


def test_a_silent_failure_aborts_nothing(kernel, dialect):
    first = kernel.submit(dialect.sleep(0.5))
    failing = kernel.submit(dialect.fail, silent=True)
    queued = kernel.submit("5")
    assert kernel.outcome(first).status == "ok"
    assert kernel.outcome(failing).status == "error"
    assert kernel.outcome(queued).result == "5"


# Streams and displays


def test_both_streams_are_told_apart(kernel, dialect):
    outcome = kernel.run(dialect.both_streams)
    assert outcome.stream("stdout") == "a\nc\n"
    assert outcome.stream("stderr") == "b\n"


def test_streams_keep_their_order_and_their_characters(kernel, dialect):
    outcome = kernel.run(dialect.characters)
    assert outcome.stream() == dialect.characters_expected
    assert not any("\ufffd" in content["text"] for content in outcome.of("stream"))


def test_output_of_other_threads_arrives(kernel, dialect):
    lines = kernel.run(dialect.threads).stream().splitlines()
    assert sorted(filter(None, lines)) == sorted(f"thread {t} {n}" for t in range(4) for n in range(100))


def test_100_000_lines_arrive_all(kernel, dialect):
    outcome = kernel.run(dialect.lines, timeout=120)
    assert outcome.stream() == "".join(f"{n}\n" for n in range(100_000))


def test_a_line_appears_while_the_cell_runs(kernel, dialect):
    identifier = kernel.submit(dialect.sleep(600))
    # The cell can't end by itself in time: what comes, comes while it runs.
    kernel.wait_for_output(identifier, "go")
    kernel.interrupt()
    assert kernel.outcome(identifier).status == "error"


def test_output_of_a_thread_that_outlives_its_cell_is_shown_with_that_cell(kernel, dialect):
    identifier = kernel.submit(dialect.later)
    assert kernel.outcome(identifier).stream() == "now\n"
    # Nothing else is asked of the kernel meanwhile: what it prints now, it has to send by itself.
    kernel.wait_for_output(identifier, "later")


def test_displays_and_updates(kernel, dialect):
    outcome = kernel.run(dialect.display)
    assert outcome.kinds == ["busy", "execute_input", "display_data", "update_display_data", "idle"]
    (shown,), (updated,) = outcome.of("display_data"), outcome.of("update_display_data")
    assert shown["data"]["text/html"] == "<i>one</i>"
    assert updated["data"]["text/markdown"] == "*two*"
    assert shown["transient"] == updated["transient"] == {"display_id": "place"}


def test_clearing(kernel, dialect):
    outcome = kernel.run(dialect.clear)
    assert outcome.kinds == ["busy", "execute_input", "clear_output", "stream", "idle"]
    assert outcome.of("clear_output") == [{"wait": True}]


def test_a_rich_result_has_text_as_well(kernel, dialect):
    (content,) = kernel.run(dialect.rich).of("execute_result")
    assert content["data"]["text/html"] == "<b>x</b>"
    assert content["data"]["text/plain"]
