import Kernel
import Testing

@Suite(.serialized) struct DiagnosticTests {
  let notebook: Notebook
  init() throws { notebook = try Notebook() }

  private func text(_ code: String) -> String {
    (notebook.run(code).error?.traceback ?? []).joined(separator: "\n").replacing(/\u{1b}\[[0-9;]*m/, with: "")
  }

  @Test func `an error stands at the user's line and column, with the line and a caret`() {
    #expect(
      text("let a = 1\nlet é = 2\nprint(a, missing)") == """
        In[1]:3:10: error: cannot find 'missing' in scope
        3 | print(a, missing)
          |          ^
        """)
  }

  @Test func `columns are right behind rewritten code and wide characters`() {
    #expect(text("func f() async -> Int { 1 }; let x = await f() + \"🙂\" + y").contains("In[1]:1:"))
    let error = text("func f() async -> Int { 1 }\nlet s = \"🙂é\"; let x = await f(); let z = y")
    #expect(error.contains("In[2]:2:42: error: cannot find 'y' in scope"), "\(error)")
    #expect(text("1 + nope").contains("In[3]:1:5: error: cannot find 'nope' in scope"))
  }

  @Test func `notes and fix-its are kept`() {
    let error = text("struct S { let a = 1 }\nvar s = S()\ns.a = 2")
    #expect(error.contains("In[1]:3:"))
    #expect(error.contains("note: change 'let' to 'var' to make it mutable"), "\(error)")
    #expect(error.contains("var"))
  }

  @Test func `a syntax error is one, at its place`() {
    #expect(text("let a = (1 + \nprint(2").contains("In[1]:2:8: error: expected ')'"))
    #expect(text("func {").contains("In[2]:1:"))
  }

  @Test func `a compile error changes nothing`() {
    notebook.run("let kept = 3")
    #expect(notebook.run("let kept = wrong").error?.name == "CompileError")
    #expect(notebook.run("kept").result == "3")
  }
}
