import Foundation
import Kernel
import Testing

/// What the host does with faults that reach beyond a cell's own thread.
@Suite(.serialized) struct HostFaultTests {
  let notebook: Notebook
  init() throws {
    notebook = try Notebook()
    notebook.run("import Foundation\nvar treasure = [1, 2, 3]")
  }

  private func expectTreasure(_ location: SourceLocation = #_sourceLocation) {
    #expect(notebook.run("treasure").result == "[1, 2, 3]", sourceLocation: location)
  }

  @Test func `too deep a recursion on a thread of the user's own stops only that thread`() {
    let answer = notebook.run(
      """
      func deep(_ n: Int) -> Int { deep(n + 1) + 1 }
      let done = DispatchSemaphore(value: 0)
      Thread.detachNewThread { print(deep(0)); done.signal() }
      done.wait()
      """)
    #expect(answer.error?.name == "StackOverflow", "\(answer.error?.value ?? "")")
    expectTreasure()
  }

  @Test func `C code reads what the client enters`() {
    let answer = notebook.run(
      """
      var line = [CChar](repeating: 0, count: 100)
      fgets(&line, 100, stdin)
      let first = String(cString: line)
      let letter = getchar()
      let rest = Swift.readLine() ?? "nothing"
      print(first, letter, rest)
      """, allowStdin: true
    ) {
      if case .inputRequest(_, _, let reply) = $0 { reply("Ada") }
    }
    #expect(answer.stdout == "Ada\n 65 da\n", "\(answer.error?.value ?? "")")
  }

  @Test func `C code that reads where the client takes no input is told so, and the next cell reads`() {
    #expect(notebook.run("_ = getchar()").error?.name == "InputNotSupported")
    let answer = notebook.run("getchar()", allowStdin: true) {
      if case .inputRequest(_, _, let reply) = $0 { reply("A") }
    }
    #expect(answer.result == "65", "\(answer.error?.value ?? "")")
    expectTreasure()
  }

  @Test func `a trap in dispatched work is told with its cell, whichever queue it was`() {
    for queue in ["DispatchQueue.main", "DispatchQueue.global()", "DispatchQueue(label: \"own\")"] {
      let answer = notebook.run(
        "let s = DispatchSemaphore(value: 0)\n\(queue).async { _ = [Int]()[1]; s.signal() }\ns.wait()")
      #expect(answer.error?.value == "Index out of range", "\(queue)")
      expectTreasure()
    }
  }

  @Test func `the main queue keeps its promises`() {
    let answer = notebook.run(
      """
      let group = DispatchGroup()
      var order: [Int] = []
      for i in 0..<5 { DispatchQueue.main.async(group: group) { order.append(i) } }
      group.wait()
      let later = DispatchSemaphore(value: 0)
      DispatchQueue.main.asyncAfter(deadline: .now() + 0.01) { order.append(5); later.signal() }
      later.wait()
      DispatchQueue.main.sync { order.append(6) }
      let item = DispatchWorkItem(block: { order.append(7) })
      DispatchQueue.main.async(execute: item)
      item.wait()
      @MainActor func last() { dispatchPrecondition(condition: .onQueue(.main)); order.append(8) }
      await last()
      order
      """)
    #expect(answer.result == "[0, 1, 2, 3, 4, 5, 6, 7, 8]", "\(answer.error?.value ?? "")")
  }

  @Test func `stopped cells cost little memory`() throws {
    func megabytes() throws -> Double {
      let text =
        notebook.run(
          "String(decoding: FileManager.default.contents(atPath: \"/proc/self/statm\")!, as: UTF8.self)"
        ).result ?? ""
      let pages = text.split { !$0.isNumber }.dropFirst().first.flatMap { Double($0) }
      return try #require(pages) * 4096 / 1e6
    }
    let before = try megabytes()
    for i in 0..<10 {
      notebook.run("func deep\(i)(_ n: Int) -> Int { deep\(i)(n + 1) + 1 }\ndeep\(i)(0)")
    }
    // Each has used up 512 MiB of stack; a quarter of a megabyte of that is kept, and a module of the cell.
    #expect(try megabytes() - before < 100)
  }
}
