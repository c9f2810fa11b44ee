/// How a Llama model lies in a Hugging Face folder.
extension LlamaWeights {
  /// Finds every weight by its name; nothing is copied but the norms and biases.
  ///
  /// Hugging Face rotates a head's first half against its second, the engine neighbours: rows of query and key are
  /// taken in the other order (``WeightMatrix/RowOrder/halves(headDimension:)``), which changes no state.
  init(_ checkpoint: SafetensorsCheckpoint, _ config: HuggingFaceConfig) throws(EngineError) {
    let c = config.shape
    var left = checkpoint.names
    func matrix(
      _ name: String, _ rows: Int, _ columns: Int, _ order: WeightMatrix.RowOrder = .stored
    ) throws(EngineError) -> WeightMatrix {
      left.remove(name)
      return try checkpoint.part(of: name).matrix(name, rows: rows, columns: columns, order: order)
    }
    func vector(_ name: String, _ count: Int) throws(EngineError) -> [Float] {
      left.remove(name)
      return try checkpoint.part(of: name).vector(name, count: count)
    }
    // Nine tensors a block: a hostile count is refused before anything is kept for it.
    guard c.layerCount <= left.count / 9 else {
      throw EngineError(
        .malformedFile, "the checkpoint has too few tensors for its blocks", at: checkpoint.folder,
        expected: "at most \(left.count / 9) blocks for \(left.count) tensors", found: "\(c.layerCount)",
        nextStep: "the download is incomplete, or config.json belongs to another model")
    }
    var blocks: [Block] = []
    for layer in 0..<c.layerCount {
      let prefix = "model.layers.\(layer)."
      var projections: [Projection: WeightMatrix] = [:]
      var biases: [Projection: [Float]] = [:]
      for projection in Projection.allCases {
        let shape = projection.shape(in: c)
        let name = prefix + projection.huggingFaceName
        let isRotated = projection == .q || projection == .k
        projections[projection] = try matrix(
          name + ".weight", shape.output, shape.input, isRotated ? .halves(headDimension: c.headDimension) : .stored)
        if projection.isOfAttention ? config.attentionBias : config.feedForwardBias {
          let stored = try vector(name + ".bias", shape.output)
          biases[projection] = isRotated ? Self.neighbours(stored, headDimension: c.headDimension) : stored
        }
      }
      blocks.append(
        Block(
          attentionNorm: try vector(prefix + "input_layernorm.weight", c.hiddenSize),
          feedForwardNorm: try vector(prefix + "post_attention_layernorm.weight", c.hiddenSize),
          projections: projections, biases: biases))
      // Old checkpoints keep the rotary frequencies, which follow from the settings.
      left.remove(prefix + "self_attn.rotary_emb.inv_freq")
    }
    self.init(
      tokenEmbedding: try matrix("model.embed_tokens.weight", c.vocabularySize, c.hiddenSize), blocks: blocks,
      finalNorm: try vector("model.norm.weight", c.hiddenSize),
      output: config.tiesEmbeddings ? nil : try matrix("lm_head.weight", c.vocabularySize, c.hiddenSize))
    if config.tiesEmbeddings { left.remove("lm_head.weight") }
    if let stranger = left.sorted().first {
      throw EngineError(
        .unsupported, "the checkpoint has a tensor that a Llama model has no place for", at: checkpoint.folder,
        expected: "the tensors that config.json asks for", found: String(stranger.prefix(200)),
        nextStep: "merge adapters before saving; use a model of the Llama family")
    }
  }

  /// Values of a head's halves as neighbours: `(0, E/2, 1, E/2 + 1, …)`.
  private static func neighbours(_ values: [Float], headDimension e: Int) -> [Float] {
    values.indices.map { values[$0 / e * e + $0 % 2 * (e / 2) + $0 % e / 2] }
  }
}

extension Projection {
  /// The middle of the tensor's name in a Hugging Face checkpoint.
  package var huggingFaceName: String {
    (isOfAttention ? "self_attn." : "mlp.") + rawValue + "_proj"
  }

  var isOfAttention: Bool {
    switch self {
    case .q, .k, .v, .o: true
    case .gate, .up, .down: false
    }
  }
}
