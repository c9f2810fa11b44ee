import ICLEngine

/// Small random models for tests of training.
enum SmallModels {
  /// Three query heads share a key/value head; no size is a multiple of 16.
  static func configuration(window: Int? = nil, scaling: RoPEScaling = .none) -> ModelConfiguration {
    ModelConfiguration(
      name: "small", layerCount: 2, hiddenSize: 36, headCount: 6, keyValueHeadCount: 2, feedForwardSize: 50,
      vocabularySize: 61, contextLength: 128, ropeScaling: scaling, slidingWindow: window)
  }

  /// Values large enough that every part of the network bends: gains and biases are random too.
  static func weights(_ c: ModelConfiguration, isTied: Bool, biases: Bool = false) -> LlamaWeights {
    var weights = LlamaWeights(random: c, seed: 5, deviation: 0.25, isTied: isTied)
    var generator = SeededGenerator(seed: 6)
    func gains() -> [Float] { generator.normals(c.hiddenSize).map { 1 + 0.2 * $0 } }
    weights.finalNorm = gains()
    for index in weights.blocks.indices {
      weights.blocks[index].attentionNorm = gains()
      weights.blocks[index].feedForwardNorm = gains()
      if biases {
        for projection in Projection.allCases {
          weights.blocks[index].biases[projection] = generator.normals(projection.shape(in: c).output).map { 0.2 * $0 }
        }
      }
    }
    return weights
  }

  /// Low-rank updates in which neither side is zero.
  static func adapter(_ c: ModelConfiguration, rank: Int = 3, alpha: Float = 7) -> LoRAAdapter {
    var generator = SeededGenerator(seed: 7)
    return LoRAAdapter(
      rank: rank, alpha: alpha,
      blocks: (0..<c.layerCount).map { _ in
        var block: [Projection: LoRAAdapter.Pair] = [:]
        for projection in Projection.allCases {
          let shape = projection.shape(in: c)
          block[projection] = .init(
            a: generator.normals(rank * shape.input).map { 0.2 * $0 },
            b: generator.normals(rank * shape.output).map { 0.2 * $0 })
        }
        return block
      })
  }

  /// Sequences of different lengths, one longer than a tile of attention; weights of several sizes, some zero.
  static func batch(_ c: ModelConfiguration) -> [TuningExample] {
    var generator = SeededGenerator(seed: 8)
    return [5, 41, 1, 18].map { count in
      TuningExample(
        tokens: (0..<count).map { _ in generator.index(below: c.vocabularySize) },
        lossWeights: (0..<count).map { _ in [0, 1, 1, 0.5][generator.index(below: 4)] })
    }
  }

  static let tokenizer = Letters(vocabularySize: 61)

  /// A tokenizer for models that only see ids.
  struct Letters: Tokenizer {
    let vocabularySize: Int
    var beginToken: Int? { nil }
    var endToken: Int? { nil }
    func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int] { text.utf8.map { Int($0) % 61 } }
    func decode(_ ids: [Int]) -> String { ids.map(String.init).joined(separator: " ") }
    func piece(_ id: Int) -> String { String(id) }
  }
}
