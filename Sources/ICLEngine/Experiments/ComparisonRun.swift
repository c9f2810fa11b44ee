package import NotebookDisplay

/// Runs a comparison: in each repetition the same queries under the four conditions, and the baselines.
package struct ComparisonRun: Sendable {
  package let model: any ExperimentModel
  package let task: ClassificationTask
  package let spec: ComparisonSpec

  /// Repetitions in which the untrained model is run: its similarities hardly vary, and it has to be tuned too.
  static let untrainedRepetitions = 2

  package init(model: any ExperimentModel, task: ClassificationTask, spec: ComparisonSpec) {
    self.model = model
    self.task = task
    self.spec = spec
  }

  /// Steps that progress counts: those of tuning, and some for the passes over the queries.
  package func stepCount(ofRepetition index: Int) -> Int {
    let untrained = spec.baselines.contains(.untrainedWeights) && index < Self.untrainedRepetitions
    let groups = spec.choice.isPerQuery ? spec.queries : 1
    return (untrained ? 2 : 1) * groups * (spec.tuning.steps + Condition.allCases.count) + Self.baselineSteps
  }
  private static let baselineSteps = 4

  /// What decides the beginning of a repetition's tuning.
  func seed(ofRepetition index: Int) -> UInt64 { spec.seed &+ UInt64(index) }

  /// Queries that have the same demonstrations, and so the same tuning.
  struct Group: Sendable {
    let draw: Draw
    let queries: [Draw.Example]
  }

  /// What every repetition shares: drawn and checked once.
  package struct Prepared: Sendable {
    let queries: [Draw.Example]
    /// For each repetition what it shows to which queries: all of them together, or each for itself.
    let draws: [[Group]]
    let twin: (any ExperimentModel)?
    package let frame: ComparisonFrame
  }

  /// - Parameter twin: the untrained model of the same shape; `nil` when it was not asked for or would not fit
  /// - Throws: `invalidArgument` for a specification that does not fit the task
  package func prepared(twin: (any ExperimentModel)?) throws(EngineError) -> Prepared {
    try spec.validate(for: task)
    let queries = try Draw.queries(of: task, spec)
    let draws = try (0..<spec.repetitions).map { repetition throws(EngineError) in
      if !spec.choice.isPerQuery {
        return [Group(draw: try Draw(of: task, spec, queries: queries, repetition: repetition), queries: queries)]
      }
      return try queries.indices.map { query throws(EngineError) in
        Group(
          draw: try Draw(of: task, spec, queries: queries, repetition: repetition, query: query),
          queries: [queries[query]])
      }
    }
    let isTwinMissing = twin == nil && spec.baselines.contains(.untrainedWeights)
    let notes =
      isTwinMissing
      ? ["The untrained model of the same shape was left out: it would need too much memory."] : []
    return Prepared(
      queries: queries, draws: draws, twin: twin,
      frame: ComparisonFrame(model: model, task: task, spec: spec, notes: notes))
  }

  /// One repetition, which depends on nothing that another one did.
  /// - Throws: `contextOverflow`, `interrupted`
  package func repetition(
    _ index: Int, of prepared: Prepared, progress: ProgressLine
  ) throws(EngineError) -> KeptRepetition {
    let prompts = PromptDigest()
    let (repetition, passes) = try run(
      prepared.draws[index], index: index, queries: prepared.queries,
      untrained: index < Self.untrainedRepetitions ? prepared.twin : nil, progress: progress, prompts: prompts)
    return KeptRepetition(
      index: index, repetition: repetition, promptsSHA256: prompts.hexadecimal,
      projection: index == 0
        ? StateProjection(passes.mapValues { $0.states[model.configuration.layerCount] }) : nil,
      layerCKA: index == 0 ? Self.layerCKA(passes[.icl], passes[.it]) : [])
  }

  /// - Throws: `invalidArgument`, `contextOverflow`; `interrupted` when the stop came before one repetition was whole.
  ///   Otherwise an interruption gives the result of the repetitions that were finished, which says so.
  package func result(in folder: String? = nil) throws(EngineError) -> Comparison {
    try ExperimentRun(model: model, task: task, base: spec).comparison(in: folder)
  }

  /// The states of all queries under one condition.
  struct Pass {
    /// `[layer][query][D]`, layers as in ``Repetition``.
    var states: [[[Float]]]
    /// `[query][V]`, after the last token.
    var logits: [[Float]]

    /// The queries of this one, then those of the other.
    func joined(_ other: Pass) -> Pass {
      Pass(states: zip(states, other.states).map { $0 + $1 }, logits: logits + other.logits)
    }
  }

  func builder(_ draw: Draw) -> PromptBuilder {
    PromptBuilder(
      task: task, tokenizer: model.tokenizer, labelWords: draw.labelWords, instruction: spec.instruction,
      showing: spec.demonstrationTask.map { ($0, draw.demonstrationWords) })
  }

  private func run(
    _ groups: [Group], index: Int, queries: [Draw.Example], untrained: (any ExperimentModel)?, progress: ProgressLine,
    prompts: PromptDigest
  ) throws(EngineError) -> (Repetition, [Condition: Pass]) {
    let seed = seed(ofRepetition: index)
    let (passes, answers, shares, losses) = try conditions(
      model, groups, seed: seed, scoring: true, progress: progress, prompts: prompts)
    var repetition = Repetition(
      labelWords: groups[0].draw.labelWords, similarity: Self.similarities(passes), answers: answers,
      tuningLoss: losses)
    if task.hasWrittenAnswers { repetition.wordShares = shares }
    if let anchor = passes[.anchor], let icl = passes[.icl], let it = passes[.it] {
      repetition.updateCosine = anchor.states.indices.map { layer in
        Statistics.mean(
          queries.indices.map {
            Measures.updateCosine(icl.states[layer][$0], it.states[layer][$0], from: anchor.states[layer][$0])
          })
      }
      repetition.baselines = try baselines(
        beside: icl, groups, index: index, progress: progress, prompts: prompts)
    }
    let last = model.configuration.layerCount
    for pair in ConditionPair.all {
      guard let a = passes[pair.first], let b = passes[pair.second] else { continue }
      repetition.cka[pair] = Measures.linearCKA(a.states[last], b.states[last], debiased: true)
      repetition.divergence[pair] = Statistics.mean(
        zip(a.logits, b.logits).map {
          Measures.jensenShannon(Measures.probabilities(logits: $0), Measures.probabilities(logits: $1))
        })
    }
    if let untrained {
      let (passes, _, _, _) = try conditions(
        untrained, groups, seed: seed, scoring: false, progress: progress, prompts: nil)
      repetition.untrained = Self.similarities(passes)
    }
    return (repetition, passes)
  }

  private typealias Outcome = (
    passes: [Condition: Pass], answers: [Condition: [Bool]], shares: [Condition: [Double]], losses: [Float]
  )

  /// All conditions, group by group.
  private func conditions(
    _ model: any ExperimentModel, _ groups: [Group], seed: UInt64, scoring: Bool, progress: ProgressLine,
    prompts: PromptDigest?
  ) throws(EngineError) -> Outcome {
    var passes: [Condition: Pass] = [:]
    var answers: [Condition: [Bool]] = [:]
    var shares: [Condition: [Double]] = [:]
    var losses: [[Float]] = []
    for group in groups {
      let one = try conditions(
        model, group, seed: seed, scoring: scoring, progress: progress, prompts: prompts)
      passes.merge(one.passes) { $0.joined($1) }
      answers.merge(one.answers) { $0 + $1 }
      shares.merge(one.shares) { $0 + $1 }
      losses.append(one.losses)
    }
    return (passes, answers, shares, Self.mean(losses))
  }

  private func conditions(
    _ model: any ExperimentModel, _ group: Group, seed: UInt64, scoring: Bool, progress: ProgressLine,
    prompts: PromptDigest?
  ) throws(EngineError) -> Outcome {
    let (draw, queries) = (group.draw, group.queries)
    let builder = builder(draw)
    var passes: [Condition: Pass] = [:]
    var answers: [Condition: [Bool]] = [:]
    var shares: [Condition: [Double]] = [:]
    func pass(_ condition: Condition, _ adapter: LoRAAdapter?) throws(EngineError) {
      let texts = queries.map {
        builder.prompt($0, after: condition.showsDemonstrations ? draw.demonstrations : [])
      }
      let tokens = texts.map(builder.tokens)
      prompts?.add(tokens)
      let pass = try states(model, tokens, adapter)
      passes[condition] = pass
      if scoring {
        let grading = try Grading(
          builder, queries, prompts: texts, tokens: tokens, logits: pass.logits, model: model, adapter: adapter)
        answers[condition] = grading.isRight
        shares[condition] = grading.wordShares
      }
      progress.advance()
    }
    try pass(.anchor, nil)
    try pass(.icl, nil)
    var losses: [Float] = []
    let adapter = try model.tuned(
      on: draw.demonstrations.map(builder.tuningSequence), spec.tuning, seed: seed
    ) { loss in
      losses.append(loss)
      progress.advance()
    }
    try pass(.it, adapter)
    try pass(.both, adapter)
    return (passes, answers, shares, losses.count > 1 ? [losses[0], losses[losses.count - 1]] : losses)
  }

  private static func mean(_ lists: [[Float]]) -> [Float] {
    guard lists.count > 1, let first = lists.first else { return lists.first ?? [] }
    return first.indices.map { place in lists.reduce(0) { $0 + $1[place] } / Float(lists.count) }
  }

  private func baselines(
    beside icl: Pass, _ groups: [Group], index: Int, progress: ProgressLine, prompts: PromptDigest
  ) throws(EngineError) -> [Baseline: [Double]] {
    var result: [Baseline: [Double]] = [:]
    func against(_ demonstrations: (Draw) -> [Draw.Example]) throws(EngineError) -> [Double] {
      var other: Pass?
      for group in groups {
        let builder = builder(group.draw)
        let tokens = group.queries.map { builder.tokens(builder.prompt($0, after: demonstrations(group.draw))) }
        prompts.add(tokens)
        let pass = try states(model, tokens, nil)
        other = other?.joined(pass) ?? pass
      }
      return other.map { Self.similarity(icl, $0) } ?? []
    }
    let layers = icl.states.indices
    let queryCount = icl.logits.count
    defer { progress.advance(by: Self.baselineSteps) }
    if spec.baselines.contains(.otherOrder) {
      result[.otherOrder] =
        spec.demonstrations > 1 ? try against(\.reordered) : layers.map { _ in .nan }
    }
    if spec.baselines.contains(.otherDemonstrations) { result[.otherDemonstrations] = try against(\.others) }
    if spec.baselines.contains(.otherQuery) {
      result[.otherQuery] = layers.map { layer in
        let rows = icl.states[layer]
        guard rows.count > 1 else { return .nan }
        return Statistics.mean(rows.indices.map { Measures.cosine(rows[$0], rows[($0 + 1) % rows.count]) })
      }
    }
    if spec.baselines.contains(.randomVectors) {
      var generator = SeededGenerator(seed: spec.seed, stream: "random vectors \(index)")
      let width = model.configuration.hiddenSize
      result[.randomVectors] = layers.map { _ in
        Statistics.mean(
          (0..<queryCount).map { _ in Measures.cosine(generator.normals(width), generator.normals(width)) })
      }
    }
    return result
  }

  func states(
    _ model: any ExperimentModel, _ tokens: [[Int]], _ adapter: LoRAAdapter?
  ) throws(EngineError) -> Pass {
    try Interruption.check()
    let all = try model.forward(
      tokens, capture: CaptureRequest(points: [.residual, .finalNorm], layers: .all, positions: .last, logits: true),
      adapter: adapter)
    let layerCount = model.configuration.layerCount
    var states = [[[Float]]](repeating: [], count: layerCount + 2)
    var logits: [[Float]] = []
    for one in all {
      for layer in 0...layerCount + 1 {
        let rows = layer <= layerCount ? one.residual(layer) : one.final
        guard let row = rows?.last else {
          throw EngineError(.unsupported, "the model did not capture layer \(layer)", at: model.provenance.name)
        }
        states[layer].append(row)
      }
      guard let row = one.logits.last else {
        throw EngineError(.unsupported, "the model gave no logits", at: model.provenance.name)
      }
      logits.append(row)
    }
    return Pass(states: states, logits: logits)
  }

  /// Debiased CKA of each layer's ICL states with each layer's IT states, `[ICL layer][IT layer]`, 0…L.
  private static func layerCKA(_ icl: Pass?, _ it: Pass?) -> [[Double]] {
    func kernels(_ pass: Pass?) -> [CenteredKernel] { (pass?.states.dropLast() ?? []).map { CenteredKernel($0) } }
    let columns = kernels(it)
    return kernels(icl).map { row in columns.map { row.alignment(with: $0, debiased: true) } }
  }

  private static func similarity(_ a: Pass, _ b: Pass) -> [Double] {
    a.states.indices.map { layer in
      Statistics.mean(zip(a.states[layer], b.states[layer]).map { Measures.cosine($0, $1) })
    }
  }

  private static func similarities(_ passes: [Condition: Pass]) -> [ConditionPair: [Double]] {
    var result: [ConditionPair: [Double]] = [:]
    for pair in ConditionPair.all {
      if let a = passes[pair.first], let b = passes[pair.second] { result[pair] = similarity(a, b) }
    }
    return result
  }
}

extension SeededGenerator {
  /// Independent standard normal values (Marsaglia's polar method), with bits that don't depend on the machine.
  package mutating func normals(_ count: Int) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(count + 1)
    while result.count < count {
      let (x, y) = (2 * uniform() - 1, 2 * uniform() - 1)
      let square = x * x + y * y
      guard square > 0, square < 1 else { continue }
      let scale = (-2 * ReproducibleMath.log(square) / square).squareRoot()
      result.append(Float(x * scale))
      result.append(Float(y * scale))
    }
    return Array(result.prefix(count))
  }
}
