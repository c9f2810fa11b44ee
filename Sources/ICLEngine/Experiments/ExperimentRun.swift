import NotebookDisplay

/// Runs a comparison, or one at each value of a factor: unit by unit, with those that a folder keeps left out.
package struct ExperimentRun: Sendable {
  package let model: any ExperimentModel
  package let task: ClassificationTask
  package let base: ComparisonSpec
  package let factor: SweepFactor?

  package init(
    model: any ExperimentModel, task: ClassificationTask, base: ComparisonSpec, over factor: SweepFactor? = nil
  ) {
    self.model = model
    self.task = task
    self.base = base
    self.factor = factor
  }

  /// What was finished before the end or an interruption.
  private struct Finished {
    var plan: ExperimentPlan
    var kept: [ExperimentPlan.Unit: KeptRepetition]
    /// The interruption that ended the run early.
    var interruption: EngineError?

    /// In order; fewer than the plan's when it was interrupted.
    func repetitions(ofValue value: Int) -> [KeptRepetition] {
      plan.units.filter { $0.value == value }.compactMap { kept[$0] }
    }
  }

  /// The specification at each value.
  var specs: [ComparisonSpec] {
    guard let factor else { return [base] }
    return factor.values.map { value in
      var spec = base
      value.change(&spec)
      return spec
    }
  }

  /// - Throws: `invalidArgument` for a specification that doesn't fit the task
  package func checkChoices() throws(EngineError) { for spec in specs { try spec.validate(for: task) } }

  /// One value's run, ready to go.
  private struct Ready {
    let run: ComparisonRun
    let prepared: ComparisonRun.Prepared
  }

  /// Makes runs ready. Those of the experiment's own model stay; of other models only the last one, so that one of them
  /// is in memory at a time.
  private struct Bench {
    let experiment: ExperimentRun
    private let specs: [ComparisonSpec]
    private var own: [Int: Ready] = [:]
    private var twins: [UInt64: (any ExperimentModel)?] = [:]
    private var other: (value: Int, ready: Ready)?

    init(_ experiment: ExperimentRun) {
      self.experiment = experiment
      specs = experiment.specs
    }

    mutating func ready(_ value: Int) throws(EngineError) -> Ready {
      if let known = own[value] { return known }
      if let other, other.value == value { return other.ready }
      let spec = specs[value]
      let needsTwin = spec.baselines.contains(.untrainedWeights)
      if let change = experiment.factor?.values[value].model {
        other = nil
        let run = ComparisonRun(model: try change(experiment.model), task: experiment.task, spec: spec)
        let twin = needsTwin ? try run.model.untrainedTwin(seed: spec.seed) : nil
        let ready = Ready(run: run, prepared: try run.prepared(twin: twin))
        other = (value, ready)
        return ready
      }
      if needsTwin, twins[spec.seed] == nil {
        twins[spec.seed] = .some(try experiment.model.untrainedTwin(seed: spec.seed))
      }
      let run = ComparisonRun(model: experiment.model, task: experiment.task, spec: spec)
      let ready = Ready(run: run, prepared: try run.prepared(twin: twins[spec.seed] ?? nil))
      own[value] = ready
      return ready
    }
  }

  private var title: String { factor.map { "sweeping \($0.name)" } ?? "comparing \(task.name)" }

  /// - Parameters:
  ///   - folder: where repetitions are kept and looked for; `nil` for nowhere
  ///   - shard: `nil` for all units
  private func finish(
    in folder: String?, shard: Shard?, ending: (Finished) -> String
  ) throws(EngineError) -> Finished {
    let specs = specs
    try checkChoices()
    var bench = Bench(self)
    var frames: [ComparisonFrame] = []
    for value in specs.indices { frames.append(try bench.ready(value).prepared.frame) }
    let plan = try ExperimentPlan(
      factor: factor?.name, values: factor?.values.map(\.label) ?? [""], frames: frames, task: task)
    let store = try folder.map { path throws(EngineError) in try ExperimentFolder(at: path, for: plan) }
    let units = shard?.units(of: plan) ?? plan.units
    var finished = Finished(plan: store?.plan ?? plan, kept: [:])
    for unit in units { finished.kept[unit] = store?.kept(unit) }
    let waiting = units.filter { finished.kept[$0] == nil }
    let steps = waiting.reduce(0) { sum, unit in
      sum + ComparisonRun(model: model, task: task, spec: specs[unit.value]).stepCount(ofRepetition: unit.repetition)
    }
    let progress = ProgressLine(title, total: steps, unit: "steps")
    do throws(EngineError) {
      for (place, unit) in waiting.enumerated() {
        let ready = try bench.ready(unit.value)
        let value = factor.map { "\($0.name) \(plan.values[unit.value]), " } ?? ""
        progress.note("\(value)repetition \(unit.repetition + 1) of \(specs[unit.value].repetitions)")
        let ahead = waiting[(place + 1)...].filter { $0.value == unit.value }.map(\.repetition)
        let kept = try ready.run.repetition(unit.repetition, of: ready.prepared, ahead: ahead, progress: progress)
        try store?.keep(kept, as: unit)
        finished.kept[unit] = kept
      }
    } catch {
      guard error.code == .interrupted else {
        progress.finish("\(title): stopped")
        throw error
      }
      finished.interruption = error
    }
    progress.finish(ending(finished))
    return finished
  }

  /// A comparison alone; an interruption gives what was finished.
  /// - Throws: `invalidArgument`, `contextOverflow`; `interrupted` when not one repetition was finished
  package func comparison(in folder: String? = nil) throws(EngineError) -> Comparison {
    let finished = try finish(in: folder, shard: nil) { finished in
      let count = finished.kept.count
      return finished.interruption == nil
        ? "compared \(task.name): \(count) repetition\(count == 1 ? "" : "s") of \(base.queries) quer\(base.queries == 1 ? "y" : "ies")"
        : "comparing \(task.name): stopped after \(count) of \(base.repetitions) repetition\(base.repetitions == 1 ? "" : "s")"
    }
    if finished.kept.isEmpty, let interruption = finished.interruption { throw interruption }
    return finished.plan.frames[0].comparison(of: finished.repetitions(ofValue: 0))
  }

  /// A comparison at each value. A value with fewer repetitions than were asked for would have a narrower base than
  /// the others: it is left out.
  package func sweep(in folder: String? = nil) throws(EngineError) -> Sweep {
    let name = factor?.name ?? ""
    let finished = try finish(in: folder, shard: nil) { finished in
      let done = finished.plan.wholeValues(finished.kept).count
      return finished.interruption == nil
        ? "swept \(name): \(done) value\(done == 1 ? "" : "s")"
        : "sweeping \(name): stopped after \(done) of \(finished.plan.values.count) values"
    }
    return try finished.plan.sweep(of: finished.kept)
  }

  /// Computes one shard's units and keeps them in the folder.
  /// - Returns: how many of the shard's repetitions, and of all, the folder keeps now
  package func shard(
    _ shard: Shard, in folder: String
  ) throws(EngineError) -> (ofShard: Int, shardTotal: Int, ofAll: Int, total: Int) {
    let finished = try finish(in: folder, shard: shard) {
      "shard \(shard.number)/\(shard.count): kept \($0.kept.count)"
    }
    if let interruption = finished.interruption { throw interruption }
    let store = try ExperimentFolder(opening: folder)
    return (
      finished.kept.count, shard.units(of: finished.plan).count, finished.plan.units.count { store.kept($0) != nil },
      finished.plan.units.count
    )
  }
}

extension ExperimentPlan {
  /// The values of which every repetition is there.
  func wholeValues(_ kept: [Unit: KeptRepetition]) -> [Int] {
    frames.indices.filter { value in
      (0..<frames[value].spec.repetitions).allSatisfy { kept[Unit(value: value, repetition: $0)] != nil }
    }
  }

  /// Of a comparison alone: what is there of it.
  package func comparison(of kept: [Unit: KeptRepetition]) -> Comparison {
    frames[0].comparison(of: units.compactMap { kept[$0] })
  }

  /// - Throws: `interrupted` when no value is whole
  package func sweep(of kept: [Unit: KeptRepetition]) throws(EngineError) -> Sweep {
    let whole = wholeValues(kept)
    guard !whole.isEmpty else {
      throw EngineError(.interrupted, "interrupted before the first value of the sweep was finished")
    }
    return Sweep(
      task: frames[0].task, factor: factor ?? "", values: whole.map { values[$0] },
      comparisons: whole.map { value in
        frames[value].comparison(
          of: (0..<frames[value].spec.repetitions).compactMap { kept[Unit(value: value, repetition: $0)] })
      }, isPartial: whole.count < values.count)
  }
}
