"""Operators, and whatever else an import by name hides, in later cells: as `swiftc` has them in one file.

Every form is a few cells. They run in one session, and the same cells as one file are the reference: what the program
prints, or the first error. In a form's text, `№` stands for its number, which keeps the names of forms apart, and `¤` for
an operator of its own.
"""

import concurrent.futures
import dataclasses
import re

import pytest
import swiftc


@dataclasses.dataclass
class Form:
    name: str
    cells: list
    # Whether the compiler is expected to refuse the last cell.
    refused: bool = False


# MARK: Where an operator is declared × its fixity

# `S` is the type in its own body, `OPS` the operators.
STORED = "let v: Int\n  init(_ v: Int) { self.v = v }\n  OPS"
ENUM = "case n(Int)\n  init(_ v: Int) { self = .n(v) }\n  var v: Int { switch self { case .n(let v): v } }\n  OPS"
ASKED = "init(_ v: Int)\n  var v: Int { get }"

# Cells that declare it, `S` inside, and the type in the cell that uses it.
PLACES = {
    "a struct": ([f"struct V№ {{\n  {STORED}\n}}"], "V№", "V№"),
    "a class": ([f"final class V№ {{\n  {STORED}\n}}"], "V№", "V№"),
    "a superclass": (
        ["class B№ {\n  let v: Int\n  required init(_ v: Int) { self.v = v }\n  OPS\n}", "final class V№: B№ {}"],
        "B№",
        "V№",
    ),
    "an enum": ([f"enum V№ {{\n  {ENUM}\n}}"], "V№", "V№"),
    "an actor": ([f"actor V№ {{\n  {STORED}\n}}"], "V№", "V№"),
    "a nested type": ([f"enum N№ {{ enum M№ {{ struct V№ {{\n  {STORED}\n}} }} }}"], "V№", "N№.M№.V№"),
    "a type nested in an extension": (
        ["struct N№ {}", f"extension N№ {{ struct V№ {{\n  {STORED}\n}} }}"],
        "V№",
        "N№.V№",
    ),
    "a generic type": ([f"struct V№<E> {{\n  {STORED}\n}}"], "V№<E>", "V№<String>"),
    "an alias of a generic type": (
        [f"struct G№<E> {{\n  {STORED}\n}}", "typealias V№ = G№<[Int]>"],
        "G№<E>",
        "V№",
    ),
    "an extension": ([f"struct V№ {{ {STORED.replace('OPS', '')}}}", "extension V№ {\n  OPS\n}"], "V№", "V№"),
    "a protocol's extension": (
        [f"protocol P№ {{ {ASKED} }}", "extension P№ {\n  OPS\n}", f"struct V№: P№ {{ {STORED.replace('OPS', '')}}}"],
        "Self",
        "V№",
    ),
    "a condition": ([f"struct V№ {{\n  {STORED.replace('OPS', '#if os(Linux)' + chr(10) + '  OPS' + chr(10) + '#endif')}\n}}"], "V№", "V№"),
}

# The operator's declaration, in the type, and its use with the type `T`; before them, what stands at top level.
FIXITIES = {
    "+": ("", "static func + (a: S, b: S) -> S { S(a.v + b.v) }", "print((T(3) + T(4)).v)"),
    "+=": (
        "",
        "static func += (a: inout S, b: S) { a = S(a.v + b.v) }",
        "do {\n  var t = T(3)\n  t += T(4)\n  print(t.v)\n}",
    ),
    "prefix -": ("", "static prefix func - (a: S) -> S { S(-a.v) }", "print((-T(3)).v, [T(5)].map(-).map(\\.v))"),
    "postfix": ("postfix operator ¤", "static postfix func ¤ (a: S) -> S { S(a.v + 1) }", "print((T(3)¤).v)"),
    "infix of a new precedence": (
        "precedencegroup Tight№ { higherThan: MultiplicationPrecedence }\ninfix operator ¤: Tight№",
        "static func ¤ (a: S, b: S) -> Int { a.v - b.v }",
        "print(10 * T(9) ¤ T(4))",
    ),
    "==": (
        "",
        "static func == (a: S, b: S) -> Bool { a.v == b.v }",
        "print(T(3) == T(3), T(3) == T(4), zip([T(1)], [T(1)]).allSatisfy(==))",
    ),
    "<": (
        "",
        "static func < (a: S, b: S) -> Bool { a.v < b.v }",
        "print(T(3) < T(4), [T(2), T(1)].sorted(by: <).map { $0.v })",
    ),
    "~=": (
        "",
        "static func ~= (pattern: Int, a: S) -> Bool { pattern == a.v }",
        'switch T(3) {\ncase 1: print("one")\ncase 3: print("three")\ndefault: print("other")\n}\n'
        'if case 4 = T(4) { print("four") }',
    ),
    "of two types": (
        "",
        "static func * (a: S, b: Int) -> S { S(a.v * b) }\n  static func * (a: Int, b: S) -> S { b * a }",
        "print((T(3) * 2 * 2).v, (2 * T(3)).v)",
    ),
}


def declared_forms():
    for place, (declarations, own, used) in PLACES.items():
        for fixity, (before, operators, use) in FIXITIES.items():
            operators = operators.replace("S", own)
            cells = [cell.replace("OPS", operators) for cell in declarations]
            use = use.replace("T(", used + "(")
            # Both in the type's cell and in a cell of its own.
            if before and place in ("a struct", "an enum", "a generic type"):
                cells[0] = before + "\n" + cells[0]
            elif before:
                cells.insert(0, before)
            # What is assigned is of the superclass.
            yield Form(f"{fixity} in {place}", [*cells, use], refused=(place, fixity) == ("a superclass", "+="))


def required_forms():
    """Operators that a protocol asks for, used where only the protocol is known."""
    for fixity, (before, operators, use) in FIXITIES.items():
        requirements = re.sub(r" \{ .* \}$", "", operators.replace("S", "Self"), flags=re.MULTILINE)
        yield Form(
            f"{fixity} as a requirement",
            [
                *([before] if before else []),
                f"protocol P№ {{\n  {ASKED}\n  {requirements}\n}}",
                f"func use№<X: P№>(_: X.Type) {{\n{use.replace('T(', 'X(')}\n}}",
                f"struct V№: P№ {{\n  {STORED.replace('OPS', operators.replace('S', 'V№'))}\n}}",
                "use№(V№.self)",
            ],
        )


# MARK: Ways to a value whose type no later cell names

VALUE = "struct V№ {\n  var v = 1\n  static func + (a: V№, b: V№) -> V№ { V№(v: a.v + b.v) }\n}"
WAYS = {
    "a variable": (["let a№ = V№()"], "print((a№ + a№).v)"),
    "a function": (["func f№() -> V№ { V№() }"], "print((f№() + f№()).v)"),
    "a tuple": (["let t№ = (V№(), 1)"], "print((t№.0 + t№.0).v)"),
    "an array": (["let l№ = [V№(), V№()]"], "print((l№[0] + l№[1]).v)"),
    "a dictionary": (['let d№ = ["a": V№()]'], 'print((d№["a"]! + d№["a"]!).v)'),
    "a closure": (["let c№ = { V№() }"], "print((c№() + c№()).v)"),
    "an operator as a function": (["let l№ = [V№(), V№()]"], "print(l№.dropFirst().reduce(l№[0], +).v)"),
    "a property": (["struct H№ { var v = V№() }"], "print((H№().v + H№().v).v)"),
    "a static member": (["extension V№ { static let one = V№() }\nlet k№ = V№.one"], "print((k№ + .one + .init(v: 5)).v)"),
    "an optional": (["let o№: V№? = V№()"], "print(o№.map { $0 + $0 }?.v ?? 0)"),
    "a chain of cells": (["let a№ = V№()", "let b№ = a№", "let e№ = [b№]"], "print(e№.map { ($0 + $0).v })"),
    "a generic box": (["struct Box№<T> { var value: T }\nlet x№ = Box№(value: V№())"], "print((x№.value + x№.value).v)"),
    "a key path": (["struct H№ { var v = V№() }\nlet h№ = [H№(), H№()]"], "print(h№.map(\\.v).reduce(V№(v: 0), +).v)"),
    "a nested function": (["func f№() -> V№ { V№() }"], "func g№() -> Int { (f№() + f№()).v }\nprint(g№())"),
    "an interpolation": (["let a№ = V№()"], 'print("\\((a№ + a№).v) and \\([a№, a№].reduce(a№, +).v)")'),
    "a default argument": (["func f№(_ a: V№ = V№(v: 3)) -> V№ { a }"], "print((f№() + f№()).v)"),
    "a subclass": (
        ["class A№ { let v = V№() }", "class B№: A№ { var sum: V№ { v + v } }"],
        "print((B№().sum + B№().v).v)",
    ),
    "an opaque result": (
        [
            "protocol A№ { static func - (a: Self, b: Self) -> Int }\nextension V№: A№ "
            "{ static func - (a: V№, b: V№) -> Int { a.v - b.v } }",
            "func f№() -> some A№ { V№() }",
        ],
        "let p№ = f№()\nprint(p№ - p№)",
    ),
    "a thrown error": (
        ["extension V№: Error {}\nfunc f№() throws(V№) -> Int { throw V№(v: 2) }"],
        "do { print(try f№()) } catch { print((error + error).v) }",
    ),
    "a result of concurrent code": (["func f№() async -> V№ { V№() }"], "print((await f№() + f№()).v)"),
}


def way_forms():
    for way, (cells, use) in WAYS.items():
        yield Form(f"through {way}", [VALUE, *cells, use])


# MARK: Other things that no import by name brings

OTHERS = {
    "a conformance takes an operator as its witness": [
        VALUE,
        "protocol Sum№ { static func + (a: Self, b: Self) -> Self }",
        "extension V№: Sum№ {}",
        "func twice№<T: Sum№>(_ t: T) -> T { t + t }\nprint(twice№(V№()).v)",
    ],
    "Equatable takes the == of the body": [
        "struct V№ { var v = 1; var w = 2; static func == (a: V№, b: V№) -> Bool { a.v == b.v } }",
        "extension V№: Equatable {}",
        "print([V№(w: 3)].contains(V№()), V№() != V№(v: 4))",
    ],
    "Comparable takes the < of the body": [
        "struct V№: Equatable { var v = 1; static func < (a: V№, b: V№) -> Bool { a.v < b.v } }",
        "extension V№: Comparable {}",
        "print([V№(v: 3), V№()].min()!.v, V№() >= V№(v: 4))",
    ],
    "an operator for another operator's right side": [
        VALUE,
        "extension V№ { static func * (a: V№, b: Int) -> V№ { V№(v: a.v * b) } }",
        "let s№ = V№() + V№() * 3\nprint(s№.v)",
    ],
    "operators of several cells for one type": [
        VALUE,
        "extension V№ { static func - (a: V№, b: V№) -> V№ { V№(v: a.v - b.v) } }",
        "func / (a: V№, b: V№) -> V№ { V№(v: a.v / b.v) }",
        "print(((V№(v: 8) + V№() - V№()) / V№(v: 2)).v)",
    ],
    "a precedence group of another cell": [
        "precedencegroup Arrow№ {\n  associativity: right\n  lowerThan: AdditionPrecedence\n}",
        "infix operator ¤: Arrow№",
        "struct V№ { var v = 1; static func ¤ (a: V№, b: Int) -> Int { a.v + b } }",
        "func ¤ (a: Int, b: Int) -> Int { a * 10 + b }",
        "print(1 ¤ 2 ¤ 3 + 4, V№() ¤ 5)",
        "infix operator ¤*: Arrow№\nfunc ¤* (a: Int, b: Int) -> Int { a - b }\nprint(9 ¤* 3 ¤* 1)",
    ],
    "a range operator": [
        "struct V№ { var v = 1; static func ... (a: V№, b: V№) -> [Int] { Array(a.v...b.v) }\n"
        "static postfix func ... (a: V№) -> Int { a.v } }",
        "print(V№()...V№(v: 3), V№()...)",
    ],
    "& and | and ! and <<": [
        "struct V№ { var v = 6; static func & (a: V№, b: V№) -> Int { a.v & b.v }\n"
        "static func | (a: V№, b: V№) -> Int { a.v | b.v }\nstatic prefix func ! (a: V№) -> Int { -a.v }\n"
        "static func << (a: V№, b: Int) -> Int { a.v << b } }",
        "print(V№() & V№(v: 3), V№() | V№(v: 1), !V№(), V№() << 2, zip([V№()], [V№(v: 2)]).map(&))",
    ],
    "&& with an autoclosure": [
        "struct V№ { var v = 0; static func && (a: V№, b: @autoclosure () -> V№) -> V№ { a.v == 0 ? a : b() } }",
        'func loud№() -> V№ { print("asked"); return V№(v: 2) }',
        "print((V№() && loud№()).v, (V№(v: 1) && loud№()).v)",
    ],
    "?? for an optional of one's own": [
        "enum Maybe№<T> { case some(T), nothing\n  static func ?? (a: Self, b: T) -> T "
        "{ if case .some(let t) = a { t } else { b } } }",
        "let m№ = Maybe№<Int>.nothing",
        "print(m№ ?? 3, Maybe№.some(1) ?? 2)",
    ],
    "~= in catch and for": [
        "struct E№: Error { var c = 1; static func ~= (p: E№, e: any Error) -> Bool { (e as? E№)?.c == p.c }\n"
        "static func ~= (p: Int, e: E№) -> Bool { p == e.c } }",
        "func f№(_ c: Int) throws { throw E№(c: c) }",
        'do { try f№(2) } catch E№() { print("one") } catch E№(c: 2) { print("two") } catch { print("else") }\n'
        "for case 1 in [E№(), E№(c: 4)] { print(1) }",
    ],
    "an operator on a constrained generic type": [
        "struct M№<T> { var t: [T]\n  static func + (a: Self, b: Self) -> Self where T: Numeric "
        "{ Self(t: zip(a.t, b.t).map(+)) } }",
        "let a№ = M№(t: [1, 2]), b№ = M№(t: [0.5])",
        "print((a№ + a№).t, (b№ + b№).t)",
    ],
    "an operator between two types of two cells": [
        "struct A№ { var a = 1 }",
        "struct B№ { var b = 2; static func * (a: A№, b: B№) -> Int { a.a * b.b } }",
        "print(A№() * B№())",
    ],
    "callAsFunction and subscripts": [
        "struct V№ { func callAsFunction(_ x: Int) -> Int { x + 1 }\n  subscript(i: Int) -> Int { i * 2 }\n"
        "  static subscript(s: String) -> String { s + s } }",
        "let v№ = V№()",
        'print(v№(2), v№[3], V№["a"], [1, 2].map { v№($0) })',
    ],
    "dynamic members and calls": [
        "@dynamicMemberLookup @dynamicCallable struct D№ { subscript(dynamicMember n: String) -> String { n }\n"
        "  func dynamicallyCall(withArguments a: [Int]) -> Int { a.reduce(0, +) } }",
        "let d№ = D№()",
        "print(d№.anything, d№(1, 2, 3))",
    ],
    "a result builder": [
        "@resultBuilder enum B№ { static func buildBlock(_ p: String...) -> String { p.joined(separator: \",\") }\n"
        "  static func buildOptional(_ p: String?) -> String { p ?? \"-\" }\n"
        "  static func buildArray(_ p: [String]) -> String { p.joined() } }",
        "func make№(@B№ _ f: () -> String) -> String { f() }",
        'print(make№ { "a"\n  if 1 > 2 { "b" }\n  for i in 0..<3 { "\\(i)" } })',
        'struct Page№ { @B№ var body: String { "x"\n "y" } }\nprint(Page№().body)',
    ],
    "result builder methods in an extension": [
        "@resultBuilder enum B№ { static func buildBlock(_ p: Int...) -> Int { p.reduce(0, +) } }",
        "extension B№ { static func buildExpression(_ s: String) -> Int { s.count }\n"
        "  static func buildExpression(_ i: Int) -> Int { i } }",
        "func sum№(@B№ _ f: () -> Int) -> Int { f() }",
        'print(sum№ { "abc"\n 4 })',
    ],
    "a property wrapper": [
        "@propertyWrapper struct Clamp№ { var wrappedValue: Int { didSet { wrappedValue = min(wrappedValue, 9) } }\n"
        "  var projectedValue: String { \"<\\(wrappedValue)>\" } }",
        "struct S№ { @Clamp№ var x = 3 }",
        "var s№ = S№()\ns№.x = 30\nprint(s№.x, s№.$x)",
    ],
    "a conformance through an alias": [
        "struct O№ { struct I№ {} }\nfunc over№<X>(_ x: X) -> String { \"any\" }\n"
        "func over№<X: CustomStringConvertible>(_ x: X) -> String { x.description }",
        "typealias T№ = O№.I№",
        'extension T№: CustomStringConvertible { var description: String { "T" } }',
        "print(over№(O№.I№()))",
    ],
    "a conformance through another protocol": [
        "protocol Q№: CustomStringConvertible {}",
        "struct V№ {}",
        'extension V№: Q№ { var description: String { "V" } }',
        "func over№<X>(_ x: X) -> String { \"any\" }\nfunc over№<X: CustomStringConvertible>(_ x: X) -> String { \"it\" }",
        "print(over№(V№()))",
    ],
    "a conformance of a type outside": [
        "protocol Area№ { var area№: Int { get } }",
        "extension Int: Area№ { var area№: Int { self * self } }",
        "func total№<T: Area№>(_ l: [T]) -> Int { l.map(\\.area№).reduce(0, +) }",
        "print(total№([1, 2, 3]))",
    ],
    "a conditional conformance": [
        "protocol Named№ { var name: String { get } }\nstruct A№: Named№ { var name = \"a\" }",
        "extension Array: Named№ where Element: Named№ { var name: String { map(\\.name).joined() } }",
        "func show№(_ n: some Named№) -> String { n.name }",
        "print(show№([A№(), A№()]), show№([[A№()]]))",
    ],
    "an interpolation of one's own": [
        "struct V№ { var v = 1 }",
        "extension String.StringInterpolation { mutating func appendInterpolation(_ v: V№) { appendLiteral(\"V\\(v.v)\") } }",
        'let v№ = V№()\nprint("\\(v№)")',
    ],
    "literals": [
        "struct M№: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral { var c: Double\n"
        "  init(integerLiteral i: Int) { c = Double(i) }\n  init(floatLiteral f: Double) { c = f }\n"
        "  static func + (a: M№, b: M№) -> M№ { M№(floatLiteral: a.c + b.c) } }",
        "let m№: M№ = 3",
        "print((m№ + 1 + 0.5).c)",
    ],
    "Codable with types of earlier cells": [
        "struct A№: Codable { var x = 1 }",
        "struct B№: Codable { var a = [A№()] }",
        "import Foundation\nprint(String(decoding: try JSONEncoder().encode(B№()), as: UTF8.self))",
    ],
    "an associated type and its default": [
        "protocol Store№ { associatedtype Item№ = Int; var items: [Item№] { get } }\n"
        "extension Store№ { var first: Item№? { items.first } }",
        "struct S№: Store№ { var items = [4] }",
        "let s№: any Store№ = S№()",
        "print(S№().first ?? 0, s№.items)",
    ],
    "overloads over cells": [
        'func f№(_ x: Int) -> String { "int" }',
        'func f№(_ x: String) -> String { "string" }',
        'func f№<T>(_ x: [T]) -> String { "list" }',
        'print(f№(1), f№("a"), f№([1]))',
    ],
    "names that are words of the language": [
        "func open(_ n: Int) -> Int { n }\nlet left = 1, get = 2, some = 3, async = 4, each = 5",
        "print(open(0), left, get, some, async, each)",
    ],
    "names that aren't letters": [
        "func `hello world№`() -> Int { 1 }\nfunc `№st`() -> Int { 2 }\nlet `a-b№` = 3",
        "print(`hello world№`(), `№st`(), `a-b№`)",
    ],
}
REFUSED = {
    "a difference of variables": [VALUE, "let a№ = V№()", "print((a№ - a№).v)"],
    "an equality of variables": [VALUE, "let a№ = V№()", "a№ == a№"],
    "an assignment to a constant of another cell": [VALUE, "let a№ = V№()", "a№ += a№"],
    "a value of an optional": [VALUE, "let a№: V№? = V№()", "a№ + V№()"],
    "an operand of a wrong type": [VALUE, "print((V№() + 1).v)"],
    "an operator that the type doesn't have": [VALUE, "print((V№() - V№()).v)"],
    "an operator through a value of a wrong type": [VALUE, "let a№ = V№()", 'print((a№ + "x").v)'],
    "a compound assignment to a constant": [
        VALUE.replace("}\n}", "}\n  static func += (a: inout V№, b: V№) { a = a + b }\n}"),
        "let a№ = V№()",
        "a№ += V№()",
    ],
    "an operator that nobody declared": [VALUE, "print(V№() ¤ V№())"],
    "a pattern of a wrong type": [VALUE, 'switch V№() {\ncase 1: print("one")\ndefault: print("no")\n}'],
    "a reduction of a wrong type": [VALUE, "print([V№()].reduce(0, +))"],
    "a name that nobody declared": [VALUE, "print((V№() + nothing№).v)"],
    "an unknown member of a sum": [VALUE, "print((V№() + V№()).w)"],
    "a generic requirement that isn't met": [
        VALUE,
        "func sum№<T: AdditiveArithmetic>(_ a: T) -> T { a + a }",
        "print(sum№(V№()))",
    ],
    "a missing witness": [VALUE, "protocol P№ { static func - (a: Self, b: Self) -> Self }", "extension V№: P№ {}"],
    "a result of another type": [VALUE, "let n№: Int = V№() + V№()"],
}


def forms():
    found = [*declared_forms(), *required_forms(), *way_forms()]
    found += [Form(name, cells) for name, cells in OTHERS.items()]
    found += [Form(name, cells, refused=True) for name, cells in REFUSED.items()]
    for number, form in enumerate(found, 1):
        form.cells = [cell.replace("№", str(number)).replace("¤", operator(number)) for cell in form.cells]
    return found


def operator(number):
    """`^` and the number's digits to the base of four, written with characters of operators."""
    digits = ""
    while number:
        digits += "|^~+"[number % 4]
        number //= 4
    return "^" + digits


FORMS = forms()


# MARK: The reference

TOGETHER = 16


def references():
    """What `swiftc` makes of every form. Several forms that it takes are one program: its start costs most."""
    taken = [form for form in FORMS if not form.refused]
    parts = [taken[at : at + TOGETHER] for at in range(0, len(taken), TOGETHER)]
    parts += [[form] for form in FORMS if form.refused]
    answers = {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for found in pool.map(answers_of, parts):
            answers.update(found)
    return answers


def answers_of(part):
    mark = "---- next form"
    cells = [cell for form in part for cell in [*form.cells, f'print("{mark}")']]
    answer = swiftc.one_file(cells if len(part) > 1 else part[0].cells, timeout=240)
    if len(part) == 1:
        return {part[0].name: answer}
    if not answer.compiles:
        return {name: found for form in part for name, found in answers_of([form]).items()}
    texts = answer.stdout.split(mark + "\n")
    return {form.name: dataclasses.replace(answer, stdout=text) for form, text in zip(part, texts)}


@pytest.fixture(scope="module")
def answers():
    return references()


# MARK: Tests


def test_there_are_enough_forms():
    assert len(FORMS) >= 150
    assert len({form.name for form in FORMS}) == len(FORMS)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_form_is_as_in_one_file(kernel, answers, form):
    answer = answers[form.name]
    assert answer.compiles is not form.refused, answer.errors
    printed = ""
    for cell in form.cells[:-1]:
        printed += kernel.run(cell).stream()
    outcome = kernel.execute(form.cells[-1])
    if answer.compiles:
        assert outcome.status == "ok", outcome.explanation
        assert printed + outcome.stream() == answer.stdout
        assert outcome.stream("stderr") == ""
    else:
        assert outcome.status == "error"
        assert swiftc.messages(plain(outcome.explanation), "error")[0] == answer.errors[0], outcome.explanation


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
