/// What a model needs beside its files, which stay in the mapping and are the page cache's: worked out from its shape
/// alone, before anything is loaded or computed. What a capture keeps ``CaptureRequest/byteCount(promptLengths:in:)``
/// says.
///
/// Symbols as in ``ModelConfiguration``; `T` tokens of a context, `R` rows that go through the blocks together (`T` up to
/// 640, 512 of more), 4 bytes a float.
public struct ModelMemory: Sendable, Equatable {
  public let configuration: ModelConfiguration
  public let parameterCount: Int
  /// Bytes of the weight files.
  public let fileByteCount: Int
  /// The precision that the other figures are for: the model's own.
  public let precision: Precision
  private let packed: [Precision: Int]

  public init(_ model: LlamaModel) {
    configuration = model.configuration
    parameterCount = model.weights.parameterCount
    fileByteCount = model.files?.byteCount ?? 0
    precision = model.precision
    var packed: [Precision: Int] = [:]
    for precision in Precision.allCases {
      packed[precision] = model.weights.multiplied.reduce(0) {
        $0 + PackedWeights.byteCount(of: $1, in: precision)
      }
    }
    self.packed = packed
  }

  /// What the weights take once more when they are packed for a precision's products, all of them being used:
  /// ``LlamaModel/packedByteCount`` after the first pass with logits. In ``Precision/int8`` Q4_0, Q4_1, Q4_K and Q8_0
  /// take about what they are stored in (rows up to whole sixteens), types whose codes aren't of 4 bits a byte for each
  /// weight and the scales; F32, F16, BF16 and Q2_K take nothing.
  public func packedBytes(in precision: Precision) -> Int { packed[precision] ?? 0 }

  /// Keys and values of a context: `4 · 2·L·T·K·E`. A prefix cache keeps as much for each distinct token.
  public func keyValueBytes(tokens: Int) -> Int {
    4 * 2 * configuration.layerCount * tokens * configuration.keyValueWidth
  }

  /// Working room of a forward pass: `4 · R·(3·D + 2·H·E + 2·K·E + 2·F + rotary)`, and for each thread the scores of a
  /// tile of 64 queries and 256 KB for a tile of weights.
  public func passBytes(tokens: Int) -> Int {
    let c = configuration
    let rows = LlamaModel.rows(of: tokens)
    let perRow = 3 * c.hiddenSize + 2 * c.queryWidth + 2 * c.keyValueWidth + 2 * c.feedForwardSize + c.ropeDimension
    let perThread = 4 * 64 * tokens + (1 << 18)
    return 4 * rows * perRow + ThreadPool.shared.threadCount * perThread
  }

  /// What is kept as long as the model is loaded: norms, the tokenizer's tables, about 64 bytes a token, and what the
  /// weights take once more in packed form.
  public var residentBytes: Int {
    4 * (2 * configuration.layerCount + 1) * configuration.hiddenSize + 64 * configuration.vocabularySize
      + packedBytes(in: precision)
  }

  /// All of it, for one prompt of `tokens` with the residual stream of every layer at its last token.
  public func totalBytes(tokens: Int) -> Int {
    let capture = 4 * (configuration.layerCount + 1) * configuration.hiddenSize
    return residentBytes + keyValueBytes(tokens: tokens) + passBytes(tokens: tokens) + capture
  }
}
