import CQuantKernels
import Foundation
import Synchronization

/// A fixed set of threads that share one job at a time.
///
/// A part never splits a sum, so results don't depend on the number of threads nor on who took which part. Idle
/// threads look out for the next job for some milliseconds, then sleep on a condition: between the products of a token
/// there is less, and waking a thread on a busy or a virtual machine takes longer than the product.
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
    if threadCount == 1 || Self.isInside {
      for part in 0..<threadCount { body(part) }
      return
    }
    turn.lock()
    defer { turn.unlock() }
    Self.isInside = true
    defer { Self.isInside = false }
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
    let grains = Self.grains(count, of: grain)
    let parts = threadCount
    run { part in
      let lower = min(count, grains * part / parts * grain)
      let upper = min(count, grains * (part + 1) / parts * grain)
      if lower < upper { body(part, lower..<upper) }
    }
  }

  /// As ``splitParts(_:grain:worth:_:)`` where a share's time isn't known beforehand: threads take shares of `share`
  /// items until none is left. Which thread has which differs from run to run; results don't, since no share knows of
  /// another.
  /// - Parameter least: towards the end shares become smaller, down to so many items, so that nobody waits long for the
  ///   last one; `share` is a multiple of it. `nil` for shares of one size.
  package func shareOut(
    _ count: Int, share: Int, least: Int? = nil, worth: Int, _ body: (_ part: Int, Range<Int>) -> Void
  ) {
    let least = least ?? share
    if threadCount == 1 || worth < Self.worthWaking || count <= least { return body(0, 0..<max(0, count)) }
    let next = Atomic(0)
    run { part in
      var lower = next.load(ordering: .relaxed)
      while lower < count {
        let even = (count - lower + 2 * threadCount * least - 1) / (2 * threadCount * least) * least
        let upper = lower + min(share, even)
        let (isMine, current) = next.compareExchange(expected: lower, desired: upper, ordering: .relaxed)
        if isMine { body(part, lower..<min(count, upper)) }
        lower = isMine ? next.load(ordering: .relaxed) : current
      }
    }
  }

  /// Calls `body` for what `range` has of each of several lists, which are counted one after another in grains of
  /// `grain` items; a list's last grain may be smaller.
  package static func each(
    of counts: [Int], grain: Int, in range: Range<Int>, _ body: (_ list: Int, Range<Int>) -> Void
  ) {
    var start = 0
    for (list, count) in counts.enumerated() {
      let grains = grains(count, of: grain)
      let mine = range.clamped(to: start..<start + grains)
      if !mine.isEmpty {
        body(list, (mine.lowerBound - start) * grain..<min(count, (mine.upperBound - start) * grain))
      }
      start += grains
    }
  }

  /// How many grains several lists are, as ``each(of:grain:in:_:)`` counts them.
  package static func grains(_ counts: [Int], of grain: Int) -> Int {
    counts.reduce(0) { $0 + grains($1, of: grain) }
  }

  private static func grains(_ count: Int, of grain: Int) -> Int { (count + grain - 1) / grain }

  /// Multiply-adds below which waking a thread costs more than it gives: about 10 µs of work.
  private static let worthWaking = 400_000

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

  /// What workers and callers share.
  ///
  /// A job is handed over and taken back by two counters alone while everybody is awake: a token has some hundred
  /// products of some ten microseconds, and a lock that two threads want at the same moment puts one of them to sleep.
  /// The condition is for those who have waited in vain: they say that they sleep, then look once more.
  private final class Shared: @unchecked Sendable {
    // Unchecked: `job` is written only while no worker runs, before `posted` grows, and read only after.
    private var job: Job?
    /// Jobs so far.
    private let posted = Atomic(0)
    /// Workers that have not ended the newest one.
    private let busy = Atomic(0)
    private let isStopped = Atomic(false)
    private let condition = NSCondition()
    /// Threads that wait on `condition`, or are about to.
    private let sleepers = Atomic(0)
    private let workers: Int
    /// How often to look before sleeping: first with pauses of 15 to 40 ns between, then giving the core to whoever else
    /// wants it. Some milliseconds in all, longer than a waking takes on a virtual machine: once two threads sleep and
    /// wake one another by turns, each product waits for two wakings.
    private static let pauses = 5_000
    private static let yields = 8_000

    init(workers: Int) { self.workers = workers }

    func post(_ job: Job) {
      self.job = job
      busy.store(workers, ordering: .relaxed)
      posted.add(1, ordering: .sequentiallyConsistent)
      wake()
    }

    func waitUntilDone() {
      wait(for: { busy.load(ordering: .sequentiallyConsistent) == 0 })
      job = nil
    }

    func stop() {
      isStopped.store(true, ordering: .sequentiallyConsistent)
      wake()
    }

    func work(as index: Int) {
      ThreadPool.isInside = true
      var seen = 0
      while true {
        wait(for: {
          posted.load(ordering: .sequentiallyConsistent) != seen || isStopped.load(ordering: .sequentiallyConsistent)
        })
        if isStopped.load(ordering: .sequentiallyConsistent) { return }
        seen += 1
        job?.run(index)
        if busy.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 { wake() }
      }
    }

    @inline(__always) private func wait(for isReady: () -> Bool) {
      for look in 0..<Self.pauses + Self.yields {
        if isReady() { return }
        if look < Self.pauses { cqk_pause() } else { sched_yield() }
      }
      condition.lock()
      sleepers.add(1, ordering: .sequentiallyConsistent)
      while !isReady() { condition.wait() }
      sleepers.subtract(1, ordering: .sequentiallyConsistent)
      condition.unlock()
    }

    /// After a change that somebody may wait for. Whoever is not yet counted among the sleepers sees the change.
    private func wake() {
      guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
      condition.lock()
      condition.broadcast()
      condition.unlock()
    }
  }

  /// Whether the current thread works on a job.
  private static var isInside: Bool {
    get { pthread_getspecific(insideKey) != nil }
    set { pthread_setspecific(insideKey, newValue ? UnsafeRawPointer(bitPattern: 1) : nil) }
  }

  private static let insideKey: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()
}
