import Dispatch
package import NotebookDisplay
import Synchronization

/// A chart that is drawn again in its place while work goes on.
///
///     let live = LiveChart()
///     for step in 0..<1000 {
///       losses.append(train(step))
///       live.update(plot(losses))
///     }
///     live.finish(plot(losses))
///
/// An update that comes less than a tenth of a second after the one before is not drawn, and its chart is not even
/// made: a loop may update as often as it likes. What stands at the end is what ``finish(_:)`` draws.
public final class LiveChart: Sendable {
  private struct State {
    var last: UInt64?
    var drawn = 0
  }
  private let state = Mutex(State())
  private let id: String
  private let interval: UInt64
  private let now: @Sendable () -> UInt64
  private let sink: (any DisplaySink)?

  /// - Parameters:
  ///   - id: of the display that is replaced: with the id of one that is shown already, that one is.
  ///   - interval: seconds between two drawings, 0.1 at least.
  public convenience init(id: String? = nil, interval: Double = 0.1) {
    self.init(id: id, interval: interval, sink: nil) { DispatchTime.now().uptimeNanoseconds }
  }

  package init(
    id: String?, interval: Double, sink: (any DisplaySink)?, now: @escaping @Sendable () -> UInt64
  ) {
    self.id = id ?? "chart-" + String(UInt64.random(in: .min ... .max), radix: 36)
    self.interval = UInt64(min(max(interval.isFinite ? interval : 0.1, 0.1), 3600) * 1e9)
    self.now = now
    self.sink = sink
  }

  /// Draws `chart` where the one before stands, unless that was drawn just now.
  public func update(_ chart: @autoclosure () throws -> Chart) rethrows {
    let time = now()
    let isDue: Bool? = state.withLock { state in
      if let last = state.last, time < last + interval { return nil }
      state.last = time
      state.drawn += 1
      return state.drawn > 1
    }
    // Drawn without the lock: an interrupt may stop this thread here for good.
    guard let isUpdate = isDue else { return }
    try show(chart(), update: isUpdate)
  }

  /// Draws `chart` at once.
  public func finish(_ chart: @autoclosure () throws -> Chart) rethrows {
    let isUpdate = state.withLock { state in
      state.drawn += 1
      return state.drawn > 1
    }
    try show(chart(), update: isUpdate)
  }

  private func show(_ chart: Chart, update: Bool) {
    (sink ?? NotebookOutput.sink).show(chart.mimeBundle, id: id, update: update)
  }
}
