extension GGUFWriter {
  /// Adds everything that a Llama model is: its shape as metadata, and its tensors under llama.cpp's names.
  /// - Parameters:
  ///   - type: type of the matrices; a matrix whose rows are not whole blocks of it stays F32, norms always do.
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

    try add("token_embd.weight", weights.tokenEmbedding, as: type)
    for (index, block) in weights.blocks.enumerated() {
      let prefix = "blk.\(index)."
      try add(prefix + "attn_norm.weight", dimensions: [c.hiddenSize], values: block.attentionNorm, as: .f32)
      try add(prefix + "ffn_norm.weight", dimensions: [c.hiddenSize], values: block.feedForwardNorm, as: .f32)
      for projection in Projection.allCases {
        guard let matrix = block.projections[projection] else {
          throw EngineError(
            .invalidArgument, "a block lacks a projection", at: "block \(index)", found: "no \(projection)")
        }
        try add(prefix + Self.tensorName(projection) + ".weight", matrix, as: type)
        if let bias = block.biases[projection] {
          try add(prefix + Self.tensorName(projection) + ".bias", dimensions: [bias.count], values: bias, as: .f32)
        }
      }
    }
    try add("output_norm.weight", dimensions: [c.hiddenSize], values: weights.finalNorm, as: .f32)
    if let output = weights.output { try add("output.weight", output, as: type) }
  }

  private mutating func add(_ name: String, _ matrix: WeightMatrix, as type: TensorType) throws(EngineError) {
    let dimensions = [matrix.columns, matrix.rows]
    if matrix.type == type {
      let bytes = matrix.withRows(0..<matrix.rows) { [UInt8]($0) }
      return try add(name, dimensions: dimensions, type: type, bytes: bytes)
    }
    guard matrix.type == .f32 else {
      throw EngineError(
        .unsupported, "only F32 matrices are quantized", at: "tensor \(name)", expected: "F32 or \(type.name)",
        found: matrix.type.name)
    }
    let values = matrix.withRows(0..<matrix.rows) { Array($0.bindMemory(to: Float.self)) }
    try add(name, dimensions: dimensions, values: values, as: matrix.columns % type.blockSize == 0 ? type : .f32)
  }

  /// llama.cpp's name of a projection's tensor within its block.
  private static func tensorName(_ projection: Projection) -> String {
    switch projection {
    case .q: "attn_q"
    case .k: "attn_k"
    case .v: "attn_v"
    case .o: "attn_output"
    case .gate: "ffn_gate"
    case .up: "ffn_up"
    case .down: "ffn_down"
    }
  }

  /// llama.cpp's number for "mostly this type".
  private static func fileType(_ type: TensorType) -> UInt32? {
    switch type {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q8_0: 7
    case .bf16: 32
    default: nil
    }
  }
}
