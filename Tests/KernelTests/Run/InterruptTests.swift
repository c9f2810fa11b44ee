import Foundation
import Kernel
import Testing

/// What one interrupt does to a cell and to what it has begun.
@Suite(.serialized) struct InterruptTests {
  let notebook: Notebook
  init() throws {
    notebook = try Notebook()
    notebook.run("import Foundation\nvar treasure = [1, 2, 3]")
  }

  @Test(arguments: [
    "do { try await Task.sleep(for: .seconds(600)) } catch { }",
    "try? await Task.sleep(for: .seconds(600))",
    "for await x in AsyncStream<Int>.makeStream().stream { print(x) }",
    "await withTaskGroup(of: Void.self) { $0.addTask { try? await Task.sleep(for: .seconds(600)) } }",
    "_ = await Task { try? await Task.sleep(for: .seconds(600)) }.value",
  ])
  func `an interrupted cell ends as interrupted, whatever its code swallows`(_ code: String) {
    let answer = notebook.interrupt("print(\"go\")\n\(code)\nprint(\"after\")", after: "go")
    #expect(answer.error?.name == "Interrupted")
    #expect(!answer.stdout.contains("after"))
    #expect(notebook.run("treasure").result == "[1, 2, 3]")
  }

  @Test func `a cell that ends by itself after the interrupt is interrupted all the same`() {
    let answer = notebook.interrupt(
      "func nap() { usleep(20_000) }\nprint(\"go\")\nfor _ in 0..<3 { nap() }\nlet last = 1", after: "go")
    #expect(answer.error?.name == "Interrupted")
  }

  @Test func `one interrupt ends library code that doesn't come back to the cell`() {
    let answer = notebook.interrupt(
      "let text = String(repeating: \"a\", count: 40) + \"c\"\nprint(\"go\")\n_ = text.wholeMatch(of: /(a+)+b/)",
      after: "go")
    #expect(answer.error?.name == "Interrupted")
    #expect(notebook.run("treasure.map(String.init).joined()").result == "\"123\"")
  }

  @Test func `a serial queue of an earlier cell and what it runs are left alone`() {
    notebook.run(
      """
      import Synchronization
      final class Beats: Sendable { let count = Atomic<Int>(0) }
      let beats = Beats()
      DispatchQueue(label: "own").async { while true { usleep(2000); beats.count.add(1, ordering: .relaxed) } }
      """)
    #expect(notebook.interrupt("print(\"go\")\nwhile true {}", after: "go").error?.name == "Interrupted")
    notebook.run("let before = beats.count.load(ordering: .relaxed)\nusleep(200_000)")
    #expect(notebook.run("beats.count.load(ordering: .relaxed) > before").result == "true")
  }

  @Test func `an error leaves through the cell's defer where nothing catches it`() {
    let answer = notebook.interrupt(
      "do { defer { print(\"left\") }; print(\"go\"); try await Task.sleep(for: .seconds(600)) }", after: "go")
    #expect(answer.error?.name == "Interrupted")
    #expect(answer.stdout.contains("left"))
  }
}

/// The language mode of cells, and their place on the main actor.
@Suite(.serialized) struct MainActorTests {
  let notebook: Notebook
  init() throws {
    notebook = try Notebook()
    notebook.run("import Foundation")
  }

  @Test func `top-level code is the main actor's, and so is the main queue`() {
    let answer = notebook.run(
      """
      @MainActor final class Model { var count = 0; func up() -> Int { count += 1; return count } }
      print(MainActor.assumeIsolated { Model().up() }, Thread.isMainThread)
      dispatchPrecondition(condition: .onQueue(.main))
      DispatchQueue.main.sync { print(MainActor.assumeIsolated { Model().up() }) }
      """)
    #expect(answer.stdout == "1 true\n1\n", "\(answer.error?.value ?? "")")
  }

  @Test func `a subshell's cell is not the main actor's`() {
    #expect(notebook.run("Thread.isMainThread", isSubshell: true).result == "false")
  }

  @Test func `variables are shared between language modes`() {
    notebook.run("var five = 5\nfunc double(_ n: Int) -> Int { 2 * n }")
    #expect(notebook.run("%swift 6\nvar six = double(five) - 4\nfive += 1").error == nil)
    #expect(notebook.run("%swift 5\nfunc both() -> Int { five + six }\nboth()").result == "12")
    #expect(notebook.run("%swift 6\nfunc race() -> Int { six }").error?.name == "CompileError")
    _ = notebook.runner.reset()
    #expect(notebook.runner.compiler.languageMode == .standard)
  }
}
