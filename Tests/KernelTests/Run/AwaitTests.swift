import Kernel
import Testing

/// `await` at a cell's top level: what comes of it in the cells behind. The forms that it may have are compared with the
/// compiler's own answer in Tests/ConformanceTests/test_await_forms.py.
@Suite(.serialized) struct AwaitTests {
  let notebook: Notebook
  init() throws {
    notebook = try Notebook()
    notebook.run(
      """
      struct Oops: Error {}
      func one() async -> Int { 1 }
      func fails() async throws -> Int { throw Oops() }
      func trap(_ n: Int) async -> Int { [1][n] }
      """)
  }

  private func told(_ code: String) throws -> String {
    let error = try #require(notebook.run(code).error)
    return error.traceback.joined(separator: "\n").replacing(/\u{1b}\[[0-9;]*m/, with: "")
  }

  @Test func `an async let is a value to later cells, awaited or not`() {
    #expect(notebook.run("async let a = one(), b = one()\nprint(await a)").stdout == "1\n")
    #expect(notebook.run("a + b").result == "2")
    notebook.run("async let (c, d): (Int, String) = (3, \"d\")")
    #expect(notebook.run("\"\\(c)\\(d)\"").result == "\"3d\"")
  }

  @Test func `an async let that came to nothing isn't there, and takes nothing with it`() throws {
    let answer = notebook.run("let before = 1\nasync let lost = fails()\nasync let kept = one()\nprint(await kept)")
    #expect(answer.error == nil, "\(answer.error?.value ?? "")")
    #expect(answer.stdout == "1\n")
    #expect(notebook.run("before + kept").result == "2")
    #expect(try told("lost").contains("cannot find 'lost' in scope"))
  }

  @Test func `an async let that nobody waits for is cancelled when the cell ends`() {
    let answer = notebook.run(
      """
      async let long: Void = { do { try await Task.sleep(for: .seconds(600)) } catch { print("cancelled") } }()
      try await Task.sleep(for: .milliseconds(50))
      print("end")
      """)
    #expect(answer.stdout == "end\ncancelled\n")
  }

  @Test func `an async let is waited for only where it is read`() {
    let answer = notebook.run(
      """
      async let late: Int = { try await Task.sleep(for: .seconds(600)); return 1 }()
      if await one() == 2 { print(try await late) }
      print("on")
      """)
    #expect(answer.error == nil && answer.stdout == "on\n", "\(answer)")
  }

  @Test func `the value of an awaiting expression at the end is the result`() {
    #expect(notebook.run("await one() + 1").result == "2")
    #expect(notebook.run("try? await fails()").result == "nil")
    #expect(notebook.run("if await one() == 1 { \"yes\" } else { \"no\" }").result == "\"yes\"")
    #expect(notebook.run("async let e = one()\nawait e").result == "1")
    #expect(notebook.run("let v = await one()").result == nil)
  }

  @Test func `a trap below an await is told at the user's lines, under the user's names`() throws {
    let text = try told("let fine = await one()\nprint(await trap(fine + 6))")
    #expect(text.contains("at trap(_:) In[1]:4"), "\(text)")
    let inner = try told("if await one() == 1 {\n  let empty: [Int] = []\n  print(empty[2])\n}")
    #expect(inner.contains("at top level In[3]:3"), "\(inner)")
    let closure = try told("print([1, 2].map { n in [0][n] }, await one())")
    #expect(closure.contains("at closure #1 In[4]:1"), "\(closure)")
    let caught = try told("do {\n  _ = try await fails()\n} catch {\n  print([1][await one()])\n}")
    #expect(caught.contains("at top level In[5]:4"), "\(caught)")
  }

  @Test func `what is caught is known by its type`() {
    notebook.run("struct Code: Error { let n: Int }\nfunc typed() async throws(Code) { throw Code(n: 7) }")
    #expect(notebook.run("do { try await typed() } catch { print(error.n) }").stdout == "7\n")
  }

  @Test func `a loop that awaits goes at the speed of its code`() {
    let answer = notebook.run(
      """
      let stream = AsyncStream<Int> { c in for i in 0..<200_000 { c.yield(i) }; c.finish() }
      var sum = 0
      for await n in stream { sum += n }
      for _ in 0..<20_000 { sum += await one() }
      sum
      """)
    #expect(answer.result == "\(199_999 * 100_000 + 20_000)")
  }
}
