/// What a comparison measures beside the cosine of states and accuracy. Each is one documented function of
/// ``Measures``; its values are kept in every repetition, with their baselines.
public enum Measure: String, Sendable, Hashable, CaseIterable, Codable, CodingKeyRepresentable {
  /// ``Measures/updateCosine(_:_:from:)`` of the chosen states, from the anchor.
  case updateCosine
  /// ``Measures/simAM(_:_:)``
  case simAM
  /// ``Measures/simAMDelta(icl:tuned:zeroShot:)``
  case simAMDelta
  /// ``Measures/simAOU(icl:tuned:zeroShot:)`` of the last token's attention outputs: normalised first, as Dai et al.
  case simAOU
  /// ``Measures/updateCosine(_:_:from:)`` of the same attention outputs, not normalised: what SimAOU must be seen beside.
  case attentionUpdateCosine
  /// ``Measures/rec2FTP(zeroShot:tuned:icl:)``; for anchor – ICL the share of *all* queries that zero-shot got wrong and
  /// ICL right.
  case rec2FTP
  /// ``Measures/linearCKA(_:_:debiased:)`` of the chosen states over the queries, debiased.
  case cka
  /// The same, biased: near 1 for any two sets when there are few queries.
  case ckaBiased
  /// ``Measures/klDivergence(_:_:)`` of next-token distributions, from the second of a pair to the first: KL(first‖second).
  case kl
  /// KL(second‖first).
  case klReversed
  /// ``Measures/jensenShannon(_:_:)`` of next-token distributions.
  case jensenShannon
  /// ``Measures/topKOverlap(_:_:k:)`` of next-token predictions, `k` = ``ComparisonSpec/topK``.
  case topKOverlap
  /// ``Measures/attentionToDemonstrations(_:training:query:)``; for anchor – ICL with the original parameters. Needs
  /// passes over the demonstrations.
  case attentionToDemonstrations
  /// ``Measures/orderSensitivity(_:)`` of accuracy over orders of the demonstrations. Needs a pass for each order.
  case orderSensitivity
  /// Mean cosine of the chosen states over all pairs of orders of the demonstrations: the noise floor, from more than one
  /// other order. Needs the same passes.
  case orderSimilarity
  /// ``Measures/subspaceOverlap(_:_:)`` of this repetition's LoRA update with the next one's, mean over the tuned
  /// projections. Needs one more tuning.
  case subspaceOverlap

  /// Those that need no pass through the model beyond those that a comparison makes anyhow.
  public static let standard: Set<Measure> = [
    .updateCosine, .simAM, .simAMDelta, .simAOU, .attentionUpdateCosine, .rec2FTP, .cka, .ckaBiased, .kl, .klReversed,
    .jensenShannon, .topKOverlap,
  ]

  /// How reports name it.
  public var title: String {
    switch self {
    case .updateCosine: "update cosine"
    case .simAM: "SimAM"
    case .simAMDelta: "SimAMΔ"
    case .simAOU: "SimAOU"
    case .attentionUpdateCosine: "SimAOU, not normalised"
    case .rec2FTP: "Rec2FTP"
    case .cka: "CKA, debiased"
    case .ckaBiased: "CKA, biased"
    case .kl: "KL(first‖second)"
    case .klReversed: "KL(second‖first)"
    case .jensenShannon: "Jensen–Shannon"
    case .topKOverlap: "top-K overlap"
    case .attentionToDemonstrations: "Kendall τ of attention"
    case .orderSensitivity: "SD of accuracy over orders"
    case .orderSimilarity: "cosine between orders"
    case .subspaceOverlap: "LoRA subspace overlap"
    }
  }

  /// Unit and range, for tables.
  public var range: String {
    switch self {
    case .updateCosine, .simAM, .simAMDelta, .simAOU, .attentionUpdateCosine, .attentionToDemonstrations,
      .orderSimilarity:
      "−1 … 1"
    case .rec2FTP, .topKOverlap, .ckaBiased, .subspaceOverlap: "0 … 1"
    case .cka: "at most 1"
    case .kl, .klReversed: "0 … ∞ nats"
    case .jensenShannon: "0 … ln 2 nats"
    case .orderSensitivity: "0 … 0.71"
    }
  }

  /// How its list of values becomes one figure.
  enum Headline {
    /// One value for each place of the comparison: the one at the place that headlines are taken from.
    case place
    /// One value for each block: their mean, as Dai et al. report them.
    case meanOfBlocks
    /// One value.
    case only
  }

  var headline: Headline {
    switch self {
    case .updateCosine, .cka, .ckaBiased, .orderSimilarity: .place
    case .simAM, .simAMDelta, .simAOU, .attentionUpdateCosine, .attentionToDemonstrations, .subspaceOverlap:
      .meanOfBlocks
    case .rec2FTP, .kl, .klReversed, .jensenShannon, .topKOverlap, .orderSensitivity: .only
    }
  }

  /// Whether it looks at how states moved from the anchor.
  var isOfUpdates: Bool {
    switch self {
    case .updateCosine, .simAMDelta, .simAOU, .attentionUpdateCosine: true
    default: false
    }
  }

  /// Whether attention logits are read for it.
  var readsAttention: Bool { self == .simAM || self == .simAMDelta || self == .attentionToDemonstrations }
  /// Whether attention outputs are read for it.
  var readsAttentionOutput: Bool { self == .simAOU || self == .attentionUpdateCosine }
}

/// What one measure gave in one repetition. Each list has one value for each place of the comparison, one for each block
/// (1…L), or one alone: as ``Measure`` says.
public struct MeasuredFigure: Sendable, Equatable, Codable {
  /// Two conditions compared.
  public var pairs: [ConditionPair: [Double]]
  /// One condition, for what is not a comparison.
  public var conditions: [Condition: [Double]]
  /// ICL compared with what ``Baseline`` says; of updates, both from the anchor.
  public var baselines: [Baseline: [Double]]
  /// Pairs in the untrained model.
  public var untrained: [ConditionPair: [Double]]

  package init(
    pairs: [ConditionPair: [Double]] = [:], conditions: [Condition: [Double]] = [:],
    baselines: [Baseline: [Double]] = [:], untrained: [ConditionPair: [Double]] = [:]
  ) {
    self.pairs = pairs
    self.conditions = conditions
    self.baselines = baselines
    self.untrained = untrained
  }

  /// In a fixed order, for a fingerprint.
  var allValues: [Double] {
    var values: [Double] = []
    for pair in ConditionPair.all { values += (pairs[pair] ?? []) + (untrained[pair] ?? []) }
    for condition in Condition.allCases { values += conditions[condition] ?? [] }
    for baseline in Baseline.allCases { values += baselines[baseline] ?? [] }
    return values
  }
}
