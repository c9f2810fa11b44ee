/// A change of the forward pass at one place: activation patching, steering, task and function vectors, blocked
/// attention. What comes after the place sees the change, what comes before doesn't.
///
///     Intervention(.residual, layer: 5, positions: .last, .replace(states))
///     Intervention(.feedForwardOutput, layer: 2, positions: .all, .add(direction, scale: 4))
///     Intervention(.headOutputs, layer: 3, heads: [7], positions: .last, .replace(mean))
///     Intervention.block(layer: 4, queries: .last, keys: [3, 4, 5])
///
/// Interventions at the same place act in the order of their list, and captured states are those after all of them.
public struct Intervention: Sendable {
  /// What is changed.
  public enum Target: Sendable, Hashable {
    case states(CapturePoint)
    case attention(AttentionPoint)
  }

  public enum Change: Sendable {
    /// The same vector at every position.
    case replace([Float])
    /// One vector for each position, in their order.
    case replaceEach([[Float]])
    /// `x + scale · vector`, the same at every position.
    case add([Float], scale: Float = 1)
    /// `x + scale · vector`, one for each position, in their order.
    case addEach([[Float]], scale: Float = 1)
    /// Any change of the values, of which there must be as many afterwards. Called on the thread of the pass, one row
    /// (and, for attention, head) at a time.
    case transform(@Sendable (_ values: inout [Float], _ site: Site) -> Void)
  }

  /// Where a ``Change/transform(_:)`` is.
  public struct Site: Sendable, Hashable {
    /// Place of the prompt in its batch.
    public let prompt: Int
    /// From 0.
    public let position: Int
    public let layer: Int
    /// The head, where the values are of one.
    public let head: Int?
  }

  public var target: Target
  /// 0 for the embeddings, `i` for block `i`; ignored for the final norm.
  public var layer: Int
  /// The heads that are changed, from 0, for head outputs and attention; `nil` for all. A vector of head outputs is then
  /// of one head, `[E]`, instead of all, `[H·E]`.
  public var heads: [Int]?
  public var positions: CaptureRequest.Positions
  /// The prompts of the batch that are changed; `nil` for all.
  public var prompts: [Int]?
  public var change: Change

  /// - Parameters:
  ///   - point: what is changed: rows `[D]`, or `[H·E]` for head outputs
  ///   - prompts: places in the batch; `nil` for all
  public init(
    _ point: CapturePoint, layer: Int, heads: [Int]? = nil, positions: CaptureRequest.Positions,
    prompts: [Int]? = nil, _ change: Change
  ) {
    target = .states(point)
    self.layer = layer
    self.heads = heads
    self.positions = positions
    self.prompts = prompts
    self.change = change
  }

  /// Changes the attention of queries at some positions: rows of one number for each position up to the query's own.
  /// A query all of whose logits are −∞ attends to nothing.
  public init(
    attention point: AttentionPoint, layer: Int, heads: [Int]? = nil, positions: CaptureRequest.Positions,
    prompts: [Int]? = nil, _ change: Change
  ) {
    target = .attention(point)
    self.layer = layer
    self.heads = heads
    self.positions = positions
    self.prompts = prompts
    self.change = change
  }

  /// Queries don't see these positions (attention knockout: Geva et al. 2023, arXiv 2304.14767).
  /// - Parameter keys: from 0; those after a query are unseen anyhow
  public static func block(
    layer: Int, heads: [Int]? = nil, queries: CaptureRequest.Positions, keys: [Int], prompts: [Int]? = nil
  ) -> Intervention {
    Intervention(
      attention: .logits, layer: layer, heads: heads, positions: queries, prompts: prompts,
      .transform { values, _ in
        for key in keys where values.indices.contains(key) { values[key] = -.infinity }
      })
  }
}
