import Fixtures
import Foundation
import Kernel
import Testing

/// `%%bash` works where cells work, with the environment that they have.
@Suite struct BashSurroundingsTests {
  let notebook: Notebook
  let folder: URL

  init() throws {
    notebook = try Notebook()
    folder = try Fixtures.temporaryFolder("bash").resolvingSymlinksInPath()
    notebook.run("import Foundation\nlet started = FileManager.default.currentDirectoryPath")
  }

  private func bash(_ script: String) -> String { notebook.run("%%bash\n\(script)").stdout }
  private func go(to path: String) { notebook.run("chdir(\(swiftLiteral(path)))") }

  @Test func `before any cell it works where the kernel does`() throws {
    let fresh = try Notebook()
    #expect(fresh.run("%%bash\npwd -P").stdout == FileManager.default.currentDirectoryPath + "\n")
  }

  @Test(arguments: [
    "chdir(PLACE)", "_ = FileManager.default.changeCurrentDirectoryPath(PLACE)",
    "let d = open(PLACE, O_RDONLY)\nfchdir(d)\nclose(d)",
    "await Task.detached { _ = FileManager.default.changeCurrentDirectoryPath(PLACE) }.value",
  ])
  func `it follows cells to another folder`(_ code: String) throws {
    let place = folder.appending(path: "a b/c")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    let answer = notebook.run(code.replacing("PLACE", with: swiftLiteral(place.path)))
    #expect(answer.error == nil, "\(answer.error?.traceback.joined() ?? "")")
    #expect(bash("pwd -P") == place.path + "\n")
    // What bash does to its own folder ends with it.
    #expect(bash("cd /; pwd") == "/\n")
    #expect(bash("pwd -P") == place.path + "\n")
    #expect(notebook.run("%reset").error == nil)
    #expect(bash("pwd -P") == FileManager.default.currentDirectoryPath + "\n")
  }

  @Test func `it follows what cells do to the environment`() {
    notebook.run("setenv(\"OWN_A\", \"one two\\nthree\", 1)\nputenv(strdup(\"OWN_B=x=y\"))\nsetenv(\"OWN_C\", \"\", 1)")
    #expect(bash("echo \"$OWN_A|$OWN_B|${OWN_C-unset}|${OWN_D-unset}\"") == "one two\nthree|x=y||unset\n")
    notebook.run("unsetenv(\"OWN_A\")\nsetenv(\"OWN_B\", \"é\", 1)\nsetenv(\"PATH\", \"/nowhere\", 1)")
    #expect(bash("echo \"${OWN_A-unset}|$OWN_B|$PATH\"") == "unset|é|/nowhere\n")
    notebook.run("clearenv()\nsetenv(\"ALONE\", \"1\", 1)")
    #expect(bash("echo \"$ALONE${HOME-no home}\"") == "1no home\n")
  }

  @Test func `what the kernel itself sets for the process of cells stays there`() {
    #expect(bash("echo \"${SWIFT_BACKTRACE-unset}\"") == "unset\n")
    notebook.run("setenv(\"SWIFT_BACKTRACE\", \"color=no\", 1)")
    #expect(bash("echo \"${SWIFT_BACKTRACE-unset}\"") == "color=no\n")
  }

  @Test func `after the folder was deleted the error says so, and a cell goes elsewhere`() throws {
    let place = folder.appending(path: "gone")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    go(to: place.path)
    try FileManager.default.removeItem(at: place)
    let answer = notebook.run("%%bash\necho ran")
    #expect(answer.stdout == "")
    #expect(answer.error?.name == "FolderMissing")
    #expect(answer.error?.value == "the working directory \(place.path) was deleted")
    #expect(answer.error?.traceback.joined().contains("changeCurrentDirectoryPath") == true)
    // One of the same name is another one.
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    #expect(notebook.run("%%bash\npwd").error?.name == "FolderMissing")
    #expect(notebook.run("%package ./Tiny").error?.name == "FolderMissing")
    #expect(notebook.run("%package /nowhere/at/all").error?.name == "PackageNotFound")
    go(to: place.path)
    #expect(bash("pwd -P") == place.path + "\n")
  }

  @Test func `while a cell changes the environment, bash reads it unharmed`() async {
    let notebook = notebook
    async let busy = notebook.run(
      """
      for n in 0..<300_000 { setenv("OWN_N\\(n % 500)", String(repeating: "x", count: n % 90), 1) }
      for n in 0..<500 { unsetenv("OWN_N\\(n)") }
      "done"
      """)
    for _ in 0..<10 {
      let request = CellRequest(code: "%%bash\nenv | grep -c '^OWN_N' || true", executionCount: 99, isSubshell: true)
      if case .error(let error) = notebook.commands.execute(request, events: { _ in }) {
        Issue.record("\(error.traceback.joined())")
      }
    }
    #expect(await busy.result == "\"done\"")
  }

  @Test func `a host that died is replaced before bash runs`() {
    let answer = notebook.run("import Glibc\nkill(getpid(), SIGKILL)")
    #expect(answer.error?.name == "HostDied")
    #expect(bash("pwd -P") == FileManager.default.currentDirectoryPath + "\n")
  }
}
