/// A low-rank update of some projections (Hu et al. 2021, arXiv 2106.09685): `y = x·Wᵀ + scale · (x·Aᵀ)·Bᵀ` with
/// `scale = alpha / rank`. A value: copying it keeps a version.
public struct LoRAAdapter: Sendable, Equatable {
  /// Rank of every pair that has none of its own.
  public var rank: Int
  /// Alpha of every pair that has none of its own.
  public var alpha: Float
  /// Whether the scale is `alpha / √rank` (Kalajdzievski 2023, arXiv 2312.03732) instead of `alpha / rank`.
  public var isRankStabilized: Bool
  /// One dictionary per block; projections that are not tuned are absent.
  public var blocks: [[Projection: Pair]]

  public struct Pair: Sendable, Equatable {
    /// `[rank, input]`, row-major
    public var a: [Float]
    /// `[output, rank]`, row-major
    public var b: [Float]
    /// Rank and alpha of this pair; `nil` for the adapter's.
    public var rank: Int?
    public var alpha: Float?
    public init(a: [Float], b: [Float], rank: Int? = nil, alpha: Float? = nil) {
      self.a = a
      self.b = b
      self.rank = rank
      self.alpha = alpha
    }
  }

  public init(rank: Int, alpha: Float, blocks: [[Projection: Pair]], isRankStabilized: Bool = false) {
    self.rank = rank
    self.alpha = alpha
    self.blocks = blocks
    self.isRankStabilized = isRankStabilized
  }

  /// What the product of a pair without alpha and rank of its own is multiplied by.
  public var scale: Float { scale(of: Pair(a: [], b: [])) }

  public func rank(of pair: Pair) -> Int { pair.rank ?? rank }

  /// What the product of a pair is multiplied by.
  public func scale(of pair: Pair) -> Float {
    let rank = Float(rank(of: pair))
    return (pair.alpha ?? alpha) / (isRankStabilized ? rank.squareRoot() : rank)
  }

  /// The same update, `factor` times as strong: 0 switches it off.
  public func scaled(by factor: Float) -> LoRAAdapter {
    var result = self
    result.alpha *= factor
    for index in blocks.indices {
      for (projection, pair) in blocks[index] {
        if let alpha = pair.alpha { result.blocks[index][projection]?.alpha = alpha * factor }
      }
    }
    return result
  }

  /// One adapter that acts as the weighted sum of several: the pairs of a projection side by side, so that its rank is
  /// the sum of theirs. The sum of the updates is the same but for rounding in F32.
  /// - Returns: `nil` for none; a single one with weight 1 as it is
  /// - Throws: `invalidArgument` when they are of models with different numbers of blocks
  public static func combined(
    _ parts: [(adapter: LoRAAdapter, weight: Float)]
  ) throws(EngineError) -> LoRAAdapter? {
    guard let first = parts.first else { return nil }
    if parts.count == 1, first.weight == 1 { return first.adapter }
    if let other = parts.first(where: { $0.adapter.blocks.count != first.adapter.blocks.count }) {
      throw EngineError(
        .invalidArgument, "adapters of different models can't act together", at: "combining adapters",
        expected: "\(first.adapter.blocks.count) blocks in all", found: "\(other.adapter.blocks.count)")
    }
    var rank = 1
    let blocks = first.adapter.blocks.indices.map { index in
      var block: [Projection: Pair] = [:]
      for projection in Projection.allCases {
        let pairs = parts.compactMap { part in part.adapter.blocks[index][projection].map { (part, $0) } }
        if pairs.isEmpty { continue }
        let total = pairs.reduce(0) { $0 + $1.0.adapter.rank(of: $1.1) }
        rank = max(rank, total)
        block[projection] = sideBySide(
          pairs.map { part, pair in
            (pair, part.adapter.rank(of: pair), part.weight * part.adapter.scale(of: pair))
          }, rank: total)
      }
      return block
    }
    return LoRAAdapter(rank: rank, alpha: Float(rank), blocks: blocks)
  }

  /// `A` row under row, `B` column beside column and already scaled: alpha equals the rank.
  private static func sideBySide(_ pairs: [(pair: Pair, rank: Int, scale: Float)], rank: Int) -> Pair {
    let output = pairs[0].pair.b.count / max(1, pairs[0].rank)
    var b = [Float](repeating: 0, count: output * rank)
    var column = 0
    for (pair, own, scale) in pairs {
      for row in 0..<output {
        for r in 0..<own { b[row * rank + column + r] = scale * pair.b[row * own + r] }
      }
      column += own
    }
    return Pair(a: pairs.flatMap(\.pair.a), b: b, rank: rank, alpha: Float(rank))
  }
}
