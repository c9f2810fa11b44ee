import Foundation

/// What `config.json` of a Hugging Face folder says, as `transformers` understands it: keys that are absent have the
/// values of its `LlamaConfig` and `MistralConfig`.
struct HuggingFaceConfig {
  var shape: ModelConfiguration
  var tiesEmbeddings: Bool
  var attentionBias: Bool
  var feedForwardBias: Bool
  /// Ids that the model itself names; the tokenizer's files may know better.
  var beginToken: Int?
  var endTokens: [Int]

  /// - Throws: `unreadableFile`, `malformedFile`, `unsupported` for what the engine doesn't run
  init(folder: String) throws(EngineError) {
    let path = folder + "/config.json"
    guard FileManager.default.fileExists(atPath: path) else {
      throw EngineError(
        .unreadableFile, "the folder holds no model", at: folder, expected: "config.json and model.safetensors",
        found: "no config.json", nextStep: "give a GGUF file, or a folder that save_pretrained wrote")
    }
    try self.init(JSONTree.read(path, limit: 1 << 20), path: path, folder: folder)
  }

  private init(_ tree: JSONTree, path: String, folder: String) throws(EngineError) {
    let keys = ConfigKeys(tree: tree, path: path)
    let isMistral = try Self.isMistral(keys)
    if let quantization = tree["quantization_config"] {
      throw EngineError(
        .unsupported, "the checkpoint is quantized in a way that the engine doesn't read",
        at: "\(path), key quantization_config", expected: "F32, F16 or BF16 weights",
        found: quantization["quant_method"]?.summary ?? quantization.summary,
        nextStep: "get the unquantized checkpoint, or a GGUF file")
    }
    if let activation = tree["hidden_act"], activation != .string("silu"), activation != .string("swish") {
      throw EngineError(
        .unsupported, "the engine doesn't know this activation", at: "\(path), key hidden_act", expected: "silu",
        found: activation.summary)
    }
    let hidden = try keys.size("hidden_size") ?? 4096
    let heads = try keys.size("num_attention_heads") ?? 32
    let head = try keys.size("head_dim") ?? hidden / heads
    guard head > 0, head % 2 == 0 else {
      throw EngineError(
        .malformedFile, "the head dimension can't be rotated in pairs", at: "\(path), key head_dim",
        expected: "an even number", found: "\(head) (hidden size \(hidden), \(heads) heads)")
    }
    let context = try keys.size("max_position_embeddings") ?? (isMistral ? 131_072 : 2048)
    let rope = try RoPEKeys(keys, context: context)
    // Mistral's first models see 4096 tokens back when the file says nothing; `null` says all.
    let says = tree.members?["sliding_window"] != nil
    let window = isMistral ? (says ? try keys.size("sliding_window") : 4096) : nil
    let name = tree["_name_or_path"]?.text.flatMap { $0.isEmpty ? nil : $0 }
    let groups = try keys.size("num_key_value_heads")
    let standardGroups = isMistral && tree.members?["num_key_value_heads"] == nil ? 8 : heads
    shape = ModelConfiguration(
      name: (name ?? folder).split(separator: "/").last.map(String.init) ?? "model",
      layerCount: try keys.size("num_hidden_layers") ?? 32, hiddenSize: hidden, headCount: heads,
      keyValueHeadCount: groups ?? standardGroups,
      headDimension: head, feedForwardSize: try keys.size("intermediate_size") ?? (isMistral ? 14_336 : 11_008),
      vocabularySize: try keys.size("vocab_size") ?? 32_000, contextLength: context,
      normEpsilon: Float(try keys.real("rms_norm_eps") ?? 1e-6), ropeBase: Float(rope.base), ropeDimension: head,
      ropeScaling: rope.scaling, slidingWindow: window)
    tiesEmbeddings = try keys.flag("tie_word_embeddings") ?? false
    // Mistral's configuration has no such keys.
    attentionBias = isMistral ? false : try keys.flag("attention_bias") ?? false
    feedForwardBias = isMistral ? false : try keys.flag("mlp_bias") ?? false
    beginToken = tree["bos_token_id"]?.integer
    endTokens = tree["eos_token_id"].map { $0.elements?.compactMap(\.integer) ?? [$0.integer].compactMap(\.self) } ?? []
    try shape.check(at: path)
  }

  private static func isMistral(_ keys: ConfigKeys) throws(EngineError) -> Bool {
    let known = ["LlamaForCausalLM": false, "MistralForCausalLM": true]
    if let architectures = keys.tree["architectures"] {
      let names = architectures.elements?.compactMap(\.text) ?? []
      for name in names { if let isMistral = known[name] { return isMistral } }
      throw EngineError(
        .unsupported, "the engine doesn't run this architecture", at: "\(keys.path), key architectures",
        expected: "LlamaForCausalLM or MistralForCausalLM",
        found: names.isEmpty ? architectures.summary : names.joined(separator: ", "),
        nextStep: "use a model of the Llama family")
    }
    switch keys.tree["model_type"]?.text {
    case "llama": return false
    case "mistral": return true
    default:
      throw EngineError(
        .unsupported, "the engine doesn't run this architecture", at: "\(keys.path), key model_type",
        expected: "llama or mistral", found: keys.tree["model_type"]?.summary ?? "no such key",
        nextStep: "use a model of the Llama family")
    }
  }
}

/// Typed access to `config.json`.
private struct ConfigKeys {
  let tree: JSONTree
  let path: String

  func size(_ key: String) throws(EngineError) -> Int? {
    guard let value = tree[key] else { return nil }
    guard let size = value.integer, (1...1 << 28).contains(size) else {
      throw wrong(key, expected: "an integer from 1 to \(1 << 28)", value)
    }
    return size
  }

  func real(_ key: String, in part: JSONTree? = nil) throws(EngineError) -> Double? {
    guard let value = (part ?? tree)[key] else { return nil }
    guard let real = value.real else { throw wrong(key, expected: "a number", value) }
    return real
  }

  func flag(_ key: String) throws(EngineError) -> Bool? {
    guard let value = tree[key] else { return nil }
    guard let flag = value.boolean else { throw wrong(key, expected: "true or false", value) }
    return flag
  }

  func wrong(_ key: String, expected: String, _ found: JSONTree) -> EngineError {
    EngineError(
      .malformedFile, "a setting of the model makes no sense", at: "\(path), key \(key)", expected: expected,
      found: found.summary, nextStep: "fetch config.json again")
  }
}

/// Rotary settings in both spellings: `rope_theta` with `rope_scaling`, and `rope_parameters`, which holds all.
private struct RoPEKeys {
  var base: Double
  var scaling: RoPEScaling

  init(_ keys: ConfigKeys, context: Int) throws(EngineError) {
    let old = keys.tree["rope_scaling"]
    let name = old != nil ? "rope_scaling" : "rope_parameters"
    let part = old ?? keys.tree["rope_parameters"] ?? .object([:])
    guard part.members != nil else { throw keys.wrong(name, expected: "an object", part) }
    let (outerBase, outerShare) = (try keys.real("rope_theta"), try keys.real("partial_rotary_factor"))
    base = try keys.real("rope_theta", in: part) ?? outerBase ?? 10_000
    let share = try keys.real("partial_rotary_factor", in: part) ?? outerShare ?? 1
    guard share == 1 else {
      throw EngineError(
        .unsupported, "the engine doesn't rotate a part of a head", at: "\(keys.path), key partial_rotary_factor",
        expected: "1", found: "\(share)")
    }
    func real(_ key: String) throws(EngineError) -> Float? { try keys.real(key, in: part).map { Float($0) } }
    func required(_ key: String) throws(EngineError) -> Float {
      guard let value = try real(key) else {
        throw EngineError(
          .malformedFile, "a rotary setting is missing", at: "\(keys.path), key \(name).\(key)", expected: "a number",
          found: "no such key", nextStep: "fetch config.json again")
      }
      return value
    }
    func original() throws(EngineError) -> Int {
      let key = "original_max_position_embeddings"
      let inner = try keys.real(key, in: part)
      guard let value = try keys.real(key) ?? inner else { return context }
      guard let count = Int(exactly: value), (1...1 << 28).contains(count) else {
        throw keys.wrong("\(name).\(key)", expected: "an integer from 1 to \(1 << 28)", .number(value))
      }
      return count
    }
    switch part["rope_type"]?.text ?? part["type"]?.text ?? "default" {
    case "default", "none": scaling = .none
    case "linear": scaling = .linear(factor: try required("factor"))
    case "llama3":
      scaling = .llama3(
        factor: try required("factor"), lowFrequencyFactor: try required("low_freq_factor"),
        highFrequencyFactor: try required("high_freq_factor"), originalContext: try original())
    case "yarn":
      if part["truncate"] == .boolean(false) {
        throw EngineError(
          .unsupported, "the engine doesn't know YaRN with fractional bounds", at: "\(keys.path), key \(name).truncate",
          expected: "true", found: "false")
      }
      let originalContext = try original()
      let factor = try real("factor") ?? Float(Double(context) / Double(originalContext))
      scaling = .yarn(
        factor: factor, attentionFactor: try Self.attentionFactor(keys, part, factor: Double(factor)),
        betaFast: Self.orStandard(try real("beta_fast"), 32), betaSlow: Self.orStandard(try real("beta_slow"), 1),
        originalContext: originalContext)
    case let other:
      throw EngineError(
        .unsupported, "the engine doesn't know this scaling of rotary positions", at: "\(keys.path), key \(name)",
        expected: "default, linear, llama3 or yarn", found: other,
        nextStep: other == "dynamic" ? "it changes with the length of the text: use a model without it" : nil)
    }
  }

  /// 0 counts as absent, as it does for `transformers`.
  private static func orStandard(_ value: Float?, _ standard: Float) -> Float {
    value.flatMap { $0 == 0 ? nil : $0 } ?? standard
  }

  /// Equation 22 of the YaRN paper, and DeepSeek's variant of it with two scales.
  private static func attentionFactor(
    _ keys: ConfigKeys, _ part: JSONTree, factor: Double
  ) throws(EngineError) -> Float {
    if let given = try keys.real("attention_factor", in: part) { return Float(given) }
    func stretch(_ scale: Double) -> Double { factor <= 1 ? 1 : 0.1 * scale * ReproducibleMath.log(factor) + 1 }
    if let one = try keys.real("mscale", in: part), let all = try keys.real("mscale_all_dim", in: part), one != 0,
      all != 0
    {
      return Float(stretch(one) / stretch(all))
    }
    return Float(stretch(1))
  }
}
