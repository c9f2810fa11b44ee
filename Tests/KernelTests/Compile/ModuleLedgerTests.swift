import Kernel
import Testing

/// Which imports a cell gets, told from the text of the cells alone.
@Suite struct ModuleLedgerTests {
  /// A session whose cells aren't compiled.
  struct Session {
    var ledger = ModuleLedger()
    var count = 0

    mutating func ran(_ code: String, key: String? = nil, reached: Int = .max) {
      count += 1
      let names = CellSource(code).names
      let key = key ?? "cell \(count)"
      let plan = ledger.plan(for: names, key: key)
      ledger.record("Cell\(count)", names: names, key: key, plan: plan, reached: reached)
    }

    func header(_ code: String, key: String = "new", reach: ModuleLedger.Reach = .chosen) -> [String] {
      ledger.plan(for: CellSource(code).names, key: key, reach: reach).header
        .map { $0.replacing("@_implementationOnly ", with: "") }
    }
  }

  @Test(arguments: [
    "struct V { static func + (a: V, b: V) -> V { a } }", "final class V { static func + (a: V, b: V) -> V { a } }",
    "enum V { case a; static func + (a: V, b: V) -> V { a } }", "actor V { static func + (a: V, b: V) -> V { a } }",
    "struct V<E> { static func + (a: V, b: V) -> V { a } }",
    "protocol V { static func + (a: Self, b: Self) -> Self }",
    "enum V { struct W { enum X { case a; static func + (a: X, b: X) -> X { a } } } }",
  ])
  func `an operator in the body of a type is imported by its name`(_ cell: String) {
    var session = Session()
    session.ran(cell)
    #expect(session.header("V.f(1 + 1)").contains("import func Cell1 . +"))
    #expect(session.header("[V]().reduce(z, +)").contains("import func Cell1 . +"))
    #expect(!session.header("V.f(1 - 1)").contains { $0.contains("func") }, "the cell has no use for it")
    #expect(session.header("1 + 1").isEmpty, "no value of the type is in reach")
  }

  @Test(arguments: [
    ("prefix func - (a: V) -> V { a }", "f(-v)", "-"), ("postfix func +++ (a: V) -> V { a }", "f(v+++)", "+++"),
    ("func += (a: inout V, b: V) {}", "v += v", "+="), ("func < (a: V, b: V) -> Bool { true }", "l.sorted(by: <)", "<"),
    ("func & (a: V, b: V) -> V { a }", "zip(l, l).map(&)", "&"), ("func >> (a: V, b: V) -> V { a }", "v >> v", ">>"),
    ("func ~= (a: Int, b: V) -> Bool { true }", "switch v { case 1: f()\ndefault: g() }", "~="),
    ("func ~= (a: Int, b: V) -> Bool { true }", "do { try f(v) } catch 1 {}", "~="),
    ("func • (a: V, b: V) -> V { a }", "v • v", "•"),
  ])
  func `an operator of any fixity is found where it is used`(_ operators: String, _ use: String, _ name: String) {
    var session = Session()
    session.ran("struct V { static \(operators) }\nlet v = V(), l = [v]")
    #expect(session.header(use).contains("import func Cell1 . \(name)"))
  }

  @Test func `an operator is found through a value whose type is named by nobody`() {
    var session = Session()
    session.ran("struct V { static func + (a: V, b: V) -> V { a } }")
    session.ran("func make() -> V { V() }")
    session.ran("let values = [make()]")
    let header = session.header("values[0] + values[0]")
    #expect(header.contains("import func Cell1 . +"))
    #expect(!header.contains("import struct Cell1.`V`"))
  }

  @Test func `a conformance gets the operators that its protocol may ask for`() {
    var session = Session()
    session.ran("struct V { static func + (a: V, b: V) -> V { a } }")
    session.ran("protocol Sum { static func + (a: Self, b: Self) -> Self }")
    #expect(session.header("extension V: Sum {}").contains("import func Cell1 . +"))
  }

  @Test func `an operator behind a condition isn't asked for by name`() {
    var session = Session()
    session.ran("struct V {\n#if os(Linux)\nstatic func + (a: V, b: V) -> V { a }\n#endif\n}")
    #expect(session.header("V() + V()") == ["import Cell1", "import struct Cell1.`V`"])
  }

  @Test func `the operators of an earlier run serve the values that are left of it`() {
    var session = Session()
    let cell = "struct V { static func + (a: V, b: V) -> V { a } }\nfunc - (a: V, b: V) -> V { a }"
    session.ran(cell, key: "v")
    session.ran("let old = V()")
    session.ran(cell, key: "v")
    let header = session.header("old + old - old")
    #expect(header.contains("import func Cell1 . +"))
    #expect(!header.contains("import Cell1") && !header.contains("import func Cell1 . -"))
  }

  @Test func `operators outlive a conformance that another cell states anew`() {
    var session = Session()
    session.ran("struct V {}\nextension V: P {}\nfunc + (a: V, b: V) -> V { a }\nfunc - (a: V, b: V) -> V { a }")
    session.ran("extension V: P {}\nfunc - (a: V, b: V) -> V { b }")
    let header = session.header("V() + V() - V()")
    #expect(header.contains("import func Cell1 . +"))
    #expect(!header.contains("import func Cell1 . -"), "the newer one is meant")
  }

  @Test func `a conformance is in reach through an alias and through a protocol that inherits`() {
    var session = Session()
    session.ran("struct Outer { struct Inner {} }")
    session.ran("typealias Alias = Outer.Inner")
    session.ran("extension Alias: CustomStringConvertible { var description: String { \"\" } }")
    session.ran("protocol Own: CustomStringConvertible {}")
    session.ran("struct V {}")
    session.ran("extension V: Own { var description: String { \"\" } }")
    #expect(session.header("show(Outer.Inner())").contains("import Cell3"))
    #expect(session.header("show(V())").contains("import Cell6"))
    #expect(!session.header("show(Outer.Inner())").contains("import Cell6"))
  }

  @Test func `a variable that never got its value is in no cell's sight`() {
    var session = Session()
    session.ran("extension Int { static func +++ (a: Int, b: Int) -> Int { a } }\nlet lost = f()", reached: 0)
    #expect(session.header("1 +++ 2").contains("import Cell1"))
    let header = session.header("1 +++ lost")
    #expect(!header.contains("import Cell1") && header.contains("import func Cell1 . +++"))
    #expect(!session.header("lost", reach: .all).contains("import Cell1"))
  }

  @Test func `a cell that declares an operator is loaded where the operator is used`() {
    var session = Session()
    session.ran("precedencegroup Tight { higherThan: MultiplicationPrecedence }\ninfix operator +++: Tight")
    #expect(session.header("1 + 1").isEmpty)
    #expect(session.header("1 +++ 1") == ["import Cell1"])
    #expect(session.header("infix operator ---: Tight") == ["import Cell1"])
  }

  @Test func `with all in sight, every cell is imported but an earlier run and the same cell's own`() {
    var session = Session()
    session.ran("let a = 1")
    session.ran("extension Int { var b: Int { 1 } }", key: "b")
    session.ran("extension Int { var b: Int { 2 } }", key: "b")
    session.ran("struct C {}", key: "c")
    #expect(session.header("1").isEmpty)
    #expect(session.header("1", reach: .all) == ["import Cell4", "import Cell3", "import Cell1"])
    #expect(session.header("struct C {}", key: "c", reach: .all) == ["import Cell3", "import Cell1"])
  }

  @Test func `a name of any letters can be imported`() {
    var session = Session()
    session.ran("func `hello world`() {}\nlet `1st` = 1\nlet left = 2")
    #expect(
      session.header("`hello world`()\nprint(`1st`, left)") == [
        "import func Cell1.`hello world`", "import var Cell1.`1st`", "import var Cell1.`left`",
      ])
  }
}

/// What a cell is told that doesn't compile.
@Suite struct FailureChoiceTests {
  private func failure(_ messages: String...) -> CompileFailure {
    .diagnostics(messages.map { Diagnostic(severity: .error, message: $0, file: "In[1]", line: 1, column: 1) })
  }
  private func messages(_ failure: CompileFailure) -> [String] {
    if case .diagnostics(let found) = failure { found.map(\.message) } else { [] }
  }

  @Test func `what the compiler says with all in sight is told`() {
    let told = CompileFailure.ofOneFile(failure("no '+'", "no '-'"), failure("no '-'"))
    #expect(messages(told) == ["no '-'"])
    #expect(messages(.ofOneFile(.tool("crashed"), failure("no '-'"))) == ["no '-'"])
    #expect(messages(.ofOneFile(failure("no '-'"), .tool("crashed"))) == ["no '-'"])
  }

  @Test func `an ambiguity among old declarations is no fault of the cell`() {
    let told = CompileFailure.ofOneFile(failure("no '-'"), failure("ambiguous use of 'f'"))
    #expect(messages(told) == ["no '-'"])
    let own = CompileFailure.ofOneFile(failure("ambiguous use of 'f'", "no '-'"), failure("ambiguous use of 'f'"))
    #expect(messages(own) == ["ambiguous use of 'f'"])
  }

  @Test func `an interrupt isn't taken for an error of the cell`() {
    if case .interrupted = CompileFailure.ofOneFile(failure("no '-'"), .interrupted) { return }
    Issue.record("the interrupt is lost")
  }

  @Test func `imports that nobody wrote aren't told of`() {
    let hidden = "cannot use struct 'V' here; 'Cell1' has been imported as implementation-only"
    #expect(messages(failure(hidden, "no '-'").withoutImports) == ["no '-'"])
    #expect(messages(failure(hidden).withoutImports) == [hidden], "better than nothing")
  }

  @Test func `a cell is compiled again where that could help`() {
    var ledger = ModuleLedger()
    let names = CellSource("let known = 1").names
    ledger.record("Cell1", names: names, key: "a", plan: ledger.plan(for: names, key: "a"))
    #expect(!ledger.mayMend(failure("cannot find 'unknown' in scope", "cannot find type 'Unknown' in scope")))
    #expect(ledger.mayMend(failure("cannot find 'known' in scope")))
    #expect(ledger.mayMend(failure("cannot find 'unknown' in scope", "binary operator '+' cannot be applied")))
    #expect(ledger.mayMend(.tool("crashed")))
    #expect(!ledger.mayMend(.interrupted))
    let conditional = CellSource("#if os(Linux)\nlet unknown = 1\n#endif").names
    ledger.record("Cell2", names: conditional, key: "b", plan: ledger.plan(for: conditional, key: "b"))
    #expect(ledger.mayMend(failure("cannot find 'unknown' in scope")))
  }
}
