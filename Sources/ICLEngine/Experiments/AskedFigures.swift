import NotebookDisplay
import Synchronization

// Measures that need passes or tuning of their own: a comparison runs them only when it is asked for them.

extension ComparisonRun {
  /// Sensitivity to the order of the demonstrations; nothing when it was not asked for.
  func orderFigures(
    _ groups: [Group], index: Int, progress: ProgressLine, prompts: PromptDigest
  ) throws(EngineError) -> [Measure: MeasuredFigure] {
    guard runsOrders else { return [:] }
    // [order][query], over all groups.
    var right: [[Bool]] = []
    var passes: [Pass] = []
    for (place, group) in groups.enumerated() {
      var generator = SeededGenerator(seed: spec.seed, stream: "orders \(index) \(place)")
      let builder = builder(group.draw)
      let orders = group.draw.orders(spec.permutations, using: &generator)
      for (number, order) in orders.enumerated() {
        let readings = try readings(builder, group.queries, after: order)
        if number > 0 { prompts.add(readings) }
        let pass = try states(model, readings, nil)
        let answers = try Grading(
          builder, group.queries, prompts: group.queries.map { builder.prompt($0, after: order) },
          tokens: readings.map(\.tokens), logits: pass.logits, model: model, adapter: nil
        ).isRight
        if place == 0 {
          right.append(answers)
          passes.append(pass)
        } else if right.indices.contains(number) {
          right[number] += answers
          passes[number] = passes[number].joined(pass)
        }
        if number > 0 { progress.advance() }
      }
    }
    var result: [Measure: MeasuredFigure] = [:]
    if spec.measures.contains(.orderSensitivity) {
      let accuracies = right.map { answers in Double(answers.count { $0 }) / Double(max(answers.count, 1)) }
      result[.orderSensitivity] = MeasuredFigure(conditions: [.icl: [Measures.orderSensitivity(accuracies)]])
    }
    if spec.measures.contains(.orderSimilarity) {
      let places = passes.first?.states.indices ?? 0..<0
      let values = places.map { layer in
        var cosines: [Double] = []
        for a in passes.indices {
          for b in passes.indices.dropFirst(a + 1) {
            cosines.append(
              Statistics.mean(zip(passes[a].states[layer], passes[b].states[layer]).map { Measures.cosine($0, $1) }))
          }
        }
        return Statistics.mean(cosines)
      }
      result[.orderSimilarity] = MeasuredFigure(conditions: [.icl: values])
    }
    return result
  }

  /// Overlap of this repetition's update with the next one's (the last one's with the first's), block by block.
  func subspaceFigure(
    _ index: Int, of prepared: Prepared, progress: ProgressLine
  ) throws(EngineError) -> MeasuredFigure {
    let next = (index + 1) % prepared.draws.count
    // A single repetition has no neighbour.
    guard next != index, let mine = prepared.adapters.adapter(of: index) else { return MeasuredFigure() }
    let theirs: LoRAAdapter
    let place = SharedWork.Place(repetition: next, group: 0, isUntrained: false)
    if let known = prepared.adapters.adapter(of: next) ?? prepared.shared.adapter(at: place) {
      theirs = known
      progress.advance(by: spec.tuning.steps)
    } else {
      let draw = prepared.draws[next][0].draw
      guard
        let tuned = try model.tuned(
          on: tuningSequences(builder(draw), draw.demonstrations), spec.tuning, seed: seed(ofRepetition: next),
          onStep: { _ in progress.advance() })
      else { return MeasuredFigure() }
      theirs = tuned
      prepared.adapters.put(tuned, of: next)
    }
    func mean(_ other: (Projection) -> [Double]) -> [Double] {
      let lists = spec.tuning.projections.map(other)
      return (lists.first ?? []).indices.map { block in Statistics.mean(lists.map { $0[block] }) }
    }
    var figure = MeasuredFigure(conditions: [.it: mean { mine.overlap(with: theirs, in: $0) }])
    if spec.baselines.contains(.randomVectors) {
      var generator = SeededGenerator(seed: spec.seed, stream: "random subspaces \(index)")
      let noise = theirs.withRandomColumns(using: &generator)
      figure.baselines[.randomVectors] = mean { mine.overlap(with: noise, in: $0) }
    }
    return figure
  }
}

extension LoRAAdapter {
  /// The same shapes, the columns of each `B` drawn at random.
  func withRandomColumns(using generator: inout SeededGenerator) -> LoRAAdapter {
    var result = self
    for block in blocks.indices {
      for projection in Projection.allCases {
        guard let pair = blocks[block][projection] else { continue }
        result.blocks[block][projection]?.b = generator.normals(pair.b.count)
      }
    }
    return result
  }
}

/// The last few adapters that repetitions were tuned to: the next repetition's is needed twice. What is not here is tuned
/// again, to the same bits.
final class AdapterShelf: Sendable {
  private let kept = Mutex<[(index: Int, adapter: LoRAAdapter)]>([])

  func put(_ adapter: LoRAAdapter, of index: Int) {
    kept.withLock { list in
      list.removeAll { $0.index == index }
      // This repetition's, the next one's, and the first's, which the last one is compared with.
      list.removeAll { $0.index != 0 && $0.index < index - 1 }
      list.append((index, adapter))
    }
  }

  func adapter(of index: Int) -> LoRAAdapter? { kept.withLock { $0.first { $0.index == index }?.adapter } }
}

/// ``Measure/attentionToDemonstrations`` on its way: Kendall's τ of every block, head and query.
struct AttentionToDemonstrations {
  /// `[block][query]`, means over the heads.
  private var values: [Condition: [[Double]]] = [:]
  private var random: [[Double]] = []

  /// - Parameters:
  ///   - attention: attention logits under ICL, `[block][query][head][position]`
  ///   - conditions: the models whose query vectors are asked
  mutating func add(
    _ attention: [[[[Float]]]], _ builder: PromptBuilder, _ queries: [ClassificationTask.Example],
    _ demonstrations: [ClassificationTask.Example], conditions: [Condition: TunedModel], generator: SeededGenerator
  ) throws(EngineError) {
    let examples = demonstrations.map { builder.tuningSequence($0).tokens }
    let shared = queries.map {
      builder.sharedTokens(demonstrations, in: builder.tokens(builder.prompt($0, after: demonstrations)))
    }
    let bare = queries.map { builder.tokens(builder.prompt($0)) }
    var generator = generator
    for condition in Condition.allCases {
      guard let tuned = conditions[condition] else { continue }
      let c = tuned.model.configuration
      let training = try tuned.model.queryVectors(examples, positions: .all, adapter: tuned.adapter)
      let asking = try tuned.model.queryVectors(bare, positions: .last, adapter: tuned.adapter)
      for block in 0..<c.layerCount {
        let list = queries.indices.map { query in
          Statistics.mean(
            (0..<c.headCount).map { head in
              let own = head * c.headDimension..<(head + 1) * c.headDimension
              let vectors = shared[query].enumerated().flatMap { index, tokens in
                tokens.inExample.map { Array(training[index][block][$0][own]) }
              }
              return Measures.attentionToDemonstrations(
                shared[query].flatMap(\.inPrompt).map { attention[block][query][head][$0] }, training: vectors,
                query: Array((asking[query][block].last ?? [])[own]))
            })
        }
        Self.append(list, to: &values[condition, default: []], block)
      }
    }
    for block in attention.indices {
      let list = queries.indices.map { query in
        let places = shared[query].flatMap(\.inPrompt)
        return Statistics.mean(
          attention[block][query].map { head in
            Measures.kendallTau(
              places.map { Double(head[$0]) }, generator.normals(places.count).map(Double.init))
          })
      }
      Self.append(list, to: &random, block)
    }
  }

  private static func append(_ list: [Double], to lists: inout [[Double]], _ block: Int) {
    while lists.count <= block { lists.append([]) }
    lists[block] += list
  }

  /// ICL against the tuned parameters, against the original ones, and against random ranks.
  var figure: MeasuredFigure {
    func means(_ condition: Condition) -> [Double] { (values[condition] ?? []).map(Statistics.mean) }
    return MeasuredFigure(
      pairs: [ConditionPair(.icl, .it): means(.it), ConditionPair(.anchor, .icl): means(.anchor)],
      baselines: [.randomVectors: random.map(Statistics.mean)])
  }
}
