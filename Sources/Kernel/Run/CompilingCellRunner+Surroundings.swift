import Foundation
import Glibc
import HostProtocol
import Synchronization

/// A question to the host where it works, asked for a command that is to work there as well.
final class SurroundingsQuestion: Sendable {
  private let answer = Mutex<Surroundings?>(nil)
  private let answered = DispatchSemaphore(value: 0)

  /// `nil` when the host is gone.
  func put(_ surroundings: Surroundings?) {
    answer.withLock { $0 = surroundings }
    answered.signal()
  }

  func take(seconds: Double) -> Surroundings? {
    answered.wait(timeout: .now() + seconds) == .success ? answer.withLock { $0 } : nil
  }
}

extension CompilingCellRunner {
  /// Where a command of a cell works and with which environment: those that cells have at this moment.
  struct Place: Sendable {
    var environment: [String: String]
    fileprivate var surroundings: Surroundings

    /// The working directory.
    /// - Throws: a ``CellError`` that says what is wrong with it.
    func folder() throws -> String {
      guard let folder = surroundings.folder else {
        throw Traceback.plain(
          "FolderMissing", "the working directory \(surroundings.formerFolder) was deleted", lines: Place.advice)
      }
      guard access(folder, X_OK) == 0 else {
        let reason = String(cString: strerror(errno))
        throw Traceback.plain(
          "FolderMissing", "the working directory \(folder) can't be entered: \(reason)", lines: Place.advice)
      }
      return folder
    }

    private static let advice = [
      #"A cell can go elsewhere: FileManager.default.changeCurrentDirectoryPath("/path/to/folder")"#
    ]
  }

  /// Asks the host, starting one where the last has died.
  /// - Throws: a ``CellError`` when there is none that answers.
  func place(_ events: @escaping @Sendable (CellEvent) -> Void) throws -> Place {
    if state.withLock({ $0.link == nil }) {
      warm.wait()
      let execution = Execution(isSubshell: false, guardian: environment.guardian)
      if let failure = reviveHost(execution, events) { throw failure }
    }
    let question = SurroundingsQuestion()
    let asked = state.withLock { state -> (HostLink, UInt64)? in
      guard let link = state.link else { return nil }
      let number = state.nextRun
      state.nextRun += 1
      state.surroundings[number] = question
      return (link, number)
    }
    var answer: Surroundings?
    if let (link, number) = asked {
      link.send(.surroundings(number))
      answer = question.take(seconds: 10)
      state.withLock { $0.surroundings[number] = nil }
    }
    guard let answer else {
      throw Traceback.plain(
        "HostStuck", "the process that runs cells doesn't say where it works", lines: ["%reset starts a new one."])
    }
    var variables = answer.environment
    // Set by the kernel for its own use of the host; a user who wants it otherwise has set it otherwise.
    if variables["SWIFT_BACKTRACE"] == HostLink.ownBacktraceSetting {
      variables["SWIFT_BACKTRACE"] = ProcessInfo.processInfo.environment["SWIFT_BACKTRACE"]
    }
    return Place(environment: variables, surroundings: answer)
  }
}
