import Foundation
import Kernel
import Logging
import Synchronization

/// What `doctor` finds out by doing it: the folders are written in, the history is opened, and a cell is compiled,
/// linked, loaded and run.
enum CellTrial {
  /// The checks, in the order in which one thing needs another.
  static func checks() -> [Check] {
    var folders = UserFolders()
    if let path = folders.history {
      do { try History.check(path) } catch { folders.noteHistory("\(error)") }
    }
    return [
      check("session folder", .sessions, folders.sessions, in: folders, isNeeded: folders.sessions == nil),
      check("compiler's cache", .cache, folders.cache, in: folders),
      check("package cache", .packages, folders.packages, in: folders),
      check("history", .history, folders.history, in: folders),
    ] + cell(in: folders)
  }

  private static func check(
    _ name: String, _ use: UserFolders.Finding.Use, _ path: String?, in folders: UserFolders, isNeeded: Bool = false
  ) -> Check {
    guard let finding = folders.findings.first(where: { $0.use == use }) else {
      return Check(name: name, ok: true, needed: false, found: path ?? "")
    }
    let indent = "\n           "
    return Check(
      name: name, ok: false, needed: isNeeded,
      found: finding.faults.joined(separator: indent) + indent + "so " + finding.consequence, mend: fix(for: use))
  }

  private static func fix(for use: UserFolders.Finding.Use) -> String {
    switch use {
    case .sessions:
      "export TMPDIR=/a/folder   # that can be written and isn't mounted noexec (docker: --tmpfs /tmp:exec)"
    case .cache, .packages: "export ICL_CACHE=/a/folder   # that can be written; where packages lie, not mounted noexec"
    case .history: "export ICL_HISTORY=/a/folder/history.sqlite   # in a folder that can be written"
    }
  }

  /// A cell that uses what most do: Foundation, the modules of the installation, its own output and its result.
  private static func cell(in folders: UserFolders) -> [Check] {
    let name = "cell"
    guard folders.sessions != nil else {
      return [Check(name: name, ok: false, found: "there is no folder to compile it in", mend: fix(for: .sessions))]
    }
    var log = Logger(label: "icl-kernel doctor") { StreamLogHandler.standardError(label: $0) }
    log.logLevel = .critical
    do {
      let began = ContinuousClock.now
      let trial = try CompilingCellRunner(
        configuration: Composition.cellEnvironment(log, folders), log: log, completesCode: false)
      defer { trial.shutdown() }
      try trial.start()
      let result = Mutex("")
      let complaint = Mutex("")
      let outcome = trial.execute(
        CellRequest(
          code: "import Foundation\nimport NotebookDisplay\nURL(filePath: \"/a/b\").lastPathComponent",
          executionCount: 1)
      ) { event in
        switch event {
        case .result(let bundle): result.withLock { $0 = bundle.plainText }
        case .stream(.stderr, let text): complaint.withLock { $0 += text }
        default: break
        }
      }
      let answer = result.withLock { $0 }
      if case .error(let error) = outcome { return [failed(name, error.traceback, fix(for: error))] }
      guard answer == "\"b\"" else {
        let found = "it ran, and its result was \(answer.isEmpty ? "missing" : answer)"
        return [Check(name: name, ok: false, found: found, mend: rebuild)]
      }
      let time = String(format: "%.1f s", (ContinuousClock.now - began) / .seconds(1))
      let found = "compiled, linked, loaded and ran in \(time), with the start of its process"
      return [Check(name: name, ok: true, found: found)] + remarks(complaint.withLock { $0 })
    } catch {
      let lines = "\(error)".split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      return [failed(name, lines, rebuild)]
    }
  }

  /// What the kernel said beside the cell.
  private static func remarks(_ text: String) -> [Check] {
    if text.isEmpty { return [] }
    if text.hasPrefix(CompilingCellRunner.preludeRemark) {
      return [failed("engine in cells", [text], "unset ICL_MODEL   # or name a model that can be read")]
    }
    var check = failed("compiler's cache in use", [text], fix(for: .cache))
    check.needed = false
    return [check]
  }

  private static func failed(_ name: String, _ lines: [String], _ fix: String) -> Check {
    let text = lines.joined(separator: "\n").replacing(/\u{1B}\[[0-9;]*m/, with: "")
    let shown = text.split(separator: "\n").prefix(12).joined(separator: "\n           ")
    return Check(name: name, ok: false, found: shown, mend: fix)
  }

  private static func fix(for error: CellError) -> String {
    switch error.name {
    case "CompilerFailure", "CompileError": "export ICL_TOOLCHAIN=/path/to/a/complete/toolchain/usr"
    case "SystemError": "export TMPDIR=/a/folder   # with more room"
    default: rebuild
    }
  }

  private static let rebuild = "swift build -c release   # in the checkout: builds the kernel's parts again"
}
