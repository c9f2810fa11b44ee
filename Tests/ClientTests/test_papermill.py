"""papermill: parameters of every type reach Swift, through the translator in Scripts/papermill-swift."""

import math

import nbformat
import papermill
import papermill_swift
import pytest
from conftest import KERNEL, printed
from papermill.exceptions import PapermillException, PapermillExecutionError

# name, the value papermill gets, its type in Swift, and what Swift says of it.
VALUES = [
    ("zero", 0, "Int", "0"),
    ("smallest", -(2**63), "Int", "-9223372036854775808"),
    ("unsigned", 2**64 - 1, "UInt64", "18446744073709551615"),
    ("wide", -(2**127), "Int128", str(-(2**127))),
    ("widest", 2**128 - 1, "UInt128", str(2**128 - 1)),
    ("half", 0.5, "Double", "0.5"),
    ("whole", 2.0, "Double", "2.0"),
    ("large", 1e300, "Double", "1e+300"),
    ("tiny", 5e-324, "Double", "5e-324"),
    ("third", 1 / 3, "Double", "0.3333333333333333"),
    ("minus", -0.0, "Double", "-0.0"),
    ("nan", math.nan, "Double", "nan"),
    ("up", math.inf, "Double", "inf"),
    ("down", -math.inf, "Double", "-inf"),
    ("yes", True, "Bool", "true"),
    ("no", False, "Bool", "false"),
    ("word", "plain", "String", '"plain"'),
    ("blank", "", "String", '""'),
    ("none", None, "Optional<Any>", "nil"),
    ("numbers", [1, 2, 3], "Array<Int>", "[1, 2, 3]"),
    ("mixed_numbers", [1, 2.5, math.nan], "Array<Double>", "[1.0, 2.5, nan]"),
    ("holes", [1, None], "Array<Optional<Int>>", "[Optional(1), nil]"),
    ("words", ["a", 'b"c'], "Array<String>", '["a", "b\\"c"]'),
    ("empty", [], "Array<Any>", "[]"),
    ("matrix", [[1, 2], [3.5], []], "Array<Array<Double>>", "[[1.0, 2.0], [3.5], []]"),
    ("anything", [1, "a", True, 2.5, [1, 2]], "Array<Any>", '[1, "a", true, 2.5, [1, 2]]'),
    ("table", {"one": 1}, "Dictionary<String, Int>", '["one": 1]'),
    ("by_number", {1: "a"}, "Dictionary<Int, String>", '[1: "a"]'),
    ("nothing_in_it", {}, "Dictionary<String, Any>", "[:]"),
    ("nested", {"k": [{"deep": [math.inf]}]}, "Dictionary<String, Array<Dictionary<String, Array<Double>>>>",
     '["k": [["deep": [inf]]]]'),
    ("record", [{"a": 1}, {"a": "x"}], "Array<Dictionary<String, Any>>", '[["a": 1], ["a": "x"]]'),
    ("default", 7, "Int", "7"),  # a keyword of Swift
]  # fmt: skip

# Compared as UTF-8 bytes: how Swift would print them is of no account.
TEXTS = [
    'quotes " and \' and """ and #"',
    "backslash \\ \\n \\(1 + 1) \\u{41}",
    "lines\nof\r\nevery\rkind\u2028\u2029\x85\x0b",
    "tab\t nul\0 bell\a escape\x1b[31m delete\x7f",
    "größe 日本語 עברית 👩‍🔬 e\u0301 \ufeff\u202e\u200b",
    "/* not */ // a comment",
    "x" * 5000,
]


def test_every_type_reaches_swift(write, tmp_path):
    names = [papermill_swift.identifier(name) for name, *_ in VALUES]
    path = write(*(f"print(type(of: {name}))\ndebugPrint({name})" for name in names))
    papermill.execute_notebook(
        path, tmp_path / "out.ipynb", {name: value for name, value, *_ in VALUES}, progress_bar=False
    )
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert executed.cells[0].metadata.tags == ["injected-parameters"]
    found = [tuple(printed(cell).rstrip("\n").split("\n", 1)) for cell in executed.cells[1:]]
    assert found == [(kind, text) for _, _, kind, text in VALUES]


def test_every_text_reaches_swift_byte_by_byte(write, tmp_path):
    path = write("for text in texts { print(Array(text.utf8)) }")
    papermill.execute_notebook(path, tmp_path / "out.ipynb", {"texts": TEXTS}, progress_bar=False)
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    found = [bytes(map(int, line.strip("[]").split(", "))).decode() for line in printed(executed.cells[1]).splitlines()]
    assert found == TEXTS


def test_parameters_take_the_types_that_the_notebook_declares(write, tmp_path):
    cell = (
        "let rate: Double = 1, name = \"a, b = c\"  // how fast\n"
        "var model: String? = nil\n"
        "let scales: [Float] = [\n  1,  // one\n  2,\n]\n"
        "let table: [String: [Double]] = [:]; let few: Set<Int> = [1]\n"
        "/* let hidden = 1 */ let small: Int8 = 3\n"
        "let guess = 0.5"
    )
    path = write((cell, "parameters"), "print(type(of: rate), type(of: model), type(of: scales), type(of: table),"
                 " type(of: few), type(of: small), type(of: guess), type(of: name))",
                 "print(rate, model as Any, scales, table, few, small, guess, name)")  # fmt: skip
    given = {
        "rate": 2, "model": None, "scales": [math.inf, 3], "table": {"k": [1, 2.5]}, "few": [5], "small": -4,
        "guess": 1, "name": "new",
    }  # fmt: skip
    papermill.execute_notebook(path, tmp_path / "out.ipynb", given, progress_bar=False)
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert executed.cells[1].metadata.tags == ["injected-parameters"]
    assert printed(executed.cells[2]) == (
        "Double Optional<String> Array<Float> Dictionary<String, Array<Double>> Set<Int> Int8 Double String\n"
    )
    assert printed(executed.cells[3]) == '2.0 nil [inf, 3.0] ["k": [1.0, 2.5]] [5] -4 1.0 new\n'


def test_the_command_runs_and_explains_a_notebook(write, program, tmp_path):
    path = write(("let count: Int = 3  // how many\nlet label = \"x\"", "parameters"), "print(label, count * 2)")
    done = program("papermill", path, tmp_path / "out.ipynb", "-p", "count", 21, "-p", "label", "größe")
    assert done.returncode == 0, done.stderr
    assert printed(nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[2]) == "größe 42\n"
    done = program("papermill", "--help-notebook", path)
    assert "count: Int (default 3)" in done.stdout and "how many" in done.stdout
    assert 'label: String (default "x")' in done.stdout


def test_a_failing_cell_ends_the_run_and_is_kept(write, tmp_path):
    path = write("let list = [limit]", "list[limit]", 'print("never")')
    with pytest.raises(PapermillExecutionError, match="Index out of range"):
        papermill.execute_notebook(path, tmp_path / "out.ipynb", {"limit": 5}, progress_bar=False)
    kept = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert any("Exception" in output.get("ename", "") or output.get("ename") == "FatalError"
               for cell in kept.cells for output in cell.get("outputs", []))  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"not-a-name": 1}, "cannot name a variable"),
        ({"huge": 2**128}, "does not fit into 128 bits"),
        ({"broken": "\ud800"}, "surrogate"),
        ({"keys": {None: 1}}, "key of a dictionary is null"),
    ],
)
def test_what_swift_cannot_hold_is_refused_by_name(parameters, words):
    with pytest.raises(PapermillException, match=words) as caught:
        papermill.translators.translate_parameters(KERNEL, "swift", parameters)
    assert f"parameter {next(iter(parameters))}: " in str(caught.value)
