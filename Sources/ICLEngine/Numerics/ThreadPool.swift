import CQuantKernels
import Foundation
import Synchronization

/// A fixed set of threads that share one job at a time, each taking the part that its number says.
///
/// The partition is static, and a part never splits a sum, so results don't depend on the number of threads. Idle
/// threads look out for the next job for some tenths of a millisecond, then sleep on a condition: between the products
/// of a token there is less, and waking a thread on a busy machine takes longer than the product.
package final class ThreadPool: Sendable {
  /// All cores that the process may use, or as many threads as the environment's `ICL_THREADS` says.
  package static let shared = ThreadPool(threadCount: defaultThreadCount)

  package let threadCount: Int
  private let shared: Shared
  /// Held by the caller whose job runs; others wait for it.
  private let turn = NSLock()

  package init(threadCount: Int) {
    self.threadCount = max(1, threadCount)
    shared = Shared(workers: self.threadCount - 1)
    for index in 1..<max(2, self.threadCount) where index < self.threadCount {
      let shared = shared
      let thread = Thread { shared.work(as: index) }
      thread.name = "icl-engine-\(index)"
      thread.stackSize = 1 << 20
      thread.start()
    }
  }

  deinit { shared.stop() }

  /// Runs `body(part)` for parts `0..<threadCount` at the same time, part 0 on the caller's thread, and returns when
  /// all have ended. Called from inside a job it runs all parts on the caller's own thread.
  package func run(_ body: (_ part: Int) -> Void) {
    if threadCount == 1 || Thread.current.threadDictionary[Self.insideKey] != nil {
      for part in 0..<threadCount { body(part) }
      return
    }
    turn.lock()
    defer { turn.unlock() }
    Thread.current.threadDictionary[Self.insideKey] = true
    defer { Thread.current.threadDictionary[Self.insideKey] = nil }
    // The workers are done with `body` before this scope ends, so it never really escapes.
    withoutActuallyEscaping(body) { escaping in
      withUnsafePointer(to: escaping) { pointer in
        shared.post(Job(body: pointer))
        escaping(0)
        shared.waitUntilDone()
      }
    }
  }

  /// Splits `count` items into one contiguous range per thread, cut at multiples of `grain`, and runs `body` on each
  /// range that isn't empty. With `worth` (multiply-adds in all) too small to wake anyone, one thread does it all.
  package func split(_ count: Int, grain: Int = 1, worth: Int = .max, _ body: (Range<Int>) -> Void) {
    splitParts(count, grain: grain, worth: worth) { _, range in body(range) }
  }

  /// As ``split(_:grain:worth:_:)``, with the number of the part, which no two ranges share at a time.
  package func splitParts(_ count: Int, grain: Int, worth: Int, _ body: (_ part: Int, Range<Int>) -> Void) {
    if count <= 0 { return }
    if threadCount == 1 || worth < Self.worthWaking || count <= grain { return body(0, 0..<count) }
    let grains = (count + grain - 1) / grain
    let parts = threadCount
    run { part in
      let lower = min(count, grains * part / parts * grain)
      let upper = min(count, grains * (part + 1) / parts * grain)
      if lower < upper { body(part, lower..<upper) }
    }
  }

  /// Multiply-adds below which waking a thread costs more than it gives: about 10 µs of work.
  private static let worthWaking = 400_000
  static let insideKey = "icl-engine.inside-a-job"

  private static var defaultThreadCount: Int {
    if let text = ProcessInfo.processInfo.environment["ICL_THREADS"], let count = Int(text), (1...1024).contains(count)
    {
      return count
    }
    return max(1, ProcessInfo.processInfo.activeProcessorCount)
  }

  /// The closure of one job, on the caller's stack; `condition` hands it to the workers and takes it back.
  private struct Job: @unchecked Sendable {
    let body: UnsafePointer<(Int) -> Void>

    /// Never inlined, so that whatever the call retains is released before the worker reports that it is done.
    @inline(never) func run(_ index: Int) { body.pointee(index) }
  }

  /// What workers and callers share. All of it is guarded by `condition`.
  private final class Shared: @unchecked Sendable {
    private let condition = NSCondition()
    private let workers: Int
    private var job: Job?
    private var generation = 0
    private var running = 0
    private var stopped = false
    /// What `generation` and `running` are, to be looked at without the lock; only a hint.
    private let posted = Atomic(0)
    private let busy = Atomic(0)
    /// Pauses of 15 to 40 ns each.
    private static let patience = 10_000

    init(workers: Int) { self.workers = workers }

    func post(_ job: Job) {
      condition.lock()
      self.job = job
      generation += 1
      running = workers
      busy.store(workers, ordering: .relaxed)
      posted.store(generation, ordering: .releasing)
      condition.broadcast()
      condition.unlock()
    }

    func waitUntilDone() {
      for _ in 0..<Self.patience where busy.load(ordering: .acquiring) > 0 { cqk_pause() }
      condition.lock()
      while running > 0 { condition.wait() }
      job = nil
      condition.unlock()
    }

    func stop() {
      condition.lock()
      stopped = true
      condition.broadcast()
      condition.unlock()
    }

    func work(as index: Int) {
      Thread.current.threadDictionary[ThreadPool.insideKey] = true
      var seen = 0
      while true {
        for _ in 0..<Self.patience where posted.load(ordering: .acquiring) == seen { cqk_pause() }
        condition.lock()
        while generation == seen && !stopped { condition.wait() }
        if stopped {
          condition.unlock()
          return
        }
        seen = generation
        let current = job
        condition.unlock()
        current?.run(index)
        condition.lock()
        running -= 1
        busy.store(running, ordering: .releasing)
        if running == 0 { condition.broadcast() }
        condition.unlock()
      }
    }
  }
}
