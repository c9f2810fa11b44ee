import Foundation

/// The small files of a Hugging Face folder, written.
enum HuggingFaceSettings {
  /// Which kinds of projections have a bias in any block.
  static func biases(_ model: LlamaModel) -> (attention: Bool, feedForward: Bool) {
    let biased = model.weights.blocks.flatMap { $0.biases.keys }
    return (biased.contains { $0.isOfAttention }, biased.contains { !$0.isOfAttention })
  }

  static func json(_ value: [String: Any]) throws(EngineError) -> Data {
    do {
      return try JSONSerialization.data(
        withJSONObject: value, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    } catch {
      throw EngineError(.invalidArgument, "settings can't be written as JSON", at: "\(value.keys)", underlying: error)
    }
  }

  /// `config.json`
  static func config(_ model: LlamaModel, type: TensorType) throws(EngineError) -> Data {
    let c = model.configuration
    let biases = biases(model)
    let isMistral = c.slidingWindow != nil
    func unsupported(_ what: String, expected: String, found: String) -> EngineError {
      EngineError(
        .unsupported, what, at: model.name, expected: expected, found: found, nextStep: "write the model as GGUF")
    }
    guard c.ropeDimension == c.headDimension else {
      throw unsupported(
        "config.json can't say that a part of a head is rotated", expected: "\(c.headDimension) dimensions",
        found: "\(c.ropeDimension)")
    }
    if isMistral, biases.attention || biases.feedForward {
      throw unsupported("a model with a window has no biases in config.json", expected: "none", found: "biases")
    }
    var tree: [String: Any] = [
      "architectures": [isMistral ? "MistralForCausalLM" : "LlamaForCausalLM"],
      "model_type": isMistral ? "mistral" : "llama", "hidden_act": "silu", "hidden_size": c.hiddenSize,
      "intermediate_size": c.feedForwardSize, "num_hidden_layers": c.layerCount, "num_attention_heads": c.headCount,
      "num_key_value_heads": c.keyValueHeadCount, "head_dim": c.headDimension, "vocab_size": c.vocabularySize,
      "max_position_embeddings": c.contextLength, "rms_norm_eps": number(c.normEpsilon),
      "rope_theta": number(c.ropeBase), "tie_word_embeddings": model.weights.output == nil,
      "torch_dtype": [TensorType.f32: "float32", .f16: "float16"][type] ?? "bfloat16",
    ]
    if let scaling = try scaling(c, unsupported) { tree["rope_scaling"] = scaling }
    if let window = c.slidingWindow { tree["sliding_window"] = window }
    if !isMistral {
      tree["attention_bias"] = biases.attention
      tree["mlp_bias"] = biases.feedForward
    }
    if let id = model.tokenizer.beginToken { tree["bos_token_id"] = id }
    let ends = model.tokenizer.stopTokens
    if !ends.isEmpty { tree["eos_token_id"] = ends.count == 1 ? ends[0] as Any : ends as Any }
    return try json(tree)
  }

  /// The shortest decimal that is this float again: `1e-05` rather than `9.99999974e-06`.
  private static func number(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }

  private static func scaling(
    _ c: ModelConfiguration, _ unsupported: (String, String, String) -> EngineError
  ) throws(EngineError) -> [String: Any]? {
    switch c.ropeScaling {
    case .none: return nil
    case .linear(let factor): return ["rope_type": "linear", "factor": number(factor)]
    case .llama3(let factor, let low, let high, let original):
      return [
        "rope_type": "llama3", "factor": number(factor), "low_freq_factor": number(low),
        "high_freq_factor": number(high), "original_max_position_embeddings": original,
      ]
    case .yarn(let factor, let attention, let fast, let slow, let original):
      return [
        "rope_type": "yarn", "factor": number(factor), "attention_factor": number(attention),
        "beta_fast": number(fast), "beta_slow": number(slow), "original_max_position_embeddings": original,
      ]
    case .factors(let factors):
      // Factors of Llama 3's rule, worked out: the greatest is its factor; the rest of the rule is always the same.
      var guess = c
      guess.ropeScaling = .llama3(
        factor: factors.max() ?? 1, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
      let same = zip(RotaryTable.frequencies(guess), RotaryTable.frequencies(c)).allSatisfy {
        abs($0 - $1) <= 1e-5 * abs($1)
      }
      guard same else {
        throw unsupported(
          "config.json can't say these factors of rotary frequencies", "those of Llama 3's rule",
          "\(factors.prefix(4))…")
      }
      return try scaling(guess, unsupported)
    }
  }

  // MARK: The tokenizer

  /// Names of the files that make a tokenizer.
  private static let names = [
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json",
    "chat_template.jinja",
  ]

  /// The tokenizer's files: those of the folder that the model came from, or ones made from its vocabulary.
  static func tokenizerFiles(_ model: LlamaModel) throws(EngineError) -> [(String, Data)] {
    var folder = model.files.flatMap { $0.isGGUF ? nil : $0.path }
    // A model made from another one, merged with an adapter for instance, has no files, but its tokenizer has.
    if let pipeline = model.tokenizer as? PipelineTokenizer {
      folder = URL(filePath: pipeline.file.path).deletingLastPathComponent().path
    }
    if let folder {
      var result: [(String, Data)] = []
      for name in names where FileManager.default.fileExists(atPath: folder + "/" + name) {
        let file = try MappedFile(path: folder + "/" + name)
        result.append((name, withExtendedLifetime(file) { Data(file.bytes) }))
      }
      return result
    }
    return try TokenizerJSON.files(model)
  }
}
