extension GGUFWriter {
  /// Adds everything that a Llama model is: its shape as metadata, and its tensors under llama.cpp's names.
  /// - Parameters:
  ///   - type: type of the matrices; a matrix whose rows are not whole blocks of it stays as it is, norms and biases
  ///     are F32. The embedding and the output are matrices like any other, as with `llama-quantize --pure`.
  /// - Throws: as ``add(_:dimensions:values:as:)``.
  public mutating func add(
    _ weights: LlamaWeights, configuration c: ModelConfiguration, as type: TensorType
  ) throws(EngineError) {
    set("general.architecture", .string("llama"))
    if !c.name.isEmpty { set("general.name", .string(c.name)) }
    if let fileType = Self.fileType(type) { set("general.file_type", .uint32(fileType)) }
    for (key, value) in [
      ("context_length", c.contextLength), ("embedding_length", c.hiddenSize), ("block_count", c.layerCount),
      ("feed_forward_length", c.feedForwardSize), ("attention.head_count", c.headCount),
      ("attention.head_count_kv", c.keyValueHeadCount), ("attention.key_length", c.headDimension),
      ("attention.value_length", c.headDimension), ("rope.dimension_count", c.ropeDimension),
      ("vocab_size", c.vocabularySize),
    ] { set("llama." + key, .uint32(UInt32(value))) }
    set("llama.attention.layer_norm_rms_epsilon", .float32(c.normEpsilon))
    set("llama.rope.freq_base", .float32(c.ropeBase))
    if let window = c.slidingWindow { set("llama.attention.sliding_window", .uint32(UInt32(window))) }
    try addScaling(c)

    try add(wherePossible: type, "token_embd.weight", weights.tokenEmbedding)
    for (index, block) in weights.blocks.enumerated() {
      let prefix = "blk.\(index)."
      try add(prefix + "attn_norm.weight", dimensions: [c.hiddenSize], values: block.attentionNorm, as: .f32)
      try add(prefix + "ffn_norm.weight", dimensions: [c.hiddenSize], values: block.feedForwardNorm, as: .f32)
      for projection in Projection.allCases {
        guard let matrix = block.projections[projection] else {
          throw EngineError(
            .invalidArgument, "a block lacks a projection", at: "block \(index)", found: "no \(projection)")
        }
        try add(wherePossible: type, prefix + projection.ggufName + ".weight", matrix)
        if let bias = block.biases[projection] {
          try add(prefix + projection.ggufName + ".bias", dimensions: [bias.count], values: bias, as: .f32)
        }
      }
    }
    try add("output_norm.weight", dimensions: [c.hiddenSize], values: weights.finalNorm, as: .f32)
    if let output = weights.output { try add(wherePossible: type, "output.weight", output) }
  }

  /// A matrix whose rows are not whole blocks keeps the type it has.
  private mutating func add(
    wherePossible type: TensorType, _ name: String, _ matrix: WeightMatrix
  ) throws(EngineError) {
    try add(name, matrix, as: matrix.columns % type.blockSize == 0 ? type : matrix.type)
  }

  /// How rotary positions are stretched, as llama.cpp's converter writes it: Llama 3's way becomes a factor for each
  /// pair of dimensions.
  private mutating func addScaling(_ c: ModelConfiguration) throws(EngineError) {
    let prefix = "llama.rope.scaling."
    func addFactors(_ factors: [Float]) throws(EngineError) {
      try add("rope_freqs.weight", dimensions: [factors.count], values: factors, as: .f32)
    }
    switch c.ropeScaling {
    case .none: break
    case .linear(let factor):
      set(prefix + "type", .string("linear"))
      set(prefix + "factor", .float32(factor))
    case .factors(let factors): try addFactors(factors)
    case .llama3:
      var plain = c
      plain.ropeScaling = .none
      try addFactors(zip(RotaryTable.frequencies(plain), RotaryTable.frequencies(c)).map { $0 / $1 })
    case .yarn(let factor, let attentionFactor, let betaFast, let betaSlow, let original):
      set(prefix + "type", .string("yarn"))
      set(prefix + "factor", .float32(factor))
      set(prefix + "original_context_length", .uint32(UInt32(original)))
      // Readers multiply by equation 22 of the YaRN paper.
      let stretch = factor > 1 ? 0.1 * ReproducibleMath.log(Double(factor)) + 1 : 1
      set(prefix + "attn_factor", .float32(Float(Double(attentionFactor) / stretch)))
      set(prefix + "yarn_beta_fast", .float32(betaFast))
      set(prefix + "yarn_beta_slow", .float32(betaSlow))
    }
  }

  /// llama.cpp's number for "mostly this type".
  private static func fileType(_ type: TensorType) -> UInt32? {
    switch type {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q4_1: 3
    case .q8_0: 7
    case .q5_0: 8
    case .q5_1: 9
    case .bf16: 32
    default: nil
    }
  }
}
