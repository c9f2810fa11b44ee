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
      + (runsOrders ? groups * (spec.permutations - 1) : 0)
      + (spec.measures.contains(.subspaceOverlap) ? spec.tuning.steps : 0)
  }
  private static let baselineSteps = 4
  /// Whether some measure asks for passes with other orders.
  var runsOrders: Bool { spec.measures.contains(.orderSensitivity) || spec.measures.contains(.orderSimilarity) }

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
    /// Adapters of repetitions that were tuned for their neighbour's sake.
    let adapters = AdapterShelf()
    let shared = SharedWork()
  }

  /// - Parameter twin: the untrained model of the same shape; `nil` when it was not asked for or would not fit
  /// - Throws: `invalidArgument` for a specification that does not fit the task
  package func prepared(twin: (any ExperimentModel)?) throws(EngineError) -> Prepared {
    try spec.validate(for: task)
    let queries = try Draw.queries(of: task, spec)
    let states = try meanStates(beside: queries)
    let draws = try (0..<spec.repetitions).map { repetition throws(EngineError) in
      if !spec.choice.isPerQuery {
        return [Group(draw: try Draw(of: task, spec, queries: queries, repetition: repetition), queries: queries)]
      }
      return try queries.indices.map { query throws(EngineError) in
        Group(
          draw: try Draw(of: task, spec, queries: queries, repetition: repetition, query: query, states: states),
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

  /// What likeness by the model's states compares; `nil` where it is not asked for.
  private func meanStates(beside queries: [Draw.Example]) throws(EngineError) -> MeanStates? {
    guard spec.choice.isPerQuery, spec.likeness == .states else { return nil }
    let source = spec.demonstrationTask ?? task
    return try MeanStates(
      of: queries.map { ($0, task.template.fieldNames) } + source.examples.map { ($0, source.template.fieldNames) },
      model: model)
  }

  /// One repetition, whose figures depend on nothing that another one did.
  /// - Parameter ahead: repetitions that this process will do after it; they may be tuned side by side with it
  /// - Throws: `contextOverflow`, `interrupted`
  package func repetition(
    _ index: Int, of prepared: Prepared, ahead: [Int] = [], progress: ProgressLine
  ) throws(EngineError) -> KeptRepetition {
    let prompts = PromptDigest()
    let (repetition, passes) = try run(
      index, of: prepared, ahead: ahead, untrained: index < Self.untrainedRepetitions ? prepared.twin : nil,
      progress: progress, prompts: prompts)
    return KeptRepetition(
      index: index, repetition: repetition, promptsSHA256: prompts.hexadecimal,
      projection: index == 0
        ? StateProjection(passes.mapValues { $0.states[headlinePlace] }) : nil,
      layerCKA: index == 0 ? Self.layerCKA(passes[.icl], passes[.it]) : [])
  }

  /// - Throws: `invalidArgument`, `contextOverflow`; `interrupted` when the stop came before one repetition was whole.
  ///   Otherwise an interruption gives the result of the repetitions that were finished, which says so.
  package func result(in folder: String? = nil) throws(EngineError) -> Comparison {
    try ExperimentRun(model: model, task: task, base: spec).comparison(in: folder)
  }

  /// Index, among the places at which states are read, of the one that headline figures are taken from.
  var headlinePlace: Int { spec.point.headlinePlace(layerCount: model.configuration.layerCount) }

  package func builder(_ draw: Draw) -> PromptBuilder {
    var worded = task
    if let template = spec.template { worded.template = template }
    return PromptBuilder(
      task: worded, tokenizer: model.tokenizer, labelWords: draw.labelWords, instruction: spec.instruction,
      wording: spec.instructionText, showing: spec.demonstrationTask.map { ($0, draw.demonstrationWords) })
  }

  private func run(
    _ index: Int, of prepared: Prepared, ahead: [Int], untrained: (any ExperimentModel)?, progress: ProgressLine,
    prompts: PromptDigest
  ) throws(EngineError) -> (Repetition, [Condition: Pass]) {
    let groups = prepared.draws[index]
    func turn(isUntrained: Bool) -> Turn {
      Turn(repetition: index, ahead: ahead, prepared: prepared, isUntrained: isUntrained)
    }
    let results = try conditions(model, turn(isUntrained: false), progress: progress, prompts: prompts)
    let passes = results.passes
    if let adapter = results.adapter { prepared.adapters.put(adapter, of: index) }
    var repetition = Repetition(
      labelWords: groups[0].draw.labelWords, similarity: Self.similarities(passes), answers: results.answers,
      tuningLoss: results.losses)
    if task.hasWrittenAnswers { repetition.wordShares = results.shares }
    var others: [Baseline: Pass] = [:]
    if let anchor = passes[.anchor], let icl = passes[.icl], let it = passes[.it] {
      repetition.updateCosine = anchor.states.indices.map { layer in
        Statistics.mean(
          prepared.queries.indices.map {
            Measures.updateCosine(icl.states[layer][$0], it.states[layer][$0], from: anchor.states[layer][$0])
          })
      }
      others = try otherPasses(beside: icl, groups, progress: progress, prompts: prompts)
      repetition.baselines = baselines(beside: icl, others, index: index)
    }
    let sides = passes.mapValues(Side.init)
    let place = headlinePlace
    for pair in ConditionPair.all {
      guard let a = sides[pair.first], let b = sides[pair.second] else { continue }
      repetition.cka[pair] = a.kernels[place].alignment(with: b.kernels[place], debiased: true)
      repetition.divergence[pair] = a.divergence(b) { $0.jensenShannon }
    }
    var twinSides: [Condition: Side] = [:]
    if let untrained {
      let twin = try conditions(untrained, turn(isUntrained: true), progress: progress, prompts: nil)
      repetition.untrained = Self.similarities(twin.passes)
      twinSides = twin.passes.mapValues(Side.init)
    }
    repetition.figures = figures(
      sides, others: others.mapValues(Side.init), untrained: twinSides, answers: results.answers, index: index)
    for (measure, figure) in results.figures { repetition.figures[measure] = figure }
    for (measure, figure) in try orderFigures(groups, index: index, progress: progress, prompts: prompts) {
      repetition.figures[measure] = figure
    }
    if spec.measures.contains(.subspaceOverlap) {
      repetition.figures[.subspaceOverlap] = try subspaceFigure(index, of: prepared, progress: progress)
    }
    return (repetition, passes)
  }

  /// What the four conditions gave.
  private struct Results {
    var passes: [Condition: Pass] = [:]
    var answers: [Condition: [Bool]] = [:]
    /// Of right words, where answers are texts.
    var shares: [Condition: [Double]] = [:]
    var losses: [Float] = []
    var figures: [Measure: MeasuredFigure] = [:]
    /// The first group's, when it was tuned by LoRA.
    var adapter: LoRAAdapter?
  }

  /// All conditions, group by group.
  private func conditions(
    _ model: any ExperimentModel, _ turn: Turn, progress: ProgressLine, prompts: PromptDigest?
  ) throws(EngineError) -> Results {
    var all = Results()
    var losses: [[Float]] = []
    var attention = AttentionToDemonstrations()
    for index in turn.groups.indices {
      let one = try conditions(
        model, group: index, of: turn, attention: &attention, progress: progress, prompts: prompts)
      all.passes.merge(one.passes) { $0.joined($1) }
      all.answers.merge(one.answers) { $0 + $1 }
      all.shares.merge(one.shares) { $0 + $1 }
      losses.append(one.losses)
      if index == 0 { all.adapter = one.adapter }
    }
    all.losses = Self.mean(losses)
    if readsDemonstrations, !turn.isUntrained { all.figures[.attentionToDemonstrations] = attention.figure }
    return all
  }

  private var readsDemonstrations: Bool { spec.measures.contains(.attentionToDemonstrations) }

  private func conditions(
    _ model: any ExperimentModel, group: Int, of turn: Turn, attention: inout AttentionToDemonstrations,
    progress: ProgressLine, prompts: PromptDigest?
  ) throws(EngineError) -> Results {
    let (draw, queries) = (turn.groups[group].draw, turn.groups[group].queries)
    let isUntrained = turn.isUntrained
    let builder = builder(draw)
    var results = Results()
    func pass(_ condition: Condition, _ tuned: TunedModel) throws(EngineError) {
      let shown = condition.showsDemonstrations ? draw.demonstrations : []
      let readings = try readings(builder, queries, after: shown)
      prompts?.add(readings)
      func compute() throws(EngineError) -> Pass {
        try states(
          tuned.model, readings, tuned.adapter,
          wholeAttention: readsDemonstrations && condition == .icl && !isUntrained)
      }
      let pass =
        condition == .anchor && !isUntrained ? try turn.prepared.shared.anchor(readings, compute) : try compute()
      results.passes[condition] = pass
      if !isUntrained {
        let grading = try Grading(
          builder, queries, prompts: queries.map { builder.prompt($0, after: shown) }, tokens: readings.map(\.tokens),
          logits: pass.logits, model: tuned.model, adapter: tuned.adapter)
        results.answers[condition] = grading.isRight
        results.shares[condition] = grading.wordShares
      }
      progress.advance()
    }
    let original = TunedModel(model: model, adapter: nil)
    try pass(.anchor, original)
    try pass(.icl, original)
    let (tuned, losses) = try tuned(model, group: group, of: turn, progress: progress)
    try pass(.it, tuned)
    try pass(.both, tuned)
    if readsDemonstrations, !isUntrained, let icl = results.passes[.icl] {
      try attention.add(
        icl.wholeAttention, builder, queries, draw.demonstrations, conditions: [.it: tuned, .anchor: original],
        generator: SeededGenerator(seed: seed(ofRepetition: turn.repetition), stream: "random ranks"))
    }
    results.losses = losses.count > 1 ? [losses[0], losses[losses.count - 1]] : losses
    results.adapter = tuned.adapter
    return results
  }

  func tuningSequences(
    _ builder: PromptBuilder, _ demonstrations: [Draw.Example]
  ) -> [(tokens: [Int], lossWeights: [Float])] {
    demonstrations.map { builder.tuningSequence($0, loss: spec.tuning.loss) }
  }

  private static func mean(_ lists: [[Float]]) -> [Float] {
    guard lists.count > 1, let first = lists.first else { return lists.first ?? [] }
    return first.indices.map { place in lists.reduce(0) { $0 + $1[place] } / Float(lists.count) }
  }

  /// Passes that ICL is compared with beside the conditions.
  private func otherPasses(
    beside icl: Pass, _ groups: [Group], progress: ProgressLine, prompts: PromptDigest
  ) throws(EngineError) -> [Baseline: Pass] {
    var result: [Baseline: Pass] = [:]
    func after(_ demonstrations: (Draw) -> [Draw.Example]) throws(EngineError) -> Pass? {
      var all: Pass?
      for group in groups {
        let builder = builder(group.draw)
        let readings = try readings(builder, group.queries, after: demonstrations(group.draw))
        prompts.add(readings)
        let pass = try states(model, readings, nil)
        all = all?.joined(pass) ?? pass
      }
      return all
    }
    if spec.baselines.contains(.otherOrder), spec.demonstrations > 1 {
      result[.otherOrder] = try after(\.reordered)
    }
    if spec.baselines.contains(.otherDemonstrations) { result[.otherDemonstrations] = try after(\.others) }
    if spec.baselines.contains(.otherQuery), icl.logits.count > 1 { result[.otherQuery] = icl.shifted }
    progress.advance(by: Self.baselineSteps)
    return result
  }

  private func baselines(beside icl: Pass, _ others: [Baseline: Pass], index: Int) -> [Baseline: [Double]] {
    var result: [Baseline: [Double]] = [:]
    let layers = icl.states.indices
    for baseline in [Baseline.otherOrder, .otherDemonstrations, .otherQuery] where spec.baselines.contains(baseline) {
      result[baseline] = others[baseline].map { Self.similarity(icl, $0) } ?? layers.map { _ in .nan }
    }
    if spec.baselines.contains(.randomVectors) {
      var generator = SeededGenerator(seed: spec.seed, stream: "random vectors \(index)")
      result[.randomVectors] = layers.map { layer in
        Statistics.mean(
          icl.states[layer].map { row in
            Measures.cosine(generator.normals(row.count), generator.normals(row.count))
          })
      }
    }
    return result
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
