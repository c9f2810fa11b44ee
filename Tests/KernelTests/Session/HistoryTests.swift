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
      let history = try History(path: path, log: RecordedLog().logger)
      for (index, source) in sources.enumerated() { history.add(line: index + 1, source: source) }
      history.setOutput("2", line: 2)
      history.flush(by: .distantFuture)
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
      let history = try History(path: path, log: RecordedLog().logger)
      #expect(history.session == 3)
      #expect(try sources(history, #"{"hist_access_type":"tail","n":3}"#) == ["a2", "b1", "a1"])
      #expect(try sources(history, #"{"hist_access_type":"tail","n":9,"unique":true}"#) == ["a2", "b1", "a1"])
      #expect(try sources(history, #"{"hist_access_type":"tail","n":0}"#).isEmpty)
    }
  }

  @Test func `a range counts its session from the present one`() throws {
    try withTwoSessions { path in
      let history = try History(path: path, log: RecordedLog().logger)
      history.add(line: 1, source: "c1")
      #expect(try sources(history, #"{"hist_access_type":"range","session":0}"#) == ["c1"])
      #expect(try sources(history, #"{"hist_access_type":"range","session":-1}"#) == ["b1", "a1"])
      #expect(try sources(history, #"{"hist_access_type":"range","session":1,"start":2,"stop":3}"#) == ["a2"])
      #expect(try sources(history, #"{"hist_access_type":"range","session":1,"start":2,"stop":2}"#).isEmpty)
    }
  }

  @Test func `a search knows star and question mark and takes everything else literally`() throws {
    let history = try History(path: nil, log: RecordedLog().logger)
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
    let test = try TestSession(history: try History(path: nil, log: RecordedLog().logger))
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
          guard let history = try? History(path: path, log: RecordedLog().logger) else { return }
          for line in 1...100 { history.add(line: line, source: "\(line)") }
          history.flush(by: .distantFuture)
        }
      }
    }
    let history = try History(path: path, log: RecordedLog().logger)
    #expect(try sources(history, #"{"hist_access_type":"tail","n":1000}"#).count == 200)
  }

  @Test func `many kernels open one new file at once`() async throws {
    let folder = try Fixtures.temporaryFolder("history")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "history.sqlite").path
    let sessions = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<8 { group.addTask { try History(path: path, log: RecordedLog().logger).session } }
      return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
    }
    #expect(sessions == Set(1...8))
  }

  /// Another program that works on the database: it says "done" after `code` and ends when its input does.
  private struct Other {
    static let exists = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")
    private let process = Process()
    private let input = Pipe()

    init(_ path: String, _ code: String) throws {
      let output = Pipe()
      process.executableURL = URL(filePath: "/usr/bin/python3")
      let frame = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n\(code)\n"
      process.arguments = ["-c", frame + "print('done', flush=True)\nsys.stdin.read()", path]
      (process.standardInput, process.standardOutput) = (input, output)
      try process.run()
      try #require(output.fileHandleForReading.readData(ofLength: 5) == Data("done\n".utf8))
    }

    func end() {
      try? input.fileHandleForWriting.close()
      process.waitUntilExit()
    }
  }

  @Test(.enabled(if: Other.exists, "there is no /usr/bin/python3"))
  func `a file that another program locks holds no cell, and what was added arrives afterwards`() throws {
    try withTwoSessions { path in
      let history = try History(path: path, log: RecordedLog().logger)
      let other = try Other(path, "db.execute('BEGIN IMMEDIATE')")
      let started = ContinuousClock.now
      for line in 1...3 { history.add(line: line, source: "late \(line)") }
      // Each would wait five seconds for the lock.
      #expect(ContinuousClock.now - started < .seconds(4))
      other.end()
      history.flush(by: .distantFuture)
      #expect(
        try sources(history, #"{"hist_access_type":"tail","n":4}"#) == ["a1", "late 1", "late 2", "late 3"])
    }
  }

  @Test(.enabled(if: Other.exists, "there is no /usr/bin/python3"))
  func `a write that fails is told once`() throws {
    try withTwoSessions { path in
      let log = RecordedLog()
      let history = try History(path: path, log: log.logger)
      try Other(path, "db.execute('DROP TABLE entry')").end()
      for line in 1...3 { history.add(line: line, source: "x") }
      history.flush(by: .distantFuture)
      #expect(try sources(history, #"{"hist_access_type":"tail","n":4}"#).isEmpty)
      #expect(log.text.split(separator: "\n").count { $0.contains("the history misses inputs") } == 1)
    }
  }

  @Test func `the file is for its owner alone`() throws {
    try withTwoSessions { path in
      let folder = URL(filePath: path).deletingLastPathComponent().path
      let mode = try FileManager.default.attributesOfItem(atPath: folder)[.posixPermissions] as? Int
      #expect(mode == 0o700)
    }
  }

  @Test func `a file that cannot be opened is named`() throws {
    let error = try #require(throws: KernelError.self) {
      try History(path: "/proc/nowhere/history.sqlite", log: RecordedLog().logger)
    }
    #expect(error.location == "/proc/nowhere/history.sqlite")
    #expect(error.nextStep?.contains("ICL_HISTORY") == true)
  }
}
