/// At which token of the query's prompt states are read. The same token under every condition: it belongs to the query.
public enum StatePosition: Sendable, Hashable, Codable {
  /// The last token, after which the label follows: Duan et al.'s.
  case last
  /// So many tokens from the end, 1 being the last.
  case fromEnd(Int)
  /// The mean over the query's own tokens.
  case queryMean
  /// The first token that lies wholly after the last place where this text stands in the prompt.
  case after(String)
  /// The first token of the query's right label, which the prompt then ends with. Attention, answers and predictions are
  /// still those of the prompt without it.
  case firstOfLabel
  /// The last token of the right label.
  case lastOfLabel

  /// Whether the prompt goes on to the right label.
  var readsLabel: Bool { self == .firstOfLabel || self == .lastOfLabel }

  /// As tables and axes name it.
  public var title: String {
    switch self {
    case .last, .fromEnd(1): "last token"
    case .fromEnd(let count): "token \(count) from the end"
    case .queryMean: "mean of the query's tokens"
    case .after(let text): "token after \(text.debugDescription)"
    case .firstOfLabel: "first token of the right label"
    case .lastOfLabel: "last token of the right label"
    }
  }

  private static let names: [String: StatePosition] = [
    "last": .last, "queryMean": .queryMean, "firstOfLabel": .firstOfLabel, "lastOfLabel": .lastOfLabel,
  ]
  private struct After: Codable { let after: String }

  /// `"last"`, `"queryMean"`, `"firstOfLabel"`, `"lastOfLabel"`, `-3` (from the end), `{"after": "Mood:"}`.
  public init(from decoder: any Decoder) throws {
    let box = try decoder.singleValueContainer()
    if let index = try? box.decode(Int.self) {
      guard index < 0 else {
        throw DecodingError.dataCorruptedError(
          in: box, debugDescription: "a position counts from the prompt's end, -1 being the last token, not \(index)")
      }
      self = index == -1 ? .last : .fromEnd(-index)
    } else if let marker = try? box.decode(After.self) {
      self = .after(marker.after)
    } else {
      let name = try box.decode(String.self)
      guard let known = Self.names[name] else {
        throw DecodingError.dataCorruptedError(
          in: box,
          debugDescription: "a position is \(Self.names.keys.sorted().joined(separator: ", ")), a negative index or "
            + "{\"after\": \"text\"}, not \(name)")
      }
      self = known
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.singleValueContainer()
    switch self {
    case .fromEnd(let count): try box.encode(-count)
    case .after(let text): try box.encode(After(after: text))
    default: try box.encode(Self.names.first { $0.value == self }?.key ?? "last")
    }
  }
}

/// Where in the model states are read. Results always have the embeddings first and the final norm last; this says what
/// is read in the blocks between, and which place the headline figures are taken from.
public enum StatePoint: String, Sendable, Hashable, Codable, CaseIterable {
  /// The residual stream after each block; headline: after the last block.
  case residual
  /// The residual stream; headline: the embeddings.
  case embeddings
  /// What the heads of each block read together; headline: the last block.
  case headOutputs
  /// Output of each block's attention, before it is added to the residual; headline: the last block.
  case attentionOutput
  /// Output of each block's feed-forward part; headline: the last block.
  case feedForwardOutput
  /// The residual stream; headline: after the final norm.
  case finalNorm

  /// What is read in the blocks.
  var inBlocks: CapturePoint {
    switch self {
    case .residual, .embeddings, .finalNorm: .residual
    case .headOutputs: .headOutputs
    case .attentionOutput: .attentionOutput
    case .feedForwardOutput: .feedForwardOutput
    }
  }

  /// Index of the headline place among `0…L + 1`.
  func headlinePlace(layerCount: Int) -> Int {
    switch self {
    case .embeddings: 0
    case .finalNorm: layerCount + 1
    default: layerCount
    }
  }

  /// As titles name a place of the results: "after block 4", "attention output of block 4", "embedding", "final norm".
  func name(ofPlace place: Int, layerCount: Int) -> String {
    if place == 0 { return "embedding" }
    if place > layerCount { return "final norm" }
    switch self {
    case .residual, .embeddings, .finalNorm: return "after block \(place)"
    case .headOutputs: return "head outputs of block \(place)"
    case .attentionOutput: return "attention output of block \(place)"
    case .feedForwardOutput: return "feed-forward output of block \(place)"
    }
  }

  /// As the axis of a plot by layer says.
  var axisTitle: String {
    switch self {
    case .residual, .embeddings, .finalNorm: "after block (0: embedding)"
    case .headOutputs: "head outputs of block (0: embedding)"
    case .attentionOutput: "attention output of block (0: embedding)"
    case .feedForwardOutput: "feed-forward output of block (0: embedding)"
    }
  }
}
