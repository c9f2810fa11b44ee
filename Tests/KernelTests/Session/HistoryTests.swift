import Fixtures
import Foundation
import Kernel
import Testing

@Suite(.timeLimit(.minutes(1))) struct HistoryTests {
  /// Runs `body` with the path of a database that two sessions wrote: `a1, a2` and then `b1, a1`.
  private func withTwoSessions(_ body: (String) throws -> Void) throws {
    let folder = try Fixtures.temporaryFolder("history")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "deeper/history.sqlite").path
    for sources in [["a1", "a2"], ["b1", "a1"]] {
      let history = try History(path: path)
      for (index, source) in sources.enumerated() { history.add(line: index + 1, source: source) }
      history.setOutput("2", line: 2)
    }
    try body(path)
  }

  private func request(_ json: String) throws -> HistoryRequest {
    try JSONDecoder().decode(HistoryRequest.self, from: Data(json.utf8))
  }

  private func sources(_ history: History, _ json: String) throws -> [String] {
    history.entries(try request(json)).map(\.source)
  }

  @Test func `the tail is the newest of all sessions, oldest first`() throws {
    try withTwoSessions { path in
      let history = try History(path: path)
      #expect(history.session == 3)
      #expect(try sources(history, #"{"hist_access_type":"tail","n":3}"#) == ["a2", "b1", "a1"])
      #expect(try sources(history, #"{"hist_access_type":"tail","n":9,"unique":true}"#) == ["a2", "b1", "a1"])
      #expect(try sources(history, #"{"hist_access_type":"tail","n":0}"#).isEmpty)
    }
  }

  @Test func `a range counts its session from the present one`() throws {
    try withTwoSessions { path in
      let history = try History(path: path)
      history.add(line: 1, source: "c1")
      #expect(try sources(history, #"{"hist_access_type":"range","session":0}"#) == ["c1"])
      #expect(try sources(history, #"{"hist_access_type":"range","session":-1}"#) == ["b1", "a1"])
      #expect(try sources(history, #"{"hist_access_type":"range","session":1,"start":2,"stop":3}"#) == ["a2"])
      #expect(try sources(history, #"{"hist_access_type":"range","session":1,"start":2,"stop":2}"#).isEmpty)
    }
  }

  @Test func `a search knows star and question mark and takes everything else literally`() throws {
    let history = try History(path: nil)
    for (line, source) in ["let x = [1]", "print(x)", "let y = 2", "print(x)"].enumerated() {
      history.add(line: line + 1, source: source)
    }
    func found(_ pattern: String, _ more: String = "") throws -> [Int] {
      history.entries(try request(#"{"hist_access_type":"search","pattern":"\#(pattern)"\#(more)}"#)).map(\.line)
    }
    #expect(try found("let*") == [1, 3])
    #expect(try found("let ? = *") == [1, 3])
    #expect(try found("*[1]") == [1])
    #expect(try found("*[x]*").isEmpty)
    #expect(try found("print*") == [2, 4])
    #expect(try found("print*", #","unique":true"#) == [4])
    #expect(try found("*", #","n":2"#) == [3, 4])
  }

  @Test func `outputs come with their inputs when asked for`() throws {
    let test = try TestSession(history: try History(path: nil))
    let client = try test.client()
    _ = try client.outcome(of: client.execute("value 7"))
    _ = try client.outcome(of: client.execute("hidden", ["store_history": .bool(false)]))
    _ = try client.outcome(of: client.execute("print x"))
    func history(_ output: Bool) throws -> JSONValue? {
      let asked: JSONValue = .object([
        "hist_access_type": .string("tail"), "n": .integer(5), "output": .bool(output), "raw": .bool(true),
      ])
      return try client.outcome(of: client.send("history_request", asked)).reply.content["history"]
    }
    func entry(_ line: Int, _ item: JSONValue) -> JSONValue { .array([.integer(1), .integer(line), item]) }
    #expect(try history(false) == .array([entry(1, .string("value 7")), entry(2, .string("print x"))]))
    #expect(
      try history(true)
        == .array([
          entry(1, .array([.string("value 7"), .string("7")])), entry(2, .array([.string("print x"), .null])),
        ]))
  }

  @Test func `two kernels write into one file at once`() async throws {
    let folder = try Fixtures.temporaryFolder("history")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "history.sqlite").path
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<2 {
        group.addTask {
          guard let history = try? History(path: path) else { return }
          for line in 1...100 { history.add(line: line, source: "\(line)") }
        }
      }
    }
    let history = try History(path: path)
    #expect(try sources(history, #"{"hist_access_type":"tail","n":1000}"#).count == 200)
  }

  @Test func `a file that cannot be opened is named`() throws {
    let error = try #require(throws: KernelError.self) { try History(path: "/proc/nowhere/history.sqlite") }
    #expect(error.location == "/proc/nowhere/history.sqlite")
    #expect(error.nextStep?.contains("ICL_HISTORY") == true)
  }
}
