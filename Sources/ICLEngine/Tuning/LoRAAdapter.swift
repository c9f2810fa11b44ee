/// A low-rank update of some projections (Hu et al. 2021, arXiv 2106.09685): `y = x·Wᵀ + scale · (x·Aᵀ)·Bᵀ` with
/// `scale = alpha / rank`. A value: copying it keeps a version.
public struct LoRAAdapter: Sendable, Equatable {
  public var rank: Int
  public var alpha: Float
  /// One dictionary per block; projections that are not tuned are absent.
  public var blocks: [[Projection: Pair]]

  public struct Pair: Sendable, Equatable {
    /// `[rank, input]`, row-major
    public var a: [Float]
    /// `[output, rank]`, row-major
    public var b: [Float]
    public init(a: [Float], b: [Float]) {
      self.a = a
      self.b = b
    }
  }

  public var scale: Float { alpha / Float(rank) }

  public init(rank: Int, alpha: Float, blocks: [[Projection: Pair]]) {
    self.rank = rank
    self.alpha = alpha
    self.blocks = blocks
  }
}
