extension Engine {
  /// Compares the hidden states of the same queries after demonstrations (ICL), after tuning on them (IT), after both
  /// and after neither (anchor).
  ///
  ///     let result = try engine.compare(.sentiment, demonstrations: 8, queries: 50, seed: 1)
  ///
  /// Progress is shown while it works; an interruption keeps the repetitions that are finished.
  /// - Parameters:
  ///   - demonstrations: examples shown before the query, and tuned on
  ///   - queries: the same in every repetition
  ///   - repetitions: each with demonstrations of its own
  ///   - wrongLabels: share of the demonstrations with a wrong label, 0…1
  ///   - labelWords: the words that stand for the labels
  ///   - measures: what is measured beside cosine and accuracy; the standard ones need no further passes
  ///   - positions: the token whose states are compared
  ///   - point: where in the model they are read
  ///   - seed: decides everything that chance decides
  ///   - folder: keeps each finished repetition there, so that the same call goes on where it was stopped
  /// - Throws: `invalidArgument`, `contextOverflow`, and `interrupted` when no repetition was finished
  public func compare(
    _ task: ClassificationTask, demonstrations: Int = 8, queries: Int = 50, repetitions: Int = 8,
    wrongLabels: Double = 0, labelWords: LabelWords = .arbitrary, tuning: TuningSettings = TuningSettings(),
    measures: Set<Measure> = Measure.standard, positions: StatePosition = .last, point: StatePoint = .residual,
    seed: UInt64 = 0, keepingIn folder: String? = nil
  ) throws(EngineError) -> Comparison {
    try compare(
      task,
      ComparisonSpec(
        demonstrations: demonstrations, queries: queries, repetitions: repetitions, wrongLabelShare: wrongLabels,
        labelWords: labelWords, tuning: tuning, seed: seed, positions: positions, point: point, measures: measures),
      keepingIn: folder)
  }

  /// The same with every choice spelled out.
  public func compare(
    _ task: ClassificationTask, _ spec: ComparisonSpec, keepingIn folder: String? = nil
  ) throws(EngineError) -> Comparison {
    try ComparisonRun(model: model, task: task, spec: spec).result(in: folder)
  }
}
