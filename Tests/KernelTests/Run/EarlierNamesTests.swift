import Kernel
import Testing

/// What earlier cells declared is found by later ones as in one file. More forms of it, beside the compiler's own answer,
/// are in `Tests/ConformanceTests/test_operator_forms.py`.
@Suite struct EarlierNamesTests {
  let notebook: Notebook
  init() throws { notebook = try Notebook() }

  private func expect(_ cell: String, _ printed: String = "", _ location: SourceLocation = #_sourceLocation) {
    let answer = notebook.run(cell, id: cell)
    #expect(answer.error == nil, "\(plain(answer.error))", sourceLocation: location)
    #expect(answer.stdout + (answer.result ?? "") == printed, sourceLocation: location)
    #expect(answer.stderr == "", sourceLocation: location)
  }

  private func plain(_ error: CellError?) -> String {
    (error?.traceback ?? []).joined(separator: "\n").replacing(/\u{1b}\[[0-9;]*m/, with: "")
  }

  @Test func `operators in bodies of types work one cell later`() {
    expect("struct Q { var v = 1; static func + (a: Q, b: Q) -> Q { Q(v: a.v + b.v) } }")
    expect("print((Q() + Q()).v)", "2\n")
    expect("let q = Q()")
    expect("[q, q, q].reduce(Q(v: 0), +).v", "3")
    #expect(notebook.runner.complete(code: "(q + q).", cursor: 8).matches.contains { $0.text == "v" })
  }

  @Test func `a cell that is run again gives its operators to the new type, and the old ones to old values`() {
    let cell = "struct Q { var v = 1; static func + (a: Q, b: Q) -> Int { a.v + b.v } }"
    notebook.run(cell, id: "q")
    expect("let old = Q()")
    notebook.run(cell.replacing("a.v + b.v", with: "a.v * 100"), id: "q")
    expect("print(Q() + Q())", "100\n")
    expect("print(old + old)", "2\n")
    notebook.run("struct Q { var v = 7; static func - (a: Q, b: Q) -> Int { a.v } }", id: "another cell")
    expect("print(Q() - Q())", "7\n")
    #expect(plain(notebook.run("print((Q() + Q()) as Int)").error).contains("error: "))
  }

  @Test func `a variable that never got its value isn't read`() {
    notebook.run("extension Int { var doubled: Int { self * 2 } }\nlet lost = [1].first { $0 > 4 }!")
    #expect(plain(notebook.run("print(lost)").error).contains("error: cannot find 'lost' in scope"))
    #expect(plain(notebook.run("print(3.doubled, lost)").error).contains("error: cannot find 'lost' in scope"))
    expect("print(3.doubled)", "6\n")
    // Mended in another cell, as people do in a console.
    expect("extension Int { var doubled: Int { self + self + 1 } }\nlet lost = 5")
    expect("print(3.doubled, lost)", "7 5\n")
  }

  @Test func `constants of an actor are read without await, as in its own file`() {
    expect("actor Account {\n  let id: Int\n  let names = [\"a\"]\n  init(id: Int) { self.id = id }\n}")
    expect("print(Account(id: 3).id, Account(id: 3).names)", "3 [\"a\"]\n")
  }

  @Test func `the error of a last expression is that of the expression alone`() {
    expect("struct V { var x = 1; static func + (a: V, b: V) -> V { a } }\nlet a = V()")
    let told = plain(notebook.run("a - a").error)
    #expect(told.contains("binary operator '-' cannot be applied to two 'V' operands"))
    #expect(told.components(separatedBy: "error: ").count == 2, "\(told)")
  }

  @Test func `what only all imports together show is found before an error is told`() {
    // The name of a type and of a function: only one of them has an import by name.
    expect("struct Vec { var x: Int }")
    expect("func Vec(_ y: Int) -> Vec { Vec(x: y) }")
    expect("let v: Vec = Vec(3)\nprint(v.x)", "3\n")
  }

  @Test func `what only the cell of a type may do is answered with what to do instead`() {
    expect("struct P { let x: Int }")
    #expect(
      plain(notebook.run("extension P { init(s: String) { x = s.count } }").error).contains("in the cell of the type"))
    #expect(plain(notebook.run("extension P: Equatable {}").error).contains("note: state the conformance in the cell"))
    expect("extension P { init(s: String) { self.init(x: s.count) } }\nprint(P(s: \"abc\").x)", "3\n")
  }
}
