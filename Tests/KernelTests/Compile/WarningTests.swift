import Kernel
import Testing

/// Warnings: those about the user's code are shown, once, and nothing of the kernel's making.
@Suite(.serialized) struct WarningTests {
  let notebook: Notebook
  init() throws { notebook = try Notebook() }

  private func warnings(_ code: String) -> String {
    let answer = notebook.run(code)
    #expect(answer.error == nil, "\(answer.error?.value ?? "")")
    return answer.stderr
  }

  private func plain(_ text: String) -> String { text.replacing(/\u{1b}\[[0-9;]*m/, with: "") }

  @Test func `a warning has the user's line, a caret and colours`() {
    let text = warnings("let kept = 1\nfunc f() -> Int {\n  var x = 1\n  return x\n}\nprint(f())")
    #expect(
      plain(text) == """
        In[1]:3:7: warning: variable 'x' was never mutated; consider changing to 'let' constant
        3 |   var x = 1
          |       ^
          |   let

        """)
    #expect(text.contains("\u{1b}[1;35mwarning:"))
  }

  @Test func `warnings that matter are shown`() {
    #expect(plain(warnings("func g() {\n  let unused = 3\n}")).contains("In[1]:2:7: warning:"))
    #expect(plain(warnings("@available(*, deprecated) func old() {}\nold()")).contains("'old()' is deprecated"))
    #expect(plain(warnings("func h() -> Int { return 1; print(2) }")).contains("will never be executed"))
    #expect(plain(warnings("#warning(\"mind this\")")).contains("mind this"))
    #expect(plain(warnings("func a() async {}\nfunc n() {}\nawait n()\nlet z = 1")).contains("no 'async' operations"))
  }

  @Test(arguments: [
    "func r() -> Int { 1 }\nr()\nlet a = 2\na", "var never = 3", "let (p, q) = (1, 2)", "if true { 1 } else { 2 }",
    "struct S {}\nlet s = S()", "func w() async -> Int { 1 }\nlet v = await w()\nasync let u = w()\nu",
    "guard let g = Optional(1) else { fatalError() }\nprint(g)", "import Foundation\nimport Foundation",
    "for _ in 0..<1 { }\ndefer { }", "let closure = { }\nclosure()",
    "switch Int.random(in: 0...1) { case 1: break; default: break }",
    "let f = { (x: Int) in x }\nf(1)", "do { throw CancellationError() } catch { print(error) }",
    "let nothing = 1 as Any",
  ])
  func `ordinary cells get none`(_ code: String) { #expect(warnings(code) == "") }

  @Test func `conformances across cells get none`() {
    #expect(warnings("struct T {}\nprotocol P {}") == "")
    #expect(
      warnings("extension T: P {}\nextension T: CustomStringConvertible { var description: String { \"t\" } }") == "")
    #expect(warnings("extension Int: P {}\nprint(T())") == "")
  }

  @Test func `an error is told without the warnings beside it`() {
    let answer = notebook.run("func f() {\n  let unused = 3\n}\nlet x: Int = \"no\"")
    #expect(answer.stderr == "")
    let text = plain((answer.error?.traceback ?? []).joined(separator: "\n"))
    #expect(!text.contains("unused"))
    #expect(text.contains("cannot convert value of type 'String'"))
  }
}
