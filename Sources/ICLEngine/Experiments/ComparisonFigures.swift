import Synchronization

extension ComparisonRun {
  /// A pass with what several measures need of it, computed once.
  final class Side {
    let pass: Pass
    /// Of the states at each place.
    let kernels: [CenteredKernel]
    /// By the other side: of each query, see ``Measures/divergences(logits:_:)``.
    private var divergences: [ObjectIdentifier: [Measures.Divergences]] = [:]

    init(_ pass: Pass) {
      self.pass = pass
      kernels = ComparisonRun.inParallel(pass.states.count) { CenteredKernel(pass.states[$0]) }
    }

    /// The mean over queries of one of the divergences from this side to another, which lives as long.
    func divergence(_ other: Side, _ kind: (Measures.Divergences) -> Double) -> Double {
      let (mine, theirs) = (pass.logits, other.pass.logits)
      let found =
        divergences[ObjectIdentifier(other)]
        ?? ComparisonRun.inParallel(mine.count) { Measures.divergences(logits: mine[$0], theirs[$0]) }
      divergences[ObjectIdentifier(other)] = found
      return Statistics.mean(found.map(kind))
    }
  }

  /// A value for each query or place, which threads take in turn.
  fileprivate static func inParallel<Value: Sendable>(_ count: Int, _ value: @Sendable (Int) -> Value) -> [Value] {
    let values = Mutex([Value?](repeating: nil, count: count))
    ThreadPool.shared.split(count) { range in
      for index in range {
        let found = value(index)
        values.withLock { $0[index] = found }
      }
    }
    return values.withLock { $0 }.compactMap(\.self)
  }

  /// Every measure that needs no pass of its own, with its baselines.
  /// - Parameters:
  ///   - sides: of the conditions
  ///   - others: what ICL is compared with beside them
  ///   - untrained: the conditions in the untrained model; empty when it was not run
  func figures(
    _ sides: [Condition: Side], others: [Baseline: Side], untrained: [Condition: Side],
    answers: [Condition: [Bool]], index: Int
  ) -> [Measure: MeasuredFigure] {
    var result: [Measure: MeasuredFigure] = [:]
    var random: (free: [Side], updates: [Side])?
    if spec.baselines.contains(.randomVectors), let anchor = sides[.anchor], let icl = sides[.icl], let it = sides[.it]
    {
      var generator = SeededGenerator(seed: spec.seed, stream: "random figures \(index)")
      random = (
        (0..<2).map { _ in Side(icl.pass.random(using: &generator)) },
        [icl, it].map { Side($0.pass.randomUpdate(from: anchor.pass, using: &generator)) }
      )
    }
    for measure in Measure.allCases where spec.measures.contains(measure) {
      var figure = MeasuredFigure()
      for pair in ConditionPair.all {
        if let a = sides[pair.first], let b = sides[pair.second] {
          figure.pairs[pair] = values(measure, a, b, from: pair.first == .anchor ? nil : sides[.anchor])
        }
        if let a = untrained[pair.first], let b = untrained[pair.second] {
          figure.untrained[pair] = values(measure, a, b, from: pair.first == .anchor ? nil : untrained[.anchor])
        }
      }
      if let icl = sides[.icl] {
        for (baseline, other) in others {
          // Another query moves from a zero-shot state of its own.
          if measure.isOfUpdates, baseline == .otherQuery { continue }
          figure.baselines[baseline] = values(measure, icl, other, from: sides[.anchor])
        }
      }
      if let random {
        let two = measure.isOfUpdates ? random.updates : random.free
        figure.baselines[.randomVectors] = values(measure, two[0], two[1], from: sides[.anchor])
      }
      if measure == .rec2FTP, let zero = answers[.anchor], let icl = answers[.icl], let tuned = answers[.it] {
        figure.pairs = [
          ConditionPair(.icl, .it): [Measures.rec2FTP(zeroShot: zero, tuned: tuned, icl: icl)],
          // Of all that zero-shot got wrong: what the above is when tuning corrects at random.
          ConditionPair(.anchor, .icl): [
            Measures.rec2FTP(zeroShot: zero, tuned: zero.map { _ in true }, icl: icl)
          ],
        ]
      }
      if figure != MeasuredFigure() { result[measure] = figure }
    }
    return result
  }

  /// One measure of two passes over the same queries; `nil` where it does not apply.
  /// - Parameter origin: the zero-shot pass, for measures of updates
  private func values(_ measure: Measure, _ a: Side, _ b: Side, from origin: Side?) -> [Double]? {
    func byBlock(_ value: (Int) -> Double) -> [Double] { (0..<model.configuration.layerCount).map(value) }
    let (x, y) = (a.pass, b.pass)
    switch measure {
    case .updateCosine:
      guard let zero = origin?.pass else { return nil }
      return x.states.indices.map { place in
        Statistics.mean(
          x.states[place].indices.map {
            Measures.updateCosine(x.states[place][$0], y.states[place][$0], from: zero.states[place][$0])
          })
      }
    case .simAM: return byBlock { Measures.simAM([x.attention[$0]], [y.attention[$0]]) }
    case .simAMDelta:
      guard let zero = origin?.pass else { return nil }
      return byBlock {
        Measures.simAMDelta(icl: [x.attention[$0]], tuned: [y.attention[$0]], zeroShot: [zero.attention[$0]])
      }
    case .simAOU:
      guard let zero = origin?.pass else { return nil }
      return byBlock {
        Measures.simAOU(
          icl: [x.attentionOutputs[$0]], tuned: [y.attentionOutputs[$0]], zeroShot: [zero.attentionOutputs[$0]])
      }
    case .attentionUpdateCosine:
      guard let zero = origin?.pass else { return nil }
      return byBlock { block in
        Statistics.mean(
          x.attentionOutputs[block].indices.map {
            Measures.updateCosine(
              x.attentionOutputs[block][$0], y.attentionOutputs[block][$0], from: zero.attentionOutputs[block][$0])
          })
      }
    case .cka: return zip(a.kernels, b.kernels).map { $0.alignment(with: $1, debiased: true) }
    case .ckaBiased: return zip(a.kernels, b.kernels).map { $0.alignment(with: $1, debiased: false) }
    case .kl, .klReversed, .jensenShannon, .topKOverlap:
      // Random states have no predictions.
      guard !x.logits.isEmpty, !y.logits.isEmpty else { return nil }
      switch measure {
      case .kl: return [a.divergence(b) { $0.kl }]
      case .klReversed: return [a.divergence(b) { $0.reversed }]
      case .jensenShannon: return [a.divergence(b) { $0.jensenShannon }]
      default:
        let (k, mine, theirs) = (spec.topK, x.logits, y.logits)
        let overlaps = Self.inParallel(mine.count) { query in
          Measures.topKOverlap(mine[query], theirs[query], k: min(k, mine[query].count))
        }
        return [Statistics.mean(overlaps)]
      }
    case .rec2FTP, .attentionToDemonstrations, .orderSensitivity, .orderSimilarity, .subspaceOverlap: return nil
    }
  }
}

extension ComparisonRun.Pass {
  /// Random states and attention of the same shapes; no predictions.
  func random(using generator: inout SeededGenerator) -> ComparisonRun.Pass {
    func noise(_ rows: [[Float]]) -> [[Float]] { rows.map { generator.normals($0.count) } }
    return ComparisonRun.Pass(
      states: states.map(noise), logits: [], attention: attention.map { $0.map(noise) },
      attentionOutputs: attentionOutputs.map(noise))
  }

  /// The zero-shot pass, moved in random directions as far as this one is from it: what updates are that have nothing in
  /// common.
  func randomUpdate(from origin: ComparisonRun.Pass, using generator: inout SeededGenerator) -> ComparisonRun.Pass {
    func moved(_ rows: [[Float]], _ origins: [[Float]]) -> [[Float]] {
      zip(rows, origins).map { row, origin in
        let count = min(row.count, origin.count)
        let (row, origin) = (Array(row.suffix(count)), Array(origin.suffix(count)))
        let direction = generator.normals(count)
        let distance = Measures.distance(row, origin)
        let length = Measures.dot(direction, direction).squareRoot()
        return zip(origin, direction).map { $0 + Float(Double($1) * distance / max(length, .leastNormalMagnitude)) }
      }
    }
    return ComparisonRun.Pass(
      states: zip(states, origin.states).map(moved), logits: [],
      attention: zip(attention, origin.attention).map { zip($0, $1).map(moved) },
      attentionOutputs: zip(attentionOutputs, origin.attentionOutputs).map(moved))
  }
}
