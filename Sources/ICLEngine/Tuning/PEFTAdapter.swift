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
    var targetModules: [String]
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
      case bias
      case inferenceMode = "inference_mode"
      case usesRSLoRA = "use_rslora"
      case usesDoRA = "use_dora"
      case isTransposed = "fan_in_fan_out"
      case rankPattern = "rank_pattern"
      case alphaPattern = "alpha_pattern"
    }
  }

  private static let configurationName = "adapter_config.json"
  private static let tensorsName = "adapter_model.safetensors"

  /// Reads an adapter that PEFT, or ``write(to:for:baseModel:)``, saved.
  /// - Throws: `unreadableFile`, `malformedFile`, `unsupported`; `invalidArgument` when it is for another model
  public init(contentsOf folder: String, for c: ModelConfiguration) throws(EngineError) {
    let url = URL(filePath: (folder as NSString).expandingTildeInPath)
    let place = url.appending(path: Self.configurationName).path
    let settings = try Self.configuration(place)
    let file = try SafetensorsFile(path: url.appending(path: Self.tensorsName).path)
    // The rank-stabilized scale alpha/√r (Kalajdzievski 2023, arXiv 2312.03732) as an alpha of ours.
    let alpha = settings.usesRSLoRA == true ? settings.alpha * Double(settings.rank).squareRoot() : settings.alpha
    self.init(rank: settings.rank, alpha: Float(alpha), blocks: Array(repeating: [:], count: c.layerCount))

    var left = Set(file.tensors.keys)
    for index in 0..<c.layerCount {
      for projection in Projection.allCases {
        let (a, b) = (Self.tensorName(index, projection, "A"), Self.tensorName(index, projection, "B"))
        guard left.contains(a) || left.contains(b) else { continue }
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
          b: Self.permuted(try file.floats(b), projection, rank: rank, in: c, toNeighbours: true))
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

  private static func configuration(_ path: String) throws(EngineError) -> Configuration {
    let file = try MappedFile(path: path)
    guard file.byteCount < 1 << 20 else {
      throw EngineError(
        .malformedFile, "the adapter's settings are too long", at: path, expected: "below 1 MB",
        found: "\(file.byteCount) bytes")
    }
    let settings: Configuration
    do {
      settings = try JSONDecoder().decode(Configuration.self, from: Data(file.bytes))
    } catch {
      throw EngineError(
        .malformedFile, "the adapter's settings can't be read", at: path,
        expected: "PEFT's adapter_config.json of a LoRA adapter, target_modules a list of names",
        nextStep: "save the adapter again with PEFT", underlying: error)
    }
    guard (1...4096).contains(settings.rank), settings.alpha.isFinite else {
      throw EngineError(
        .malformedFile, "the adapter's rank or alpha makes no sense", at: path, expected: "a rank of 1 to 4096",
        found: "rank \(settings.rank), alpha \(settings.alpha)")
    }
    let problems = [
      settings.peftType == "LORA" ? nil : "peft_type \(settings.peftType.prefix(40))",
      settings.usesDoRA == true ? "use_dora" : nil,
      settings.isTransposed == true ? "fan_in_fan_out" : nil,
      settings.bias ?? "none" == "none" ? nil : "trained biases",
      settings.rankPattern?.isEmpty == false ? "rank_pattern" : nil,
      settings.alphaPattern?.isEmpty == false ? "alpha_pattern" : nil,
    ].compactMap(\.self)
    guard problems.isEmpty else {
      throw EngineError(
        .unsupported, "an adapter of a kind that the engine doesn't apply", at: path,
        expected: "plain LoRA of one rank, without biases", found: problems.joined(separator: ", "))
    }
    return settings
  }

  /// Saves the adapter so that PEFT and ``init(contentsOf:for:)`` read it. The folder is made if need be.
  /// - Throws: `invalidArgument` when the adapter doesn't fit the shape, `unreadableFile` when nothing can be written
  public func write(to folder: String, for c: ModelConfiguration, baseModel: String? = nil) throws(EngineError) {
    try check(c)
    let url = URL(filePath: (folder as NSString).expandingTildeInPath)
    var tensors = SafetensorsWriter()
    var used: Set<Projection> = []
    for (index, block) in blocks.enumerated() {
      for projection in Projection.allCases {
        guard let pair = block[projection] else { continue }
        let shape = projection.shape(in: c)
        used.insert(projection)
        tensors.add(Self.tensorName(index, projection, "A"), shape: [rank, shape.input], values: pair.a)
        tensors.add(
          Self.tensorName(index, projection, "B"), shape: [shape.output, rank],
          values: Self.permuted(pair.b, projection, rank: rank, in: c, toNeighbours: false))
      }
    }
    let settings = Configuration(
      baseModel: baseModel, rank: rank, alpha: Double(alpha),
      targetModules: Projection.allCases.filter(used.contains).map { "\($0.rawValue)_proj" })
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      try encoder.encode(settings).write(to: url.appending(path: Self.configurationName), options: .atomic)
    } catch {
      throw EngineError(
        .unreadableFile, "the adapter cannot be written", at: url.path,
        nextStep: "check the folder and the free space", underlying: error)
    }
    try tensors.write(to: url.appending(path: Self.tensorsName).path)
  }

  private static func tensorName(_ layer: Int, _ projection: Projection, _ side: String) -> String {
    let module =
      switch projection {
      case .q, .k, .v, .o: "self_attn"
      case .gate, .up, .down: "mlp"
      }
    return "base_model.model.model.layers.\(layer).\(module).\(projection.rawValue)_proj.lora_\(side).weight"
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
