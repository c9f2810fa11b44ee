import Fixtures
import Foundation
import Glibc
import Kernel
import Testing

/// Where caches, history and sessions go: the order of places, and what isn't trusted.
///
/// These run as any user; those that need other users and file systems are in `test_surroundings.py`.
@Suite struct UserFoldersTests {
  let root: String

  init() throws { root = try Fixtures.temporaryFolder("folders").resolvingSymlinksInPath().path }

  private func found(_ environment: [String: String]) -> UserFolders {
    UserFolders(environment: environment, workingDirectory: root + "/work")
  }

  private var tmp: String { root + "/tmp" }
  private var shelter: String { "\(tmp)/icl-kernel-\(geteuid())" }
  /// Nothing can be made below a file.
  private let unusable = "/etc/passwd/x"

  @Test func `the home is used where nothing else is said, and nothing is warned of`() {
    let folders = found(["HOME": root + "/home", "TMPDIR": tmp])
    #expect(folders.sessions == tmp)
    #expect(folders.cache == root + "/home/.cache/icl-kernel")
    #expect(folders.packages == root + "/home/.cache/icl-kernel/packages")
    #expect(folders.history == root + "/home/.local/share/icl-kernel/history.sqlite")
    #expect(folders.warning == nil && folders.toolVariables.isEmpty)
  }

  @Test func `the kernel's own variables come first, then XDG's, then the home`() {
    var environment = [
      "HOME": root + "/home", "TMPDIR": tmp, "XDG_CACHE_HOME": root + "/xc", "XDG_DATA_HOME": root + "/xd",
    ]
    #expect(found(environment).cache == root + "/xc/icl-kernel")
    #expect(found(environment).history == root + "/xd/icl-kernel/history.sqlite")
    environment["ICL_CACHE"] = "own"
    environment["ICL_HISTORY"] = "h.sqlite"
    // Relative to the working directory.
    #expect(found(environment).cache == root + "/work/own")
    #expect(found(environment).history == root + "/work/h.sqlite")
    #expect(found(environment).warning == nil)
  }

  @Test func `a place that doesn't work is named, with what is done instead`() throws {
    let folders = found([
      "HOME": root + "/home", "TMPDIR": unusable, "XDG_CACHE_HOME": "cache", "ICL_HISTORY": unusable + "/h.sqlite",
    ])
    #expect(folders.sessions == "/tmp")
    #expect(folders.cache == root + "/home/.cache/icl-kernel")
    #expect(folders.history == root + "/home/.local/share/icl-kernel/history.sqlite")
    let warning = try #require(folders.warning)
    for words in [
      "/etc/passwd is not a folder", "cache/icl-kernel is not an absolute path", "cells are compiled in /tmp",
      "so the history of inputs is kept in \(root)/home", "TMPDIR and ICL_CACHE (a folder) and ICL_HISTORY (a file)",
    ] { #expect(warning.contains(words), "\(words)\n\(warning)") }
    // Each fault once.
    #expect(warning.components(separatedBy: "/etc/passwd is not a folder").count == 2, "\(warning)")
  }

  @Test func `without a home things go to a private folder beside the temporary files`() throws {
    let folders = found(["HOME": unusable, "TMPDIR": tmp])
    #expect(folders.cache == shelter + "/cache")
    #expect(folders.packages == shelter + "/packages")
    #expect(folders.history == shelter + "/history.sqlite")
    #expect(folders.warning?.contains("for as long as temporary files last") == true)
    #expect(folders.toolVariables["HOME"] == shelter + "/packages/home")
    var status = stat()
    #expect(lstat(shelter, &status) == 0 && status.st_mode & 0o777 == 0o700)
    // The next session finds it again.
    #expect(found(["HOME": unusable, "TMPDIR": tmp]).cache == shelter + "/cache")
  }

  @Test(arguments: ["link", "file", "open to others", "in a folder where others can exchange it"])
  func `a private folder that somebody else may have made isn't used`(_ kind: String) throws {
    try FileManager.default.createDirectory(atPath: root + "/elsewhere", withIntermediateDirectories: true)
    try FileManager.default.createDirectory(atPath: tmp, withIntermediateDirectories: true)
    switch kind {
    case "link": try FileManager.default.createSymbolicLink(atPath: shelter, withDestinationPath: root + "/elsewhere")
    case "file": _ = FileManager.default.createFile(atPath: shelter, contents: nil)
    case "open to others": try FileManager.default.createDirectory(atPath: shelter, withIntermediateDirectories: false)
    default: chmod(tmp, 0o777)
    }
    if kind == "open to others" { chmod(shelter, 0o777) }
    let folders = found(["HOME": unusable, "TMPDIR": tmp])
    #expect(folders.sessions == tmp)
    #expect(folders.cache == nil && folders.packages == nil && folders.history == nil)
    #expect(folders.warning?.contains("kept for this session alone") == true)
    #expect(try FileManager.default.contentsOfDirectory(atPath: root + "/elsewhere").isEmpty)
    // Cells run all the same.
    let notebook = try Notebook { $0.folders = folders }
    #expect(notebook.run("import Foundation\nURL(filePath: \"/a/b\").lastPathComponent").result == "\"b\"")
  }

  @Test func `a cache that vanishes or can't be written any more fails no cell`() throws {
    let cache = root + "/cache"
    let notebook = try Notebook { $0.folders = UserFolders(sessions: $0.folders.sessions ?? "/tmp", cache: cache) }
    let code = "import Foundation\nURL(filePath: \"/a/b\").lastPathComponent"
    #expect(notebook.run(code).result == "\"b\"")
    try FileManager.default.removeItem(atPath: cache)
    let again = notebook.run(code)
    #expect(again.result == "\"b\"", "\(again.error?.traceback.joined(separator: "\n") ?? "")")
    #expect(again.stderr == "")
    try FileManager.default.removeItem(atPath: cache)
    #expect(FileManager.default.createFile(atPath: cache, contents: nil))
    let moved = notebook.run(code)
    #expect(moved.result == "\"b\"", "\(moved.error?.traceback.joined(separator: "\n") ?? "")")
    #expect(moved.stderr.contains("\(cache) is not a folder") && moved.stderr.contains("for this session alone"))
    #expect(notebook.run(code).stderr == "")
    #expect(notebook.run("let x: Int = \"a\"").error?.name == "CompileError")
  }

  @Test func `where no folder can hold code, the error names each and what to do`() {
    var folders = UserFolders(sessions: "/tmp", cache: nil)
    folders.sessions = nil
    folders.findings = [
      .init(use: .sessions, faults: ["/tmp is full", "/x is not a folder"], consequence: "no cell can run")
    ]
    let text = folders.sessionsFailure.description
    for words in ["/tmp is full", "/x is not a folder", "TMPDIR", "noexec"] { #expect(text.contains(words)) }
    #expect(throws: KernelError.self) { try Notebook { $0.folders = folders } }
  }
}
