import Foundation
import HostProtocol
import Logging

/// What comes from the host, and what is done when it dies.
extension CompilingCellRunner {
  /// Everything that comes from a host, on its link's thread.
  func receive(_ event: HostLink.Event, generation: Int) {
    let (link, isCurrent) = state.withLock { ($0.link, $0.generation == generation) }
    if case .died(let status, let signal) = event {
      return hostDied(status: status, signal: signal, generation: generation)
    }
    guard isCurrent else { return }
    switch event {
    case .stream(let name, let text):
      // The pipes belong to the process: the main shell's cell is meant, or else the newest.
      deliver(.stream(name, text))
    case .message(.ready): break
    case .message(.output(let run, let isError, let bytes)):
      guard let active = active(run) else {
        deliver(.stream(isError ? .stderr : .stdout, String(decoding: bytes, as: UTF8.self)))
        break
      }
      active.print(bytes, isError: isError)
    case .message(.printed(let number)):
      link?.send(.acknowledge(number))
    case .message(.display(let run, let bundle, let id, let update, let number)):
      deliver(.display(bundle, id: id, update: update), of: run)
      link?.send(.acknowledge(number))
    case .message(.clearOutput(let run, let wait, let number)):
      deliver(.clearOutput(wait: wait), of: run)
      link?.send(.acknowledge(number))
    case .message(.comm(let run, let message, let number)):
      note(message)
      deliver(.comm(message), of: run)
      link?.send(.acknowledge(number))
    case .message(.result(let run, let bundle, let number)):
      if run != 0 { active(run, orDefault: false)?.events(.result(bundle)) }
      link?.send(.acknowledge(number))
    case .message(.inputRequest(let run, let prompt)):
      let reply: @Sendable (String?) -> Void = { line in link?.send(.inputReply(run: run, line: line)) }
      guard let active = active(run, orDefault: false) else { return reply(nil) }
      active.events(.inputRequest(prompt: prompt, password: false, reply: reply))
    case .message(.progress(let number, let reached)):
      state.withLock { $0.progress[number] }?.put(reached)
    case .message(.variables(let run, let stored, let released)):
      active(run, orDefault: false)?.variables.withLock { $0 = (stored, released) }
    case .message(.surroundings(let number, let surroundings)):
      state.withLock { $0.surroundings[number] }?.put(surroundings)
    case .message(.finished(let run, let outcome)):
      guard let active = active(run, orDefault: false) else { break }
      if case .trapped(let trap) = outcome, trap.isFatalToHost {
        active.fatal.withLock { $0 = trap }
        link?.terminate()
      } else {
        active.end(.told(outcome))
      }
    case .message(.backgroundTrap(let trap)):
      let origins = state.withLock { $0.origins }
      let error = Traceback(origins: origins, environment: environment).error(for: trap)
      let text = "Work left over from an earlier cell stopped:\n" + error.traceback.joined(separator: "\n") + "\n"
      deliver(.stream(.stderr, text))
    case .died: break
    }
  }

  /// The run of that number, also when it's over and only threads of it go on; where there is none, the one that the
  /// user most likely looks at.
  private func active(_ run: UInt64, orDefault: Bool = true) -> ActiveRun? {
    state.withLock { state in
      if let active = state.active.first(where: { $0.id == run }) { return active }
      guard orDefault else { return nil }
      return state.over[run] ?? state.active.first { !$0.execution.isSubshell } ?? state.active.last
    }
  }

  /// Hands on what a run sends; what no running cell can take goes where the output of the last one went.
  private func deliver(_ event: CellEvent, of run: UInt64 = 0) {
    if let active = active(run) { return active.events(event) }
    state.withLock { $0.latest }?(event)
  }

  private func hostDied(status: Int32, signal: Int32, generation: Int) {
    let (active, lost) = state.withLock { state -> ([ActiveRun], String) in
      let active = state.active.filter { $0.generation == generation }
      // Another one has taken its place: its variables are gone already.
      guard state.generation == generation else { return (active, "") }
      var ledger = state.ledger
      // What running cells had declared is lost as well.
      for run in active { run.record?.enter(into: &ledger, reached: .max) }
      let fresh = Set(state.freshLedger.declared.map(\.name))
      // Values first: types and functions come back by running their cells again, in no time.
      let all = ledger.declared.filter { !fresh.contains($0.name) }
      let isValue = { (name: (name: String, kind: String, module: String)) in name.kind == "var" }
      let lost = (all.filter(isValue) + all.filter { !isValue($0) }).map(\.name)
      let text =
        lost.isEmpty
        ? "Nothing that cells had declared was lost."
        : "Lost: \(lost.prefix(40).joined(separator: ", "))\(lost.count > 40 ? ", … (\(lost.count) names)" : "")."
      state.link = nil
      state.ledger = state.freshLedger
      state.comms = [:]
      for question in state.progress.values { question.put([:]) }
      for question in state.surroundings.values { question.put(nil) }
      if active.isEmpty, !state.isShutDown {
        let how = signal == 0 ? "ended with status \(status)" : "was killed by \(SignalName.of(signal))"
        state.notices += "The process that runs cells \(how) between two cells; a new one was started. \(text)\n"
      }
      return (active, state.isShutDown ? "" : text)
    }
    let trap = active.lazy.compactMap { run in run.fatal.withLock { $0 } }.first
    for run in active {
      if let why = run.stuck.withLock({ $0 }) {
        run.end(.stuck(why, lost: lost))
      } else if let own = run.fatal.withLock({ $0 }) {
        run.end(.fatal(own, lost: lost))
      } else if trap != nil {
        run.end(.diedOfAnother(lost: lost))
      } else {
        run.end(.died(status: status, signal: signal, lost: lost))
      }
    }
    log.notice("host died", metadata: ["status": "\(status)", "signal": "\(signal)"])
  }

  /// Makes sure that a host runs, starting one in place of one that died, and tells what happened meanwhile.
  func reviveHost(
    _ execution: Execution, _ events: @escaping @Sendable (CellEvent) -> Void
  ) -> CellError? {
    reviving.withLock { _ in
      let (link, notices, prelude) = state.withLock { state in
        defer { state.notices = "" }
        return (state.link, state.notices, state.prelude)
      }
      if !notices.isEmpty { events(.stream(.stderr, notices)) }
      guard link == nil else { return nil }
      do {
        try startHost()
      } catch {
        return Traceback.plain("HostDied", "no new process for cells could be started: \(error)")
      }
      guard let prelude else { return nil }
      let (ending, _) = run(prelude, execution, wantsResult: false, allowStdin: false) { _ in }
      return error(for: ending, wasInterrupted: execution.isInterrupted)
    }
  }
}
