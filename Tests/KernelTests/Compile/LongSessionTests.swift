import Foundation
import Kernel
import Testing

/// What a cell imports of the cells before it: enough, and no more.
@Suite struct LongSessionTests {
  let notebook: Notebook
  init() throws { notebook = try Notebook() }

  private func expect(_ cells: [String], _ results: (use: String, value: String)...) {
    for cell in cells {
      let answer = notebook.run(cell)
      #expect(answer.error == nil, "\(cell)\n\(answer.error?.value ?? "")")
    }
    for (use, value) in results {
      let answer = notebook.run(use)
      #expect(answer.result == value, "\(use)\n\(answer.error?.value ?? "")")
    }
  }

  private func forget(_ cells: ClosedRange<Int>) throws {
    for number in cells {
      try FileManager.default.removeItem(atPath: "\(notebook.runner.sessionFolder)/In\(number).swiftmodule")
    }
  }

  @Test func `in a chain of cells only the last is loaded`() throws {
    notebook.run("let v0 = 0")
    for number in 1...8 { notebook.run("let v\(number) = v\(number - 1) + 1") }
    try forget(1...8)
    expect([], ("v8 + 1", "9"))
  }

  @Test func `extensions that a cell has no use for aren't loaded`() throws {
    notebook.run("extension Int { var doubled: Int { self * 2 } }")
    notebook.run(
      "struct Point { var x = 1 }\nextension Point: CustomStringConvertible { var description: String { \"p\" } }")
    notebook.run("protocol Shape {}\nextension Shape { func area() -> Int { 1 } }")
    try forget(1...3)
    expect([], ("1 + 1", "2"))
  }

  @Test func `what declarations are written with is loaded with them`() {
    expect(
      [
        "struct P { var a = 1 }", "let p = P()", "let q = p", "struct Box<T> { var value: T }",
        "func boxed() -> Box<P> { Box(value: q) }", "protocol Q { func f() -> Int }",
        "extension P: Q { func f() -> Int { a + 1 } }", "let any: any Q = q", "func opaque() -> some Q { q }",
        "extension Box where T == P { func inner() -> Int { value.a } }", "typealias Pair = (P, Int)",
        "let pair: Pair = (p, 3)", "let closure: (P) -> Int = { $0.a }", "class A { func m() -> Int { 1 } }",
        "class B: A { override func m() -> Int { 2 } }", "let b = B()", "let list = [p, q]",
        "enum Either { case left(P), right(B) }", "let either = Either.right(b)",
        "public struct Open { public var p: P }", "let open1 = Open(p: p)",
        "struct Wide: Q { var boxes = [boxed()]; func f() -> Int { boxes[0].value.a } }", "let wide = Wide()",
      ],
      ("boxed().value.f() + any.f()", "4"), ("opaque().f()", "2"), ("boxed().inner()", "1"), ("pair.0.a", "1"),
      ("closure(p)", "1"), ("b.m()", "2"), ("list.map { $0.a }", "[1, 1]"),
      ("if case .right(let found) = either { found.m() } else { 0 }", "2"), ("open1.p.a", "1"),
      ("wide.f() + wide.boxes.count", "2"))
  }

  @Test func `extensions reach the cells that use them without naming them`() {
    expect(
      [
        "protocol Named { func name() -> String }", "extension Int { func name() -> String { \"n\" } }",
        "extension Int: Named {}", "func say(_ value: any Named) -> String { value.name() }",
        "extension Array { subscript(back i: Int) -> Element { self[count - 1 - i] } }",
        "struct V { var x = 1 }", "extension V { static func + (a: V, b: V) -> V { V(x: a.x + b.x) } }",
        "let v = V()", "protocol Greets { func greet() -> String }",
        "extension Greets { func greet() -> String { \"hi\" } }", "struct H: Greets {}", "let h: any Greets = H()",
        "struct W { var n = 2 }",
        "extension W: Sequence, IteratorProtocol { mutating func next() -> Int? { n -= 1; return n < 0 ? nil : n } }",
        "let w = W()",
        "extension String.StringInterpolation { mutating func appendInterpolation(loud s: String) "
          + "{ appendLiteral(s + \"!\") } }",
        "extension V: Equatable {}\nextension V: Hashable { func hash(into hasher: inout Hasher) { hasher.combine(x) } }\n"
          + "extension V { static func == (a: V, b: V) -> Bool { a.x == b.x } }",
        "infix operator +-: AdditionPrecedence\nfunc +- (a: Int, b: Int) -> Int { a - b }",
      ],
      ("say(3)", "\"n\""), ("[1, 2, 3][back: 0]", "3"), ("(v + v).x", "2"), ("h.greet()", "\"hi\""),
      ("w.reduce(0, +)", "1"), ("\"\\(loud: \"x\")\"", "\"x!\""), ("Set([v, v]).count", "1"), ("5 +- 2", "3"))
  }

  @Test func `a conformance of an earlier cell serves a type that conforms later`() {
    expect(
      [
        "protocol Area { var area: Int { get } }", "protocol Sized: Area { var side: Int { get } }",
        "extension Sized { var area: Int { side * side } }", "struct Square: Sized { var side = 3 }",
        "func total(_ shapes: [any Area]) -> Int { shapes.map(\\.area).reduce(0, +) }",
      ], ("total([Square(), Square()])", "18"))
  }

  @Test func `an error in a cell is told at its own line, whatever is imported`() {
    notebook.run("extension Int { var doubled: Int { self * 2 } }\nlet known = 1")
    let answer = notebook.run("let fine = known\nfine.nothing")
    #expect(answer.error?.value.contains("In[2]:2:6") == true, "\(answer.error?.value ?? "")")
  }

  @Test func `work items are made from a closure behind them`() {
    expect(
      ["import Dispatch\nvar done = 0"],
      ("let a = DispatchWorkItem { done += 1 }\na.perform()\ndone", "1"),
      ("let b = DispatchWorkItem() { done += 1 }\nDispatchQueue.global().async(execute: b)\nb.wait()\ndone", "2"),
      ("let c = DispatchWorkItem(flags: .barrier) { done += 1 }\nc.perform()\ndone", "3"),
      ("let d = DispatchWorkItem(qos: .userInitiated) { done += 1 }\nd.perform()\ndone", "4"),
      ("let e = DispatchWorkItem(block: { done += 1 })\ne.perform()\ndone", "5"))
  }

  @Test func `a file that is no module has no identifiers`() throws {
    notebook.run("struct Pair { var first = 1 }")
    let path = notebook.runner.sessionFolder + "/In1.swiftmodule"
    #expect(ModuleIdentifiers.read(path)?.isSuperset(of: ["Pair", "first"]) == true)
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    for length in stride(from: 0, to: bytes.count, by: 997) {
      // Cut short, a file has no table or a part of it; it is never read beyond its end.
      _ = ModuleIdentifiers.find(in: Array(bytes[..<length]))
    }
    #expect(ModuleIdentifiers.find(in: Array(bytes[..<100])) == nil)
    #expect(ModuleIdentifiers.find(in: bytes.map { $0 ^ 0x55 }) == nil)
    #expect(ModuleIdentifiers.read(path + "/nothing") == nil)
  }
}
