/// What is done to the model and to its prompt before the query's state is read (Duan et al., arXiv 2311.10367).
public enum Condition: String, Sendable, Hashable, CaseIterable, Codable, CodingKeyRepresentable, Comparable {
  /// Instruction and query; original parameters.
  case anchor
  /// Demonstrations before the query; original parameters.
  case icl = "ICL"
  /// Instruction and query; parameters tuned on the same demonstrations.
  case it = "IT"
  /// Demonstrations before the query, and tuned on them.
  case both = "IT+ICL"

  /// Whether the prompt shows the demonstrations.
  public var showsDemonstrations: Bool { self == .icl || self == .both }
  /// Whether the parameters are tuned on them.
  public var isTuned: Bool { self == .it || self == .both }

  public static func < (a: Condition, b: Condition) -> Bool {
    (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
  }
}

/// Two conditions whose states are compared.
public struct ConditionPair: Sendable, Hashable, Codable, CustomStringConvertible {
  public let first: Condition
  public let second: Condition

  /// The order of the two does not matter.
  public init(_ a: Condition, _ b: Condition) {
    first = min(a, b)
    second = max(a, b)
  }

  public var description: String { "\(first.rawValue) – \(second.rawValue)" }

  /// The six pairs, the finding's own first.
  public static let all: [ConditionPair] = [
    ConditionPair(.icl, .it), ConditionPair(.anchor, .icl), ConditionPair(.anchor, .it),
    ConditionPair(.anchor, .both), ConditionPair(.icl, .both), ConditionPair(.it, .both),
  ]
}

/// What a similarity must be seen beside: a value of 0.9 means nothing where its noise floor is 0.95.
public enum Baseline: String, Sendable, Hashable, CaseIterable, Codable, CodingKeyRepresentable {
  /// ICL against ICL with the same demonstrations in another order (Shen et al. 2023): the noise floor. Undefined for
  /// a single demonstration.
  case otherOrder
  /// ICL against ICL with other demonstrations of the same task, labelled with the same words.
  case otherDemonstrations
  /// ICL against ICL of the next query: how alike any two states of this kind are.
  case otherQuery
  /// Two random directions of the same width.
  case randomVectors
  /// All pairs again in a model of the same shape whose weights were never trained.
  case untrainedWeights

  /// How reports name it.
  public var title: String {
    switch self {
    case .otherOrder: "ICL – ICL, other order (noise floor)"
    case .otherDemonstrations: "ICL – ICL, other demonstrations"
    case .otherQuery: "ICL – ICL of another query"
    case .randomVectors: "two random vectors"
    case .untrainedWeights: "untrained weights"
    }
  }

  /// Those that are one similarity of their own (all but the untrained model, which has one for every pair).
  package static let similarities: [Baseline] = [.otherOrder, .otherDemonstrations, .otherQuery, .randomVectors]
}
