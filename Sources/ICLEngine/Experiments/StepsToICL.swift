import Foundation
import NotebookDisplay

/// How tuning moves the state of a query step by step, beside where demonstrations put it: how many steps of tuning is
/// a prompt of k demonstrations worth?
public struct StepsToICL: Sendable, Codable {
  /// One repetition; each list has one value for each of ``StepsToICL/steps``, a mean over the queries, of the states that
  /// ``ComparisonSpec/positions`` and ``ComparisonSpec/point`` choose (after the last block unless they say otherwise).
  public struct Course: Sendable, Codable {
    /// Cosine of the state after that many steps with the state after demonstrations.
    public var withICL: [Double]
    /// With the state before tuning.
    public var withAnchor: [Double]
    /// Share of right answers of the tuned model without demonstrations, 0…1.
    public var accuracy: [Double]
    /// Cosine of ICL with ICL in another order.
    public var noiseFloor: Double
    /// Share of right answers after demonstrations, without tuning, 0…1.
    public var accuracyOfICL: Double
  }

  public let task: String
  public let spec: ComparisonSpec
  /// Updates done: 0, then every so many, up to the last.
  public let steps: [Int]
  public let repetitions: [Course]
  /// Whether the run was interrupted, so that there are fewer repetitions than were asked for.
  public let isPartial: Bool
  public let provenance: ExperimentProvenance

  /// A quantity over repetitions at one of ``steps``.
  public func summary(_ quantity: (Course) -> [Double], at index: Int) -> Statistics.Summary {
    Statistics.Summary(repetitions.map { quantity($0)[index] }, seed: spec.seed)
  }

  /// The step after which the tuned state is most like the state after demonstrations, by the mean over repetitions.
  public var nearestStep: Int {
    let means = steps.indices.map { summary(\.withICL, at: $0).mean }
    let best = means.indices.max { (means[$0].isNaN ? -2 : means[$0]) < (means[$1].isNaN ? -2 : means[$1]) }
    return best.map { steps[$0] } ?? 0
  }

  /// The first step after which tuning answers as many queries as demonstrations do, on average; `nil` when it never
  /// does.
  public var stepOfEqualAccuracy: Int? {
    let icl = Statistics.mean(repetitions.map(\.accuracyOfICL))
    return steps.indices.first { summary(\.accuracy, at: $0).mean >= icl }.map { steps[$0] }
  }

  /// Everything as JSON; numbers that are not defined are `null`.
  public func json() throws(EngineError) -> String { try ResultJSON.text(of: self, pretty: true) }
}

extension ComparisonRun {
  /// - Parameter every: steps between two looks at the states
  package func stepsToICL(every: Int) throws(EngineError) -> StepsToICL {
    guard every >= 1, spec.tuning.steps >= 1, !spec.choice.isPerQuery, spec.tuning.method == .lora else {
      throw EngineError(
        .invalidArgument, "steps are followed for one tuning of at least one step, on demonstrations chosen by chance",
        at: "task \(task.name)", expected: "every ≥ 1, tuning.steps ≥ 1 by LoRA, choice random",
        found: "every \(every), \(spec.tuning.steps) steps by \(spec.tuning.method.rawValue), choice "
          + spec.choice.rawValue)
    }
    let prepared = try prepared(twin: nil)
    let progress = ProgressLine(
      "following the tuning on \(task.name)", total: spec.repetitions * (spec.tuning.steps + 4), unit: "steps")
    let prompts = PromptDigest()
    var courses: [StepsToICL.Course] = []
    var steps: [Int] = []
    var isPartial = false
    do throws(EngineError) {
      for (index, groups) in prepared.draws.enumerated() {
        progress.note("repetition \(index + 1) of \(spec.repetitions)")
        let one = try course(groups[0], index: index, every: every, progress: progress, prompts: prompts)
        steps = one.steps
        courses.append(one.course)
      }
    } catch {
      guard error.code == .interrupted, !courses.isEmpty else {
        progress.finish("following the tuning on \(task.name): stopped")
        throw error
      }
      isPartial = true
    }
    progress.finish(
      "followed \(spec.tuning.steps) steps of tuning on \(task.name), \(courses.count) repetition\(courses.count == 1 ? "" : "s")"
    )
    return StepsToICL(
      task: task.name, spec: spec, steps: steps, repetitions: courses, isPartial: isPartial,
      provenance: ExperimentProvenance(
        model: prepared.frame.model, tokenizer: prepared.frame.tokenizer, promptsSHA256: prompts.hexadecimal,
        numbers: courses.flatMap { $0.withICL + $0.withAnchor + $0.accuracy + [$0.noiseFloor, $0.accuracyOfICL] },
        engineVersion: prepared.frame.engineVersion))
  }

  private func course(
    _ group: Group, index: Int, every: Int, progress: ProgressLine, prompts: PromptDigest
  ) throws(EngineError) -> (steps: [Int], course: StepsToICL.Course) {
    let (draw, queries) = (group.draw, group.queries)
    let builder = builder(draw)
    func look(
      after demonstrations: [Draw.Example], _ adapter: LoRAAdapter?
    ) throws(EngineError) -> (last: [[Float]], accuracy: Double) {
      let readings = try readings(builder, queries, after: demonstrations)
      prompts.add(readings)
      let pass = try states(model, readings, adapter)
      let grading = try Grading(
        builder, queries, prompts: queries.map { builder.prompt($0, after: demonstrations) },
        tokens: readings.map(\.tokens), logits: pass.logits, model: model, adapter: adapter)
      return (pass.states[headlinePlace], grading.accuracy)
    }
    func similarity(_ a: [[Float]], _ b: [[Float]]) -> Double {
      Statistics.mean(zip(a, b).map { Measures.cosine($0, $1) })
    }
    let anchor = try look(after: [], nil)
    let icl = try look(after: draw.demonstrations, nil)
    let floor = draw.demonstrations.count > 1 ? try look(after: draw.reordered, nil).last : nil
    progress.advance(by: 4)
    let snapshots = try model.tunedSnapshots(
      on: tuningSequences(builder, draw.demonstrations), spec.tuning, every: every,
      seed: spec.seed &+ UInt64(index)
    ) { _ in progress.advance() }
    var course = StepsToICL.Course(
      withICL: [similarity(anchor.last, icl.last)], withAnchor: [1], accuracy: [anchor.accuracy],
      noiseFloor: floor.map { similarity(icl.last, $0) } ?? .nan, accuracyOfICL: icl.accuracy)
    for snapshot in snapshots {
      let tuned = try look(after: [], snapshot.adapter)
      course.withICL.append(similarity(tuned.last, icl.last))
      course.withAnchor.append(similarity(tuned.last, anchor.last))
      course.accuracy.append(tuned.accuracy)
    }
    return ([0] + snapshots.map(\.step), course)
  }
}

extension Engine {
  /// Follows tuning step by step, beside the state after demonstrations.
  ///
  ///     let steps = try engine.stepsToICL(.sentiment, every: 5, queries: 30, seed: 1)
  ///     steps.plot
  ///
  /// Parameters are those of `compare`.
  /// - Parameter every: steps between two looks at the states
  public func stepsToICL(
    _ task: ClassificationTask, every: Int = 5, demonstrations: Int = 8, queries: Int = 50, repetitions: Int = 8,
    labelWords: LabelWords = .arbitrary, tuning: TuningSettings = TuningSettings(), seed: UInt64 = 0
  ) throws(EngineError) -> StepsToICL {
    try stepsToICL(
      task,
      ComparisonSpec(
        demonstrations: demonstrations, queries: queries, repetitions: repetitions, labelWords: labelWords,
        tuning: tuning, seed: seed, measures: []), every: every)
  }

  /// The same with every choice spelled out; measures and baselines of the specification are not used.
  public func stepsToICL(
    _ task: ClassificationTask, _ spec: ComparisonSpec, every: Int = 5
  ) throws(EngineError) -> StepsToICL {
    try ComparisonRun(model: model, task: task, spec: spec).stepsToICL(every: every)
  }
}
