"""Completion, inspection, completeness, history, standard input and comms, for any kernel."""

import pytest


def complete(kernel, code, cursor=None):
    return kernel.ask("complete_request", {"code": code, "cursor_pos": len(code) if cursor is None else cursor}).content


@pytest.mark.parametrize("before", ["", "é ", "é e\u0301👩‍🔬🇺🇳 ", "汉字 "])
def test_offsets_count_code_points(kernel, dialect, before):
    code, expected = dialect.completion
    word = code.rsplit(".")[-1]
    code = (f"{dialect.comment} {before}\n" if before else "") + code
    content = complete(kernel, code)
    assert content["status"] == "ok"
    # Some kernels replace the word alone, others all of the expression.
    ends = {code[: content["cursor_start"]] + match for match in content["matches"]}
    assert any(end.endswith(expected) and end.startswith(code[: -len(word)]) for end in ends)
    assert content["cursor_end"] == len(code)
    assert isinstance(content["metadata"], dict)


def inspect(kernel, code, cursor, detail_level=0):
    asked = {"code": code, "cursor_pos": cursor, "detail_level": detail_level}
    return kernel.ask("inspect_request", asked).content


def test_inspection_shows_what_the_user_documented(kernel, dialect):
    declaration, code, cursor, words = dialect.inspection
    kernel.run(declaration)
    for level in (0, 1):
        content = inspect(kernel, code, cursor, level)
        assert content["status"] == "ok" and content["found"] is True
        assert words in content["data"]["text/plain"]


def test_inspection_of_nothing_finds_nothing(kernel):
    content = inspect(kernel, "unheardOf", 3)
    assert content["status"] == "ok"
    assert content["found"] is False
    assert content["data"] == {} and content["metadata"] == {}


def test_completeness_has_three_answers(kernel, dialect):
    for status, codes in dialect.completeness.items():
        for code in codes:
            content = kernel.ask("is_complete_request", {"code": code}).content
            assert content["status"] == status, code
            assert ("indent" in content) == (status == "incomplete")


# History


def history(kernel, **fields):
    content = kernel.ask("history_request", {"output": False, "raw": True, **fields}).content
    assert content["status"] == "ok"
    return content["history"]


@pytest.fixture(scope="module")
def remembered(kernel, dialect):
    """Sources that only this test writes, oldest first."""
    sources = [f"{dialect.comment} remember {word}" for word in ("one", "two", "one", "three", "[four]")]
    for source in sources:
        kernel.run(source)
    kernel.run(f"{dialect.comment} not remembered", store_history=False)
    return sources


def test_the_tail_is_the_newest_oldest_first(kernel, remembered):
    assert [source for _, _, source in history(kernel, hist_access_type="tail", n=5)] == remembered
    assert [source for _, _, source in history(kernel, hist_access_type="tail", n=2)] == remembered[-2:]


def test_a_search_knows_star_and_question_mark(kernel, dialect, remembered):
    def found(pattern, **fields):
        return [entry[2] for entry in history(kernel, hist_access_type="search", pattern=pattern, **fields)]

    lead = f"{dialect.comment} remember "
    assert found(lead + "*", n=10) == remembered
    assert found(lead + "t*") == [lead + "two", lead + "three"]
    assert found(lead + "?wo") == [lead + "two"]
    assert found(lead + "*", n=2) == remembered[-2:]
    assert found("*not remembered*") == []
    unique = found(lead + "*", unique=True)
    assert sorted(unique) == sorted(set(remembered))


def test_a_range_is_of_one_session(kernel, remembered):
    session, line, _ = history(kernel, hist_access_type="tail", n=5)[0]
    asked = {"hist_access_type": "range", "session": 0, "start": line, "stop": line + 2}
    assert [(entry[1], entry[2]) for entry in history(kernel, **asked)] == [
        (line, remembered[0]), (line + 1, remembered[1]),
    ]  # fmt: skip
    entries = history(kernel, output=True, hist_access_type="range", session=session, start=line, stop=line + 1)
    assert [entry[1:] for entry in entries] == [[line, [remembered[0], None]]]


def test_history_outlives_a_kernel_and_is_shared(start_kernel, dialect):
    marks = [f"{dialect.comment} shared {word}" for word in ("first", "second", "third")]
    first, second = start_kernel(), start_kernel()
    first.run(marks[0])
    second.run(marks[1])
    first.run(marks[2])
    asked = {"hist_access_type": "search", "pattern": f"{dialect.comment} shared *", "n": 10}
    for kernel in (first, second, start_kernel()):
        assert sorted(entry[2] for entry in history(kernel, **asked)) == sorted(marks)
        assert len({entry[0] for entry in history(kernel, **asked)}) == 2


# Standard input


def question(kernel, identifier, timeout=30):
    message = kernel.client.get_stdin_msg(timeout=timeout)
    assert message["msg_type"] == "input_request"
    assert message["parent_header"]["msg_id"] == identifier
    return message["content"]


def test_a_cell_asks_the_client(kernel, dialect):
    identifier = kernel.submit(dialect.ask, allow_stdin=True)
    content = question(kernel, identifier)
    assert content["password"] is False and isinstance(content["prompt"], str)
    kernel.client.input("Ada")
    assert "hello Ada" in kernel.outcome(identifier).stream()


def test_a_cell_that_may_not_ask_says_so(kernel, dialect):
    outcome = kernel.execute(dialect.ask, allow_stdin=False)
    assert outcome.status == "error"
    assert "input" in outcome.content["evalue"]
    assert kernel.run("1").result == "1"


def test_an_interrupt_ends_a_question(kernel, dialect):
    identifier = kernel.submit(dialect.ask, allow_stdin=True)
    question(kernel, identifier)
    kernel.interrupt()
    outcome = kernel.outcome(identifier)
    assert outcome.status == "error"
    assert "hello" not in outcome.stream()
    assert kernel.run("1").result == "1"


# Comms


def test_an_unknown_comm_target_is_closed(kernel):
    content = {"comm_id": "c1", "target_name": "nobody", "data": {}}
    messages = kernel.published(kernel.send("comm_open", content))
    closed = [m["content"] for m in messages if m["msg_type"] == "comm_close"]
    assert [content["comm_id"] for content in closed] == ["c1"]
    assert messages[0]["content"]["execution_state"] == "busy"


def test_what_is_sent_to_no_comm_harms_nothing(kernel):
    for kind in ("comm_msg", "comm_close"):
        messages = kernel.published(kernel.send(kind, {"comm_id": "nobody's", "data": {}}))
        states = [m["content"]["execution_state"] for m in messages if m["msg_type"] == "status"]
        assert states == ["busy", "idle"]
    content = kernel.ask("comm_info_request").content
    assert content["status"] == "ok" and content["comms"] == {}
    assert kernel.ask("comm_info_request", {"target_name": "nobody"}).content["comms"] == {}
