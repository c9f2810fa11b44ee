/// The states of one prompt that a ``CaptureRequest`` asked for, as they went on through the model: after any
/// ``Intervention`` at their place.
public struct HiddenStates: Sendable {
  public struct Key: Hashable, Sendable {
    public let point: CapturePoint
    public let layer: Int
    public init(_ point: CapturePoint, layer: Int) {
      self.point = point
      self.layer = layer
    }
  }
  public struct AttentionKey: Hashable, Sendable {
    public let point: AttentionPoint
    /// 1 for the first block.
    public let layer: Int
    public init(_ point: AttentionPoint, layer: Int) {
      self.point = point
      self.layer = layer
    }
  }
  /// 0-based positions of the rows below.
  public let positions: [Int]
  /// Rows `[position, D]` (`[position, H·E]` for head outputs), one array per position.
  public var rows: [Key: [[Float]]]
  /// Logits `[position, V]`, when asked for.
  public var logits: [[Float]]
  /// The heads whose attention was kept, in the order of the request.
  public let heads: [Int]
  /// `[position, head, key position 0 … position]`, when asked for.
  public var attention: [AttentionKey: [[[Float]]]]

  public init(
    positions: [Int], rows: [Key: [[Float]]] = [:], logits: [[Float]] = [], heads: [Int] = [],
    attention: [AttentionKey: [[[Float]]]] = [:]
  ) {
    self.positions = positions
    self.rows = rows
    self.logits = logits
    self.heads = heads
    self.attention = attention
  }

  /// Residual stream after block `layer` (0: the embeddings), `[position, D]`; `nil` when not captured.
  public func residual(_ layer: Int) -> [[Float]]? { rows[Key(.residual, layer: layer)] }
  /// After the final norm, `[position, D]`, kept under layer `L`; `nil` when not captured.
  public var final: [[Float]]? { rows.first { $0.key.point == .finalNorm }?.value }
  /// Attention of a block (1-based), `[position, head, key position]`; `nil` when not captured.
  public func attention(_ point: AttentionPoint, layer: Int) -> [[[Float]]]? {
    attention[AttentionKey(point, layer: layer)]
  }

  /// Bytes of all values; see ``CaptureRequest/byteCount(promptLengths:in:)``.
  public var byteCount: Int {
    var floats = logits.reduce(0) { $0 + $1.count }
    for list in rows.values { floats += list.reduce(0) { $0 + $1.count } }
    for list in attention.values { floats += list.reduce(0) { $0 + $1.reduce(0) { $0 + $1.count } } }
    return 4 * floats
  }

  /// Room for everything that a request asks of one prompt.
  init(positions: [Int], request: CaptureRequest, layers: Set<Int>, heads: [Int], in c: ModelConfiguration) {
    self.init(
      positions: positions, logits: request.logits ? Array(repeating: [], count: positions.count) : [],
      heads: request.attention.isEmpty ? [] : heads)
    for key in CaptureRequest.keys(request.points, layers: layers, in: c) {
      rows[key] = Array(repeating: [], count: positions.count)
    }
    for point in request.attention {
      for layer in layers where layer > 0 {
        attention[AttentionKey(point, layer: layer)] = Array(
          repeating: Array(repeating: [], count: heads.count), count: positions.count)
      }
    }
  }
}
