import Foundation
import Kernel
import Testing

/// Everything that must not end a session, in one session.
@Suite(.serialized) struct BreakListTests {
  @Test func `a session survives every way to break a cell, with its variables`() throws {
    let notebook = try Notebook()
    #expect(notebook.run("var treasure = [1, 2, 3]\nlet word = \"kept\"").error == nil)
    func stillThere(_ after: String) {
      let answer = notebook.run("print(treasure, word)")
      #expect(answer.stdout == "[1, 2, 3] kept\n", "after \(after): \(answer.error?.value ?? "")")
    }
    stillThere("nothing")

    let index = notebook.run("let a = [1]\nfunc boom(_ i: Int) -> Int {\n  return a[i]\n}\nboom(5)")
    #expect(index.error?.value == "Index out of range")
    #expect(index.error?.traceback.joined().contains("boom") == true)
    #expect(index.stderr == "")
    stillThere("an index out of range")

    let unwrap = notebook.run("let none: Int? = nil\nnone!")
    #expect(unwrap.error?.value.contains("found nil while unwrapping") == true)
    stillThere("a nil unwrap")

    let overflow = notebook.run("var small: Int8 = 100\nsmall += 100")
    #expect(overflow.error?.value == "arithmetic overflow")
    stillThere("an overflow")

    #expect(notebook.run("fatalError(\"no more\")").error?.value == "no more")
    stillThere("fatalError")

    let recursion = notebook.run("func deep(_ n: Int) -> Int { deep(n + 1) + 1 }\ndeep(0)")
    #expect(recursion.error?.name == "StackOverflow")
    stillThere("runaway recursion")

    let loop = notebook.interrupt("print(\"go\")\nwhile true {}", after: "go")
    #expect(loop.error?.name == "Interrupted")
    stillThere("an interrupted loop")

    let printing = notebook.interrupt("print(\"go\")\nwhile true { print(\"x\") }", after: "go")
    #expect(printing.error?.name == "Interrupted")
    stillThere("an interrupted loop that prints")

    let thrown = notebook.run("struct Oops: Error { var code = 3 }\nthrow Oops()")
    #expect(thrown.error?.name == "Oops")
    #expect(thrown.error?.value == "Oops(code: 3)")
    stillThere("a thrown error")

    let exit = notebook.run("import Foundation\nexit(7)")
    #expect(exit.error?.value.contains("exit(7)") == true)
    stillThere("exit")

    let asynchronous = notebook.run("func bad() async -> Int { [Int]()[1] }\nawait bad()")
    #expect(asynchronous.error?.value == "Index out of range")
    stillThere("a trap in asynchronous code")

    let onMain = notebook.run("@MainActor func badMain() { _ = [Int]()[1] }\nawait badMain()")
    #expect(onMain.error?.value == "Index out of range")
    #expect(notebook.run("@MainActor func fineMain() -> Int { 5 }\nawait fineMain()").result == "5")
    stillThere("a trap on the main actor")

    let inPrint = notebook.run(
      "struct Shy: CustomStringConvertible { var description: String { fatalError(\"shy\") } }\nprint(Shy())")
    #expect(inPrint.error?.value == "shy")
    stillThere("a trap inside print")

    let killed = notebook.run("kill(getpid(), SIGKILL)")
    #expect(killed.error?.name == "HostDied")
    #expect(killed.error?.traceback.joined().contains("treasure") == true)
    #expect(notebook.run("1 + 1").result == "2")
  }
}
