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

  @Test func `names of earlier cells are found by letters inside, behind operators, and not behind a dot`() {
    notebook.run("let bigTreasure = 12\nlet biggest = [bigTreasure]")
    func names(_ code: String) -> [String] {
      notebook.runner.complete(code: code, cursor: code.unicodeScalars.count).matches.map(\.text)
    }
    #expect(names("treas").first == "bigTreasure")
    #expect(names("for i in 0...bigTr") == ["bigTreasure"])
    #expect(!names("biggest.b").contains { $0.hasPrefix("big") })
    #expect(names("biggest.randomE").contains("randomElement()"))
    // What one text needed isn't lost for the next, which mentions other names.
    notebook.run("struct Chest { var lid = true }\nlet chest = Chest()")
    #expect(names("chest.li") == ["lid"])
    #expect(names("bigTreasure.isMu").contains("isMultiple("))
    #expect(names("Ches") == ["Chest", "chest"])
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

  @Test(arguments: [
    ("increment(", 10), ("increment(3", 11), ("increment( [1, 2].count + ", 25), ("print(increment(", 16),
    ("let y = increment(\n  3,\n  ", 25), ("increment(\"a) \\(1\", ", 20),
  ])
  func `inspection within the brackets of a call shows what is called`(_ code: String, _ cursor: Int) throws {
    notebook.run("/// Adds one.\nfunc increment(_ n: Int) -> Int { n + 1 }")
    let bundle = try #require(notebook.runner.inspect(code: code, cursor: cursor, detailLevel: 0))
    #expect(bundle.plainText.contains("func increment(_ n: Int) -> Int"))
    #expect(bundle.plainText.contains("Adds one."))
  }

  @Test func `inspection within the brackets of a method or an initializer shows it`() throws {
    notebook.run(
      "struct Machine {\n  /// Runs it.\n  func run(times: Int) {}\n  init(name: String) {}\n}\n"
        + "let m = Machine(name: \"a\")"
    )
    let method = try #require(notebook.runner.inspect(code: "m.run(times: ", cursor: 13, detailLevel: 0))
    #expect(method.plainText.contains("func run(times: Int)") && method.plainText.contains("Runs it."), "\(method)")
    let type = try #require(notebook.runner.inspect(code: "Machine(name: \"b\", ", cursor: 19, detailLevel: 0))
    #expect(type.plainText.contains("Machine"), "\(type)")
  }

  @Test func `what fits best and is nearest comes first`() throws {
    notebook.run("import Foundation\nlet stones = 1\nfunc stoneAge() {}\nlet aStone = 2")
    let code = "func f(stoneLocal: Int) {\n  print(sto)\n}"
    let names = notebook.runner.complete(code: code, cursor: 37).matches.map(\.text)
    #expect(names.first == "stoneLocal", "\(names.prefix(20))")
    func place(_ name: String) -> Int { names.firstIndex(of: name) ?? .max }
    #expect(place("stones") < place("aStone"))
    // C's functions are far below what cells declare.
    let broad = notebook.runner.complete(code: "st", cursor: 2).matches.map(\.text)
    let own = try #require(broad.firstIndex(of: "stones"))
    #expect(own < broad.firstIndex { $0.hasPrefix("str") } ?? .max, "\(broad.prefix(20))")
    let members = notebook.runner.complete(code: "\"a\".up", cursor: 6).matches.map(\.text)
    #expect(members.first == "uppercased()", "\(members.prefix(5))")
  }

  @Test func `the label of an argument is completed, a call's inside is not inserted`() {
    let labels = notebook.runner.complete(code: "print(1, sep", cursor: 12).matches.map(\.text)
    #expect(labels.first == "separator: ", "\(labels.prefix(5))")
    let inside = notebook.runner.complete(code: "print(", cursor: 6).matches
    #expect(!inside.contains { $0.text.hasPrefix(":") })
  }

  @Test(arguments: [
    "func g() {\n  treasu", "let a = [1, 2\nprint(treasu", "if true {\n  for i in 0..<3 {\n    treasu",
    "}}} )\ntreasu", "struct A { func b() { treasu", "treasure.\ntreasu",
    "let 🚀e\u{301} = \"👩‍👩‍👧\"; treasu",
  ])
  func `broken code is completed`(_ code: String) {
    notebook.run("let treasure = [1, 2]")
    let answer = notebook.runner.complete(code: code, cursor: code.unicodeScalars.count)
    #expect(answer.matches.contains { $0.text == "treasure" }, "\(answer.matches.prefix(5))")
    #expect(answer.cursorEnd - answer.cursorStart == 6)
  }

  @Test func `macros of the toolchain are known`() {
    notebook.run("import Observation\n@Observable final class Settings { var size = 1 }\nlet settings = Settings()")
    #expect(notebook.runner.complete(code: "settings.si", cursor: 11).matches.contains { $0.text == "size" })
    let code = "@Observable final class Other { var width = 1 }\nlet o = Other()\no.wid"
    let answer = notebook.runner.complete(code: code, cursor: code.unicodeScalars.count)
    #expect(
      answer.matches.contains { $0.text == "width" && $0.signature == "width: Int" }, "\(answer.matches.prefix(3))")
  }
}
