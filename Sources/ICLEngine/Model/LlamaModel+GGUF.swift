/// How a Llama model lies in a GGUF file: metadata keys and tensor names as llama.cpp writes them.
extension ModelConfiguration {
  package init(_ file: GGUFFile) throws(EngineError) {
    guard let architecture = try file.text("general.architecture") else {
      throw EngineError(
        .malformedFile, "the file doesn't say which architecture it holds",
        at: "\(file.path), key general.architecture",
        expected: "llama", found: "no such key", nextStep: "get a file made by llama.cpp's converter")
    }
    guard architecture == "llama" else {
      throw EngineError(
        .unsupported, "the engine doesn't run this architecture", at: "\(file.path), key general.architecture",
        expected: "llama", found: architecture, nextStep: "use a model of the Llama family")
    }
    func size(_ key: String) throws(EngineError) -> Int? {
      guard let value = try file.integer("llama.\(key)") else { return nil }
      guard (1...1 << 28).contains(value) else {
        throw EngineError(
          .malformedFile, "a size is impossible", at: "\(file.path), key llama.\(key)", expected: "1 to \(1 << 28)",
          found: "\(value)", nextStep: "the file is damaged: fetch it again")
      }
      return value
    }
    func required(_ key: String) throws(EngineError) -> Int {
      guard let value = try size(key) else {
        throw EngineError(
          .malformedFile, "a metadata key is missing", at: "\(file.path), key llama.\(key)", expected: "an integer",
          found: "no such key", nextStep: "a vocabulary alone has no model; get the whole model's file")
      }
      return value
    }
    if let experts = try file.integer("llama.expert_count"), experts > 0 {
      throw EngineError(
        .unsupported, "the engine doesn't run mixtures of experts", at: "\(file.path), key llama.expert_count",
        expected: "none", found: "\(experts) experts", nextStep: "use a dense model of the Llama family")
    }
    let hidden = try required("embedding_length")
    let heads = try required("attention.head_count")
    let layers = try required("block_count")
    guard hidden % heads == 0 || file.entries["llama.attention.key_length"] != nil else {
      throw EngineError(
        .malformedFile, "the heads don't divide the hidden size", at: file.path, expected: "a divisor of \(hidden)",
        found: "\(heads) heads", nextStep: "the file is damaged: fetch it again")
    }
    let head = try size("attention.key_length") ?? hidden / heads
    if let value = try size("attention.value_length"), value != head {
      throw EngineError(
        .unsupported, "keys and values have different widths", at: "\(file.path), key llama.attention.value_length",
        expected: "\(head)", found: "\(value)")
    }
    let embedding = file.tensor("token_embd.weight")
    let rotated = try size("rope.dimension_count") ?? head
    self.init(
      architecture: architecture, name: try file.text("general.name") ?? "", layerCount: layers, hiddenSize: hidden,
      headCount: heads, keyValueHeadCount: try size("attention.head_count_kv"), headDimension: head,
      feedForwardSize: try required("feed_forward_length"),
      vocabularySize: embedding.map { $0.dimensions.count > 1 ? $0.dimensions[1] : 1 } ?? 1,
      contextLength: try required("context_length"),
      normEpsilon: Float(try file.real("llama.attention.layer_norm_rms_epsilon") ?? 1e-5),
      ropeBase: Float(try file.real("llama.rope.freq_base") ?? 10_000), ropeDimension: rotated,
      ropeScaling: try Self.scaling(file, pairs: rotated / 2), slidingWindow: try size("attention.sliding_window"))
  }

  private static func scaling(_ file: GGUFFile, pairs: Int) throws(EngineError) -> RoPEScaling {
    if let tensor = file.tensor("rope_freqs.weight") {
      return .factors(try file.vector(tensor.name, count: pairs) ?? [])
    }
    let type = try file.text("llama.rope.scaling.type")
    let older = try file.real("llama.rope.scale_linear") ?? 1
    let factor = try file.real("llama.rope.scaling.factor") ?? older
    switch type {
    case nil where factor != 1, "linear": return .linear(factor: Float(factor))
    case nil, "none": return .none
    case "yarn":
      let context = try file.integer("llama.context_length") ?? 0
      let original = try file.integer("llama.rope.scaling.original_context_length") ?? context
      let scale = try file.real("llama.rope.scaling.attn_factor") ?? 1
      // Equation 22 of the YaRN paper.
      let stretch = factor > 1 ? 0.1 * ReproducibleMath.log(factor) + 1 : 1
      return .yarn(
        factor: Float(factor), attentionFactor: Float(scale * stretch),
        betaFast: Float(try file.real("llama.rope.scaling.yarn_beta_fast") ?? 32),
        betaSlow: Float(try file.real("llama.rope.scaling.yarn_beta_slow") ?? 1), originalContext: original)
    case .some(let other):
      throw EngineError(
        .unsupported, "the engine doesn't know this scaling of rotary positions",
        at: "\(file.path), key llama.rope.scaling.type", expected: "none, linear or yarn", found: other)
    }
  }
}

extension LlamaWeights {
  package init(_ file: GGUFFile, _ c: ModelConfiguration) throws(EngineError) {
    // Nine tensors a block: a hostile count is refused before anything is kept for it.
    guard c.layerCount <= file.tensors.count / 9 else {
      throw EngineError(
        .malformedFile, "the file has too few tensors for its blocks", at: "\(file.path), key llama.block_count",
        expected: "at most \(file.tensors.count / 9) blocks for \(file.tensors.count) tensors",
        found: "\(c.layerCount)",
        nextStep: "a vocabulary alone has no model; of a split model give the first part")
    }
    var blocks: [Block] = []
    for layer in 0..<c.layerCount {
      let prefix = "blk.\(layer)."
      var projections: [Projection: WeightMatrix] = [:]
      var biases: [Projection: [Float]] = [:]
      for projection in Projection.allCases {
        let shape = projection.shape(in: c)
        let name = prefix + projection.ggufName
        projections[projection] = try file.matrix(name + ".weight", rows: shape.output, columns: shape.input)
        biases[projection] = try file.vector(name + ".bias", count: shape.output)
      }
      blocks.append(
        Block(
          attentionNorm: try file.gain(prefix + "attn_norm.weight", count: c.hiddenSize),
          feedForwardNorm: try file.gain(prefix + "ffn_norm.weight", count: c.hiddenSize), projections: projections,
          biases: biases))
    }
    let (v, d) = (c.vocabularySize, c.hiddenSize)
    let output = file.tensor("output.weight") == nil ? nil : try file.matrix("output.weight", rows: v, columns: d)
    self.init(
      tokenEmbedding: try file.matrix("token_embd.weight", rows: v, columns: d), blocks: blocks,
      finalNorm: try file.gain("output_norm.weight", count: d), output: output)
  }
}

extension Projection {
  /// The middle of the tensor's name in a GGUF file: `attn_q` in `blk.0.attn_q.weight`.
  package var ggufName: String {
    switch self {
    case .q: "attn_q"
    case .k: "attn_k"
    case .v: "attn_v"
    case .o: "attn_output"
    case .gate: "ffn_gate"
    case .up: "ffn_up"
    case .down: "ffn_down"
    }
  }
}

extension GGUFFile {
  /// A matrix that must be there, of this shape.
  fileprivate func matrix(_ name: String, rows: Int, columns: Int) throws(EngineError) -> WeightMatrix {
    guard let tensor = tensor(name) else { throw missing(name, "\(rows) rows of \(columns)") }
    let matrix = try matrix(tensor)
    guard matrix.rows == rows, matrix.columns == columns else {
      throw EngineError(
        .malformedFile, "a weight has the wrong shape", at: "\(path), tensor \(name)",
        expected: "\(rows) rows of \(columns)", found: "\(matrix.rows) rows of \(matrix.columns)",
        nextStep: "the file is damaged, or its metadata belongs to another model")
    }
    return matrix
  }

  fileprivate func gain(_ name: String, count: Int) throws(EngineError) -> [Float] {
    guard let values = try vector(name, count: count) else { throw missing(name, "\(count) values") }
    return values
  }

  /// A vector of floats, or `nil` when there is no such tensor.
  fileprivate func vector(_ name: String, count: Int) throws(EngineError) -> [Float]? {
    guard let tensor = tensor(name) else { return nil }
    let matrix = try matrix(tensor)
    guard matrix.rows == 1, matrix.columns == count else {
      throw EngineError(
        .malformedFile, "a weight has the wrong shape", at: "\(path), tensor \(name)", expected: "\(count) values",
        found: "\(tensor.dimensions)", nextStep: "the file is damaged, or its metadata belongs to another model")
    }
    return matrix.dequantized().values
  }

  private func missing(_ name: String, _ expected: String) -> EngineError {
    EngineError(
      .malformedFile, "a weight is missing", at: "\(path), tensor \(name)", expected: expected, found: "no such tensor",
      nextStep: "the file is incomplete; of a split model give the first part")
  }
}
