import CHostSupport
import Dispatch
import Synchronization

/// Runs asynchronous code and waits for it on the calling thread.
///
/// A cell's top level is synchronous, so that its variables are plain globals which later cells can read; each
/// `await` written there becomes a call of this function. The code runs as a task of its own, and is cancelled when
/// the user interrupts the cell. Whatever it then returns, the cell goes no further.
public func __await<Value: ~Copyable, Failure: Error>(
  _ body: @escaping () async throws(Failure) -> Value
) throws(Failure) -> Value {
  let answer = Answer<Value, Failure>(body: body)
  let task = Task.detached(priority: .userInitiated) { await answer.run() }
  let run = chs_current_run()
  let key = CellTasks.add(task, run: run)
  chs_begin_waiting()
  answer.wait()
  CellTasks.remove(key, run: run)
  let isKept = chs_takes_value()
  if chs_is_asked_to_stop() {
    // What an interrupted experiment has done so far is a value like any other; the cell ends behind the variable.
    if isKept, !answer.isFailure { return try answer.take() }
    CellTasks.leave(run: run, isThrown: answer.isFailure)
  }
  chs_end_waiting()
  return try answer.take()
}

/// Where top-level code goes on after it waited: hands the value on, unless the cell was interrupted, which then ends
/// here whatever the cancelled code returned.
@discardableResult
public func __resumed<Value: ~Copyable>(_ value: consuming Value) -> Value {
  __resumed()
  return value
}

/// The same where there is no value: in a `catch`, in a loop over an asynchronous sequence and behind it.
public func __resumed() {
  if chs_is_run_asked_to_stop() { chs_park(CHS_INTERRUPTED, 0, nil) }
}

/// Carries a value from a task to the thread that waits for it.
private final class Answer<Value: ~Copyable, Failure: Error>: @unchecked Sendable {
  // `result` is written once before `done` is signalled and taken only after it was waited for.
  private let body: () async throws(Failure) -> Value
  private var result: Result<Value, Failure>?
  private let done = DispatchSemaphore(value: 0)

  init(body: @escaping () async throws(Failure) -> Value) { self.body = body }

  func run() async {
    do throws(Failure) {
      result = .success(try await body())
    } catch {
      result = .failure(error)
      isFailure = true
    }
    done.signal()
  }

  func wait() { done.wait() }

  /// Whether the code threw; asked after it was waited for.
  private(set) var isFailure = false

  func take() throws(Failure) -> Value {
    guard let result = result.take() else {
      preconditionFailure("an answer is taken once, after it was waited for")
    }
    return try result.get()
  }
}

/// The tasks that a running cell waits for, so that an interrupt can cancel them.
public enum CellTasks {
  private static let tasks = Mutex<[UInt64: [UInt64: Task<Void, Never>]]>([:])
  private static let next = Atomic<UInt64>(0)

  static func add(_ task: Task<Void, Never>, run: UInt64) -> UInt64 {
    let key = next.wrappingAdd(1, ordering: .relaxed).newValue
    tasks.withLock { $0[run, default: [:]][key] = task }
    return key
  }

  static func remove(_ key: UInt64, run: UInt64) {
    tasks.withLock { $0[run]?[key] = nil }
  }

  /// Ends the calling thread's cell, which was interrupted. Where an error was thrown that nothing in the cell can catch,
  /// it is left to end the cell, so that `defer` does its part on the way.
  static func leave(run: UInt64, isThrown: Bool) {
    if isThrown, let leaving = onLeaving.withLock({ $0 }), leaving(run) { return }
    chs_park(CHS_INTERRUPTED, 0, nil)
  }

  private static let onLeaving = Mutex<(@Sendable (UInt64) -> Bool)?>(nil)
  /// Says who knows whether a run's top-level code catches no errors, so that one that is thrown ends it.
  public static func install(endsByError: @escaping @Sendable (UInt64) -> Bool) {
    onLeaving.withLock { $0 = endsByError }
  }

  /// Cancels everything that `run` waits for.
  public static func cancel(run: UInt64) {
    let waiting = tasks.withLock { $0[run] ?? [:] }
    for task in waiting.values { task.cancel() }
  }

  /// Cancels and forgets the tasks of a run that is over.
  public static func forget(run: UInt64) {
    // What is left of them is an `async let` that the cell didn't come to wait for.
    for task in tasks.withLock({ $0.removeValue(forKey: run) })?.values.map(\.self) ?? [] { task.cancel() }
  }
}
