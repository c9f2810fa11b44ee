package import ArgumentParser
import Foundation
import ICLEngine
import Synchronization

/// What a command ends with, for scripts. `docs/COMMAND_LINE.md` and `icl-kernel --help` list the same.
package enum ExitStatus {
  package static let failure: Int32 = 1
  /// `verify` found no cell that it could compare.
  package static let nothingCompared: Int32 = 2
  /// The command line is wrong; nothing was done. As in sysexits.h, and as ArgumentParser has it.
  package static let usage: Int32 = 64
  /// The reader of standard output went away. What a shell shows for a process that SIGPIPE ended.
  package static let readerGone: Int32 = 128 + 13

  package static let help = """
    Exit codes: 0 done; 1 failed, and standard error says why; 2 `verify` had nothing to compare; 64 the command line is \
    wrong, and nothing was done; 129, 130, 143 stopped by SIGHUP, SIGINT (Ctrl-C), SIGTERM, what was finished is saved; \
    141 the program that read standard output is gone.
    docs/COMMAND_LINE.md has environment variables, files and the JSON of every command.
    """
}

/// The first signal that asked this process to stop; 0 for none. A global because a handler has no context.
private let received = Atomic<Int32>(0)

/// SIGINT, SIGTERM and SIGHUP as interruptions of the engine's work: schedulers send SIGTERM where a user types Ctrl-C.
package enum StopSignals {
  /// The second signal of a kind ends the process at once.
  package static func install() {
    _ = received.load(ordering: .relaxed)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      var action = sigaction()
      // `nohup` ignores SIGHUP; then it stays ignored.
      if number == SIGHUP, sigaction(number, nil, &action) == 0,
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
      {
        continue
      }
      action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        _ = received.compareExchange(expected: 0, desired: number, ordering: .relaxed)
        Interruption.request()
      }
      action.sa_flags = SA_RESTART | Int32(bitPattern: UInt32(SA_RESETHAND))
      _ = sigaction(number, &action, nil)
    }
  }

  static var number: Int32? {
    let number = received.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }
}

/// A command that a signal stopped, after it has written what was finished.
struct Stopped: Error {
  /// Such as `after 2 of 8 repetitions`.
  let place: String
  /// What is saved, and where.
  let saved: String
  /// How to go on.
  let next: String
}

/// How a command ends: one message on standard error, one exit code.
package enum CommandEnd {
  /// Says what went wrong, and returns the exit code.
  package static func report(_ error: any Error, of root: any ParsableCommand.Type) -> Int32 {
    if let error = error as? OutputError { return fail(error) }
    // What was printed before the failure is a part of the result.
    do { try StandardOutput.flush() } catch { return fail(error) }
    switch error {
    case let stopped as Stopped: return stop(stopped)
    case let error as EngineError where error.code == .interrupted && StopSignals.number != nil:
      return stop(
        Stopped(place: "before there was a result", saved: "nothing was written", next: "again: \(GivenCommand.text)"))
    case is DecodingError, is EncodingError:
      StandardError.line("Error: \(EngineError.line(error))")
      return ExitStatus.failure
    default: break
    }
    let code = root.exitCode(for: error).rawValue
    let text = root.fullMessage(for: error)
    if code == 0 {
      do {
        if !text.isEmpty { try StandardOutput.line(text) }
        try StandardOutput.finish()
        return 0
      } catch { return fail(error) }
    }
    if !text.isEmpty {
      StandardError.line(isOfFoundation(error) ? "Error: \(EngineError.line(error))" : text)
    }
    return code
  }

  /// An error of the system as one plain line.
  package static func line(_ error: any Error) -> String { EngineError.line(error) }

  private static func fail(_ error: OutputError) -> Int32 {
    StandardError.line("Error: \(error)")
    return error.isReaderGone ? ExitStatus.readerGone : ExitStatus.failure
  }

  private static func stop(_ stopped: Stopped) -> Int32 {
    let number = StopSignals.number ?? SIGINT
    let name = [SIGINT: "SIGINT", SIGTERM: "SIGTERM", SIGHUP: "SIGHUP"][number] ?? "signal \(number)"
    StandardError.line("Interrupted by \(name) \(stopped.place); \(stopped.saved).\n  next:     \(stopped.next)")
    return 128 + number
  }

  private static func isOfFoundation(_ error: any Error) -> Bool {
    error is CocoaError || error is POSIXError || type(of: error) == NSError.self
  }
}

/// The command line as it was given, for messages that say how to go on.
enum GivenCommand {
  static var text: String { text(without: []) }

  /// - Parameter flags: left out, such as `--anew`
  static func text(without flags: [String]) -> String {
    (["icl-kernel"] + CommandLine.arguments.dropFirst().filter { !flags.contains($0) }).map(quoted)
      .joined(separator: " ")
  }

  /// As a shell reads it.
  private static func quoted(_ argument: String) -> String {
    let isPlain =
      !argument.isEmpty
      && argument.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./,:=+@%".contains($0)) }
    return isPlain ? argument : "'" + argument.replacing("'", with: "'\\''") + "'"
  }
}

/// What ArgumentParser would take for an option though it is a value.
package enum GivenArguments {
  /// Joins a value that begins with a hyphen to its option: `--positions -3` becomes `--positions=-3`. No option begins
  /// with a digit, and none has a space in it.
  package static func joined(_ arguments: [String]) -> [String] {
    var result: [String] = []
    var index = 0
    while index < arguments.count {
      let argument = arguments[index]
      if argument == "--" { return result + arguments[index...] }
      if argument.hasPrefix("--"), !argument.contains("="), index + 1 < arguments.count,
        isValue(arguments[index + 1])
      {
        result.append("\(argument)=\(arguments[index + 1])")
        index += 2
      } else {
        result.append(argument)
        index += 1
      }
    }
    return result
  }

  private static func isValue(_ text: String) -> Bool {
    guard text.hasPrefix("-"), let second = text.dropFirst().first else { return false }
    return second.isNumber || second == "." || text.contains(where: \.isWhitespace)
  }
}
