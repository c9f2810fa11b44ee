import Foundation

/// Low-rank adapters as PEFT keeps them: a folder with `adapter_config.json` and `adapter_model.safetensors`.
///
/// Hugging Face's rotary pairs are `(i, i + E/2)`, ours are neighbours: the rows of `B` of query and key are permuted
/// between the two.
extension LoRAAdapter {
  /// What of `adapter_config.json` matters here.
  private struct Configuration: Codable {
    var peftType = "LORA"
    var taskType: String? = "CAUSAL_LM"
    var baseModel: String?
    var rank: Int
    var alpha: Double
    var dropout: Double? = 0
    var targetModules: Targets
    var modulesToSave: [String]?
    var bias: String? = "none"
    var inferenceMode: Bool? = true
    var usesRSLoRA: Bool? = false
    var usesDoRA: Bool? = false
    var isTransposed: Bool? = false
    var rankPattern: [String: Int]? = [:]
    var alphaPattern: [String: Double]? = [:]

    enum CodingKeys: String, CodingKey {
      case peftType = "peft_type"
      case taskType = "task_type"
      case baseModel = "base_model_name_or_path"
      case rank = "r"
      case alpha = "lora_alpha"
      case dropout = "lora_dropout"
      case targetModules = "target_modules"
      case modulesToSave = "modules_to_save"
      case bias
      case inferenceMode = "inference_mode"
      case usesRSLoRA = "use_rslora"
      case usesDoRA = "use_dora"
      case isTransposed = "fan_in_fan_out"
      case rankPattern = "rank_pattern"
      case alphaPattern = "alpha_pattern"
    }
  }

  /// A list of names, or a regular expression: the tensors say it better, so neither is used.
  private enum Targets: Codable {
    case names([String])
    case pattern(String)

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let text = try? container.decode(String.self) {
        self = .pattern(text)
      } else {
        self = .names(try container.decode([String].self))
      }
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .names(let names): try container.encode(names)
      case .pattern(let text): try container.encode(text)
      }
    }
  }

  /// Settings of PEFT under which an adapter is more than `scale · B·A` on a projection.
  private static let strangeSettings = [
    "alora_invocation_tokens", "arrow_config", "kasa_config", "layer_replication", "lora_bias", "megatron_config",
    "monteclora_config", "target_parameters", "trainable_token_indices", "use_bdlora", "use_qalora", "velora_config",
  ]
  /// Ways to begin that leave the base as it was; others (PiSSA, OLoRA, CorDA, LoftQ, …) take something out of it.
  private static let harmlessBeginnings = ["gaussian", "eva", "orthogonal", "true", "false"]

  private static let configurationName = "adapter_config.json"
  private static let tensorsName = "adapter_model.safetensors"

  /// Reads an adapter that PEFT, or ``write(to:for:baseModel:)``, saved.
  /// - Throws: `unreadableFile`, `malformedFile`, `unsupported`; `invalidArgument` when it is for another model
  public init(contentsOf folder: String, for c: ModelConfiguration) throws(EngineError) {
    let url = URL(filePath: (folder as NSString).expandingTildeInPath)
    let place = url.appending(path: Self.configurationName).path
    let settings = try Self.configuration(place)
    let file = try SafetensorsFile(path: url.appending(path: Self.tensorsName).path)
    self.init(
      rank: settings.rank, alpha: Float(settings.alpha), blocks: Array(repeating: [:], count: c.layerCount),
      isRankStabilized: settings.usesRSLoRA == true)
    let ranks = try Self.patterns(settings.rankPattern, at: "\(place), rank_pattern")
    let alphas = try Self.patterns(settings.alphaPattern, at: "\(place), alpha_pattern")

    var left = Set(file.tensors.keys)
    for index in 0..<c.layerCount {
      for projection in Projection.allCases {
        let (a, b) = (Self.tensorName(index, projection, "A"), Self.tensorName(index, projection, "B"))
        guard left.contains(a) || left.contains(b) else { continue }
        let module = Self.moduleName(index, projection)
        let own = try Self.value(of: module, ranks, at: "\(place), rank_pattern")
        let ownAlpha = try Self.value(of: module, alphas, at: "\(place), alpha_pattern").map { Float($0) }
        let rank = own ?? settings.rank
        let shape = projection.shape(in: c)
        for (name, expected) in [(a, [rank, shape.input]), (b, [shape.output, rank])] {
          guard let tensor = file.tensors[name], tensor.shape == expected else {
            throw EngineError(
              .invalidArgument, "the adapter doesn't fit the model", at: "\(file.path), tensor \(name)",
              expected: "\(expected)", found: file.tensors[name].map { "\($0.shape)" } ?? "none",
              nextStep: "use an adapter made for this model")
          }
        }
        blocks[index][projection] = Pair(
          a: try file.floats(a),
          b: Self.permuted(try file.floats(b), projection, rank: rank, in: c, toNeighbours: true),
          rank: rank == settings.rank ? nil : rank, alpha: ownAlpha == alpha ? nil : ownAlpha)
        left.remove(a)
        left.remove(b)
      }
    }
    if let stranger = left.sorted().first {
      throw EngineError(
        .unsupported, "the adapter has a tensor that the engine has no place for", at: "\(file.path)",
        expected: "\(Self.tensorName(0, .q, "A")) and the like, in layers 0..<\(c.layerCount)",
        found: "\(stranger.prefix(200))",
        nextStep: "use an adapter made for this model, of linear projections alone")
    }
    if blocks.allSatisfy(\.isEmpty) {
      throw EngineError(.malformedFile, "the adapter has no tensors", at: file.path, found: "none")
    }
  }

  private static func patterns<Value>(
    _ entries: [String: Value]?, at place: String
  ) throws(EngineError) -> [(pattern: NamePattern, value: Value)] {
    var result: [(pattern: NamePattern, value: Value)] = []
    for (text, value) in entries ?? [:] { result.append((try NamePattern(text, at: place), value)) }
    return result
  }

  /// The value whose pattern a module's name matches; `nil` for none. PEFT takes the first of the file, which JSON's
  /// objects, having no order, don't tell: they must agree.
  private static func value<Value: Hashable>(
    of module: String, _ patterns: [(pattern: NamePattern, value: Value)], at place: String
  ) throws(EngineError) -> Value? {
    // Names of a thousand modules take a tenth of it.
    var effort = 200_000
    let found = Set(patterns.filter { $0.pattern.matches(module, effort: &effort) }.map(\.value))
    guard effort >= 0 else {
      throw EngineError(
        .unsupported, "an adapter's patterns take too long to match", at: place, expected: "names of modules",
        found: "\(patterns.count) patterns", nextStep: "write each module's name out")
    }
    guard found.count < 2 else {
      throw EngineError(
        .unsupported, "several patterns of an adapter match one projection", at: place,
        expected: "one for \(module)", found: "\(found.count) that differ", nextStep: "write each module's name out")
    }
    return found.first
  }

  private static func configuration(_ path: String) throws(EngineError) -> Configuration {
    let file = try MappedFile(path: path)
    // The bytes end with the object, and the optimizer ends it at its last use.
    defer { withExtendedLifetime(file) {} }
    guard file.byteCount < 1 << 20 else {
      throw EngineError(
        .malformedFile, "the adapter's settings are too long", at: path, expected: "below 1 MB",
        found: "\(file.byteCount) bytes")
    }
    let settings: Configuration
    let all: [String: Any]
    do {
      settings = try JSONDecoder().decode(Configuration.self, from: Data(file.bytes))
      all = try JSONSerialization.jsonObject(with: Data(file.bytes)) as? [String: Any] ?? [:]
    } catch {
      throw EngineError(
        .malformedFile, "the adapter's settings can't be read", at: path,
        expected: "PEFT's adapter_config.json of a LoRA adapter",
        nextStep: "save the adapter again with PEFT", underlying: error)
    }
    let ranks = [settings.rank] + (settings.rankPattern ?? [:]).values
    let alphas = [settings.alpha] + (settings.alphaPattern ?? [:]).values
    guard ranks.allSatisfy({ (1...4096).contains($0) }), alphas.allSatisfy({ $0.isFinite }) else {
      throw EngineError(
        .malformedFile, "the adapter's rank or alpha makes no sense", at: path, expected: "a rank of 1 to 4096",
        found: "ranks \(ranks.prefix(8)), alphas \(alphas.prefix(8))")
    }
    let strange = strangeSettings.filter { name in
      switch all[name] {
      case nil, is NSNull: false
      case let flag as Bool: flag
      case let list as [Any]: !list.isEmpty
      default: true
      }
    }
    var beginning = ""
    if let name = all["init_lora_weights"] as? String, !harmlessBeginnings.contains(name.lowercased()) {
      beginning = "init_lora_weights \(name.prefix(40)), which changes the base"
    }
    let saved = settings.modulesToSave ?? []
    let problems =
      [
        settings.peftType == "LORA" ? nil : "peft_type \(settings.peftType.prefix(40))",
        settings.usesDoRA == true ? "use_dora (weight-decomposed updates)" : nil,
        settings.isTransposed == true ? "fan_in_fan_out" : nil,
        settings.bias ?? "none" == "none" ? nil : "trained biases",
        saved.isEmpty ? nil : "modules_to_save (whole modules: \(saved.joined(separator: ", ").prefix(80)))",
        beginning.isEmpty ? nil : beginning,
      ].compactMap(\.self) + strange
    guard problems.isEmpty else {
      throw EngineError(
        .unsupported, "an adapter of a kind that the engine doesn't apply", at: path,
        expected: "plain LoRA of linear projections, without biases or whole modules",
        found: problems.joined(separator: ", "))
    }
    return settings
  }

  /// Saves the adapter so that PEFT and ``init(contentsOf:for:)`` read it. The folder is made if need be.
  /// - Throws: `invalidArgument` when the adapter doesn't fit the shape, `unreadableFile` when nothing can be written
  public func write(to folder: String, for c: ModelConfiguration, baseModel: String? = nil) throws(EngineError) {
    try check(c)
    let url = URL(filePath: (folder as NSString).expandingTildeInPath)
    var tensors = SafetensorsWriter()
    var used: [Projection: [Int]] = [:]
    var ranks: [String: Int] = [:]
    var alphas: [String: Double] = [:]
    for (index, block) in blocks.enumerated() {
      for projection in Projection.allCases {
        guard let pair = block[projection] else { continue }
        let shape = projection.shape(in: c)
        used[projection, default: []].append(index)
        let rank = rank(of: pair)
        if rank != self.rank { ranks[Self.moduleName(index, projection)] = rank }
        if let own = pair.alpha, own != alpha { alphas[Self.moduleName(index, projection)] = Double(own) }
        tensors.add(Self.tensorName(index, projection, "A"), shape: [rank, shape.input], values: pair.a)
        tensors.add(
          Self.tensorName(index, projection, "B"), shape: [shape.output, rank],
          values: Self.permuted(pair.b, projection, rank: rank, in: c, toNeighbours: false))
      }
    }
    let settings = Configuration(
      baseModel: baseModel, rank: rank, alpha: Double(alpha),
      targetModules: .names(Self.targets(used, blockCount: blocks.count)), usesRSLoRA: isRankStabilized,
      rankPattern: ranks, alphaPattern: alphas)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let configuration: Data
    do { configuration = try encoder.encode(settings) } catch {
      throw EngineError(
        .invalidArgument, "the adapter's settings cannot be written as JSON", at: url.path, underlying: error)
    }
    let stage = try StagedFolder(path: url.path)
    try StagedFile.write(configuration, to: "\(stage.path)/\(Self.configurationName)")
    try tensors.write(to: "\(stage.path)/\(Self.tensorsName)")
    try stage.finish()
  }

  /// A projection of all blocks by its own name, others one by one: PEFT makes an update for every module that is named.
  private static func targets(_ used: [Projection: [Int]], blockCount: Int) -> [String] {
    Projection.allCases.flatMap { projection in
      let blocks = used[projection] ?? []
      return blocks.count == blockCount ? ["\(projection.rawValue)_proj"] : blocks.map { moduleName($0, projection) }
    }
  }

  /// PEFT's name of a projection within the model.
  private static func moduleName(_ layer: Int, _ projection: Projection) -> String {
    let part =
      switch projection {
      case .q, .k, .v, .o: "self_attn"
      case .gate, .up, .down: "mlp"
      }
    return "model.layers.\(layer).\(part).\(projection.rawValue)_proj"
  }

  private static func tensorName(_ layer: Int, _ projection: Projection, _ side: String) -> String {
    "base_model.model.\(moduleName(layer, projection)).lora_\(side).weight"
  }

  /// Rows of query's and key's `B`, `[output, rank]`, from pairs `(i, i + E/2)` to neighbours or back.
  private static func permuted(
    _ b: [Float], _ projection: Projection, rank: Int, in c: ModelConfiguration, toNeighbours: Bool
  ) -> [Float] {
    let heads: Int
    switch projection {
    case .q: heads = c.headCount
    case .k: heads = c.keyValueHeadCount
    case .v, .o, .gate, .up, .down: return b
    }
    let e = c.headDimension
    var result = b
    for head in 0..<heads {
      for i in 0..<e / 2 {
        for side in 0..<2 {
          let (neighbour, apart) = (head * e + 2 * i + side, head * e + side * (e / 2) + i)
          let (from, to) = toNeighbours ? (apart, neighbour) : (neighbour, apart)
          result.replaceSubrange(to * rank..<(to + 1) * rank, with: b[from * rank..<(from + 1) * rank])
        }
      }
    }
    return result
  }
}
