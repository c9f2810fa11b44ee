import CHostSupport
import Dispatch
import Synchronization

/// Runs asynchronous code and waits for it on the calling thread.
///
/// A cell's top level is synchronous, so that its variables are plain globals which later cells can read; each
/// `await` written there becomes a call of this function. The code runs as a task of its own, and is cancelled when
/// the user interrupts the cell.
public func __await<Value: ~Copyable, Failure: Error>(
  _ body: @escaping () async throws(Failure) -> Value
) throws(Failure) -> Value {
  let answer = Answer<Value, Failure>(body: body)
  let task = Task.detached(priority: .userInitiated) { await answer.run() }
  let run = chs_current_run()
  let key = CellTasks.add(task, run: run)
  answer.wait()
  CellTasks.remove(key, run: run)
  return try answer.take()
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
    }
    done.signal()
  }

  func wait() { done.wait() }

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
