import Foundation
import Kernel
import Testing

/// Values of variables that are declared again: released where nothing can reach them, kept where something can.
@Suite(.serialized) struct ReleaseTests {
  let notebook: Notebook
  init() throws {
    notebook = try Notebook()
    notebook.run(
      """
      import Foundation
      final class Token { let n: Int; init(_ n: Int) { self.n = n }; deinit { print("gone \\(n)") } }
      func token(_ n: Int) -> Token { Token(n) }
      struct Pair<A, B> { var a: A; var b: B }
      enum Choice { case one(Token), none }
      """)
  }

  @Test(arguments: [
    "let x = Token(1)", "var x = Token(1)", "var x: Token? = Token(1)", "let x: Token! = Token(1)",
    "let x = [Token(1)]", "let x = [\"a\": Token(1)]", "let x: any AnyObject = Token(1)", "let x: Any = Token(1)",
    "let x = Pair(a: 1, b: Token(1))", "let x = Choice.one(Token(1))", "let (x, y) = (Token(1), 2)",
    "let x = { [t = Token(1)] in t.n }", "let x: Token; x = token(1)", "var x: [Token] = []; x.append(Token(1))",
    "guard let x = Optional(Token(1)) else { fatalError() }", "let y = 1, x = Token(1)",
    "struct Once: ~Copyable { let t = Token(1) }; let x = Once()", "var x = Token(1) { didSet { print(1) } }",
    "func make() async -> Token { Token(1) }; let x = await make()",
    "func make() async -> Token { Token(1) }; async let x = make()",
    "let x = Token(1); print([1, 2].map { $0 + x.n }); [1].forEach { print(x.n + $0) }",
    "let x = Token(1); let sums = [1, 2].map { $0 + x.n }", "let x = Token(1); if let y = Optional(x) { print(y.n) }",
    "let x = token(1); func twice(_ x: Int) -> Int { 2 * x }; struct Named { let x = 1 }",
    "let `x` = Token(1)", "let x = Token(1) as AnyObject; var copy: AnyObject? = x; copy = nil",
  ])
  func `declared again, a variable lets its old value go once`(declaration: String) {
    let first = notebook.run(declaration)
    #expect(first.error == nil, "\(first.error?.value ?? "")")
    #expect(!first.stdout.contains("gone"))
    #expect(notebook.run("let x = Token(2)").stdout == "gone 1\n")
    #expect(notebook.run("x.n").result == "2")
    #expect(notebook.run("let x = 3").stdout == "gone 2\n")
  }

  @Test(arguments: [
    ("func use() -> Int { x.n }", "use()"),
    ("let use = { x.n }", "use()"),
    ("struct User { var n: Int { x.n } }", "User().n"),
    ("final class User { func n() -> Int { x.n } }; let user = User()", "user.n()"),
    ("extension Int { var viaX: Int { self + x.n } }", "0.viaX"),
    ("var use: Int { x.n }", "use"),
    ("let kept = x", "kept.n"),
    ("let kept = [x, x]", "kept[1].n"),
    ("func outer() -> Int { inner() }; func inner() -> Int { x.n }", "outer()"),
    ("func use(_ n: Int = x.n) -> Int { n }", "use()"),
    ("func maker() -> () -> Int { { x.n } }; let made = maker()", "made()"),
    ("var handlers: [() -> Int] = []; handlers.append { x.n }", "handlers[0]()"),
    ("let lazily = [1].lazy.map { $0 * x.n }", "lazily.first!"),
    ("func use() -> Int { x.n }; let reference = use", "reference()"),
    ("let task = Task.detached { try? await Task.sleep(nanoseconds: 1_000_000_000); return x.n }", "await task.value"),
    ("let place = withUnsafePointer(to: &x) { $0 }", "place.pointee.n"),
    ("let object = Unmanaged.passUnretained(x)", "object.takeUnretainedValue().n"),
    (
      "if true { func local() -> Int { x.n }; print(local()) }; @MainActor func other() -> Int { x.n }", "await other()"
    ),
  ])
  func `what other code can reach stays`(user: String, expression: String) {
    notebook.run("var x = Token(1)")
    let answer = notebook.run(user)
    #expect(answer.error == nil, "\(answer.error?.value ?? "")")
    #expect(!notebook.run("var x = Token(2)").stdout.contains("gone 1"))
    #expect(notebook.run("var x = 3").stdout == "gone 2\n")
    #expect(notebook.run(expression).result == "1")
  }

  @Test func `a re-run cell lets go of what its function held, once the function is declared anew`() {
    notebook.run("let x = Token(1)")
    notebook.run("func use() -> Int { x.n }", id: "use")
    #expect(notebook.run("let x = Token(2)").stdout == "")
    #expect(notebook.run("use()").result == "1")
    #expect(notebook.run("func use() -> Int { x.n }", id: "use").stdout == "gone 1\n")
    #expect(notebook.run("use()").result == "2")
  }

  @Test func `a cell that fails before its declaration takes nothing away`() {
    notebook.run("let x = Token(1)")
    #expect(notebook.run("let y = [Int]()[0]\nlet x = Token(2)").stdout == "")
    #expect(notebook.run("x.n").result == "1")
    #expect(notebook.run("let x = 5; let z = [Int]()[0]").error != nil)
    let next = notebook.run("x")
    #expect(next.result == "5")
    #expect(next.stdout == "gone 1\n", "the next cell makes good for it")
  }

  @Test func `forget releases and takes the name away, or says what holds the value`() {
    notebook.run("let x = Token(1); let y = Token(2)")
    notebook.run("func use() -> Int { y.n }")
    #expect(notebook.run("%forget x").stdout == "gone 1\nx is forgotten. Its value is released.\n")
    #expect(notebook.run("x").error?.value.contains("taken away by %forget") == true)
    let kept = notebook.run("%forget y").stdout
    #expect(kept.hasPrefix("y is forgotten. The value of ") && kept.contains("the function use of "), "\(kept)")
    #expect(notebook.run("use()").result == "2")
    #expect(notebook.run("%forget nothing").error?.name == "UnknownName")
    #expect(notebook.run("%forget").error?.name == "UsageError")
    #expect(notebook.run("%forget use").stdout.contains("gone 2") == true)
  }

  @Test func `a forgotten name doesn't come back with a cell's extensions`() {
    notebook.run("let x = Token(1); extension Int { var doubled: Int { 2 * self } }")
    notebook.run("%forget x")
    #expect(notebook.run("1.doubled").result == "2")
    #expect(notebook.run("1.doubled + x.n").error?.name == "CompileError")
    #expect(notebook.run("let x = 4; 1.doubled + x").result == "6")
    #expect(notebook.run("1.doubled + x").result == "6")
  }

  @Test func `who lists older values that are held, and by what`() {
    notebook.run("let x = Token(1); let use = { x.n }")
    notebook.run("let x = Token(2)")
    let shown = notebook.run("%who x").events.compactMap {
      if case .display(let bundle, _, _) = $0 { bundle.plainText } else { nil }
    }.joined()
    #expect(shown.contains("why") && shown.contains("Token") && shown.contains("closure"), "\(shown)")
  }

  @Test func `a subshell's cell that reads a variable isn't robbed of it`() {
    notebook.run("var x = Token(1); final class Flag: @unchecked Sendable { var on = false }; let flag = Flag()")
    let notebook = notebook
    let done = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      let answer = notebook.run(
        "print(\"go\"); for _ in 0..<300 { if x.n != 1 { fatalError() }; usleep(2000) }", isSubshell: true)
      #expect(answer.error == nil)
      done.signal()
    }
    usleep(400_000)
    notebook.run("var x = Token(2)")
    done.wait()
    #expect(notebook.run("x.n").result == "2")
  }
}
