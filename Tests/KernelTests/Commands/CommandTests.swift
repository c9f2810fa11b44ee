import Foundation
import Kernel
import NotebookDisplay
import Testing

/// What a cell with `%`-commands does, in a session of its own.
@Suite(.serialized) struct CommandTests {
  let notebook: Notebook
  init() throws {
    notebook = try Notebook(prelude: "let given = 1") { environment in
      environment.commands = [
        .init(name: "greet", arguments: "[name]", summary: "says hello", details: "Says hello to a name.") {
          "let greeted = \(swiftLiteral($0))\nprint(\"hello\", greeted)"
        }
      ]
    }
  }

  @Test func `commands are carried out at their places among Swift`() {
    let answer = notebook.run("let a = 1\nprint(\"before\")\n%greet \"Ada\"\nprint(\"after\", greeted)\na + 1\n")
    #expect(answer.error == nil, "\(answer.error?.value ?? "")")
    #expect(answer.stdout == "before\nhello \"Ada\"\nafter \"Ada\"\n")
    #expect(answer.result == "2")
    // Only the last value is shown, as in any cell.
    #expect(notebook.run("a\n%greet\na + 5").events.filter { if case .result = $0 { true } else { false } }.count == 1)
  }

  @Test func `lines keep their numbers around commands`() {
    let error = notebook.run("let a = 1\n%help\n\nlet b = missing").error
    #expect(error?.value.contains("In[1]:4:9") == true, "\(error?.value ?? "")")
    let second = notebook.run("%%time\n\nlet b = missing").error
    #expect(second?.value.contains("In[2]:3:9") == true, "\(second?.value ?? "")")
  }

  @Test func `a percent sign that is Swift stays Swift`() {
    let answer = notebook.run("let n = 7\n  % 4\nlet text = \"\"\"\n%who\n\"\"\"\n/*\n%reset\n*/\nprint(n, text)")
    #expect(answer.stdout == "3 %who\n", "\(answer.error?.value ?? "")")
    #expect(notebook.run("let list = [\n1, 2\n]\n%greet x\nlist.count").result == "2")
  }

  @Test(arguments: [
    ("%tme 1", "%time"), ("%whos", "%who"), ("%%opts\n1", "%%opt"), ("%restt", "%reset"), ("%gret", "%greet"),
  ])
  func `an unknown command names the nearest, before anything is done`(_ code: String, _ nearest: String) {
    let answer = notebook.run(code.hasPrefix("%%") ? code : "print(\"done\")\n" + code)
    #expect(answer.error?.name == "UnknownCommand")
    #expect(answer.error?.value.contains("did you mean \(nearest)") == true, "\(answer.error?.value ?? "")")
    #expect(answer.stdout == "")
  }

  @Test func `%who lists names with kinds, types and cells`() throws {
    notebook.run("let numbers = [1.5]\nfunc twice(_ n: Int) -> Int { n * 2 }\nstruct Thing {}")
    let answer = notebook.run("%who")
    let bundle = answer.events.compactMap { if case .display(let bundle, _, _) = $0 { bundle } else { nil } }.first
    let lines = try #require(bundle).plainText.split(separator: "\n").map(String.init)
    func row(_ name: String) -> String { lines.first { $0.hasPrefix(name) } ?? "" }
    #expect(row("numbers").contains("[Double]") && row("numbers").contains("In[1]"), "\(lines)")
    #expect(row("twice").contains("(Int) -> Int"), "\(lines)")
    #expect(row("Thing").contains("struct"))
    #expect(row("given").contains("prelude"))
    #expect(notebook.run("%who zzz").stdout == "Nothing that is declared begins so.\n")
  }

  @Test func `%time and %%time tell compiling from running`() throws {
    let line = notebook.run("import Foundation\n%time let slept = { usleep(30_000); return 4 }()\nslept")
    #expect(line.result == "4", "\(line.error?.value ?? "")")
    let times = try #require(line.stdout.firstMatch(of: /compiled in (.+) · ran in ([\d.]+) ms · CPU (.+)\n/))
    #expect(try #require(Double(times.2)) >= 30)
    let cell = notebook.run("%%time\nvar sum = 0\nfor i in 0..<1000 { sum &+= i }\nsum")
    #expect(cell.result == "499500")
    #expect(cell.stdout.contains("ran in"))
    #expect(notebook.run("%time missing()").error?.name == "CompileError")
    #expect(notebook.run("%time").error?.name == "UsageError")
  }

  @Test func `%%opt compiles with optimization`() {
    let loop = "var n: UInt64 = 1\nfor i in 0..<3_000_000 as Range<UInt64> { n = (n &* 31) ^ i }\nprint(n)"
    let plain = notebook.run("%%time\nfunc p() {\n\(loop)\n}\np()")
    let optimized = notebook.run("%%opt\nfunc q() {\n\(loop)\n}\nq()")
    #expect(optimized.error == nil, "\(optimized.error?.value ?? "")")
    #expect(optimized.stdout.split(separator: "\n").first == plain.stdout.split(separator: "\n").first)
    // Only the optimizer removes an unused function's check.
    #expect(notebook.run("%%opt\n_isDebugAssertConfiguration()").result == "false")
    #expect(notebook.run("_isDebugAssertConfiguration()").result == "true")
  }

  @Test func `%reset forgets, says what, and leaves the prelude`() {
    notebook.run("let gone = 5\nfunc lost() {}")
    #expect(notebook.run("%reset").stdout == "A new process for cells is started. Forgotten: gone, lost.\n")
    #expect(notebook.run("gone").error?.name == "CompileError")
    #expect(notebook.run("given").result == "1")
    #expect(notebook.run("let gone = 6\n%reset\ngiven + 1").result == "2")
  }

  @Test func `%%bash streams its output and keeps its lines from Swift`() {
    let answer = notebook.run("%%bash\necho one; echo \"it's $((1 + 1))\" >&2\n%who\necho three")
    #expect(answer.stdout == "one\nthree\n")
    #expect(answer.stderr.contains("it's 2"))
    let failed = notebook.run("%%bash\nexit 3")
    #expect(failed.error?.value == "bash ended with status 3")
    #expect(notebook.run("given").result == "1")
  }

  @Test func `an interrupt ends bash with everything that it started`() {
    let answer = notebook.interrupt("%%bash\nsleep 1000 &\necho \"child $!\"\nsleep 1000", after: "child")
    #expect(answer.error?.name == "Interrupted")
    let child = answer.stdout.split(separator: " ").last.flatMap { Int32($0.dropLast()) } ?? 0
    #expect(child > 0)
    #expect(isGone(child))
  }

  @Test func `an interrupt ends what left the group and the session of bash`() {
    let answer = notebook.interrupt(
      "%%bash\nsetsid sh -c 'echo \"child $$\"; setsid sleep 1000' &\nwait", after: "child")
    #expect(answer.error?.name == "Interrupted")
    let child = answer.stdout.split(separator: " ").last.flatMap { Int32($0.dropLast()) } ?? 0
    #expect(child > 0 && isGone(child))
  }

  /// Waits for a process to end; one that nobody has reaped yet has ended too.
  private func isGone(_ process: Int32) -> Bool {
    for _ in 0..<1000 {
      let state = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8))?.split(separator: " ")
      guard let state, state.count > 2, state[2] != "Z" else { return process > 0 }
      usleep(10_000)
    }
    return false
  }

  @Test func `what bash leaves in the background ends with it`() {
    let answer = notebook.run("%%bash\nsleep 1000 &\necho $!")
    #expect(isGone(Int32(answer.stdout.dropLast()) ?? 0))
  }

  @Test func `%help explains`() {
    let all = notebook.run("let x = 1\n%help").stdout
    for name in ["%who", "%time", "%%opt", "%reset", "%package", "%%bash", "%greet"] { #expect(all.contains(name)) }
    #expect(notebook.run("let y = 1\n%help greet").stdout.contains("Says hello to a name."))
    #expect(notebook.run("%who?").stdout.contains("%who [name…]"))
    #expect(notebook.run("%%bash?").stdout.contains("process of their own"))
  }

  @Test func `names of commands are completed, and Swift behind them`() {
    let commands = notebook.commands
    let all = commands.complete(code: "%", cursor: 1)
    #expect(Set(all.matches.map(\.text)).isSuperset(of: ["%who", "%time", "%%time", "%%bash", "%greet"]))
    let some = commands.complete(code: "let a = 1\n  %t", cursor: 14)
    #expect(some.matches.map(\.text) == ["%time"])
    #expect((some.cursorStart, some.cursorEnd) == (12, 14))
    // The prelude is there once a cell has run.
    notebook.run("let more = given")
    let swift = commands.complete(code: "%time giv", cursor: 9)
    #expect(swift.matches.contains { $0.text == "given" }, "\(swift)")
    #expect((swift.cursorStart, swift.cursorEnd) == (6, 9))
    #expect(commands.inspect(code: "%who", cursor: 3, detailLevel: 0)?.plainText.contains("kind") == true)
  }

  @Test(arguments: [
    ("%who", Completeness.complete), ("%who\nif true {", .incomplete(indent: "  ")),
    ("%%time\nlet a = 1", .incomplete(indent: "")),
    ("%%time\nlet a = 1\n", .complete), ("%%bash\nif true; then\n", .complete), ("let a = 1\n%time }", .complete),
  ])
  func `a console knows when a cell with commands is whole`(_ code: String, _ expected: Completeness) {
    #expect(notebook.commands.completeness(of: code) == expected)
  }
}
