import Foundation
import Synchronization

/// How far long work has come, shown in one place that is replaced as it goes on, with an estimate of what remains.
///
///     let progress = ProgressLine("growing", total: 600, unit: "steps")
///     for step in 0..<600 { work(step); progress.advance() }
///     progress.finish("grown in 600 steps")
///
/// What it leaves behind does not depend on how fast the machine was: ``finish(_:)`` replaces the bar by one line
/// that holds no time. On a plain stream nothing is printed to standard output; a terminal sees one line, rewritten
/// in place, on standard error, and the log of a batch job a line there now and then.
public final class ProgressLine: Sendable {
  public let label: String
  public let total: Int
  public let unit: String

  private struct State {
    var completed = 0
    var note = ""
    var lastShown: Double?
    var isShown = false
    var isFinished = false
    /// Of lines in a log: when the last one was written, and at which tenth of the whole.
    var lastLine: Double?
    var lastTenth = 0
  }
  private let state = Mutex(State())
  private let id = "progress-" + String(UInt64.random(in: .min ... .max), radix: 36)
  private let started: Double
  private let interval: Double
  private let now: @Sendable () -> Double
  private let sink: (any DisplaySink)?

  /// - Parameters:
  ///   - total: how many steps make the whole; 0 when nobody knows.
  ///   - unit: what is counted, in the plural.
  public convenience init(_ label: String, total: Int, unit: String = "steps") {
    self.init(label, total: total, unit: unit, interval: 0.25, sink: nil) {
      Double(DispatchTime.now().uptimeNanoseconds) * 1e-9
    }
  }

  /// - Parameters:
  ///   - interval: seconds between two showings at least, and before the first.
  ///   - sink: `nil` for the process-wide one.
  ///   - now: seconds from any origin.
  package init(
    _ label: String, total: Int, unit: String, interval: Double, sink: (any DisplaySink)?,
    now: @escaping @Sendable () -> Double
  ) {
    self.label = label
    self.total = total
    self.unit = unit
    self.interval = interval
    self.sink = sink
    self.now = now
    started = now()
  }

  /// Counts `steps` more as done; `note` says what is being done now.
  public func advance(by steps: Int = 1, note: String? = nil) {
    change {
      $0.completed += steps
    } note: {
      note
    }
  }

  /// Says what is being done now, without counting.
  public func note(_ text: String) {
    change { _ in
    } note: {
      text
    }
  }

  private func change(_ body: (inout State) -> Void, note: () -> String?) {
    let showing: (State, Bool)? = state.withLock { state in
      guard !state.isFinished else { return nil }
      body(&state)
      if let text = note() { state.note = text }
      let time = now()
      guard time - (state.lastShown ?? started) >= interval else { return nil }
      state.lastShown = time
      let update = state.isShown
      state.isShown = true
      return (state, update)
    }
    if let (state, update) = showing { show(state, update: update) }
  }

  /// Replaces the bar by `line`, once and for all.
  public func finish(_ line: String) {
    let wasShown: Bool? = state.withLock { state in
      guard !state.isFinished else { return nil }
      state.isFinished = true
      return state.isShown
    }
    guard let wasShown else { return }
    let sink = sink ?? NotebookOutput.sink
    if sink.replacesInPlace {
      sink.show(MIMEBundle(plainText: line), id: id, update: wasShown)
    } else if wasShown, Self.errorIsTerminal {
      Self.writeError("\r\u{1B}[K")
    } else if state.withLock({ $0.lastLine != nil }) {
      Self.writeError(line + "\n")
    }
  }

  /// Seconds between two lines of a log at least, and at most while work goes on.
  private static let logIntervals = (5.0, 30.0)

  /// Whether a log should get a line now: at every tenth of the whole, and after half a minute without one.
  private func isLineDue() -> Bool {
    let time = now()
    return state.withLock { state in
      let since = time - (state.lastLine ?? started)
      let tenth = total > 0 ? state.completed * 10 / total : 0
      guard since >= Self.logIntervals.1 || since >= Self.logIntervals.0 && tenth > state.lastTenth else {
        return false
      }
      state.lastLine = time
      state.lastTenth = tenth
      return true
    }
  }

  private func show(_ state: State, update: Bool) {
    let sink = sink ?? NotebookOutput.sink
    let text = line(state)
    if sink.replacesInPlace {
      let bar =
        total > 0
        ? "<progress value=\"\(state.completed)\" max=\"\(total)\" style=\"width:12em;vertical-align:middle\">"
          + "</progress> " : ""
      sink.show(
        MIMEBundle(data: ["text/plain": text, "text/html": "<div>\(bar)\(text.markupEscaped)</div>"]), id: id,
        update: update)
    } else if Self.errorIsTerminal {
      Self.writeError("\r\u{1B}[K" + text.prefix(110))
    } else if isLineDue() {
      Self.writeError(text + "\n")
    }
  }

  private func line(_ state: State) -> String {
    var text = "\(label): \(state.completed)" + (total > 0 ? " of \(total)" : "") + " \(unit)"
    let elapsed = now() - started
    if total > 0, state.completed > 0, state.completed < total, elapsed > 1 {
      let remaining = elapsed / Double(state.completed) * Double(total - state.completed)
      text += ", about \(Self.duration(remaining)) left"
    }
    return state.note.isEmpty ? text : text + " (\(state.note))"
  }

  /// Rounded as one says it: "8 s", "3 min", "2 h 10 min".
  package static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e7 else { return "very long" }
    let whole = Int(seconds.rounded(.up))
    if whole < 90 { return "\(whole) s" }
    let minutes = (whole + 30) / 60
    return minutes < 90 ? "\(minutes) min" : "\(minutes / 60) h \(minutes % 60) min"
  }

  private static let errorIsTerminal = isatty(STDERR_FILENO) == 1
  /// Without an error: where nobody reads along, nobody misses it.
  private static func writeError(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}
