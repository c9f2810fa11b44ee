import Foundation
import NotebookDisplay

/// What a sweep varies, and the values it takes.
public struct SweepFactor: Sendable {
  /// As the axis names it.
  public let name: String
  let values: [(label: String, change: @Sendable (inout ComparisonSpec) -> Void)]

  private init<T: Sendable>(
    _ name: String, _ values: [T], label: (T) -> String, _ change: @escaping @Sendable (inout ComparisonSpec, T) -> Void
  ) {
    self.name = name
    self.values = values.map { value in (label(value), { @Sendable spec in change(&spec, value) }) }
  }

  /// The number of demonstrations, shown and tuned on.
  public static func demonstrations(_ values: [Int] = [1, 2, 4, 8, 16]) -> SweepFactor {
    SweepFactor("demonstrations", values, label: String.init) { $0.demonstrations = $1 }
  }

  /// The share of demonstrations with a wrong label, 0…1.
  public static func wrongLabels(_ values: [Double] = [0, 0.25, 0.5, 0.75, 1]) -> SweepFactor {
    SweepFactor("share of wrong labels", values, label: { ReportNumber.fixed($0, 2) }) { $0.wrongLabelShare = $1 }
  }

  /// The number of optimizer steps of the tuned conditions.
  public static func tuningSteps(_ values: [Int] = [0, 5, 15, 30, 60]) -> SweepFactor {
    SweepFactor("steps of tuning", values, label: String.init) { $0.tuning.steps = $1 }
  }

  /// The rank of the low-rank update.
  public static func rank(_ values: [Int] = [1, 2, 4, 8, 16]) -> SweepFactor {
    SweepFactor("rank of the update", values, label: String.init) { $0.tuning.rank = $1 }
  }

  /// The rate of the optimizer of the tuned conditions.
  public static func learningRate(_ values: [Float] = [5e-4, 1e-3, 2e-3, 5e-3, 1e-2]) -> SweepFactor {
    SweepFactor("learning rate", values, label: { "\($0)" }) { $0.tuning.learningRate = $1 }
  }

  /// The words that stand for the labels.
  public static func labelWords(_ values: [LabelWords] = [.meaningful, .arbitrary, .swapped]) -> SweepFactor {
    SweepFactor("label words", values, label: \.name) { $0.labelWords = $1 }
  }

  /// What a wrong label is; the share of wrong labels is the specification's.
  public static func wrongLabelKind(_ values: [WrongLabelKind] = WrongLabelKind.allCases) -> SweepFactor {
    SweepFactor("kind of wrong labels", values, label: \.rawValue) { $0.wrongLabelKind = $1 }
  }

  /// Which examples become demonstrations. With `nearest` and `farthest` every query has a tuning of its own.
  public static func choice(_ values: [DemonstrationChoice] = [.farthest, .random, .nearest]) -> SweepFactor {
    SweepFactor("choice of demonstrations", values, label: \.rawValue) { $0.choice = $1 }
  }

  /// The task that the demonstrations are of; `nil` for the queries' own.
  public static func demonstrationTask(_ values: [ClassificationTask?]) -> SweepFactor {
    SweepFactor("task of the demonstrations", values, label: { $0?.name ?? "the same" }) { $0.demonstrationTask = $1 }
  }

  /// The wording of the instruction, by its index in the task; `nil` for none.
  public static func instruction(_ values: [Int?]) -> SweepFactor {
    SweepFactor("instruction", values, label: { $0.map { "\($0)" } ?? "none" }) { $0.instruction = $1 }
  }
}

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

  /// Everything as JSON; numbers that are not defined are the string `"NaN"`.
  public func json() throws(EngineError) -> String { try ExperimentJSON.text(of: self, pretty: true) }

  /// Reads what ``json()`` wrote.
  public init(json: String) throws(EngineError) {
    do {
      self = try ExperimentJSON.value(Self.self, from: Data(json.utf8))
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
