import NotebookDisplay

/// What a state or a few attention heads carry of a task, shown by putting it into a prompt without demonstrations
/// (activation patching).
///
/// - **Task vector** (Hendel et al. 2023, arXiv 2310.15916): the mean state of other queries' last tokens after the
///   demonstrations, at one layer, *replaces* the query's own there.
/// - **Function vector** (Todd et al. 2023, arXiv 2310.15213): the mean outputs of the few heads that carry most, summed
///   after the o projection, are *added* at one layer.
/// - **Tuned vector** (ours): as the task vector, from the tuned model without demonstrations, put into the untuned one.
/// - **Control**: as the task vector, from prompts without demonstrations: what replacing alone does.
public struct TaskVectors: Sendable, Codable {
  /// A head and the effect that Todd et al. rank heads by: how much the probability of the right label rises when the
  /// head's mean output is put into a prompt whose demonstrations' labels are shuffled; mean over queries.
  public struct Head: Sendable, Codable, Equatable {
    /// 1 for the first block.
    public let layer: Int
    /// From 0.
    public let head: Int
    public let effect: Double
  }

  /// One repetition. Lists have one accuracy (0…1) for each layer, 0…L: where the vector was put.
  public struct Row: Sendable, Codable {
    public var zeroShot: Double
    public var icl: Double
    public var taskVector: [Double]
    public var tunedVector: [Double]
    public var functionVector: [Double]
    public var control: [Double]
    /// All heads, the largest effect first.
    public var heads: [Head]

    /// In a fixed order, for a fingerprint.
    var numbers: [Double] {
      var all = [zeroShot, icl]
      for list in [taskVector, tunedVector, functionVector, control] { all += list }
      return all + heads.map(\.effect)
    }
  }

  public let task: String
  public let spec: ComparisonSpec
  public let layerCount: Int
  /// Heads in the function vector.
  public let headCount: Int
  public let repetitions: [Row]
  public let isPartial: Bool
  public let provenance: ExperimentProvenance

  /// Accuracy over repetitions with a vector put at a layer.
  public func summary(_ vector: (Row) -> [Double], at layer: Int) -> Statistics.Summary {
    Statistics.Summary(repetitions.map { vector($0)[layer] }, seed: spec.seed)
  }

  /// Everything as JSON; numbers that are not defined are `null`.
  public func json() throws(EngineError) -> String { try ResultJSON.text(of: self, pretty: true) }
}

/// Runs ``TaskVectors``.
struct TaskVectorRun {
  let model: LlamaModel
  let task: ClassificationTask
  let spec: ComparisonSpec
  let headCount: Int

  private var run: ComparisonRun { ComparisonRun(model: model, task: task, spec: spec) }
  private var depth: Int { model.configuration.layerCount }

  func result() throws(EngineError) -> TaskVectors {
    let c = model.configuration
    guard headCount >= 1, headCount <= c.layerCount * c.headCount, !spec.choice.isPerQuery, spec.tuning.method == .lora
    else {
      throw EngineError(
        .invalidArgument, "a function vector is the sum of some of the model's heads",
        at: "task vectors of \(task.name)",
        expected: "1…\(c.layerCount * c.headCount) heads, demonstrations by chance, tuning by LoRA",
        found: "\(headCount) heads, choice \(spec.choice.rawValue), tuning by \(spec.tuning.method.rawValue)")
    }
    guard !task.hasWrittenAnswers else {
      throw EngineError(
        .unsupported, "task vectors are read from the probabilities of labels, and this task has none",
        at: "task vectors of \(task.name)", expected: "a task with labels", found: "answers that are texts")
    }
    let prepared = try run.prepared(twin: nil)
    let perRepetition = spec.tuning.steps + c.layerCount * c.headCount + 4 * (c.layerCount + 1) + 4
    let progress = ProgressLine(
      "task vectors of \(task.name)", total: spec.repetitions * perRepetition, unit: "passes")
    let prompts = PromptDigest()
    var rows: [TaskVectors.Row] = []
    var isPartial = false
    do throws(EngineError) {
      for (index, groups) in prepared.draws.enumerated() {
        progress.note("repetition \(index + 1) of \(spec.repetitions)")
        rows.append(try row(groups[0], index: index, progress: progress, prompts: prompts))
      }
    } catch {
      guard error.code == .interrupted, !rows.isEmpty else {
        progress.finish("task vectors of \(task.name): stopped")
        throw error
      }
      isPartial = true
    }
    progress.finish("task vectors of \(task.name): \(rows.count) repetition\(rows.count == 1 ? "" : "s")")
    return TaskVectors(
      task: task.name, spec: spec, layerCount: depth, headCount: headCount, repetitions: rows, isPartial: isPartial,
      provenance: ExperimentProvenance(
        model: prepared.frame.model, tokenizer: prepared.frame.tokenizer, promptsSHA256: prompts.hexadecimal,
        numbers: rows.flatMap(\.numbers), engineVersion: prepared.frame.engineVersion))
  }

  private func row(
    _ group: ComparisonRun.Group, index: Int, progress: ProgressLine, prompts: PromptDigest
  ) throws(EngineError) -> TaskVectors.Row {
    let builder = run.builder(group.draw)
    let queries = group.queries
    // Other queries, of which the vectors are means: the vector must not come from the query that it answers.
    let sources = group.draw.others
    func tokens(_ list: [Draw.Example], _ shown: [Draw.Example]) -> [[Int]] {
      list.map { builder.tokens(builder.prompt($0, after: shown)) }
    }
    let bare = tokens(queries, [])
    let answers = try answerTokens(builder, queries, bare)
    prompts.add(bare)
    func accuracy(_ prompts: [[Int]], _ change: Intervention? = nil) throws(EngineError) -> Double {
      try Interruption.check()
      let states = try model.forward(
        prompts, capture: CaptureRequest(points: [], layers: .some([]), positions: .last, logits: true), adapter: nil,
        interventions: change.map { [$0] } ?? [])
      let right = zip(zip(states, answers), queries).count { pair, query in
        let logits = pair.0.logits.last ?? []
        let scores = pair.1.map { logits[$0] }
        return scores.indices.max { (scores[$0], -$0) < (scores[$1], -$1) } == query.label
      }
      progress.advance()
      return Double(right) / Double(queries.count)
    }

    let zeroShot = try accuracy(bare)
    let icl = try accuracy(tokens(queries, group.draw.demonstrations))
    let adapter = try model.tuned(
      on: run.tuningSequences(builder, group.draw.demonstrations), spec.tuning, seed: spec.seed &+ UInt64(index)
    ) { _ in progress.advance() }
    let shownSources = tokens(sources, group.draw.demonstrations)
    prompts.add(shownSources)
    let vectors = try meanStates(shownSources, nil)
    let controls = try meanStates(tokens(sources, []), nil)
    let tuned = try meanStates(tokens(sources, []), adapter)
    func replaced(_ vectors: [[Float]]) throws(EngineError) -> [Double] {
      try (0...depth).map { layer throws(EngineError) in
        try accuracy(bare, Intervention(.residual, layer: layer, positions: .last, .replace(vectors[layer])))
      }
    }
    let heads = try headEffects(builder, group.draw, shownSources, progress: progress)
    let function = functionVector(Array(heads.ranked.prefix(headCount)), heads.means)
    let added = try (0...depth).map { layer throws(EngineError) in
      try accuracy(bare, Intervention(.residual, layer: layer, positions: .last, .add(function)))
    }
    return TaskVectors.Row(
      zeroShot: zeroShot, icl: icl, taskVector: try replaced(vectors), tunedVector: try replaced(tuned),
      functionVector: added, control: try replaced(controls), heads: heads.ranked)
  }

  /// For each query the one token of each label's answer.
  private func answerTokens(
    _ builder: PromptBuilder, _ queries: [Draw.Example], _ prompts: [[Int]]
  ) throws(EngineError) -> [[Int]] {
    try zip(queries, prompts).map { query, ids throws(EngineError) in
      try builder.labelWords.indices.map { label throws(EngineError) in
        let (whole, start) = builder.answered(builder.prompt(query), label: label)
        guard start == ids.count, whole.count == start + 1 else {
          throw EngineError(
            .unsupported, "task vectors are read from one token, and a label word has several",
            at: "label \"\(builder.labelWords[label])\"", expected: "1 token", found: "\(whole.count - start)",
            nextStep: "give label words of one token each, with labelWords: .custom([…])")
        }
        return whole[start]
      }
    }
  }

  /// Mean of the last token's residual stream over prompts, `[layer 0…L][D]`.
  private func meanStates(_ prompts: [[Int]], _ adapter: LoRAAdapter?) throws(EngineError) -> [[Float]] {
    let states = try model.forward(
      prompts, capture: CaptureRequest(points: [.residual], layers: .all, positions: .last), adapter: adapter)
    return (0...depth).map { layer in Self.mean(states.compactMap { $0.residual(layer)?.last }) }
  }

  private static func mean(_ rows: [[Float]]) -> [Float] {
    guard let width = rows.first?.count else { return [] }
    return (0..<width).map { column in
      var sum = 0.0
      for row in rows { sum += Double(row[column]) }
      return Float(sum / Double(rows.count))
    }
  }

  /// Every head's mean output after the demonstrations, and its effect where their labels are shuffled.
  private func headEffects(
    _ builder: PromptBuilder, _ draw: Draw, _ shown: [[Int]], progress: ProgressLine
  ) throws(EngineError) -> (ranked: [TaskVectors.Head], means: [[Float]]) {
    let c = model.configuration
    let states = try model.forward(
      shown, capture: CaptureRequest(points: [.headOutputs], layers: .all, positions: .last), adapter: nil)
    // `[block][H·E]`
    let means = (1...depth).map { layer in
      Self.mean(states.compactMap { $0.rows[.init(.headOutputs, layer: layer)]?.last })
    }
    var generator = SeededGenerator(seed: spec.seed, stream: "shuffled labels")
    let labels = generator.shuffled(draw.demonstrations.map(\.label))
    let shuffled = zip(draw.demonstrations, labels).map { example, label in
      Draw.Example(fields: example.fields, label: label)
    }
    let prompts = draw.others.map { builder.tokens(builder.prompt($0, after: shuffled)) }
    let answers = try answerTokens(
      builder, draw.others, draw.others.map { builder.tokens(builder.prompt($0)) })
    func rightness(_ change: [Intervention]) throws(EngineError) -> Double {
      try Interruption.check()
      let states = try model.forward(
        prompts, capture: CaptureRequest(points: [], layers: .some([]), positions: .last, logits: true), adapter: nil,
        interventions: change)
      return Statistics.mean(
        zip(zip(states, answers), draw.others).map { pair, query in
          let logits = pair.0.logits.last ?? []
          return ReproducibleMath.exp(Measures.logProbability(of: pair.1[query.label], logits: logits))
        })
    }
    let before = try rightness([])
    var heads: [TaskVectors.Head] = []
    for layer in 1...depth {
      for head in 0..<c.headCount {
        let own = Array(means[layer - 1][head * c.headDimension..<(head + 1) * c.headDimension])
        let after = try rightness([
          Intervention(.headOutputs, layer: layer, heads: [head], positions: .last, .replace(own))
        ])
        heads.append(TaskVectors.Head(layer: layer, head: head, effect: after - before))
        progress.advance()
      }
    }
    let ranked = heads.enumerated().sorted { a, b in
      (b.element.effect, a.offset) < (a.element.effect, b.offset)
    }
    return (ranked.map(\.element), means)
  }

  /// `Σ W_o[:, head] · mean output of the head`, `[D]`.
  private func functionVector(_ heads: [TaskVectors.Head], _ means: [[Float]]) -> [Float] {
    let c = model.configuration
    var sum = [Double](repeating: 0, count: c.hiddenSize)
    for head in heads {
      guard let output = model.weights.blocks[head.layer - 1].projections[.o] else { continue }
      var weights = [Float](repeating: 0, count: output.columns)
      let columns = head.head * c.headDimension..<(head.head + 1) * c.headDimension
      for row in 0..<c.hiddenSize {
        output.dequantize(row..<row + 1, into: &weights)
        for column in columns { sum[row] += Double(weights[column]) * Double(means[head.layer - 1][column]) }
      }
    }
    return sum.map(Float.init)
  }
}

extension Engine {
  /// What states and heads carry of a task, by putting them into prompts without demonstrations.
  ///
  ///     let vectors = try engine.taskVectors(.sentiment, demonstrations: 8, queries: 30, seed: 1)
  ///     vectors.plot
  ///
  /// - Parameter heads: how many heads are summed into the function vector
  /// - Throws: `invalidArgument`, `unsupported` for label words of several tokens, `contextOverflow`, `interrupted`
  public func taskVectors(
    _ task: ClassificationTask, demonstrations: Int = 8, queries: Int = 30, repetitions: Int = 4, heads: Int = 3,
    labelWords: LabelWords = .arbitrary, tuning: TuningSettings = TuningSettings(), seed: UInt64 = 0
  ) throws(EngineError) -> TaskVectors {
    try taskVectors(
      task,
      ComparisonSpec(
        demonstrations: demonstrations, queries: queries, repetitions: repetitions, labelWords: labelWords,
        tuning: tuning, baselines: [], seed: seed, measures: []), heads: heads)
  }

  /// The same with every choice spelled out; baselines have no part in it.
  public func taskVectors(
    _ task: ClassificationTask, _ spec: ComparisonSpec, heads: Int = 3
  ) throws(EngineError) -> TaskVectors {
    try TaskVectorRun(model: model, task: task, spec: spec, headCount: heads).result()
  }
}
