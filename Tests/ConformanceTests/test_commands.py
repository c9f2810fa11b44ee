"""`%`-commands as a client sees them."""


def complete(kernel, code):
    return kernel.ask("complete_request", {"code": code, "cursor_pos": len(code)}).content


def test_help_lists_every_command(kernel):
    text = kernel.run("%help").content["payload"][0]["data"]["text/plain"]
    for name in ("%who", "%time", "%%opt", "%reset", "%model", "%package", "%%bash"):
        assert name in text


def test_names_are_completed(kernel):
    content = complete(kernel, "%")
    assert {"%who", "%model", "%%bash"} <= set(content["matches"])
    assert (content["cursor_start"], content["cursor_end"]) == (0, 1)


def test_the_model_is_told_and_another_takes_its_place(kernel):
    told = kernel.run("%model")
    assert told.of("execute_result")
    outcome = kernel.execute("%model /no/such/model.gguf")
    assert outcome.status == "error"
    assert "/no/such/model.gguf" in outcome.explanation
    # The one that was there still is.
    assert kernel.run("%model").of("execute_result")


def test_who_is_a_table(kernel):
    kernel.run("let treasure = [1, 2]")
    (content,) = kernel.run("%who treas").of("display_data")
    assert "[Int]" in content["data"]["text/plain"]
    assert "<table" in content["data"]["text/html"]


def test_bash_is_interrupted(kernel):
    identifier = kernel.submit("%%bash\necho ready\nsleep 1000")
    kernel.wait_for_output(identifier, "ready")
    kernel.interrupt()
    assert kernel.outcome(identifier).content["ename"] == "Interrupted"


def test_reset_forgets(own_kernel):
    own_kernel.run("let gone = 1")
    assert "gone" in own_kernel.run("%reset").stream()
    assert own_kernel.execute("gone").status == "error"
    assert own_kernel.run("%model").of("execute_result")


def test_warnings_are_on_standard_error(kernel):
    outcome = kernel.run("func f() -> Int {\n  var x = 1\n  return x\n}")
    assert "never mutated" in outcome.stream("stderr")
