import Foundation

/// What a comparison found. In a notebook it shows as tables and a plot; ``plot(_:)`` gives the pictures one by one,
/// ``reproduce`` the text with which to get the same numbers again.
public struct Comparison: Sendable, Equatable, Codable {
  public let task: String
  /// The task's meaningful label words.
  public let labels: [String]
  public let spec: ComparisonSpec
  /// `L`
  public let layerCount: Int
  public let repetitions: [Repetition]
  public let projection: StateProjection?
  /// Debiased linear CKA over the queries of the first repetition: each layer's ICL states with each layer's IT states,
  /// `[ICL layer][IT layer]`, 0…L. Layer 0 is the same token everywhere, so it is undefined.
  public let layerCKA: [[Double]]
  /// Whether the run was interrupted, so that there are fewer repetitions than were asked for.
  public let isPartial: Bool
  /// What a reader must know beside the numbers.
  public let notes: [String]
  public let provenance: ExperimentProvenance

  /// A place in the model at which states were read.
  public enum Layer: Sendable, Equatable {
    /// The embedding (0), or what ``ComparisonSpec/point`` reads of block `i` (1…L).
    case block(Int)
    /// Where headline figures are taken: after the last block, before the final norm, unless ``ComparisonSpec/point`` is
    /// another.
    case last
    case finalNorm
  }

  /// Index of the place that headline figures are taken from.
  var headlinePlace: Int { spec.point.headlinePlace(layerCount: layerCount) }

  private func index(_ layer: Layer) -> Int {
    switch layer {
    case .block(let i): i
    case .last: headlinePlace
    case .finalNorm: layerCount + 1
    }
  }

  private func summary(_ values: [[Double]], _ layer: Layer) -> Statistics.Summary? {
    let place = index(layer)
    let column = values.compactMap { $0.indices.contains(place) ? $0[place] : nil }
    return column.isEmpty ? nil : Statistics.Summary(column, seed: spec.seed)
  }

  /// Cosine of states of two conditions, over repetitions of the mean over queries. `nil` when the layer
  /// does not exist.
  public func similarity(_ a: Condition, _ b: Condition, at layer: Layer = .last) -> Statistics.Summary? {
    summary(repetitions.compactMap { $0.similarity[ConditionPair(a, b)] }, layer)
  }

  /// A baseline's similarity; for `untrainedWeights` of the pair, else of the baseline itself. `nil` when it was
  /// left out.
  public func baseline(
    _ baseline: Baseline, for pair: ConditionPair = ConditionPair(.icl, .it), at layer: Layer = .last
  ) -> Statistics.Summary? {
    summary(
      baseline == .untrainedWeights
        ? repetitions.compactMap { $0.untrained[pair] } : repetitions.compactMap { $0.baselines[baseline] }, layer)
  }

  /// Cosine of the updates by ICL and by IT from the anchor.
  public func updateCosine(at layer: Layer = .last) -> Statistics.Summary? {
    summary(repetitions.map(\.updateCosine), layer)
  }

  /// Share of right answers over repetitions.
  public func accuracy(_ condition: Condition) -> Statistics.Summary {
    Statistics.Summary(repetitions.map { $0.accuracy(condition) }, seed: spec.seed)
  }

  /// Share of the right words in what was written, over repetitions; `nil` where answers are labels.
  public func wordShare(_ condition: Condition) -> Statistics.Summary? {
    let shares = repetitions.compactMap { $0.wordShare(condition) }
    return shares.isEmpty ? nil : Statistics.Summary(shares, seed: spec.seed)
  }

  /// p of a paired permutation test over repetitions: accuracy under two conditions.
  public func accuracyDifference(_ a: Condition, _ b: Condition) -> Double {
    var generator = SeededGenerator(seed: spec.seed, stream: "permutation")
    return Statistics.pairedPermutationTest(
      repetitions.map { $0.accuracy(a) }, repetitions.map { $0.accuracy(b) }, using: &generator)
  }

  /// p of a paired permutation test over repetitions: similarity of two pairs of conditions at a layer.
  public func similarityDifference(_ a: ConditionPair, _ b: ConditionPair, at layer: Layer = .last) -> Double {
    let place = index(layer)
    func values(_ pair: ConditionPair) -> [Double] {
      repetitions.map { ($0.similarity[pair] ?? []).dropFirst(place).first ?? .nan }
    }
    var generator = SeededGenerator(seed: spec.seed, stream: "permutation")
    return Statistics.pairedPermutationTest(values(a), values(b), using: &generator)
  }

  /// p of a paired permutation test over repetitions: a pair's similarity and a baseline's. `nil` when the baseline was
  /// left out.
  public func similarityDifference(_ pair: ConditionPair, from kind: Baseline, at layer: Layer = .last) -> Double? {
    let place = index(layer)
    func values(_ lists: [[Double]]) -> [Double] { lists.map { $0.indices.contains(place) ? $0[place] : .nan } }
    let pairs = values(repetitions.compactMap { $0.similarity[pair] })
    let baselines = values(repetitions.compactMap { $0.baselines[kind] })
    guard !pairs.isEmpty, pairs.count == baselines.count else { return nil }
    var generator = SeededGenerator(seed: spec.seed, stream: "permutation")
    return Statistics.pairedPermutationTest(pairs, baselines, using: &generator)
  }

  /// Everything as JSON; numbers that are not defined are `null`.
  public func json() throws(EngineError) -> String { try ResultJSON.text(of: self, pretty: true) }

  /// Reads what ``json()`` wrote.
  public init(json: String) throws(EngineError) {
    do {
      self = try ResultJSON.value(Self.self, from: json)
    } catch {
      throw EngineError(
        .malformedFile, "this is not a comparison's JSON",
        expected: "what `json()` or `icl-kernel compare --json` wrote",
        underlying: error)
    }
  }

  /// Memberwise.
  package init(
    task: String, labels: [String], spec: ComparisonSpec, layerCount: Int, repetitions: [Repetition],
    projection: StateProjection?, layerCKA: [[Double]], isPartial: Bool, notes: [String],
    provenance: ExperimentProvenance
  ) {
    self.task = task
    self.labels = labels
    self.spec = spec
    self.layerCount = layerCount
    self.repetitions = repetitions
    self.projection = projection
    self.layerCKA = layerCKA
    self.isPartial = isPartial
    self.notes = notes
    self.provenance = provenance
  }
}
