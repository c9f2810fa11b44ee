"""Wrong command lines: each is refused before anything is done, with one line that names what is wrong, and leaves nothing
behind."""

import os
import re
import shlex
import subprocess

import pytest

PLACES = {
    "FILE": "examples.jsonl",  # a file that is there
    "FOLDER": "folder",  # a folder that is there
    "PIPE": "pipe",  # what must not be replaced by a file
}

THERE = ["examples.jsonl", "folder", "pipe", "pipe.gguf"]

# Each line: the arguments, and a word that the message must hold.
LINES = """
nonsense | nonsense
--nonsense | nonsense
compare --nonsense | --nonsense
compare extra | extra
compare --task | --task
compare --task '' | --task
compare --task sentimant | sentiment
compare --task Sentiment | sentiment
compare --task reviews.csv | --template
compare --template 'a {label}' | --template
compare --task topic --template 'a {label}' | --template
compare --label-column label | --label-column
compare --task topic --label-column label | --label-column
compare --answer-column cs | --answer-column
compare --task a.csv --template '{a} {label}' --answer-column a --label-column b | --label-column
compare --task a.csv --template '{a} {label}' --answer-column a --label-words x,y | --label-words
compare --model '' | --model
compare --demonstrations | --demonstrations
compare --demonstrations 0 | --demonstrations
compare --demonstrations -1 | --demonstrations
compare --demonstrations eight | --demonstrations
compare --demonstrations 1.5 | --demonstrations
compare --demonstrations 99999999999999999999 | --demonstrations
compare --queries 0 | --queries
compare --queries -5 | --queries
compare --queries x | --queries
compare --repetitions 0 | --repetitions
compare --repetitions -2 | --repetitions
compare --wrong-labels 2 | --wrong-labels
compare --wrong-labels -0.1 | --wrong-labels
compare --wrong-labels nan | --wrong-labels
compare --wrong-labels inf | --wrong-labels
compare --wrong-labels half | --wrong-labels
compare --label-words '' | --label-words
compare --label-words one | --label-words
compare --label-words a,,b | --label-words
compare --label-words a,a | --label-words
compare --steps -1 | --steps
compare --steps many | --steps
compare --tuning magic | --tuning
compare --tuning LoRA | lora
compare --loss some | --loss
compare --measures '' | --measures
compare --measures ' ' | --measures
compare --measures beauty | --measures
compare --measures cka, | --measures
compare --measures simAm | simAM
compare --positions middle | --positions
compare --positions 3 | --positions
compare --positions 0 | --positions
compare --positions '' | --positions
compare --positions after: | --positions
compare --point heart | --point
compare --point Residual | residual
compare --seed -1 | --seed
compare --seed 1.5 | --seed
compare --seed one | --seed
compare --seed 18446744073709551616 | --seed
compare --spec '' | --spec
compare --precision f16 | --precision
compare --precision BF16 | --precision
compare --keep '' | --keep
compare --export '' | --export
compare --shard 1/2 | --keep
compare --keep new --shard 3/2 | --shard
compare --keep new --shard 0/2 | --shard
compare --keep new --shard 1 | --shard
compare --keep new --shard 1/0 | --shard
compare --keep new --shard a/b | --shard
compare --keep new --shard -1/2 | --shard
compare --keep new --shard 1/2 --json | --json
compare --keep new --shard 1/2 --svg a.svg | --svg
compare --keep new --shard 1/2 --report a.html | --report
compare --export new --json | --json
compare --export new --keep kept | --keep
compare --export new --report a.html | --report
compare --export new --svg a.svg | --svg
compare --svg '' | --svg
compare --report '' | --report
compare --json true | true
merge | folders
merge '' | folder
merge FOLDER --nonsense | --nonsense
steps --every 0 | --every
steps --every -1 | --every
steps --steps 0 | --steps
steps --measures cka | --measures
steps --keep new | --keep
steps --seed -1 | --seed
vectors --heads 0 | --heads
vectors --heads -3 | --heads
vectors --measures cka | --measures
vectors --positions last | --positions
vectors --point residual | --point
generate --nonsense | --nonsense
generate --tokens -1 | --tokens
generate --tokens x | --tokens
generate --temperature -1 | --temperature
generate --temperature nan | --temperature
generate --temperature inf | --temperature
generate --top-k 0 | --top-k
generate --top-k -1 | --top-k
generate --top-p 0 | --top-p
generate --top-p 1.5 | --top-p
generate --top-p -0.5 | --top-p
generate --seed -1 | --seed
generate --greedy --temperature 0.7 | --temperature
generate --greedy --top-k 5 | --top-k
generate --greedy --top-p 0.9 | --top-p
generate --greedy --seed 3 | --seed
generate --temperature 0 --seed 3 | --seed
generate --temperature 0 --top-k 3 | --top-k
generate --system x | --chat
generate --chat | --text
generate --precision fast | --precision
states | --text
states --text a --ids 1 | --ids
states --ids 1,x | --ids
states --ids '' | --ids
states --ids 1,,2 | --ids
states --text a --layers some | --layers
states --text a --layers '' | --layers
states --text a --layers 1, | --layers
states --text a --positions some | --positions
states --text a --positions 5..2 | --positions
states --text a --points heart | --points
states --text a --points '' | --points
states --text a --attention weights | --attention
states --text a --heads 0 | --attention
states --text a --attention logits --heads x | --heads
states --text a --lens 0 | --lens
states --text a --lens -1 | --lens
states --text a --report a.html | --lens
states --text a --logits 0 | --logits
states --text a --logits -4 | --logits
states --text a --logits some | --logits
tokenize | --text
tokenize --text a --lines FILE | --lines
tokenize --lines '' | --lines
tokenize --text a --precision bf16 | --precision
tune | --data
tune --data '' | --data
tune --data FILE --method some | --method
tune --data FILE --method full --rank 4 | --rank
tune --data FILE --method key-value --projections q | --projections
tune --data FILE --type F16 | --type
tune --data FILE --method full --type F16 | --out
tune --data FILE --method full --out m.gguf --type Q9_9 | --type
tune --data FILE --method full --out new --type Q8_0 | Hugging Face
tune --data FILE --precision int8 | --precision
tune --data FILE --momentum 0.9 | --momentum
tune --data FILE --optimizer sgd --momentum 1.5 | --momentum
tune --data FILE --optimizer sgd --momentum -0.5 | --momentum
tune --data FILE --optimizer adam | --optimizer
tune --data FILE --schedule step | --schedule
tune --data FILE --cosine --schedule linear | --schedule
tune --data FILE --steps 0 | --steps
tune --data FILE --steps -3 | --steps
tune --data FILE --batch 0 | --batch
tune --data FILE --accumulate 0 | --accumulate
tune --data FILE --rate 0 | --rate
tune --data FILE --rate -0.001 | --rate
tune --data FILE --rate nan | --rate
tune --data FILE --decay -1 | --decay
tune --data FILE --warm-up -1 | --warm-up
tune --data FILE --clip 0 | --clip
tune --data FILE --rank 0 | --rank
tune --data FILE --alpha nan | --alpha
tune --data FILE --alpha 0 | --alpha
tune --data FILE --dropout 1 | --dropout
tune --data FILE --dropout -0.1 | --dropout
tune --data FILE --projections x | --projections
tune --data FILE --projections q,,v | --projections
tune --data FILE --layers x | --layers
tune --data FILE --layers 0 | --layers
tune --data FILE --layers 1, | --layers
tune --data FILE --anew | --anew
tune --data FILE --checkpoint-every 5 | --checkpoint-every
tune --data FILE --checkpoint state --checkpoint-every 0 | --checkpoint-every
tune --data FILE --checkpoint '' | --checkpoint
tune --data FILE --out '' | --out
tune --data FILE --seed -1 | --seed
quantize | --output
quantize --output '' | --output
quantize --output m.gguf --type Q9_9 | --type
quantize --output m.gguf --precision bf16 | --precision
quantize --output new --hugging-face --type Q8_0 | Hugging Face
quantize --output m.gguf --adapter '' | --adapter
grow | --output
grow --output '' | --output
grow --output new --type Q9 | --type
grow --output new --name '' | --name
grow --output new --name ../tour | --name
grow --output new --name a/b | --name
grow --output new --name .. | --name
grow --output new --name checkpoint | --name
grow --output new --layers 0 | --layers
grow --output new --width -1 | --width
grow --output new --heads 0 | --heads
grow --output new --feed-forward 0 | --feed-forward
grow --output new --rate 0 | --rate
grow --output new --rate nan | --rate
grow --output new --minutes 0 | --minutes
grow --output new --seed -1 | --seed
bench | work
bench everything | everything
bench prefill --tokens 0 | --tokens
bench prefill --threads 0 | --threads
bench prefill --threads 100000 | --threads
bench prefill --repeat 0 | --repeat
bench prefill --prefix 8 | --prefix
bench prefill --queries 8 | --queries
bench prefill --cached | --cached
bench decode --recompute | --recompute
bench compare --tokens 8 | --tokens
bench tune --precision int8 | --precision
verify | notebooks
verify '' | notebook
doctor --model '' | --model
doctor extra | extra
install --user --sys-prefix | --user
install --prefix '' | --prefix
install --prefix new --name 'a b' | 'a b'
install --prefix new --name .. | ..
install --prefix new --display-name ' ' | --display-name
run | --connection-file
"""


def cases():
    for line in LINES.strip().splitlines():
        command, word = (part.strip() for part in line.rsplit("|", 1))
        yield pytest.param(command, word, id=command)


@pytest.fixture
def place(tmp_path):
    (tmp_path / PLACES["FILE"]).write_text('{"text": "a"}\n')
    (tmp_path / PLACES["FOLDER"]).mkdir()
    os.mkfifo(tmp_path / PLACES["PIPE"])
    os.mkfifo(tmp_path / "pipe.gguf")
    return tmp_path


def run(executable, command, place):
    for name, there in PLACES.items():
        command = command.replace(name, there)
    arguments = shlex.split(command)
    return subprocess.run([executable, *arguments], capture_output=True, text=True, timeout=60, cwd=place)


def test_there_are_enough_of_them():
    assert len(list(cases())) >= 200


@pytest.mark.parametrize(("command", "word"), cases())
def test_a_wrong_command_line_is_refused_in_one_line_and_leaves_nothing(executable, place, command, word):
    ended = run(executable, command, place)
    assert ended.returncode == 64, (ended.returncode, ended.stderr)
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    message = lines[0]
    assert message.startswith("Error: ") and word in message, ended.stderr
    # And how to go on: the usage, where to read more.
    assert any(re.search(r"--help|icl-kernel help", line) for line in lines[1:]), ended.stderr
    assert "Fatal" not in ended.stderr and "NSCocoa" not in ended.stderr
    assert sorted(path.name for path in place.rglob("*")) == THERE


# Right as a command line, and wrong about the world: refused before the work, with exit code 1.

WORLD = """
compare --spec nowhere.json | nowhere.json
compare --spec FOLDER | folder
compare --model nowhere.gguf | nowhere.gguf
compare --svg nowhere/a.svg | --svg
compare --svg FOLDER | --svg
compare --report nowhere/a.html | --report
compare --report FOLDER | --report
compare --report PIPE | device
compare --svg PIPE | device
compare --report a.html --svg a.html | --report
compare --report new/ | --report
compare --keep FILE | --keep
compare --keep FILE/kept | --keep
compare --export FILE | --export
merge nowhere | nowhere
merge FOLDER | experiment.json
merge FOLDER --report nowhere/a.html | --report
steps --svg nowhere/a.svg | --svg
vectors --report FOLDER | --report
states --text a --lens 2 --report nowhere/a.html | --report
states --text a --model nowhere.gguf | nowhere.gguf
tokenize --lines nowhere.txt | nowhere.txt
generate --model FOLDER | folder
tune --data nowhere.jsonl --out new | nowhere.jsonl
tune --data FILE --out FILE | --out
tune --data FILE --out FILE/adapter | --out
tune --data FILE --method full --out nowhere/m.gguf | --out
tune --data FILE --method full --out FOLDER.gguf/m.gguf | --out
tune --data FILE --out new --checkpoint nowhere/state | --checkpoint
tune --data FILE --out new --checkpoint FOLDER | --checkpoint
quantize --output PIPE | device
tune --data FILE --method full --out PIPE.gguf | device
tune --data FILE --out new --checkpoint PIPE | device
quantize --output nowhere/m.gguf | --output
quantize --output FOLDER | --output
quantize --output FILE --hugging-face | --output
quantize --output FILE/m --hugging-face | --output
grow --output FILE | --output
grow --output FILE/new | --output
verify nowhere.ipynb | nowhere.ipynb
verify FOLDER | no notebook
verify FILE | examples.jsonl
doctor --model nowhere.gguf | nowhere.gguf
run --connection-file nowhere.json | nowhere.json
install --prefix FILE | --prefix
"""


def world():
    for line in WORLD.strip().splitlines():
        command, word = (part.strip() for part in line.rsplit("|", 1))
        yield pytest.param(command, word, id=command)


@pytest.mark.parametrize(("command", "word"), world())
def test_a_place_that_cannot_be_is_told_before_the_work(executable, place, command, word):
    ended = run(executable, command, place)
    assert ended.returncode == 1, (ended.returncode, ended.stderr)
    assert word in ended.stderr, ended.stderr
    assert "NSCocoa" not in ended.stderr and "Error Domain" not in ended.stderr and "Fatal" not in ended.stderr
    assert ended.stderr.startswith("Error: ")
    assert any(word in ended.stderr for word in ("next:", "expected:")), ended.stderr
    assert sorted(path.name for path in place.rglob("*")) == THERE
    assert (place / "pipe").is_fifo() and (place / "pipe.gguf").is_fifo()


@pytest.mark.parametrize("command", [
    "compare --positions -3 --demonstrations 2 --queries 2 --repetitions 1 --steps 1",
    "states --text 'a b c' --positions -1", "states --text 'a b c' --positions -2..-1", "generate --text '- a list' --tokens 2",
    "tokenize --text '-3 degrees'", "tokenize --text=-3", "tokenize --text -3",
])  # fmt: skip
def test_a_value_may_begin_with_a_hyphen(executable, place, command):
    ended = run(executable, command, place)
    assert ended.returncode == 0, ended.stderr


def test_a_link_is_followed_and_stays_a_link(executable, place):
    (place / "real.html").write_text("old")
    (place / "link.html").symlink_to("real.html")
    ended = run(executable, "states --text a --lens 1 --report link.html", place)
    assert ended.returncode == 0, ended.stderr
    assert (place / "link.html").is_symlink() and "<!DOCTYPE" in (place / "real.html").read_text()


def test_a_folder_without_permission_is_told_before_the_work(executable, place):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (place / "folder").chmod(0o500)
    ended = run(executable, "compare --report folder/a.html", place)
    assert ended.returncode == 1 and "Permission denied" in ended.stderr
