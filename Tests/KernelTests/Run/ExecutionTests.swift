import Foundation
import Kernel
import NotebookDisplay
import Synchronization
import Testing

/// What reaches the client besides results: text, input, displays, expressions, errors.
@Suite(.serialized) struct ExecutionTests {
  let notebook: Notebook
  init() throws { notebook = try Notebook() }

  @Test func `100,000 printed lines arrive complete, in order, in batches`() {
    let answer = notebook.run("for i in 0..<100_000 { print(\"line \\(i) é🙂\") }")
    #expect(answer.error == nil)
    #expect(answer.stdout == (0..<100_000).map { "line \($0) é🙂\n" }.joined())
    #expect(answer.events.count < 2_000)
  }

  @Test func `text and displays keep the order in which they were made`() {
    let answer = notebook.run(
      """
      for i in 0..<20 {
        print("a\\(i)")
        NotebookOutput.sink.show(MIMEBundle(plainText: "d\\(i)"), id: nil, update: false)
        print("b\\(i)")
      }
      """)
    let order = answer.events.flatMap { event -> [String] in
      switch event {
      case .stream(_, let text): text.split(separator: "\n").map(String.init)
      case .display(let bundle, _, _): [bundle.plainText]
      default: []
      }
    }
    #expect(order == (0..<20).flatMap { ["a\($0)", "d\($0)", "b\($0)"] }, "\(answer.error?.value ?? "")")
  }

  @Test func `standard error and text from C and other threads arrive`() {
    let answer = notebook.run(
      """
      import Foundation
      fputs("from C\\n", stderr)
      puts("puts")
      let done = DispatchSemaphore(value: 0)
      Thread.detachNewThread { print("from a thread"); done.signal() }
      done.wait()
      """)
    #expect(answer.stderr == "from C\n")
    #expect(answer.stdout == "puts\nfrom a thread\n", "\(answer.error?.value ?? "")")
  }

  @Test func `readLine asks the client`() {
    let answer = notebook.run("let name = readLine()\nprint(\"Hello, \\(name ?? \"nobody\")\")", allowStdin: true) {
      if case .inputRequest(_, _, let reply) = $0 { reply("Ada") }
    }
    #expect(answer.stdout == "Hello, Ada\n", "\(answer.error?.value ?? "")")
  }

  @Test func `readLine says so when the client takes no input`() {
    let answer = notebook.run("let kept = 1\n_ = readLine()")
    #expect(answer.error?.name == "InputNotSupported")
    #expect(notebook.run("kept").result == "1")
  }

  @Test func `an interrupt ends a wait for input`() {
    let answer = notebook.run("let line = readLine()", allowStdin: true) {
      if case .inputRequest = $0 { self.notebook.runner.interrupt() }
    }
    #expect(answer.error?.name == "Interrupted" || answer.error == nil)
    #expect(notebook.run("1").result == "1")
  }

  @Test func `user expressions answer each for itself`() {
    notebook.run("let x = 20")
    guard
      case .ok(let answers) = notebook.run("let y = 1", expressions: ["sum": "x + y", "bad": "nothingSuch"]).outcome
    else {
      Issue.record("the cell failed")
      return
    }
    if case .ok(let bundle)? = answers["sum"] { #expect(bundle.plainText == "21") } else { Issue.record("no sum") }
    if case .error(let error)? = answers["bad"] {
      #expect(error.name == "CompileError")
    } else {
      Issue.record("no error")
    }
  }

  @Test func `a value that shows itself is shown in its own forms`() {
    let answer = notebook.run(
      """
      struct Point: RichDisplayable {
        var mimeBundle: MIMEBundle { MIMEBundle(data: ["text/latex": "$x$", "text/plain": "point"]) }
      }
      Point()
      """)
    let bundle = answer.events.compactMap { if case .result(let bundle) = $0 { bundle } else { nil } }.first
    #expect(bundle?.data == ["text/latex": "$x$", "text/plain": "point"], "\(answer.error?.value ?? "")")
  }

  @Test func `a trap names the user's functions and lines`() throws {
    notebook.run("func inner(_ a: [Int]) -> Int {\n  a[9]\n}")
    let error = try #require(notebook.run("func outer() -> Int {\n  inner([1])\n}\n\nouter()").error)
    let text = error.traceback.joined(separator: "\n").replacing(/\u{1b}\[[0-9;]*m/, with: "")
    #expect(
      text == """
        FatalError: Index out of range
          at inner(_:) In[1]:2
             2 |   a[9]
          at outer() In[2]:2
             2 |   inner([1])
          at top level In[2]:5
             5 | outer()
        """)
  }

  @Test(arguments: [
    "sleep(60)", "while true { _ = (0..<1000).map { $0 * 2 } }", "try await Task.sleep(nanoseconds: 60_000_000_000)",
    "DispatchSemaphore(value: 0).wait()", "func spin() async { while true {} }\nawait spin()",
  ])
  func `an interrupt stops`(_ code: String) {
    let started = ContinuousClock.now
    let answer = notebook.interrupt(
      "import Foundation\nvar witness = 7\nprint(\"go\")\nfflush(stdout)\n" + code, after: "go")
    #expect(answer.error?.name == "Interrupted")
    #expect(ContinuousClock.now - started < .seconds(10))
    #expect(notebook.run("witness").result == "7")
  }

  @Test func `the host dying between cells is told with the next cell`() {
    notebook.run("import Foundation\nlet gone = 1")
    notebook.run("Thread.detachNewThread { usleep(50_000); kill(getpid(), SIGKILL) }")
    usleep(400_000)
    let answer = notebook.run("2 + 2")
    #expect(answer.result == "4")
    #expect(answer.stderr.contains("gone"))
  }

  @Test func `abort and a damaged heap in C end at most the host`() {
    #expect(notebook.run("import Foundation\nabort()").error?.name == "Abort")
    #expect(notebook.run("1").result == "1")
    let answer = notebook.run("let p = malloc(8)!\nfree(p)\nfree(p)")
    #expect(answer.error != nil)
    #expect(notebook.run("3").result == "3")
  }

  @Test func `a cell that closes every low descriptor harms nobody`() {
    notebook.run("import Foundation\nfor d in 0...50 { close(Int32(d)) }")
    #expect(notebook.run("print(\"still here\")").stdout == "still here\n")
  }
}
