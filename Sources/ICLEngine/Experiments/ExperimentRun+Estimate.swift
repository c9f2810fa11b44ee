/// How long an experiment will take, measured before it begins: one pass over a prompt with demonstrations and one step
/// of tuning, times what the plan has of both.
extension ExperimentRun {
  /// Seconds for all repetitions at all values, about. Where values have models of their own, this model stands for all.
  /// - Throws: what a run of the experiment throws when it doesn't fit its task or its model
  package func estimatedSeconds() throws(EngineError) -> Double {
    guard let first = specs.first else { return 0 }
    let measured = try ComparisonRun(model: model, task: task, spec: first).measuredCost()
    return specs.reduce(0) { sum, spec in
      sum + ComparisonRun(model: model, task: task, spec: spec).seconds(measured)
    }
  }
}

extension ComparisonRun {
  /// What one pass and one step of tuning cost here.
  fileprivate struct Cost {
    /// Tokens of a query without demonstrations.
    var bare: Double
    /// Tokens of one demonstration.
    var demonstration: Double
    var secondsPerToken: Double
    /// Of one update on one demonstration.
    var secondsPerUpdate: Double
  }

  fileprivate func measuredCost() throws(EngineError) -> Cost {
    var plain = spec
    // The nearest demonstrations need states of every example; by chance they are as long.
    plain.choice = .random
    let queries = try Draw.queries(of: task, plain)
    let draw = try Draw(of: task, plain, queries: queries, repetition: 0)
    let builder = builder(draw)
    let bare = builder.tokens(builder.prompt(queries[0]))
    let shown = builder.tokens(builder.prompt(queries[0], after: draw.demonstrations))
    let clock = ContinuousClock()
    func seconds(_ body: () throws(EngineError) -> Void) throws(EngineError) -> Double {
      let start = clock.now
      try body()
      let time = start.duration(to: clock.now).components
      return Double(time.seconds) + Double(time.attoseconds) * 1e-18
    }
    let request = CaptureRequest(points: [.residual], layers: .last, positions: .last, logits: true)
    func pass() throws(EngineError) { _ = try model.forward([shown], capture: request, adapter: nil) }
    // The first pass reads the weights from disk and packs them; where that took long, it has to do.
    var whole = try seconds(pass)
    if whole < 2 { whole = try seconds(pass) }
    let perToken = whole / Double(max(1, shown.count))
    let demonstration = Double(max(1, shown.count - bare.count)) / Double(max(1, draw.demonstrations.count))
    var perUpdate = perToken * 3 * (demonstration + Double(bare.count) / 2)
    if whole < 2, spec.tuning.steps > 0 {
      var settings = spec.tuning
      settings.steps = 1
      let examples = tuningSequences(builder, draw.demonstrations)
      perUpdate =
        try seconds { () throws(EngineError) in
          _ = try model.tuned(on: examples, settings, seed: spec.seed) { _ in }
        } / Double(max(1, examples.count))
    }
    return Cost(
      bare: Double(bare.count), demonstration: demonstration, secondsPerToken: perToken, secondsPerUpdate: perUpdate)
  }

  fileprivate func seconds(_ cost: Cost) -> Double {
    let queries = Double(spec.queries)
    let prefix = Double(spec.demonstrations) * cost.demonstration
    let groups = spec.choice.isPerQuery ? queries : 1
    // Demonstrations that queries share go through the model once.
    let shown = groups * prefix + queries * cost.bare
    let others = [Baseline.otherOrder, .otherDemonstrations].count { spec.baselines.contains($0) }
    let passes = 2 * queries * cost.bare + Double(2 + others) * shown
    let tuning = groups * Double(spec.tuning.steps * spec.demonstrations) * cost.secondsPerUpdate
    let repetition = passes * cost.secondsPerToken + tuning
    let untrained =
      spec.baselines.contains(.untrainedWeights) ? min(spec.repetitions, Self.untrainedRepetitions) : 0
    return repetition * Double(spec.repetitions + untrained)
  }
}
