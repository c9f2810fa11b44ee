"""Experiments from the command line: specifications with mistakes, translations of one's own, a page for each result."""

import json
import subprocess
import xml.etree.ElementTree as xml

import pytest

SMALL = ["--demonstrations", "2", "--queries", "2", "--repetitions", "1", "--steps", "2", "--seed", "1"]


def run(executable, *arguments):
    return subprocess.run([executable, *arguments], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        ({"comparison": {"tuning": {"rnk": 8}}}, ["key comparison.tuning.rnk", "rank"]),
        ({"comparison": {"seed": "one"}}, ["key comparison.seed", "a whole number", '"one"']),
        ({"sweep": {"factor": "demonstrations", "values": [1, "two"]}}, ["key sweep.values.1", '"two"']),
        ({"sweep": {"factor": "moon", "values": [1]}}, ["key sweep.factor", "demonstrations"]),
        ({"task": {"file": "a.csv"}}, ["key task", '"template"']),
        ({"task": {"file": "a.csv", "template": "{text} {label}", "labels": []}}, ["key task.labels", "labelColumn"]),
        ({"task": "sentimant"}, ["sentimant", "sentiment, topic"]),
        ({"modle": "m.gguf"}, ["key modle", "model, task"]),
        ({"comparison": {"demonstrationTask": {"file": "a.csv"}}}, ["key comparison.demonstrationTask", "template"]),
    ],
)
def test_a_mistake_in_a_specification_is_told_its_key(executable, tmp_path, specification, words):
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(specification))
    ended = run(executable, "compare", "--spec", str(path))
    assert ended.returncode != 0
    for word in words:
        assert word in ended.stderr


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{"task": "sentiment",}', "line 1, column 21", ["a comma before }"]),
        ('{"comparison": {"seed": 1,\n  "seed": 2}}', "line 2, column 3", ['"seed" stands twice']),
        ('{"task": "sentiment",\n "task": "topic"}', "line 2, column 2", ["twice"]),
        ('{"comparison": {"demonstrations": 8 "seed": 1}}', "line 1, column 37", ["a comma, or }"]),
        ('{\n  // all of it\n  "task": "sentiment"}', "line 2, column 3", ["a comment"]),
        ('{"task": "sentiment"} # end', "line 1, column 23", ["a comment"]),
        ('{"comparison": {"wrongLabelShare": NaN}}', "line 1, column 36", ["NaN", "a number"]),
        ('{"comparison": {"instruction": None}}', "line 1, column 32", ["None", "null"]),
        ("{'task': 'sentiment'}", "line 1, column 2", ["single quotes"]),
        ('{task: "sentiment"}', "line 1, column 2", ["a key"]),
        ('{"task": sentiment}', "line 1, column 10", ["without quotes"]),
        ('{"task" "sentiment"}', "line 1, column 9", ["a colon"]),
        ('{"task": "sentiment"', "line 1, column 1", ["{ is never closed"]),
        ('{"sweep": {"factor": "rank", "values": [1, 2}}', "line 1, column 45", ["a comma, or ]"]),
        ('{"sweep": {"factor": "rank", "values": [1, 2,]}}', "line 1, column 45", ["a comma before ]"]),
        ('{"task": "senti', "line 1, column 10", ["without its closing quote"]),
        ('{"task": "senti\nment"}', "line 1, column 16", ["over the end of its line"]),
        ('{"task": "a\\qb"}', "line 1, column 12", ["an escape that JSON doesn't have"]),
        ('{"comparison": {"seed": 01}}', "line 1, column 25", ["01 is no number"]),
        ('{"comparison": {"seed": +1}}', "line 1, column 25", ["+1 is no number"]),
        ('{"comparison": {"wrongLabelShare": .5}}', "line 1, column 36", [".5 is no number"]),
        ('{"comparison": {"wrongLabelShare": 1e999}}', "line 1, column 36", ["too large"]),
        ('{"task": "sentiment"}}', "line 1, column 22", ["follows the end"]),
        ("", "line 1, column 1", ["empty"]),
        ("  \n ", "line 2, column 2", ["empty"]),
        ('\ufeff{"task": "sentiment"}', "line 1, column 1", ["byte order mark"]),
        ('{"é": 1, "é": 2}', "line 1, column 10", ["twice"]),
        ("[" * 100, "column 65", ["levels"]),
        ('["a"]', "", ["not a JSON object"]),
        ('{"demonstrations": 4}', "key demonstrations", ['inside "comparison"']),
        ('{"modle": "a.gguf"}', "key modle", ['perhaps "model"']),
        ('{"comparison": {"demonstratoins": 4}}', "key comparison.demonstratoins", ['perhaps "demonstrations"']),
        ('{"comparison": {"tuning": {"learningrate": 1}}}', "key comparison.tuning.learningrate", ['perhaps "learningRate"']),
    ],
)
def test_text_that_is_no_json_is_told_line_column_and_cause(executable, tmp_path, text, place, words):
    path = tmp_path / "experiment.json"
    path.write_text(text)
    ended = run(executable, "compare", "--spec", str(path))
    assert ended.returncode == 1
    assert f"{path}, {place}" in ended.stderr or not place and str(path) in ended.stderr or place in ended.stderr, ended.stderr
    for word in words:
        assert word in ended.stderr, ended.stderr
    assert "next:" in ended.stderr and "NSCocoa" not in ended.stderr


def test_bytes_that_are_no_text_are_told_their_place(executable, tmp_path):
    path = tmp_path / "experiment.json"
    path.write_bytes(b'{"task":\n "\xff"}')
    ended = run(executable, "compare", "--spec", str(path))
    assert ended.returncode == 1 and "line 2, column 3" in ended.stderr and "UTF-8" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["compare", "--spec", "nowhere.json"], "no such file or directory"),
        (["tokenize", "--lines", "nowhere.txt"], "no such file or directory"),
        (["tune", "--data", "nowhere.jsonl"], "no such file or directory"),
        (["compare", "--task", "nowhere.csv", "--template", "{a} {label}"], "nowhere.csv"),
    ],
)
def test_a_cause_is_one_plain_line(executable, arguments, cause):
    ended = run(executable, *arguments)
    assert ended.returncode == 1
    assert cause in ended.stderr.lower()
    assert not any(word in ended.stderr for word in ("Domain", "UserInfo", "Code=", "NSError", "NSCocoa"))


def test_translations_of_ones_own_are_compared_and_shown_before_reviews(executable, tmp_path):
    pairs = [("a dog", "pes"), ("a cat", "kocka"), ("a red dog", "cerveny pes"), ("a man", "muz"), ("a house", "dum")]
    (tmp_path / "pairs.tsv").write_text("en\tcs\n" + "".join(f"{a}\t{b}\n" for a, b in pairs))
    task = {"file": "pairs.tsv", "template": "English: {en}\nCzech: {label}\n", "answerColumn": "cs"}
    choices = {"demonstrations": 2, "queries": 2, "repetitions": 1, "seed": 1, "tuning": {"steps": 2}}
    path = tmp_path / "experiment.json"

    path.write_text(json.dumps({"task": task, "comparison": choices}))
    ended = run(executable, "compare", "--spec", str(path), "--json")
    assert ended.returncode == 0, ended.stderr
    shares = json.loads(ended.stdout)["repetitions"][0]["wordShares"]
    assert set(shares) == {"anchor", "ICL", "IT", "IT+ICL"} and all(len(one) == 2 for one in shares.values())

    path.write_text(json.dumps({"comparison": {**choices, "demonstrationTask": task}}))
    ended = run(executable, "compare", "--spec", str(path), "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["spec"]["demonstrationTask"]["examples"][0]["answer"] == "pes"

    sweep = {"factor": "demonstrationTask", "values": [None, "translation", task]}
    path.write_text(json.dumps({"comparison": {**choices, "baselines": []}, "sweep": sweep}))
    ended = run(executable, "compare", "--spec", str(path), "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["values"] == ["the same", "translation", "pairs"]


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "--task", "translation", *SMALL],
        ["steps", "--every", "1", *SMALL],
        ["vectors", "--heads", "1", *SMALL],
        ["states", "--text", "The film was good.", "--lens", "2", "--positions", "all"],
    ],
    ids=lambda command: command[0],
)
def test_each_kind_of_result_is_one_page(executable, tmp_path, command):
    page = tmp_path / "report.html"
    ended = run(executable, *command, "--report", str(page))
    assert ended.returncode == 0, ended.stderr
    tree = xml.parse(page).getroot()
    assert tree.find(".//{http://www.w3.org/2000/svg}svg") is not None and tree.find(".//table") is not None
    assert "<script" not in page.read_text()


def test_measures_places_and_tunings_are_chosen_from_outside(executable):
    ended = run(
        executable, "compare", *SMALL, "--measures", "simAM,orderSensitivity", "--positions", "after:Review:", "--point",
        "attentionOutput", "--tuning", "keyValue", "--loss", "all", "--json")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    spec = result["spec"]
    assert spec["measures"] == ["orderSensitivity", "simAM"] and spec["positions"] == {"after": "Review:"}
    assert spec["point"] == "attentionOutput" and spec["tuning"]["method"] == "keyValue"
    for repetition in result["repetitions"]:
        assert set(repetition["figures"]) == {"simAM", "orderSensitivity"}
        assert "otherOrder" in repetition["figures"]["simAM"]["baselines"]


@pytest.mark.parametrize(
    "option", [("--measures", "beauty"), ("--positions", "middle"), ("--point", "heart"), ("--tuning", "magic")])
def test_a_choice_that_there_is_not_is_refused_with_those_there_are(executable, option):
    ended = run(executable, "compare", *SMALL, *option)
    assert ended.returncode != 0
    assert option[0] in ended.stderr and option[1] in ended.stderr
