import Foundation
import Kernel
import Testing

/// What an error says to the one who reads it.
@Suite(.serialized) struct ErrorTests {
  let notebook: Notebook
  init() throws { notebook = try Notebook() }

  private func told(_ code: String) throws -> (name: String, value: String, text: String) {
    let error = try #require(notebook.run(code).error)
    let text = error.traceback.joined(separator: "\n").replacing(/\u{1b}\[[0-9;]*m/, with: "")
    return (error.name, error.value, text)
  }

  @Test func `a thrown error says its type, its own description, and where it was thrown`() throws {
    notebook.run(
      """
      import Foundation
      enum Plain: Error { case small, large(Int) }
      struct Described: Error, CustomStringConvertible { var description: String { "words of its own" } }
      struct Localized: LocalizedError {
        var errorDescription: String? { "for people" }
        var recoverySuggestion: String? { "try again" }
      }
      func check(_ n: Int) throws -> Int {
        if n > 2 { throw Plain.large(n) }
        return n
      }
      """)
    let plain = try told("func outer() throws -> Int {\n  try check(7)\n}\n\n_ = try outer()")
    #expect(
      plain.text == """
        Plain: large(7)
          at check(_:) In[1]:9
             9 |   if n > 2 { throw Plain.large(n) }
          at outer() In[2]:2
             2 |   try check(7)
          at top level In[2]:5
             5 | _ = try outer()
        """)
    #expect(plain.name == "Plain")
    #expect(plain.value == "large(7)")
    let described = try told("throw Described()")
    #expect(described.name == "Described" && described.value == "words of its own", "\(described)")
    #expect(described.text.contains("at top level In[3]:1"), "\(described)")
    #expect(try told("throw Localized()").value == "for people\ntry again")
    let file = try told("try String(contentsOfFile: \"/no/such/file\", encoding: .utf8)")
    #expect(file.value.contains("/no/such/file"), "\(file)")
    #expect(file.text.contains("at top level In[5]:1"), "\(file)")
    let decoded = try told(
      "struct P: Codable { var x: Int }\ntry JSONDecoder().decode(P.self, from: Data(\"{}\".utf8))")
    #expect(decoded.name == "DecodingError" && decoded.value.contains("x"), "\(decoded)")
  }

  @Test func `an error of asynchronous code says where it was thrown`() throws {
    notebook.run("struct Late: Error {}\nfunc later() async throws {\n  await Task.yield()\n  throw Late()\n}")
    let error = try told("try await later()")
    #expect(error.name == "Late")
    #expect(error.text.contains("In[1]:4"), "\(error)")
  }

  @Test func `names that the compiler and the runtime print are those of the notebook`() throws {
    notebook.run("struct P { var x = 1 }\nfunc place(_ name: String = #function) -> String { name }")
    // A module is made for these too: numbers of modules and of cells differ from here on.
    #expect(notebook.run("missing", expressions: ["a": "1"]).error != nil)
    notebook.run("1", expressions: ["a": "P()", "b": "2"])
    let answer = notebook.run("print(#function, #file, #fileID, place(), { #function }(), String(reflecting: P()))")
    #expect(answer.stdout == "In[4] In[4] In4/In[4] In4 In[4] In1.P(x: 1)\n")
    let cast = try told("P() as Any as! Int")
    #expect(cast.value.contains("'In1.P'"), "\(cast)")
    #expect(try told("precondition(place() == \"\", \"no\")").value == "Precondition failed: no")
    #expect(try told("struct Own: Error {}\nthrow Own()").name == "Own")
  }

  @Test func `a place is told from the last throw, not from one that was caught`() throws {
    notebook.run("struct E: Error {}\nfunc a() throws { throw E() }\nfunc b() throws {\n  throw E()\n}")
    let error = try told("for _ in 0..<100 { do { try a() } catch {} }\ntry b()")
    #expect(error.text.contains("at b() In[1]:4"), "\(error)")
    #expect(!error.text.contains("In[1]:2"), "\(error)")
  }

  @Test(arguments: [
    ("let a = [1]\na[3]", "Index out of range", 2), ("let d = [\"a\": 1]\nlet n = d[\"b\"]!", "nil", 2),
    ("let big = [Int.max]\n\nbig[0] + 1", "overflow", 3), ("let z = [0]\n1 / z[0]", "Division by zero", 2),
    ("let x: Any = 1\nx as! String", "Could not cast", 2), ("try! { throw CancellationError() }()", "Cancellation", 1),
    ("precondition([1][0] > 2, \"one is not more\")", "one is not more", 1), ("assertionFailure(\"oh\")", "oh", 1),
    ("let m = [-1]\nUInt(m[0])", "Negative value", 2), ("let r = [5, 2]\nr[0]...r[1]", "Range requires", 2),
    ("UnsafePointer<Int>(bitPattern: 16)!.pointee", "0x10", 1),
  ])
  func `a trap says what and where`(_ code: String, _ what: String, _ line: Int) throws {
    notebook.run("import Foundation")
    let error = try told(code)
    #expect(error.value.contains(what), "\(error)")
    #expect(error.text.contains("at top level In[2]:\(line)"), "\(error)")
  }
}
