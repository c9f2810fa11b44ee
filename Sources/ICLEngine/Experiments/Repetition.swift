/// What one repetition of a comparison measured. Lists "by layer" have one value for the embeddings (0), one after
/// each block (1…L), and one after the final norm; each is a mean over the queries. ``ComparisonSpec/point`` says what
/// is read in the blocks, ``ComparisonSpec/positions`` at which token.
public struct Repetition: Sendable, Equatable, Codable {
  /// One word per class.
  public var labelWords: [String]
  /// Cosine of states by layer.
  public var similarity: [ConditionPair: [Double]]
  /// ``Measures/updateCosine(_:_:from:)`` of ICL and IT from the anchor, by layer.
  public var updateCosine: [Double]
  /// Cosine by layer of each baseline that is one similarity.
  public var baselines: [Baseline: [Double]]
  /// Cosine by layer in the untrained model; empty when it was not run.
  public var untrained: [ConditionPair: [Double]]
  /// Jensen–Shannon divergence of next-token predictions, nats.
  public var divergence: [ConditionPair: Double]
  /// Debiased linear CKA of the last block's states over the queries.
  public var cka: [ConditionPair: Double]
  /// For each query whether the answer was right, in the order of the queries.
  public var answers: [Condition: [Bool]]
  /// For each query the share of the right words in what was written (``Measures/wordOverlap(_:_:)``); `nil` where
  /// answers are labels.
  public var wordShares: [Condition: [Double]]?
  /// Loss on the demonstrations after the first and after the last step of tuning.
  public var tuningLoss: [Float]
  /// What else was measured; empty in results of versions before there were such figures.
  public var figures: [Measure: MeasuredFigure]

  /// Memberwise.
  package init(
    labelWords: [String], similarity: [ConditionPair: [Double]], updateCosine: [Double] = [],
    baselines: [Baseline: [Double]] = [:], untrained: [ConditionPair: [Double]] = [:],
    divergence: [ConditionPair: Double] = [:], cka: [ConditionPair: Double] = [:], answers: [Condition: [Bool]],
    tuningLoss: [Float] = [], figures: [Measure: MeasuredFigure] = [:]
  ) {
    self.figures = figures
    self.labelWords = labelWords
    self.similarity = similarity
    self.updateCosine = updateCosine
    self.baselines = baselines
    self.untrained = untrained
    self.divergence = divergence
    self.cka = cka
    self.answers = answers
    self.tuningLoss = tuningLoss
  }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: CodingKeys.self)
    labelWords = try box.decode([String].self, forKey: .labelWords)
    similarity = try box.decode([ConditionPair: [Double]].self, forKey: .similarity)
    updateCosine = try box.decode([Double].self, forKey: .updateCosine)
    baselines = try box.decode([Baseline: [Double]].self, forKey: .baselines)
    untrained = try box.decode([ConditionPair: [Double]].self, forKey: .untrained)
    divergence = try box.decode([ConditionPair: Double].self, forKey: .divergence)
    cka = try box.decode([ConditionPair: Double].self, forKey: .cka)
    answers = try box.decode([Condition: [Bool]].self, forKey: .answers)
    wordShares = try box.decodeIfPresent([Condition: [Double]].self, forKey: .wordShares)
    tuningLoss = try box.decode([Float].self, forKey: .tuningLoss)
    figures = try box.decodeIfPresent([Measure: MeasuredFigure].self, forKey: .figures) ?? [:]
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: CodingKeys.self)
    try box.encode(labelWords, forKey: .labelWords)
    try box.encode(similarity, forKey: .similarity)
    try box.encode(updateCosine, forKey: .updateCosine)
    try box.encode(baselines, forKey: .baselines)
    try box.encode(untrained, forKey: .untrained)
    try box.encode(divergence, forKey: .divergence)
    try box.encode(cka, forKey: .cka)
    try box.encode(answers, forKey: .answers)
    try box.encodeIfPresent(wordShares, forKey: .wordShares)
    try box.encode(tuningLoss, forKey: .tuningLoss)
    // Left out where there are none, so that what earlier versions kept still has its checksum.
    if !figures.isEmpty { try box.encode(figures, forKey: .figures) }
  }

  private enum CodingKeys: String, CodingKey {
    case labelWords, similarity, updateCosine, baselines, untrained, divergence, cka, answers, wordShares, tuningLoss
    case figures
  }

  /// Share of right answers.
  public func accuracy(_ condition: Condition) -> Double {
    let all = answers[condition] ?? []
    return all.isEmpty ? .nan : Double(all.count { $0 }) / Double(all.count)
  }

  /// Mean share of the right words in what was written; `nil` where answers are labels.
  public func wordShare(_ condition: Condition) -> Double? { wordShares?[condition].map(Statistics.mean) }

  /// ``Measures/rec2FTP(zeroShot:tuned:icl:)`` of this repetition's answers.
  public var rec2FTP: Double {
    Measures.rec2FTP(zeroShot: answers[.anchor] ?? [], tuned: answers[.it] ?? [], icl: answers[.icl] ?? [])
  }

  /// Every number of the repetition in a fixed order, for a fingerprint.
  package var allValues: [Double] {
    var values: [Double] = []
    for pair in ConditionPair.all {
      values += similarity[pair] ?? []
      values += untrained[pair] ?? []
      values += [divergence[pair], cka[pair]].compactMap(\.self)
    }
    values += updateCosine
    for baseline in Baseline.allCases { values += baselines[baseline] ?? [] }
    for condition in Condition.allCases { values += (answers[condition] ?? []).map { $0 ? 1 : 0 } }
    for condition in Condition.allCases { values += wordShares?[condition] ?? [] }
    values += tuningLoss.map(Double.init)
    for measure in Measure.allCases { values += figures[measure]?.allValues ?? [] }
    return values
  }
}

extension ConditionPair: CodingKeyRepresentable {
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  public var codingKey: any CodingKey { Key(stringValue: "\(first.rawValue) ~ \(second.rawValue)") }

  public init?(codingKey: some CodingKey) {
    let parts = codingKey.stringValue.split(separator: " ~ ").compactMap { Condition(rawValue: String($0)) }
    guard parts.count == 2 else { return nil }
    self.init(parts[0], parts[1])
  }
}
