import CHostSupport
import CellSupport
import Foundation
import HostProtocol

/// How a run is stopped: asked first, then made to.
///
/// 1. At once, the engine finds a flag, tasks that the cell waits for are cancelled, and its top-level code ends at the
///    next `await` or variable.
/// 2. After a tenth of a second, every thread that does what the cell has begun is stopped in the cell's own code, on its
///    return there, or in a system call that waits.
/// 3. After some seconds, also in library code that holds no lock, as far as can be told.
/// 4. After a second interrupt, anywhere but in the C library.
extension Host {
  private static let grace = Duration.milliseconds(100)
  private static let patience = Duration.milliseconds(2500)
  private static let silence = Duration.seconds(5)
  /// How long `defer` and the like may take after an error that ends the cell.
  private static let leavingTime = Duration.seconds(2)

  func interrupt(_ id: UInt64) {
    guard let run = runs.withLock({ $0[id] }) else { return }
    let count = run.interrupts.wrappingAdd(1, ordering: .relaxed).newValue
    chs_ask_to_stop(id)
    CellTasks.cancel(run: id)
    run.input.put(nil)
    if count > 1 {
      run.insist.store(true, ordering: .relaxed)
    } else {
      Thread.detachNewThread { self.stop(run) }
    }
  }

  /// Signals until nothing of the run goes on.
  private func stop(_ run: Run) {
    let id = run.cell.id
    let began = ContinuousClock.now
    var told = 0
    var insisted: ContinuousClock.Instant?
    usleep(UInt32(Self.grace / .microseconds(1)))
    while true {
      let elapsed = ContinuousClock.now - began
      let isOver = runs.withLock { $0[id] == nil }
      if isOver {
        chs_stop_begun(id)
        // What is left by then is a library's own business, begun for the cell.
        if !chs_is_running(id) || elapsed > .seconds(60) { return }
      }
      let insists = run.insist.load(ordering: .relaxed)
      if insists, insisted == nil { insisted = .now }
      if isOver || elapsed > Self.leavingTime || !run.isLeaving.load(ordering: .relaxed) {
        chs_interrupt(id, insists ? CHS_ANYWHERE : elapsed > Self.patience ? CHS_FIRM : CHS_GENTLE)
      }
      if !isOver {
        if told == 0, elapsed > Self.silence, !insists { told = 1; tell(run, isSecond: false) }
        if told < 2, let insisted, ContinuousClock.now - insisted > Self.silence { told = 2; tell(run, isSecond: true) }
      }
      usleep(elapsed < .seconds(1) ? 1000 : elapsed < .seconds(12) ? 10_000 : 100_000)
    }
  }

  /// Says what holds up the end of a cell, and what another interrupt will do.
  private func tell(_ run: Run, isSecond: Bool) {
    let pc = chs_unstopped_at(run.cell.id)
    let place = Frame(at: pc).map { URL(filePath: $0.image).lastPathComponent }
    let holder = place.map { "code of \($0)" } ?? "library code"
    let text =
      isSecond
      ? "Still not stopped: the cell is in \(holder), which can't be stopped there. Interrupt again to replace the process "
        + "that runs cells; all variables are lost then.\n"
      : chs_is_unstoppable(pc)
        ? "The interrupt hasn't stopped the cell yet: it is in \(holder), where stopping it would harm the process. It ends "
          + "when that code returns; two more interrupts replace the process, and all variables are lost then.\n"
        : "The interrupt hasn't stopped the cell yet: it is in \(holder), which doesn't return to the cell and may hold locks. "
          + "Interrupt again to stop it there; locks that it holds stay locked.\n"
    send(.output(run: run.cell.id, isError: true, Data(text.utf8)))
  }

  /// Whether an error that an interrupted run's top-level code throws now ends it.
  func endsByError(_ id: UInt64) -> Bool {
    chs_enter_critical()
    defer { chs_leave_critical() }
    guard let run = runs.withLock({ $0[id] }), !run.cell.catchesErrors else { return false }
    run.isLeaving.store(true, ordering: .relaxed)
    return true
  }

  /// Whether work for `run` is to stop. A thread that works for none, as a dispatch queue's, is asked by the only run
  /// there is; with more of them it goes on.
  func isInterrupted(_ id: UInt64) -> Bool {
    chs_enter_critical()
    defer { chs_leave_critical() }
    return runs.withLock { runs in
      let run = runs[id] ?? (id == 0 && runs.count == 1 ? runs.values.first : nil)
      return run.map { $0.interrupts.load(ordering: .relaxed) > 0 } ?? false
    }
  }
}
