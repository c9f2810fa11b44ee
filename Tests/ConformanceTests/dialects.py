"""What the suite says to a kernel, in the language of that kernel.

A dialect is a table of cells. Tests of the protocol ask for them by name and never hold code of their own, so that they
run against any kernel for which this table has a column.
"""

import dataclasses
import json


@dataclasses.dataclass(frozen=True)
class Dialect:
    """One kernel and its cells."""

    name: str
    #: The kernelspec's name.
    kernel: str
    #: What `language_info` must say.
    language: dict
    #: Cells without parameters, by name.
    cells: dict
    #: Expressions and the text of their results.
    results: dict
    #: (unfinished code, a completion that must be among the matches): the last word is replaced.
    completion: tuple
    #: (declaration, code, cursor, words that the inspection must show)
    inspection: tuple
    completeness: dict
    #: What a history search must find and what it must not, as (pattern, source).
    comment: str

    def __str__(self):
        return self.name

    def __getattr__(self, cell):
        try:
            return self.cells[cell]
        except KeyError:
            raise AttributeError(f"the dialect {self.name} has no cell {cell!r}") from None

    def print(self, text):
        return self.cells["print"] % json.dumps(text, ensure_ascii=False)

    def sleep(self, seconds):
        """Says "go", then sleeps."""
        return self.cells["sleep"] % seconds

    def spin(self, seconds):
        """Says "go", then keeps every core busy."""
        return self.cells["spin"] % seconds


SWIFT = Dialect(
    name="swift",
    kernel="swift-icl",
    language={
        "name": "swift", "file_extension": ".swift", "mimetype": "text/x-swift", "pygments_lexer": "swift",
        "codemirror_mode": "swift",
    },
    cells={
        "print": "print(%s)",
        "sleep": 'import Foundation\nprint("go")\nThread.sleep(forTimeInterval: %s)',
        "spin": """
import Foundation
print("go")
let until = Date().addingTimeInterval(%s)
DispatchQueue.concurrentPerform(iterations: ProcessInfo.processInfo.activeProcessorCount) { _ in
  while Date() < until {}
}
""",
        "forever": 'print("go")\nwhile true {}',
        "flood": 'print("go")\nwhile true { print("x") }',
        "declare": "var marker = 20",
        "read": "marker",
        "add_one": "marker + 1",
        "fail": "struct Oops: Error {}\nthrow Oops()",
        "fail_name": "Oops",
        "fail_in_expression": "unknownName",
        "syntax_error": "let = )",
        "both_streams": 'import Foundation\nprint("a")\nFileHandle.standardError.write(Data("b\\n".utf8))\nprint("c")',
        "characters": 'for n in 0..<2000 { print("é👩‍🔬\\(n)") }',
        "characters_expected": "".join(f"é👩‍🔬{n}\n" for n in range(2000)),
        "lines": "for n in 0..<100_000 { print(n) }",
        "threads": """
import Foundation
let threads = (0..<4).map { number in Thread { for n in 0..<100 { print("thread \\(number) \\(n)") } } }
for thread in threads { thread.start() }
while threads.contains(where: { !$0.isFinished }) { usleep(1000) }
""",
        "later": """
import Foundation
Thread { Thread.sleep(forTimeInterval: 0.5); print("later") }.start()
print("now")
""",
        "display": 'display(HTML("<i>one</i>"), id: "place")\nupdateDisplay(Markdown("*two*"), id: "place")',
        "clear": 'clearOutput(wait: true)\nprint("after")',
        "rich": 'HTML("<b>x</b>")',
        "ask": 'print("name?", terminator: "")\nlet name = readLine()\nprint("hello \\(name ?? "nobody")")',
        "empty": "",
        "comment_only": "// nothing to do",
    },
    results={"1 + 1": "2", "[1, 2].map { $0 * 10 }": "[10, 20]", '"a" + "b"': '"ab"'},
    completion=('"abc".uppercas', "uppercased()"),
    inspection=(
        "/// Three times as much.\nfunc triple(_ n: Int) -> Int { 3 * n }", "triple(4)", 3, "Three times as much.",
    ),
    completeness={
        "complete": ["1", "let x = 1", "func f() -> Int {\n  1\n}", "// a comment"],
        "incomplete": ["if true {", "[1,", "func f() {\n  g()"],
        "invalid": ["let 1x = 2", "1 +* ) 2"],
    },
    comment="//",
)  # fmt: skip

PYTHON = Dialect(
    name="ipykernel",
    kernel="python3",
    language={"name": "python", "file_extension": ".py", "mimetype": "text/x-python", "pygments_lexer": "ipython3"},
    cells={
        "print": "print(%s)",
        "sleep": 'import time\nprint("go", flush=True)\ntime.sleep(%s)',
        # The interpreter lets one thread compute at a time: one core of work is all that a cell has.
        "spin": 'import time\nprint("go", flush=True)\nuntil = time.time() + %s\nwhile time.time() < until: pass',
        "forever": 'print("go", flush=True)\nwhile True: pass',
        "flood": 'print("go", flush=True)\nwhile True: print("x")',
        "declare": "marker = 20",
        "read": "marker",
        "add_one": "marker + 1",
        "fail": "class Oops(Exception): pass\nraise Oops()",
        "fail_name": "Oops",
        "fail_in_expression": "unknownName",
        "syntax_error": "let = )",
        "both_streams": 'import sys\nprint("a")\nprint("b", file=sys.stderr)\nprint("c")',
        "characters": 'for n in range(2000): print(f"é👩‍🔬{n}")',
        "characters_expected": "".join(f"é👩‍🔬{n}\n" for n in range(2000)),
        "lines": "for n in range(100_000): print(n)",
        "threads": """
import threading
def work(number):
    for n in range(100):
        print(f"thread {number} {n}\\n", end="")
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
        "later": """
import threading, time
def work():
    time.sleep(0.5)
    print("later", flush=True)
threading.Thread(target=work).start()
print("now")
""",
        "display": """
from IPython.display import HTML, Markdown, display, update_display
display(HTML("<i>one</i>"), display_id="place")
update_display(Markdown("*two*"), display_id="place")
""",
        "clear": 'from IPython.display import clear_output\nclear_output(wait=True)\nprint("after")',
        "rich": 'from IPython.display import HTML\nHTML("<b>x</b>")',
        "ask": 'name = input("name?")\nprint(f"hello {name}")',
        "empty": "",
        "comment_only": "# nothing to do",
    },
    results={"1 + 1": "2", "[n * 10 for n in (1, 2)]": "[10, 20]", '"a" + "b"': "'ab'"},
    completion=('"abc".casefol', "casefold"),
    inspection=('def triple(n):\n    "Three times as much."\n    return 3 * n', "triple(4)", 3, "Three times as much."),
    completeness={
        "complete": ["1", "x = 1", "def f():\n    return 1\n\n", "# a comment"],
        "incomplete": ["if True:", "[1,", "def f():\n    g("],
        "invalid": ["x = = 2", "1 +* ) 2"],
    },
    comment="#",
)

DIALECTS = {dialect.name: dialect for dialect in (SWIFT, PYTHON)}
