import ICLEngine

/// Models of random F32 weights made in memory, for tests that need no file.
enum RandomModel {
  static let grouped = ModelConfiguration(
    layerCount: 3, hiddenSize: 96, headCount: 6, keyValueHeadCount: 2, feedForwardSize: 160, vocabularySize: 300,
    contextLength: 700)

  static func make(
    _ c: ModelConfiguration = grouped, seed: UInt64 = 1, threads: Int = 2
  ) throws -> LlamaModel {
    var generator = SeededGenerator(seed: seed)
    func values(_ count: Int, _ scale: Float) -> [Float] {
      (0..<count).map { _ in (Float(generator.uniform()) * 2 - 1) * scale }
    }
    func matrix(_ name: String, _ rows: Int, _ columns: Int) -> WeightMatrix {
      WeightMatrix(
        name: name, rows: rows, columns: columns, values: values(rows * columns, (3 / Float(columns)).squareRoot()))
    }
    func gain() -> [Float] { values(c.hiddenSize, 0.2).map { 1 + $0 } }
    let blocks = (0..<c.layerCount).map { layer in
      var projections: [Projection: WeightMatrix] = [:]
      for projection in Projection.allCases {
        let shape = projection.shape(in: c)
        projections[projection] = matrix("\(layer).\(projection.rawValue)", shape.output, shape.input)
      }
      return LlamaWeights.Block(attentionNorm: gain(), feedForwardNorm: gain(), projections: projections)
    }
    let weights = LlamaWeights(
      tokenEmbedding: matrix("embedding", c.vocabularySize, c.hiddenSize), blocks: blocks, finalNorm: gain(),
      output: nil)
    return try LlamaModel(
      configuration: c, weights: weights, tokenizer: TokenizerRulesTests.make([("▁", -1), ("a", -2)]), files: nil,
      pool: ThreadPool(threadCount: threads))
  }

  /// A random adapter on some projections of every block.
  static func adapter(
    _ c: ModelConfiguration, rank: Int = 4, on projections: [Projection] = Projection.allCases, seed: UInt64 = 5,
    scale: Float = 0.05
  ) -> LoRAAdapter {
    var generator = SeededGenerator(seed: seed)
    func values(_ count: Int) -> [Float] { (0..<count).map { _ in (Float(generator.uniform()) * 2 - 1) * scale } }
    let blocks = (0..<c.layerCount).map { _ in
      var block: [Projection: LoRAAdapter.Pair] = [:]
      for projection in projections {
        let shape = projection.shape(in: c)
        block[projection] = LoRAAdapter.Pair(a: values(rank * shape.input), b: values(rank * shape.output))
      }
      return block
    }
    return LoRAAdapter(rank: rank, alpha: Float(2 * rank), blocks: blocks)
  }
}
