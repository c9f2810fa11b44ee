/// The shape and constants of a Llama-family transformer.
///
/// Symbols used in comments throughout: `L` layers, `D` hidden size, `H` heads, `K` key/value heads, `E` head
/// dimension, `F` feed-forward size, `V` vocabulary size, `T` tokens.
public struct ModelConfiguration: Sendable, Equatable, Codable {
  public var architecture: String
  public var name: String
  /// `L`
  public var layerCount: Int
  /// `D`
  public var hiddenSize: Int
  /// `H`
  public var headCount: Int
  /// `K`, a divisor of `H`: grouped-query attention when smaller.
  public var keyValueHeadCount: Int
  /// `E`, usually `D / H`
  public var headDimension: Int
  /// `F`
  public var feedForwardSize: Int
  /// `V`
  public var vocabularySize: Int
  public var contextLength: Int
  public var normEpsilon: Float
  public var ropeBase: Float
  /// How many of the `E` dimensions are rotated (usually all).
  public var ropeDimension: Int
  public var ropeScaling: RoPEScaling
  /// Tokens that a position can see, itself included; `nil` for all.
  public var slidingWindow: Int?

  public init(
    architecture: String = "llama", name: String = "", layerCount: Int, hiddenSize: Int, headCount: Int,
    keyValueHeadCount: Int? = nil, headDimension: Int? = nil, feedForwardSize: Int, vocabularySize: Int,
    contextLength: Int, normEpsilon: Float = 1e-5, ropeBase: Float = 10_000, ropeDimension: Int? = nil,
    ropeScaling: RoPEScaling = .none, slidingWindow: Int? = nil
  ) {
    self.architecture = architecture
    self.name = name
    self.layerCount = layerCount
    self.hiddenSize = hiddenSize
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount ?? headCount
    self.headDimension = headDimension ?? hiddenSize / headCount
    self.feedForwardSize = feedForwardSize
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.normEpsilon = normEpsilon
    self.ropeBase = ropeBase
    self.ropeDimension = ropeDimension ?? headDimension ?? hiddenSize / headCount
    self.ropeScaling = ropeScaling
    self.slidingWindow = slidingWindow
  }

  /// Width of the query projection's output, `H·E`.
  public var queryWidth: Int { headCount * headDimension }
  /// Width of the key and of the value projection's output, `K·E`.
  public var keyValueWidth: Int { keyValueHeadCount * headDimension }
}

/// How rotary positions are stretched beyond the trained context.
public enum RoPEScaling: Sendable, Equatable, Codable {
  case none
  /// Positions divided by `factor`.
  case linear(factor: Float)
  /// Llama 3's frequency-dependent scaling.
  case llama3(factor: Float, lowFrequencyFactor: Float, highFrequencyFactor: Float, originalContext: Int)
  /// Each pair's frequency divided by its own factor, `[ropeDimension / 2]`: how GGUF files of Llama 3.1 and later
  /// keep ``llama3(factor:lowFrequencyFactor:highFrequencyFactor:originalContext:)``, already worked out.
  case factors([Float])
  /// YaRN (Peng et al. 2023, arXiv 2309.00071).
  /// `attentionFactor` multiplies cosine and sine.
  case yarn(
    factor: Float, attentionFactor: Float, betaFast: Float, betaSlow: Float, originalContext: Int)
}

/// The seven linear maps of a block, by their usual names.
public enum Projection: String, Sendable, CaseIterable, Codable, Hashable {
  case q, k, v, o, gate, up, down

  /// `(input features, output features)` in a model of this shape.
  public func shape(in c: ModelConfiguration) -> (input: Int, output: Int) {
    switch self {
    case .q: (c.hiddenSize, c.queryWidth)
    case .k, .v: (c.hiddenSize, c.keyValueWidth)
    case .o: (c.queryWidth, c.hiddenSize)
    case .gate, .up: (c.hiddenSize, c.feedForwardSize)
    case .down: (c.feedForwardSize, c.hiddenSize)
    }
  }
}
