/// A place in the forward pass at which states can be read. Layer 0 is the embeddings; layer `i` belongs to block
/// `i` (1-based). The final norm has no layer.
public enum CapturePoint: String, Sendable, Hashable, CaseIterable, Codable {
  /// The residual stream: after the embedding (layer 0) and after each block, before the final norm. `[D]`
  case residual
  /// Output of the attention's o projection, before it is added to the residual. `[D]`
  case attentionOutput
  /// Output of the feed-forward part, before it is added to the residual. `[D]`
  case feedForwardOutput
  /// After the final RMSNorm. `[D]`
  case finalNorm
}

/// Which states a forward pass keeps. What is not asked for is not stored.
public struct CaptureRequest: Sendable, Equatable {
  public enum Layers: Sendable, Equatable {
    case all
    case last
    /// 0 for the embeddings, `i` for block `i` (1-based).
    case some([Int])
  }
  public enum Positions: Sendable, Equatable {
    case last
    case all
    /// 0-based positions in the prompt; negative ones count from its end.
    case some([Int])
  }
  public var points: Set<CapturePoint>
  public var layers: Layers
  public var positions: Positions
  /// Whether logits are computed at the chosen positions.
  public var logits: Bool

  public init(
    points: Set<CapturePoint> = [.residual], layers: Layers = .all, positions: Positions = .last, logits: Bool = false
  ) {
    self.points = points
    self.layers = layers
    self.positions = positions
    self.logits = logits
  }
}

extension CaptureRequest {
  /// The chosen layers, 0 for the embeddings; throws for a layer that the model doesn't have.
  func layerSet(layerCount: Int) throws(EngineError) -> Set<Int> {
    switch layers {
    case .all: return Set(0...layerCount)
    case .last: return [layerCount]
    case .some(let list):
      for layer in list where !(0...layerCount).contains(layer) {
        throw EngineError(
          .invalidArgument, "the model has no such layer", at: "capture request",
          expected: "0 (the embeddings) to \(layerCount)", found: "\(layer)")
      }
      return Set(list)
    }
  }

  /// The chosen positions of a prompt, from 0, in the order of the request; throws for one outside it.
  func positions(promptLength: Int, name: String) throws(EngineError) -> [Int] {
    switch positions {
    case .last: return [promptLength - 1]
    case .all: return Array(0..<promptLength)
    case .some(let list):
      var result: [Int] = []
      for position in list {
        let place = position < 0 ? promptLength + position : position
        guard (0..<promptLength).contains(place) else {
          throw EngineError(
            .invalidArgument, "the prompt has no such position", at: "capture request, \(name)",
            expected: "\(-promptLength) to \(promptLength - 1)", found: "\(position)")
        }
        if !result.contains(place) { result.append(place) }
      }
      return result
    }
  }
}

/// The states of one prompt that a ``CaptureRequest`` asked for.
public struct HiddenStates: Sendable {
  public struct Key: Hashable, Sendable {
    public let point: CapturePoint
    public let layer: Int
    public init(_ point: CapturePoint, layer: Int) {
      self.point = point
      self.layer = layer
    }
  }
  /// 0-based positions of the rows below.
  public let positions: [Int]
  /// Rows `[position, D]`, one array per position.
  public var rows: [Key: [[Float]]]
  /// Logits `[position, V]`, when asked for.
  public var logits: [[Float]]

  public init(positions: [Int], rows: [Key: [[Float]]] = [:], logits: [[Float]] = []) {
    self.positions = positions
    self.rows = rows
    self.logits = logits
  }

  /// Residual stream after block `layer` (0: the embeddings), `[position, D]`; `nil` when not captured.
  public func residual(_ layer: Int) -> [[Float]]? { rows[Key(.residual, layer: layer)] }
  /// After the final norm, `[position, D]`, kept under layer `L`; `nil` when not captured.
  public var final: [[Float]]? { rows.first { $0.key.point == .finalNorm }?.value }

  /// Room for everything that a request asks of one prompt.
  init(positions: [Int], points: Set<CapturePoint>, layers: Set<Int>, in c: ModelConfiguration) {
    self.init(positions: positions, logits: Array(repeating: [], count: positions.count))
    for point in points {
      switch point {
      case .finalNorm: rows[Key(point, layer: c.layerCount)] = Array(repeating: [], count: positions.count)
      case .residual, .attentionOutput, .feedForwardOutput:
        for layer in layers where point == .residual || layer > 0 {
          rows[Key(point, layer: layer)] = Array(repeating: [], count: positions.count)
        }
      }
    }
  }
}
