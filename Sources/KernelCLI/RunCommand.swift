import ArgumentParser
import Foundation
import Glibc
import Kernel
import Logging

/// `icl-kernel run`: one session, from the connection file to shutdown.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Serve one Jupyter session (Jupyter starts this).",
    discussion: """
      Environment: ICL_LOG (trace, debug, info, notice, warning, error; default warning) sets how much is logged to \
      stderr; ICL_HISTORY names the file of the history and ICL_CACHE the folder of what is compiled once for all \
      sessions; TMPDIR is where cells are compiled, which must not be mounted noexec; ICL_MODEL the GGUF file that `Engine()` loads; ICL_TOOLCHAIN \
      the Swift toolchain that compiles cells; ICL_CELL_MEMORY how many GB of memory cells may use (default: nine \
      tenths of the machine's).
      """)

  @Option(
    name: [.customShort("f"), .long], help: ArgumentHelp("The connection file that Jupyter wrote.", valueName: "file"))
  var connectionFile: String

  func run() throws {
    let log = Self.makeLogger()
    let connection = try ConnectionFile(contentsOf: connectionFile)
    let accepts = ProcessInfo.processInfo.environment["JUPYTER_ALLOW_INSECURE_WRITES"]?.lowercased() ?? ""
    for warning in try connection.secure(path: connectionFile, acceptsOpenFile: ["true", "1"].contains(accepts)) {
      log.warning("\(warning)")
    }
    // Listen before anything else is done: a client that connects early waits instead of failing.
    var folders = UserFolders()
    let history = Self.openHistory(&folders, log)
    if let warning = folders.warning { log.warning("\(warning)") }
    let runner = DeferredRunner(log: log) { [folders] in
      try Composition.runner(log: log, folders: folders.sessions == nil ? UserFolders() : folders)
    }
    let session = try Session(
      connection: connection, runner: runner, history: history, description: Composition.description,
      log: log, notice: folders.warning, stopping: Self.startGuardian)
    Signals.watch(
      onInterrupt: { session.interrupt() },
      onTerminate: {
        log.notice("asked to end by a signal")
        session.stop()
      })
    Self.followParent(session, log)
    runner.start()
    session.start()
    session.wait()
    // Not exit(): the compiler library's destructors must not run while its threads still do.
    fflush(nil)
    _exit(0)
  }

  private static func makeLogger() -> Logger {
    LoggingSystem.bootstrap { label in StreamLogHandler.standardError(label: label) }
    var log = Logger(label: "icl-kernel")
    let wanted = ProcessInfo.processInfo.environment["ICL_LOG"] ?? ""
    log.logLevel = Logger.Level(rawValue: wanted.lowercased()) ?? .warning
    if !wanted.isEmpty, Logger.Level(rawValue: wanted.lowercased()) == nil {
      log.warning("ICL_LOG=\(wanted) is not a level; expected trace, debug, info, notice, warning or error")
    }
    return log
  }

  /// A session without its file still has a history of its own.
  private static func openHistory(_ folders: inout UserFolders, _ log: Logger) -> History? {
    do { return try History(path: folders.history, log: log) } catch {
      log.warning("\(error)")
      folders.noteHistory("\(error.what): \(error.found ?? "")")
      return try? History(path: nil, log: log)
    }
  }

  /// Whatever hangs at the end, the process is gone before Jupyter kills it, which is after five seconds.
  private static func startGuardian() {
    let guardian = Thread {
      Thread.sleep(forTimeInterval: 4.5)
      _exit(0)
    }
    guardian.start()
  }

  /// Ends the session when the Jupyter server that started it is gone. Trusted only when the variable names the
  /// parent: under a wrapper or a debugger it may name a process of the past.
  private static func followParent(_ session: Session, _ log: Logger) {
    let parent = getppid()
    guard let text = ProcessInfo.processInfo.environment["JPY_PARENT_PID"], Int32(text) == parent, parent > 1 else {
      return
    }
    let poll = Thread {
      while getppid() == parent { Thread.sleep(forTimeInterval: 1) }
      log.notice("the Jupyter server (process \(parent)) is gone")
      session.stop()
    }
    poll.stackSize = 256 << 10
    poll.start()
  }
}
