import Foundation
import Kernel
import NotebookDisplay
import Synchronization

/// A runner whose "cells" are one of a few words, so that the session can be tested without a compiler.
final class FakeRunner: CellRunner {
  private let interrupts = Mutex<[DispatchSemaphore]>([])
  /// Signalled when a cell `wait` or `gate` has begun.
  let began = DispatchSemaphore(value: 0)
  /// Lets a cell `gate` go on.
  let gate = DispatchSemaphore(value: 0)
  /// Lets a cell `stuck` go on: nothing else does.
  let release = DispatchSemaphore(value: 0)
  private let requests = Mutex<[CellRequest]>([])
  private let shutdowns = Mutex(0)
  private let flooded = Mutex(0)
  private let interruptCount = Mutex(0)

  /// The requests that were executed, in order.
  var executed: [CellRequest] { requests.withLock { $0 } }
  /// How many messages of a `flood` the session has taken.
  var floodCount: Int { flooded.withLock { $0 } }
  var shutdownCount: Int { shutdowns.withLock { $0 } }

  func start() {}

  func execute(_ request: CellRequest, events: @escaping @Sendable (CellEvent) -> Void) -> CellOutcome {
    requests.withLock { $0.append(request) }
    let words = request.code.split(separator: " ", maxSplits: 1).map(String.init)
    let rest = words.count > 1 ? words[1] : ""
    switch words.first ?? "" {
    case "value": events(.result(MIMEBundle(plainText: rest)))
    case "print": events(.stream(.stdout, rest))
    case "complain": events(.stream(.stderr, rest))
    case "flood":
      let line = String(repeating: "x", count: 100_000)
      for number in 0..<(Int(rest) ?? 0) {
        events(.stream(.stdout, "\(number) \(line)\n"))
        flooded.withLock { $0 = number + 1 }
      }
    case "show":
      events(.display(MIMEBundle(plainText: rest), id: "d", update: false))
      events(.clearOutput(wait: true))
      events(.display(MIMEBundle(plainText: rest), id: "d", update: true))
    case "ask":
      let answer = Mutex<String?>(nil)
      let answered = DispatchSemaphore(value: 0)
      events(
        .inputRequest(prompt: rest, password: false) { line in
          answer.withLock { $0 = line }
          answered.signal()
        })
      answered.wait()
      events(.result(MIMEBundle(plainText: answer.withLock { $0 } ?? "end of file")))
    case "listen":
      // As a real cell that reads: an interrupt ends it if it comes before the end of its input.
      let before = interruptCount.withLock { $0 }
      let answered = DispatchSemaphore(value: 0)
      events(.inputRequest(prompt: "", password: false) { _ in answered.signal() })
      answered.wait()
      if interruptCount.withLock({ $0 }) != before {
        return .error(CellError(name: "Interrupted", value: "", traceback: []))
      }
      events(.stream(.stdout, "went on"))
    case "fail": return .error(CellError(name: "Failure", value: rest, traceback: ["line 1", "line 2"]))
    case "gate":
      began.signal()
      gate.wait()
    case "stuck":
      began.signal()
      release.wait()
    case "wait":
      let interrupted = DispatchSemaphore(value: 0)
      interrupts.withLock { $0.append(interrupted) }
      began.signal()
      interrupted.wait()
      return .error(CellError(name: "Interrupted", value: "", traceback: []))
    default: break
    }
    return .ok(
      userExpressions: request.userExpressions.mapValues { expression in
        expression == "bad"
          ? .error(CellError(name: "Failure", value: "bad", traceback: []))
          : .ok(MIMEBundle(plainText: expression))
      })
  }

  func interrupt() {
    interruptCount.withLock { $0 += 1 }
    interrupts.withLock { waiting in
      for semaphore in waiting { semaphore.signal() }
      waiting = []
    }
  }

  func complete(code: String, cursor: Int) -> CompletionAnswer {
    CompletionAnswer(
      matches: [.init(text: "print", type: "function", signature: "(Any...)")], cursorStart: max(0, cursor - 2),
      cursorEnd: cursor)
  }

  func inspect(code: String, cursor: Int, detailLevel: Int) -> MIMEBundle? {
    code.hasPrefix("known") ? MIMEBundle(plainText: "let known: Int, level \(detailLevel)") : nil
  }

  func completeness(of code: String) -> Completeness {
    code.hasSuffix("{") ? .incomplete(indent: "  ") : code == ")" ? .invalid : .complete
  }

  func shutdown() {
    shutdowns.withLock { $0 += 1 }
    interrupt()
    gate.signal()
  }
}
