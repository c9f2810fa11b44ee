import Kernel
import NotebookDisplay
import Testing

@Suite(.serialized) struct CompletionTests {
  let notebook: Notebook
  init() throws { notebook = try Notebook() }

  @Test func `names of earlier cells are completed with their kinds`() {
    notebook.run("let treasure = [1, 2]\nfunc treat(_ x: Int, with y: String) -> Bool { true }\nstruct Treaty {}")
    let answer = notebook.runner.complete(code: "print(trea", cursor: 10)
    #expect(answer.cursorStart == 6)
    #expect(answer.cursorEnd == 10)
    let kinds = Dictionary(answer.matches.map { ($0.text, $0.type) }, uniquingKeysWith: { a, _ in a })
    #expect(kinds["treasure"] == "instance")
    #expect(kinds["treat("] == "function")
    #expect(kinds["Treaty"] == "class")
    let member = notebook.runner.complete(code: "treasure.fir", cursor: 12)
    #expect(member.matches.contains { $0.text == "first" && $0.signature?.contains("Int?") == true }, "\(member)")
  }

  @Test func `offsets count code points`() {
    let code = "let s = \"👩‍👩‍👧é\"; s.coun"
    let length = code.unicodeScalars.count
    let answer = notebook.runner.complete(code: code, cursor: length)
    #expect(answer.cursorStart == length - 4)
    #expect(answer.matches.contains { $0.text == "count" })
  }

  @Test func `inspection gives declaration and documentation`() throws {
    notebook.run("/// Adds one.\n/// - Parameter n: the number\nfunc increment(_ n: Int) -> Int { n + 1 }")
    let bundle = try #require(notebook.runner.inspect(code: "increment(3)", cursor: 4, detailLevel: 0))
    #expect(bundle.plainText.contains("func increment(_ n: Int) -> Int"))
    let standard = try #require(notebook.runner.inspect(code: "[1].map { $0 }", cursor: 5, detailLevel: 0))
    #expect(standard.plainText.contains("func map"))
    #expect(standard.plainText.contains("Returns an array containing the results"))
    #expect(notebook.runner.inspect(code: "nothingLikeThis", cursor: 3, detailLevel: 0) == nil)
  }
}
