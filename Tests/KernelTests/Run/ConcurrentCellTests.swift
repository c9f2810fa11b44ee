import Foundation
import Kernel
import Synchronization
import Testing

/// Cells of subshells beside the main shell's.
@Suite(.serialized) struct ConcurrentCellTests {
  let notebook: Notebook
  init() throws { notebook = try Notebook() }

  /// Runs `code` in the main shell on a thread of its own; returns when it has printed `go`.
  private func begin(_ code: String) -> Beginning {
    let beginning = Beginning()
    let notebook = notebook
    Thread.detachNewThread {
      let answer = notebook.run(code) { event in
        if case .stream(.stdout, let text) = event, text.contains("go") { beginning.began.signal() }
      }
      beginning.end(answer)
    }
    beginning.began.wait()
    return beginning
  }

  private final class Beginning: Sendable {
    let began = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)
    private let kept = Mutex<Notebook.Answer?>(nil)
    func end(_ answer: Notebook.Answer) {
      kept.withLock { $0 = answer }
      began.signal()
      ended.signal()
    }
    var isOver: Bool { kept.withLock { $0 != nil } }
    func wait() throws -> Notebook.Answer {
      ended.wait()
      return try #require(kept.withLock { $0 })
    }
  }

  /// A cell that goes on until a later one sets `stop`.
  private static let long = """
    import Foundation
    import Synchronization
    final class Switch: Sendable { let on = Atomic<Bool>(false) }
    let stop = Switch()
    """

  @Test func `a subshell's cell sees variables while the main shell's cell runs`() throws {
    notebook.run(Self.long)
    notebook.run("let known = 41")
    let main = begin(
      "let partial = [1, 2, 3]\nprint(\"go\")\nwhile !stop.on.load(ordering: .relaxed) { usleep(1000) }\nlet late = 5")
    #expect(notebook.run("known + 1", isSubshell: true).result == "42")
    #expect(notebook.run("partial", isSubshell: true).result == "[1, 2, 3]")
    #expect(notebook.run("late", isSubshell: true).error?.name == "CompileError")
    #expect(notebook.run("let found = partial.count", isSubshell: true).error == nil)
    #expect(!main.isOver)
    #expect(notebook.run("stop.on.store(true, ordering: .relaxed)", isSubshell: true).error == nil)
    #expect(try main.wait().error == nil)
    #expect(notebook.run("[late, found, partial.count]").result == "[5, 3, 3]")
  }

  @Test func `text, displays and results go to the cell whose thread made them`() throws {
    notebook.run(Self.long)
    let main = begin(
      """
      print("go")
      while !stop.on.load(ordering: .relaxed) { print("m"); fputs("e\\n", stderr); usleep(200) }
      "main is done"
      """)
    let answer = notebook.run(
      """
      for i in 0..<200 {
        print("s\\(i) é")
        puts("c\\(i)")
        fputs("x\\(i)\\n", stderr)
        _ = "w\\(i)\\n".withCString { write(1, $0, strlen($0)) }
        if i == 100 { NotebookOutput.sink.show(MIMEBundle(plainText: "shown"), id: nil, update: false) }
        usleep(100)
      }
      func later() async { print("from a task") }
      await later()
      "sub is done"
      """, isSubshell: true)
    #expect(answer.error == nil, "\(answer.error?.value ?? "")")
    #expect(!main.isOver)
    notebook.run("stop.on.store(true, ordering: .relaxed)", isSubshell: true)
    let whole = try main.wait()
    let lines = answer.stdout.split(separator: "\n").map(String.init)
    #expect(lines.filter { $0.hasPrefix("s") } == (0..<200).map { "s\($0) é" })
    #expect(lines.filter { $0.hasPrefix("c") } == (0..<200).map { "c\($0)" })
    #expect(lines.filter { $0.hasPrefix("w") } == (0..<200).map { "w\($0)" })
    #expect(lines.last == "from a task")
    #expect(!lines.contains("m"))
    #expect(answer.stderr == (0..<200).map { "x\($0)\n" }.joined())
    #expect(answer.result == "\"sub is done\"")
    #expect(
      answer.events.contains { if case .display(let bundle, _, _) = $0 { bundle.plainText == "shown" } else { false } })
    #expect(whole.result == "\"main is done\"")
    #expect(Set(whole.stdout.split(separator: "\n")) == ["go", "m"])
    #expect(Set(whole.stderr.split(separator: "\n")) == ["e"])
  }

  @Test func `a trap of one cell leaves the other alone`() throws {
    notebook.run(Self.long)
    let main = begin("print(\"go\")\nwhile !stop.on.load(ordering: .relaxed) { usleep(1000) }\n7")
    #expect(notebook.run("[Int]()[1]", isSubshell: true).error?.value == "Index out of range")
    #expect(notebook.run("struct Oops: Error {}\nthrow Oops()", isSubshell: true).error?.name == "Oops")
    #expect(notebook.run("exit(3)", isSubshell: true).error?.name == "Exit")
    #expect(notebook.run("let = ", isSubshell: true).error?.name == "CompileError")
    #expect(!main.isOver)
    notebook.run("stop.on.store(true, ordering: .relaxed)", isSubshell: true)
    #expect(try main.wait().result == "7")
  }

  @Test func `an interrupt stops the cells of every shell`() throws {
    notebook.run("import Foundation")
    let main = begin("print(\"go\")\nwhile true {}")
    let runner = notebook.runner
    let answer = notebook.run("print(\"here\")\nwhile true { usleep(1000) }", isSubshell: true) { event in
      if case .stream(.stdout, let text) = event, text.contains("here") { runner.interrupt() }
    }
    #expect(answer.error?.name == "Interrupted")
    #expect(try main.wait().error?.name == "Interrupted")
    #expect(notebook.run("1").result == "1")
  }

  @Test func `the end of the host is told to every cell, and the next one runs`() throws {
    notebook.run("import Foundation\nlet treasure = 1")
    let main = begin("let running = 2\nprint(\"go\")\nwhile true {}")
    let answer = notebook.run("kill(getpid(), SIGKILL)", isSubshell: true)
    for told in [answer, try main.wait()] {
      #expect(told.error?.name == "HostDied")
      let text = told.error?.traceback.joined() ?? ""
      #expect(text.contains("treasure") && text.contains("running"), "\(text)")
    }
    #expect(notebook.run("2", isSubshell: true).result == "2")
  }

  @Test func `of two cells that declare a name, the one begun later has it`() throws {
    notebook.run(Self.long)
    let main = begin(
      "let x = \"main\"\nprint(\"go\")\nwhile !stop.on.load(ordering: .relaxed) { usleep(1000) }\nlet own = x")
    notebook.run("let x = \"sub\"", isSubshell: true)
    notebook.run("stop.on.store(true, ordering: .relaxed)", isSubshell: true)
    _ = try main.wait()
    #expect(notebook.run("x + own").result == "\"submain\"")
  }

  @Test func `four shells run cells at once, each with its own answers`() {
    notebook.run("let base = 1000")
    let wrong = Mutex<[String]>([])
    let notebook = notebook
    DispatchQueue.concurrentPerform(iterations: 4) { shell in
      for i in 0..<4 {
        let answer = notebook.run(
          "let v\(shell)_\(i) = base + \(i)\nprint(\"\(shell):\(i)\")\nv\(shell)_\(i)", isSubshell: shell > 0)
        if answer.stdout != "\(shell):\(i)\n" || answer.result != "\(1000 + i)" {
          wrong.withLock { $0.append("\(shell):\(i) \(answer.stdout) \(answer.error?.value ?? "")") }
        }
      }
    }
    #expect(wrong.withLock { $0 } == [])
    #expect(notebook.run("v0_3 + v1_3 + v2_3 + v3_3").result == "4012")
  }
}
