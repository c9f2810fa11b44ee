"""jupyter console in a terminal of its own: what a person types, and what the screen then says."""

import os
import re
import sys

import pexpect
import pytest
from conftest import KERNEL

TIMEOUT = 60
ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][0-9A-B]|[=>78])")
ENTER, TAB, INTERRUPT, END = "\r", "\t", "\x03", "\x04"


class Terminal:
    """A running console; what it shows is compared without colours and cursor movements."""

    def __init__(self, folder):
        self.child = pexpect.spawn(
            sys.executable, ["-m", "jupyter", "console", "--kernel", KERNEL],
            encoding="utf-8", codec_errors="replace", dimensions=(40, 110), timeout=TIMEOUT, cwd=folder,
            env={**os.environ, "TERM": "xterm-256color"},
        )  # fmt: skip
        self.shown = ""

    def type(self, text):
        self.child.send(text)

    def line(self, text):
        # Enter is sent by itself: as a part of a paste it would only break the line.
        self.type(text)
        self.wait(re.escape(text.split("\n")[-1][-12:]))
        self.type(ENTER)

    def wait(self, pattern, timeout=TIMEOUT):
        """Reads until the plain text since the last match holds the pattern."""
        wanted = re.compile(pattern)
        while True:
            plain = ESCAPE.sub("", self.shown)
            if found := wanted.search(plain):
                self.shown = plain[found.end() :]
                return found
            try:
                self.answer_cursor()
                self.shown += self.child.read_nonblocking(4096, timeout=timeout)
            except (pexpect.TIMEOUT, pexpect.EOF):
                pytest.fail(f"{pattern!r} did not come; the terminal shows:\n{plain}")

    def answer_cursor(self):
        # prompt_toolkit asks where the cursor is, as it would a real terminal.
        if "\x1b[6n" in self.shown:
            self.shown = self.shown.replace("\x1b[6n", "", 1)
            self.child.send("\x1b[1;1R")


@pytest.fixture
def terminal(tmp_path):
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.child.close(force=True)


def test_a_session_in_the_console(terminal):
    terminal.wait(r"Swift 6\.\d")
    terminal.wait(r"In \[1\]: ")

    terminal.line("let count = 20 + 1")
    terminal.wait(r"In \[2\]: ")
    terminal.line("count * 2")
    terminal.wait(r"Out\[2\]: 42")
    terminal.wait(r"In \[3\]: ")

    # is_complete: an open brace goes on in the next line, and the closing one ends the cell.
    terminal.line("func twice(_ n: Int) -> Int {")
    terminal.wait(r"\.\.\.: ")
    terminal.line("n + n }")
    terminal.type(ENTER)
    terminal.wait(r"In \[4\]: ")
    terminal.line("twice(count)")
    terminal.wait(r"Out\[4\]: 42")
    terminal.wait(r"In \[5\]: ")

    # Tab completes a name of an earlier cell that nothing else begins like.
    terminal.line("let hippopotamus = 5")
    terminal.wait(r"In \[6\]: ")
    terminal.type("print(hippop")
    terminal.wait("hippop")
    terminal.type(TAB)
    terminal.wait("otamus")
    terminal.type(")" + ENTER)
    terminal.wait(r"\n\s*5\s")
    terminal.wait(r"In \[7\]: ")

    # A loop is interrupted, and its variables are kept. The console asks the kernel from inside its signal handler,
    # and now and then loses the message it was reading: it gets three tries to show what became of the cell.
    for prompt in (8, 9, 10):
        terminal.line('var turns = 0; print("begun"); while true { turns &+= 1 }')
        terminal.wait(r"\nbegun|\rbegun")
        terminal.type(INTERRUPT)
        if "Interrupted" in terminal.wait(rf"[\s\S]*In \[{prompt}\]: ").group():
            break
    else:
        pytest.fail("the console never said that the cell was interrupted")
    terminal.line("turns > 0 && count == 21")
    terminal.wait(r"Out\[\d+\]: true")
    terminal.wait(r"In \[\d+\]: ")

    # An error shows the user's own line; a question is asked and answered.
    terminal.line('let wrong: Int = "text"')
    terminal.wait("cannot convert value of type")
    terminal.wait(r"In \[\d+\]: ")
    terminal.line('print("colour?"); let answer = readLine() ?? "?"')
    terminal.wait(r"\ncolour\?|\rcolour\?")
    terminal.type("blue" + ENTER)
    terminal.wait(r"In \[\d+\]: ")
    terminal.line("answer.uppercased()")
    terminal.wait(r'Out\[\d+\]: "BLUE"')
    terminal.wait(r"In \[\d+\]: ")

    terminal.line("exit")
    terminal.child.expect(pexpect.EOF, timeout=TIMEOUT)
    terminal.child.close()
    assert terminal.child.exitstatus == 0


def test_the_end_of_input_asks_and_ends(terminal):
    terminal.wait(r"In \[1\]: ")
    terminal.type(END)
    terminal.wait(r"Do you really want to exit")
    terminal.type("y" + ENTER)
    terminal.child.expect(pexpect.EOF, timeout=TIMEOUT)
