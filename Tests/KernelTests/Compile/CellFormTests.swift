import Foundation
import Kernel
import Testing

/// The forms in which a cell's text may come, whatever it says.
@Suite(.serialized) struct CellFormTests {
  let notebook: Notebook
  init() throws { notebook = try Notebook() }

  private func expect(_ cell: String, _ expected: String, _ location: SourceLocation = #_sourceLocation) {
    let answer = notebook.run(cell)
    #expect(answer.error == nil, "\(plain(answer.error))", sourceLocation: location)
    #expect(answer.stdout + (answer.result ?? "") == expected, sourceLocation: location)
    #expect(answer.stderr == "", sourceLocation: location)
  }

  private func plain(_ error: CellError?) -> String {
    (error?.traceback ?? []).joined(separator: "\n").replacing(/\u{1b}\[[0-9;]*m/, with: "")
  }

  @Test func `a cell without code does nothing`() {
    for cell in ["", " \n\t\n", "// only a comment", "/* over\n   two lines */", "/// documentation of nothing"] {
      expect(cell, "")
    }
  }

  @Test func `line ends of every kind are line ends`() {
    expect("let a = 1\r\nlet text = \"\"\"\r\n  one\r\n  two\r\n  \"\"\"\r\nprint(text, a)\r\n", "one\ntwo 1\n")
    expect("let b = 2\rb + 1", "3")
    #expect(
      plain(notebook.run("let c = 1\r\nlet d = 2\r\n  missing").error).contains("In[3]:3:3: error: cannot find"))
  }

  @Test func `a byte order mark and the first line of a script are no code`() {
    expect("\u{FEFF}let marked = 1\nmarked", "1")
    expect("#!/usr/bin/env swift\nlet scripted = #line\nscripted", "2")
    #expect(plain(notebook.run("#!/usr/bin/swift\nmissing").error).contains("In[3]:2:1"))
  }

  @Test func `tabs stay tabs, and a caret stands under its character`() {
    expect("if true {\n\tlet x = 1\n\tprint(x)\n}", "1\n")
    #expect(
      plain(notebook.run("func f() {\n\t\tmissing()\n}").error)
        == "In[2]:2:3: error: cannot find 'missing' in scope\n2 | \t\tmissing()\n  | \t\t^")
  }

  @Test func `@main is answered with what to write instead`() {
    let error = notebook.run("@main struct App {\n  static func main() { print(\"run\") }\n}").error
    #expect(error?.name == "CompileError")
    #expect(plain(error).contains("call App.main() on the last line"), "\(plain(error))")
    expect("struct App {\n  static func main() { print(\"run\") }\n}\nApp.main()", "run\n")
  }

  @Test func `a cell of 2,000 lines of every sort`() {
    let parts = (0..<200).map { i in
      """
      /// Documented \(i)
      struct S\(i) {
        var value = \(i)
        func twice() -> Int { value * 2 }
      }
      func f\(i)(_ x: Int) -> Int {
        x + S\(i)().twice()
      }

      let v\(i) = f\(i)(\(i))
      """
    }
    expect(parts.joined(separator: "\n") + "\nv199", "597")
    expect("v0 + f100(1) + S7().value", "208")
  }

  @Test(arguments: [
    String(repeating: "(", count: 5000) + "1" + String(repeating: ")", count: 5000),
    String(repeating: "[", count: 100_000),
    String(repeating: "if true {", count: 3000) + String(repeating: "}", count: 3000),
    "let deep = a" + String(repeating: ".b", count: 2_000),
    "x" + String(repeating: "!", count: 200) + "y",
    "let a = \u{0} 1 \u{7} \u{1b}[31m", "\u{202E}\u{0000}", "`", "\"\"\"", "#\"", "/*", "let 😀😀 = = 1",
  ])
  func `text that nobody means is an error and ends nothing`(_ code: String) {
    #expect(notebook.run(code).error?.name.hasPrefix("Compile") == true)
    #expect(notebook.run("1 + 1").result == "2")
  }

  /// Found by looking, so that a newer toolchain's modules are tried as well.
  @Test func `every module of the toolchain can be imported`() throws {
    let folder = try #require(Toolchain.find()).libraries
    let modules = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".swiftmodule") }.map { String($0.dropLast(12)) }.sorted()
    #expect(modules.count > 10)
    let refused: Set = [
      // Needs a compiler that reads C++, in every cell from then on.
      "CxxStdlib",
      // Foundation's own, and one for microcontrollers: the compiler itself forbids their import.
      "_FoundationCollections", "_Volatile",
    ]
    let failed = modules.filter { notebook.run("import \($0)").error != nil }
    #expect(refused.isSuperset(of: failed), "\(failed)")
    // All together, and still at work.
    expect("Set([Data([1])]).count", "1")
  }
}
