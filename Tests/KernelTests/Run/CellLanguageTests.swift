import Foundation
import Kernel
import Testing

/// Cells as people write them: one session, many cells, later ones seeing earlier ones.
@Suite(.serialized) struct CellLanguageTests {
  let notebook: Notebook
  init() throws { notebook = try Notebook() }

  /// Runs cells in order and expects the last one's printed text or result.
  private func expect(_ cells: [String], _ expected: String, _ location: SourceLocation = #_sourceLocation) {
    for cell in cells.dropLast() {
      let answer = notebook.run(cell)
      #expect(answer.error == nil, "\(cell)\n\(answer.error?.value ?? "")", sourceLocation: location)
    }
    let answer = notebook.run(cells.last ?? "")
    #expect(answer.error == nil, "\(answer.error?.value ?? "")", sourceLocation: location)
    #expect(answer.stdout + (answer.result ?? "") == expected, sourceLocation: location)
  }

  @Test func `the trailing expression is the result`() {
    expect(["1 + 1"], "2")
    expect(["let a = [1, 2]\na.map { $0 * 2 }"], "[2, 4]")
    expect(["\"text\""], "\"text\"")
    expect(["let q: Int? = nil\nq"], "nil")
    expect(["Optional(3)"], "3")
    expect(["print(\"only printed\")"], "only printed\n")
    expect(["var n = 1\nn = 5"], "")
    expect(["n += 1"], "")
    expect(["n"], "6")
    expect(["(1, \"b\")"], "(1, \"b\")")
    expect(["// nothing"], "")
    expect([""], "")
    expect(["if n > 3 { print(\"big\") }"], "big\n")
  }

  @Test func `a variable, function or type declared again replaces the older one`() {
    expect(["let x = 1", "let x = \"two\"", "x"], "\"two\"")
    expect(["func f() -> Int { 1 }", "func f() -> Int { 2 }", "f()"], "2")
    expect(["struct P { var a = 1 }", "let old = P()", "struct P { var b = 2 }", "print(P().b, old.a)"], "2 1\n")
    expect(["func g(_ a: Int) -> Int { a }", "func g(_ a: String) -> String { a }", "print(g(1), g(\"s\"))"], "1 s\n")
    expect(["func g(_ a: Int) -> Int { a * 10 }", "print(g(1), g(\"s\"))"], "10 s\n")
    expect(["let (one, two) = (1, 2)", "one + two"], "3")
  }

  @Test func `running a cell again works, with conformances, operators and extensions`() {
    let cells = [
      "protocol Shape { func area() -> Double }\nstruct Square { var side = 2.0 }",
      "extension Square: Shape { func area() -> Double { side * side } }",
      "func total(_ s: [any Shape]) -> Double { s.reduce(0) { $0 + $1.area() } }",
      "infix operator +++: AdditionPrecedence\nfunc +++ (a: Int, b: Int) -> Int { a + b + 1 }",
      "extension Array { var middle: Element { self[count / 2] } }",
      "extension Int: Shape { public func area() -> Double { Double(self) } }",
      "print(total([Square(), 3]), 1 +++ 2, [1, 2, 3].middle)",
    ]
    for round in 1...3 {
      for (index, cell) in cells.enumerated() {
        let answer = notebook.run(cell, id: "cell-\(index)")
        #expect(answer.error == nil, "round \(round), cell \(index): \(answer.error?.value ?? "")")
        if index == cells.count - 1 { #expect(answer.stdout == "7.0 4 2\n") }
      }
    }
    // Edited and run again, in any order.
    notebook.run("extension Square: Shape { func area() -> Double { 100 } }", id: "cell-1")
    let answer = notebook.run("total([Square()])")
    #expect(answer.result == "100.0", "\(answer.error?.value ?? "")")
  }

  @Test func `a client without cell ids can state a conformance again in other words`() {
    expect(
      [
        "struct T {}", "extension T: CustomStringConvertible { var description: String { \"one\" } }", "print(T())",
      ], "one\n")
    expect(["extension T: CustomStringConvertible { var description: String { \"two\" } }", "print(T())"], "two\n")
  }

  @Test func `asynchronous code runs at top level, and its values stay`() {
    expect(["func slow(_ n: Int) async -> Int { await Task.yield(); return n }", "let r = await slow(4)", "r"], "4")
    expect(
      ["func fails() async throws -> Int { throw CancellationError() }", "let v = try? await fails()", "v"], "nil")
    expect(["async let a = slow(1)\nasync let b = slow(2)\nprint(await a + b)", "a * 10 + b"], "12")
    expect(
      ["actor Counter { var n = 0; func up() -> Int { n += 1; return n } }\nlet c = Counter()", "await c.up()"], "1")
    expect(["await c.up() + 10"], "12")
    expect(["for i in 1...2 { print(await slow(i)) }"], "1\n2\n")
    expect(
      ["let s = AsyncStream { c in c.yield(7); c.yield(8); c.finish() }\nfor await x in s { print(x) }"], "7\n8\n")
    expect(
      [
        "let sum = await withTaskGroup(of: Int.self) { g in\n  for i in 1...10 { g.addTask { await slow(i) } }\n"
          + "  var t = 0\n  for await x in g { t += x }\n  return t\n}\nsum"
      ], "55")
    expect(["@MainActor func onMain() -> String { \"main\" }", "await onMain()"], "\"main\"")
    expect(["import Foundation\ntry await Task.sleep(nanoseconds: 1_000_000)\nprint(\"slept\")"], "slept\n")
    expect(["if await slow(1) == 1 { print(\"yes\") }"], "yes\n")
    expect(["do { _ = try await fails() } catch { print(\"caught\") }"], "caught\n")
  }

  @Test func `what Swift has works across cells`() {
    expect(["class Node { var n = 1; deinit { print(\"gone\") } }\nvar node: Node? = Node()", "node = nil"], "gone\n")
    expect(["enum E: String, CaseIterable { case a, b }", "E.allCases.map(\\.rawValue)"], "[\"a\", \"b\"]")
    expect(["func id<T>(_ t: T) -> T { t }", "id(5) + id(6)"], "11")
    expect(
      [
        "@propertyWrapper struct Clamped { private var v = 0; var wrappedValue: Int { get { v } set { v = min(newValue, 9) } } }",
        "struct S { @Clamped var n: Int }\nvar s = S()\ns.n = 20", "s.n",
      ], "9")
    expect(
      [
        "@resultBuilder enum Lines { static func buildBlock(_ p: String...) -> String { p.joined(separator: \"|\") } }\n"
          + "func lines(@Lines _ b: () -> String) -> String { b() }", "lines { \"a\"; \"b\" }",
      ], "\"a|b\"")
    expect(["private let hidden = 42\nfileprivate func secret() -> Int { hidden }", "secret() + hidden"], "84")
    expect(["struct K { static let shared = K(); private let v = 3; func get() -> Int { v } }", "K.shared.get()"], "3")
    expect(["let größe = 1; let π = 3; let 変数 = 5; let `default` = 7", "größe + π + 変数 + `default`"], "16")
    expect(["guard let g1 = Optional(3) else { fatalError() }", "g1"], "3")
    expect(["import Foundation", "Data([1, 2]).count"], "2")
    expect(["let crlf = 1\r\nlet other = 2\r\ncrlf + other"], "3")
    expect(["\"👩‍👩‍👧 é\".count"], "3")
    expect(["defer { print(\"deferred\") }\nprint(\"first\")"], "first\ndeferred\n")
    expect(["let text = \"a-b\"; text.split(separator: /-/).count"], "2")
    expect(["typealias Pair = (Int, Int)", "let pair: Pair = (1, 2)\npair.0"], "1")
    expect(["var lazyOne: Int { 5 }", "lazyOne"], "5")
    expect(["var counter = 0", "func bump() { counter += 1 }\nbump(); bump()", "counter"], "2")
    expect(["if #available(macOS 10, *) { print(\"ok\") }"], "ok\n")
    expect(["@discardableResult func d() -> Int { 3 }\nd()"], "3")
    expect(
      [
        "protocol HasName { var name: String { get } }\nextension HasName { var hi: String { \"hi \" + name } }",
        "struct N: HasName { var name = \"n\" }", "N().hi",
      ], "\"hi n\"")
  }

  @Test func `a failed cell leaves what it had done and nothing half-made`() {
    notebook.run("let before = 1")
    let answer = notebook.run(
      "let first = \"done\"\nlet second: Int = [Int]()[0]\nlet third = \"never\"\nlet before = 2")
    #expect(answer.error != nil)
    expect(["first"], "\"done\"")
    expect(["before"], "1")
    #expect(notebook.run("third").error?.name == "CompileError")
  }

  @Test func `a long cell of 2,000 lines compiles`() {
    let lines = (1...2000).map { "let v\($0) = \($0)" }
    expect([lines.joined(separator: "\n"), "v1 + v2000"], "2001")
  }
}
