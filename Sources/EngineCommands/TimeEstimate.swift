import ICLEngine
import NotebookDisplay

/// Says how long a comparison will take, before it begins.
enum TimeEstimate {
  /// Nobody needs to be told to wait less, in seconds.
  private static let worthTelling = 15.0

  /// - Parameters:
  ///   - shards: of how many parts one is run
  static func announce(_ experiment: ExperimentRun, shards: Int) {
    // What doesn't fit is told by the run itself.
    guard let all = try? experiment.estimatedSeconds() else { return }
    let seconds = all / Double(shards)
    guard seconds >= worthTelling else { return }
    var text = "about \(ProgressLine.duration(seconds)) for "
    text += experiment.base.repetitions.counted("repetition")
    text += " of " + experiment.base.queries.counted("query", "queries")
    if let factor = experiment.factor { text += " at each value of \(factor.name)" }
    if shards > 1 { text += ", one part of \(shards)" }
    StandardError.line(text + ", by a pass and a step of tuning measured just now")
  }
}
