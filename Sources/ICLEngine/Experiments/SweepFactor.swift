import Foundation

/// What a sweep varies, and the values it takes.
public struct SweepFactor: Sendable {
  /// As the axis names it.
  public let name: String
  let values: [Value]

  struct Value: Sendable {
    let label: String
    let change: @Sendable (inout ComparisonSpec) -> Void
    /// Another model in place of the experiment's; `nil` for that one.
    var model: (@Sendable (any ExperimentModel) throws(EngineError) -> any ExperimentModel)?
  }

  private init<T: Sendable>(
    _ name: String, _ values: [T], label: (T) -> String, _ change: @escaping @Sendable (inout ComparisonSpec, T) -> Void
  ) {
    self.name = name
    self.values = values.map { value in Value(label: label(value), change: { @Sendable spec in change(&spec, value) }) }
  }

  private init(models name: String, _ values: [Value]) {
    self.name = name
    self.values = values
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

  /// An instruction in place of the task's own; `nil` for none at all. See
  /// ``ComparisonSpec/contradictoryInstruction``.
  public static func instructionText(
    _ values: [String?] = [nil, ComparisonSpec.contradictoryInstruction]
  ) -> SweepFactor {
    SweepFactor("instruction", values, label: { $0 ?? "none" }) {
      $0.instructionText = $1
      if $1 == nil { $0.instruction = nil }
    }
  }

  /// How examples are written; `nil` for the task's own template.
  public static func template(_ values: [PromptTemplate?]) -> SweepFactor {
    SweepFactor("template", values, label: { $0?.text.debugDescription ?? "the task's" }) { $0.template = $1 }
  }

  /// In which order the demonstrations stand.
  public static func order(_ values: [DemonstrationOrder] = DemonstrationOrder.allCases) -> SweepFactor {
    SweepFactor("order of demonstrations", values, label: \.rawValue) { $0.order = $1 }
  }

  /// What makes a demonstration near or far, where the specification's choice is `nearest` or `farthest`.
  public static func likeness(_ values: [Likeness] = Likeness.allCases) -> SweepFactor {
    SweepFactor("likeness of demonstrations", values, label: \.rawValue) { $0.likeness = $1 }
  }

  /// Which parameters are tuned.
  public static func tuningMethod(
    _ values: [TuningSettings.Method] = TuningSettings.Method.allCases
  ) -> SweepFactor {
    SweepFactor("tuning", values, label: \.rawValue) { $0.tuning.method = $1 }
  }

  /// Which projections LoRA tunes.
  public static func projections(
    _ values: [[Projection]] = [[.q], [.v], [.q, .v], [.k, .v], Projection.allCases]
  ) -> SweepFactor {
    SweepFactor("tuned projections", values, label: { $0.map(\.rawValue).joined(separator: "+") }) {
      $0.tuning.projections = $1
    }
  }

  /// Which predictions count in the loss of tuning.
  public static func tuningLoss(_ values: [TuningSettings.Loss] = TuningSettings.Loss.allCases) -> SweepFactor {
    SweepFactor("loss on", values, label: \.rawValue) { $0.tuning.loss = $1 }
  }

  /// The token whose states are compared.
  public static func positions(_ values: [StatePosition] = [.last, .queryMean, .lastOfLabel]) -> SweepFactor {
    SweepFactor("position", values, label: \.title) { $0.positions = $1 }
  }

  /// Where in the model states are read.
  public static func point(_ values: [StatePoint] = StatePoint.allCases) -> SweepFactor {
    SweepFactor("point", values, label: \.rawValue) { $0.point = $1 }
  }

  /// The model: GGUF files or Hugging Face folders; `nil` for the engine's own. One is in memory at a time.
  public static func model(_ paths: [String?]) -> SweepFactor {
    SweepFactor(
      models: "model",
      paths.map { path in
        guard let path else { return Value(label: "the engine's", change: { _ in }) }
        let full = (path as NSString).expandingTildeInPath
        return Value(
          label: URL(filePath: full).lastPathComponent, change: { _ in },
          model: { _ throws(EngineError) in try LlamaModel(contentsOf: full) })
      })
  }

  /// The type in which the same model's matrices are stored: quantized anew, in memory, from what the model has; `nil` for
  /// as they are.
  public static func quantization(_ types: [TensorType?] = [nil, .q8_0, .q4_0]) -> SweepFactor {
    SweepFactor(
      models: "quantization",
      types.map { type in
        guard let type else { return Value(label: "as it is", change: { _ in }) }
        return Value(
          label: type.name, change: { _ in }, model: { base throws(EngineError) in try base.quantized(as: type) })
      })
  }
}
