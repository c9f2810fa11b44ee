import CHostSupport

/// Starts what a top-level `async let` binds. Its value is waited for where the cell reads it.
public func __async<Value>(_ body: @escaping () async throws -> Value) -> __AsyncLet<Value> { __AsyncLet(body) }

/// A task begun by a top-level `async let`.
public final class __AsyncLet<Value>: Sendable {
  private let result: Slot
  private let task: Task<Void, Never>

  /// What came of the task: written by it alone, read when it is over.
  private final class Slot: @unchecked Sendable {
    let body: () async throws -> Value
    var result: Result<Value, any Error>?
    init(_ body: @escaping () async throws -> Value) { self.body = body }

    func fill() async {
      do { result = .success(try await body()) } catch { result = .failure(error) }
    }
  }

  fileprivate init(_ body: @escaping () async throws -> Value) {
    let slot = Slot(body)
    result = slot
    task = Task.detached(priority: .userInitiated) { await slot.fill() }
    _ = CellTasks.add(task, run: chs_current_run())
  }

  /// The value, once it is there.
  public var value: Value {
    get async throws {
      await task.value
      return try outcome()
    }
  }

  /// What Swift does where an `async let` goes out of scope: cancels it and waits for it, whatever comes of it.
  public func end() {
    task.cancel()
    __await { await self.task.value }
  }

  /// The value for later cells, after the end.
  public func kept() throws -> Value {
    do { return try outcome() } catch { throw NoValue() }
  }

  private func outcome() throws -> Value {
    guard let result = result.result else { throw NoValue() }
    return try result.get()
  }
}

/// What an `async let` was to bind doesn't exist: the cell has nothing left to do, and nothing is wrong with it.
struct NoValue: Error {}
