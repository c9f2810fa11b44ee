import Foundation
import NotebookDisplay

/// The same comparison at several values of one factor.
public struct Sweep: Sendable, Codable {
  public let task: String
  public let factor: String
  /// The values that were finished, as labels.
  public let values: [String]
  /// One for each value.
  public let comparisons: [Comparison]
  /// Whether the run was interrupted before its last value.
  public let isPartial: Bool

  package init(task: String, factor: String, values: [String], comparisons: [Comparison], isPartial: Bool) {
    self.task = task
    self.factor = factor
    self.values = values
    self.comparisons = comparisons
    self.isPartial = isPartial
  }

  /// Runs all values. Queries are the same at each.
  package static func run(
    model: any ExperimentModel, task: ClassificationTask, over factor: SweepFactor, base: ComparisonSpec,
    in folder: String? = nil
  ) throws(EngineError) -> Sweep {
    try ExperimentRun(model: model, task: task, base: base, over: factor).sweep(in: folder)
  }

  /// Everything as JSON; numbers that are not defined are `null`.
  public func json() throws(EngineError) -> String { try ResultJSON.text(of: self, pretty: true) }

  /// Reads what ``json()`` wrote.
  public init(json: String) throws(EngineError) {
    do {
      self = try ResultJSON.value(Self.self, from: json)
    } catch {
      throw EngineError(
        .malformedFile, "this is not a sweep's JSON",
        expected: "what `json()` or `icl-kernel compare --json` wrote", underlying: error)
    }
  }
}

extension Engine {
  /// The same comparison at several values of one factor.
  ///
  ///     try engine.sweep(.sentiment, over: .demonstrations([1, 2, 4, 8]), queries: 30, seed: 1)
  ///
  /// Parameters are those of `compare`.
  /// An interruption keeps the values that are finished.
  /// - Parameter folder: keeps each finished repetition there, so that the same call goes on where it was stopped
  public func sweep(
    _ task: ClassificationTask, over factor: SweepFactor, demonstrations: Int = 8, queries: Int = 50,
    repetitions: Int = 8, wrongLabels: Double = 0, labelWords: LabelWords = .arbitrary,
    tuning: TuningSettings = TuningSettings(), seed: UInt64 = 0, keepingIn folder: String? = nil
  ) throws(EngineError) -> Sweep {
    try sweep(
      task, over: factor,
      ComparisonSpec(
        demonstrations: demonstrations, queries: queries, repetitions: repetitions, wrongLabelShare: wrongLabels,
        labelWords: labelWords, tuning: tuning, seed: seed), keepingIn: folder)
  }

  /// The same with every choice spelled out.
  public func sweep(
    _ task: ClassificationTask, over factor: SweepFactor, _ spec: ComparisonSpec, keepingIn folder: String? = nil
  ) throws(EngineError) -> Sweep {
    try Sweep.run(model: model, task: task, over: factor, base: spec, in: folder)
  }
}
