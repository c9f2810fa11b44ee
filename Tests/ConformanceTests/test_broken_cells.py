"""Cells that don't compile: the notebook tells what `swiftc` tells of the same text, as many errors, in the same words,
and nothing of the kernel's own making.
"""

import concurrent.futures
import re

import pytest
from swiftc import one_file, plain, without_group

# What earlier cells declared.
EARLIER = """
struct Point { var x = 1, y = 2; let name = "p"; private var hidden = 3; func moved(by n: Int) -> Point { self } }
enum Color { case red, green(Int) }
protocol Named { var name: String { get }; func rename(_ to: String) }
class Base { init(n: Int) {}; func run() {} }
func twice(_ n: Int) -> Int { n * 2 }
func risky() throws -> Int { 1 }
func waits() async -> Int { 1 }
let numbers = [1, 2, 3]
var total = 0
""".strip()

CELLS = {
    "no such name": "print(nothing)",
    "no such name as the last expression": "let a = 1\nnothing + a",
    "no such name in a variable": "let b = nothing\nprint(b)\nb + 1",
    "no such member": "Point().z",
    "no such type": "let c: Nothing = 1\nc",
    "no such module": "import NoSuchModule\nprint(1)",
    "wrong type": "let d: Int = \"text\"\nd",
    "wrong argument": "twice(\"a\")",
    "missing label": "Point().moved(3)",
    "missing argument": "twice()",
    "extra argument": "print(twice(1, 2))",
    "unmarked throw": "let e = risky()\ne",
    "unmarked throw as the last expression": "risky()",
    "await missing": "let f = waits()\nf",
    "await in a synchronous function": "func g() -> Int { await waits() }\ng()",
    "await of what throws": "let h: String = try await waits()\nh",
    "let changed": "let i = 1\ni = 2\ni",
    "parameter changed": "func j(_ n: Int) { n += 1 }\nj(1)",
    "missing return": "func k() -> Int { }\nk()",
    "missing case": "func l(_ c: Color) -> Int {\n  switch c {\n  case .red: return 1\n  }\n}\nl(.red)",
    "missing case at the top level": "let m = Color.red\nswitch m { case .red: print(1) }",
    "requirement missing": "struct N: Named { var name = \"n\" }\nN()",
    "initializer missing": "class O: Base { let n: Int }\nO(n: 1)",
    "optional not unwrapped": "let p: Int = Int(\"3\")\np + 1",
    "ambiguous": "let q = nil\nq",
    "operands": "1 + \"a\"",
    "operands in a chain": "let r = numbers.map { $0 + \"a\" }.filter { $0 > 1 }\nr",
    "closure's type": "let s = numbers.map { (x: String) in x }\ns",
    "generic": "func t<T: Comparable>(_ a: T) -> T { a }\nt(Point())",
    "guard that goes on": "guard let u = Int(\"1\") else { print(\"no\") }\nu",
    "guard of a wrong value": "guard let v = 3 else { fatalError() }\nv",
    "guard, then a fault": "guard let w = Int(\"1\") else { fatalError() }\nw.nothing",
    "if as a value": "if true { 1 } else { \"a\" }\nlet x: Int = \"b\"",
    "if at the end": "if nothing { 1 } else { 2 }",
    "switch at the end": "switch Color.red { case .red: 1 }",
    "redeclared": "let y1 = 1\nlet y1 = 2\ny1",
    "used before declared": "print(z1)\nlet z1 = missing",
    "break outside": "break\nprint(1)",
    "return outside": "return 3",
    "private": "private struct AA { }\nAA().nothing",
    "override": "class BB: Base { override func walk() {} }\nBB(n: 1)",
    "two independent": "let cc: Int = \"a\"\nlet dd: String = 1\ncc",
    "three of one cause": "let ee = nothing\nlet ff = ee + 1\nprint(ff)\nff",
    "bracket missing": "print((1 + 2)\nlet gg = 3",
    "brace missing": "func hh() {\n  print(1)\n",
    "word missing": "let = 3\nprint(1)",
    "attribute unknown": "@unknown struct II {}\nII()",
    "async let without a value": "async let jj: Int\nprint(await jj)",
    "await among faults": "let kk = await waits() + nothing\nprint(kk)\nkk",
    "defer that awaits": "defer { await waits() }\nprint(1)",
    "work item": "import Dispatch\nlet ll = DispatchWorkItem { nothing }\nll",
    "inout missing": "func mm(_ n: inout Int) {}\nmm(total)\ntotal",
    "string interpolation": "\"a \\(nothing) b\"",
    "key path": "numbers.map(\\.nothing)",
    "trailing operator": "numbers +",
}
#: Names and paths that no message of the kernel may hold.
OWN = re.compile(r"__\w+|CellBridge|CellSupport|\bCell\d|/icl-session|main\.swift|In\d+_main")


@pytest.fixture(scope="module")
def expected():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(one_file, [EARLIER, text]) for name, text in CELLS.items()}
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def notebook(kernel):
    kernel.run(EARLIER)
    return kernel


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_refused_as_the_compiler_refuses_it(notebook, expected, name):
    outcome = notebook.execute(CELLS[name])
    answer = expected[name].result()
    if answer.compiles:
        assert outcome.status == "ok", plain(outcome.explanation)
        return
    assert outcome.status == "error", f"the compiler refuses it: {answer.errors}"
    told = plain("\n".join(outcome.content["traceback"]))
    errors = [without_group(line) for line in re.findall(r": error: (.*)", told)]
    assert errors == [without_group(line) for line in answer.errors], told
    assert not OWN.search(told + outcome.content["evalue"]), told
    assert outcome.stream("stderr") == ""
