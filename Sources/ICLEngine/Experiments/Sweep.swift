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
    model: any ExperimentModel, task: ClassificationTask, over factor: SweepFactor, base: ComparisonSpec
  ) throws(EngineError) -> Sweep {
    let runs = factor.values.map { value in
      var spec = base
      value.change(&spec)
      return ComparisonRun(model: model, task: task, spec: spec)
    }
    for run in runs { try run.spec.validate(for: task) }
    let progress = ProgressLine(
      "sweeping \(factor.name)", total: runs.reduce(0) { $0 + $1.stepCount }, unit: "steps")
    var done: [Comparison] = []
    var isPartial = false
    do throws(EngineError) {
      for (run, value) in zip(runs, factor.values) {
        let comparison = try run.result(progress: progress, prefix: "\(factor.name) \(value.label), ")
        // A value with fewer repetitions than the others would have a narrower base: it is left out.
        if comparison.isPartial {
          isPartial = true
          break
        }
        done.append(comparison)
      }
    } catch {
      guard error.code == .interrupted, !done.isEmpty else {
        progress.finish("sweeping \(factor.name): stopped")
        throw error
      }
      isPartial = true
    }
    if done.isEmpty {
      progress.finish("sweeping \(factor.name): stopped")
      throw EngineError(.interrupted, "interrupted before the first value of the sweep was finished")
    }
    progress.finish(
      isPartial
        ? "sweeping \(factor.name): stopped after \(done.count) of \(runs.count) values"
        : "swept \(factor.name): \(done.count) values")
    return Sweep(
      task: task.name, factor: factor.name, values: factor.values.prefix(done.count).map(\.label), comparisons: done,
      isPartial: isPartial)
  }
}

extension Engine {
  /// The same comparison at several values of one factor.
  ///
  ///     try engine.sweep(.sentiment, over: .demonstrations([1, 2, 4, 8]), queries: 30, seed: 1)
  ///
  /// Parameters are those of ``compare(_:demonstrations:queries:repetitions:wrongLabels:labelWords:tuning:seed:)``.
  /// An interruption keeps the values that are finished.
  public func sweep(
    _ task: ClassificationTask, over factor: SweepFactor, demonstrations: Int = 8, queries: Int = 50,
    repetitions: Int = 8, wrongLabels: Double = 0, labelWords: LabelWords = .arbitrary,
    tuning: TuningSettings = TuningSettings(), seed: UInt64 = 0
  ) throws(EngineError) -> Sweep {
    try sweep(
      task, over: factor,
      ComparisonSpec(
        demonstrations: demonstrations, queries: queries, repetitions: repetitions, wrongLabelShare: wrongLabels,
        labelWords: labelWords, tuning: tuning, seed: seed))
  }

  /// The same with every choice spelled out.
  public func sweep(
    _ task: ClassificationTask, over factor: SweepFactor, _ spec: ComparisonSpec
  ) throws(EngineError) -> Sweep {
    try Sweep.run(model: model, task: task, over: factor, base: spec)
  }
}
