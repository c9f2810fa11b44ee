internal import Foundation
internal import Synchronization

/// A thread that answers requests one after another.
final class Worker: Sendable {
  private struct State {
    var waiting: [IncomingMessage] = []
    var stopped = false
  }
  private let state = Mutex(State())
  private let available = DispatchSemaphore(value: 0)
  private let ended = DispatchSemaphore(value: 0)

  /// - Parameter answer: called on the worker's thread, one request at a time.
  init(name: String, answer: @escaping @Sendable (IncomingMessage) -> Void) {
    let thread = Thread { [self] in
      while true {
        available.wait()
        let (next, stopped) = state.withLock { state in
          (state.waiting.isEmpty ? nil : state.waiting.removeFirst(), state.stopped)
        }
        if let next { answer(next) } else if stopped { break }
      }
      ended.signal()
    }
    thread.name = name
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// - Returns: `false` when this worker was stopped and will not answer.
  func add(_ message: IncomingMessage) -> Bool {
    let isAdded = state.withLock { state in
      guard !state.stopped else { return false }
      state.waiting.append(message)
      return true
    }
    available.signal()
    return isAdded
  }

  /// Takes out the waiting requests that `matches`, in order, to be answered as aborted.
  func withdraw(where matches: (IncomingMessage) -> Bool) -> [IncomingMessage] {
    state.withLock { state in
      let withdrawn = state.waiting.filter(matches)
      state.waiting.removeAll(where: matches)
      return withdrawn
    }
  }

  /// Ends the thread after the request that it works on; those that wait are dropped and returned.
  func stop() -> [IncomingMessage] {
    let dropped = state.withLock { state in
      state.stopped = true
      defer { state.waiting = [] }
      return state.waiting
    }
    available.signal()
    return dropped
  }

  /// After ``stop()``: waits until the request in work is answered.
  /// - Returns: whether it was, by the deadline.
  @discardableResult
  func join(by deadline: DispatchTime) -> Bool {
    guard ended.wait(timeout: deadline) == .success else { return false }
    ended.signal()
    return true
  }
}
