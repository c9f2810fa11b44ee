extension TuningSettings {
  /// Everything that tuning in an experiment is.
  func configuration(seed: UInt64) -> TuningConfiguration {
    let method: TuningMethod =
      switch self.method {
      case .lora: .lora(rank: rank, alpha: alpha, projections: projections)
      case .keyValue: .keyValue
      case .full: .full
      }
    return TuningConfiguration(method: method, learningRate: learningRate, steps: steps, seed: seed)
  }
}

/// The engine's model in experiments.
extension LlamaModel: ExperimentModel {
  package func tuned(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> LoRAAdapter? {
    if settings.steps == 0 { return nil }
    return try tune(on: examples, settings, every: nil, seed: seed, onStep: onStep).adapter
  }

  package func tuned(
    together parts: [TuningPart], _ settings: TuningSettings, onStep: (_ part: Int, _ loss: Float) -> Void
  ) throws(EngineError) -> [LoRAAdapter?] {
    if settings.steps == 0 { return parts.map { _ in nil } }
    let results = try LoRATuner.tune(
      self, parts.map { LoRATuner.Member(examples: Self.examples($0.examples), seed: $0.seed) },
      self.settings(settings, seed: 0)
    ) { for (part, one) in $0.enumerated() { onStep(part, one.loss) } }
    if results.contains(where: \.isInterrupted) { throw EngineError(.interrupted, "interrupted while tuning") }
    return results.map(\.adapter)
  }

  package func countTogether(_ parts: [TuningPart], _ settings: TuningSettings) -> Int {
    LoRATuner.countTogether(self, parts.map { Self.examples($0.examples) }, self.settings(settings, seed: 0))
  }

  package func tunedSnapshots(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, every: Int, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> [(step: Int, adapter: LoRAAdapter)] {
    let result = try tune(on: examples, settings, every: every, seed: seed, onStep: onStep)
    var snapshots = result.snapshots.map { (step: $0.step, adapter: $0.adapter) }
    if let last = result.adapter, snapshots.last?.step != settings.steps { snapshots.append((settings.steps, last)) }
    return snapshots
  }

  package func whollyTuned(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> any ExperimentModel {
    guard let tuned = try tune(on: examples, settings, every: nil, seed: seed, onStep: onStep).weights else {
      throw EngineError(
        .invalidArgument, "tuning by LoRA gives an adapter, not weights", at: name, expected: "keyValue or full",
        found: settings.method.rawValue)
    }
    return try LlamaModel(
      configuration: configuration, weights: tuned, tokenizer: tokenizer, name: "\(name), tuned",
      chatTemplate: chatTemplate, files: nil, pool: pool, precision: precision)
  }

  package func queryVectors(
    _ prompts: [[Int]], positions: CaptureRequest.Positions, adapter: LoRAAdapter?
  ) throws(EngineError) -> [[[[Float]]]] {
    let all = try forward(
      prompts,
      capture: CaptureRequest(
        points: [.residual], layers: .some(Array(0..<configuration.layerCount)), positions: positions),
      adapter: adapter)
    let pass = ForwardPass(model: self, adapter: adapter, pool: pool)
    return all.map { states in
      (0..<configuration.layerCount).map { layer in
        let rows = states.residual(layer) ?? []
        let x = FloatMatrix(rows: rows.count, columns: configuration.hiddenSize)
        for (index, row) in rows.enumerated() { x.setRow(index, to: row) }
        let q = pass.queries(layer, of: x)
        return rows.indices.map { q.row($0) }
      }
    }
  }

  private func tune(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, every: Int?, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> TuningResult {
    var configuration = self.settings(settings, seed: seed)
    configuration.snapshotEvery = every
    let result = try LoRATuner.tune(self, on: Self.examples(examples), configuration) { onStep($0.loss) }
    // A half tuned model is no condition of a comparison.
    if result.isInterrupted { throw EngineError(.interrupted, "interrupted while tuning") }
    return result
  }

  /// Tuning computes as the model does.
  private func settings(_ settings: TuningSettings, seed: UInt64) -> TuningConfiguration {
    var configuration = settings.configuration(seed: seed)
    configuration.arithmetic = precision == .bf16 ? .bf16 : .reproducible
    return configuration
  }

  private static func examples(_ examples: [(tokens: [Int], lossWeights: [Float])]) -> [TuningExample] {
    examples.map { TuningExample(tokens: $0.tokens, lossWeights: $0.lossWeights) }
  }

  /// Bytes of keys and values that a batch of prompts may take while their answers are written.
  private static let writingRoom = 512 << 20

  /// What was read is kept; as many prompts at a time as there is room for.
  package func continued(
    _ prompts: [[Int]], limits: [Int], adapter: LoRAAdapter?, isDone: (Int, [Int]) -> Bool
  ) throws(EngineError) -> [[Int]] {
    let cache = PrefixCache(byteLimit: Self.writingRoom)
    let longest = zip(prompts, limits).map { $0.count + max($1, 0) }.max() ?? 0
    let together = max(Self.writingRoom / max(ModelMemory(self).keyValueBytes(tokens: longest), 1), 1)
    var written: [[Int]] = []
    for start in stride(from: 0, to: prompts.count, by: together) {
      let part = start..<min(start + together, prompts.count)
      written += try greedy(
        Array(prompts[part]), limits: Array(limits[part]), isDone: { isDone(start + $0, $1) }
      ) { prompts throws(EngineError) in
        let states = try forward(
          prompts, capture: CaptureRequest(points: [], layers: .some([]), positions: .last, logits: true),
          adapter: adapter, interventions: [], cache: cache)
        return states.map { $0.logits.last ?? [] }
      }
    }
    return written
  }

  package func quantized(as type: TensorType) throws(EngineError) -> any ExperimentModel {
    try BlockQuantizer.check(type, name: "of every matrix")
    func matrix(_ matrix: WeightMatrix) throws(EngineError) -> WeightMatrix {
      // As in a file that `quantize` writes: rows that are not whole blocks keep their type.
      guard matrix.type != type, matrix.columns % type.blockSize == 0 else { return matrix }
      return try matrix.stored(as: type, pool: pool)
    }
    var result = weights
    result.tokenEmbedding = try matrix(weights.tokenEmbedding)
    if let output = weights.output { result.output = try matrix(output) }
    for block in weights.blocks.indices {
      for projection in Projection.allCases {
        guard let one = weights.blocks[block].projections[projection] else { continue }
        result.blocks[block].projections[projection] = try matrix(one)
      }
    }
    // Its bits come from a file that it isn't read from: the name says which.
    let source = files.map { ", from SHA-256 \($0.sha256.prefix(16))" } ?? ""
    return try LlamaModel(
      configuration: configuration, weights: result, tokenizer: tokenizer, name: "\(name) as \(type.name)\(source)",
      chatTemplate: chatTemplate, files: nil, pool: pool, precision: precision)
  }

  /// Weights of an untrained model beyond which it is left out: 60 million, 240 MB in F32.
  static let largestTwin = 60_000_000

  /// Matrices are normal with standard deviation 0.02, gains are 1, as Llama models begin (Touvron et al. 2023 leave
  /// it to GPT's convention).
  package func untrainedTwin(seed: UInt64) throws(EngineError) -> (any ExperimentModel)? {
    guard weights.parameterCount <= Self.largestTwin else { return nil }
    var generator = SeededGenerator(seed: seed, stream: "untrained weights")
    func matrix(_ like: WeightMatrix) -> WeightMatrix {
      WeightMatrix(
        name: like.name, rows: like.rows, columns: like.columns,
        values: generator.normals(like.rows * like.columns).map { $0 * 0.02 })
    }
    let embedding = matrix(weights.tokenEmbedding)
    let blocks = weights.blocks.map { block in
      var projections: [Projection: WeightMatrix] = [:]
      for projection in Projection.allCases { projections[projection] = block.projections[projection].map(matrix) }
      return LlamaWeights.Block(
        attentionNorm: block.attentionNorm.map { _ in 1 }, feedForwardNorm: block.feedForwardNorm.map { _ in 1 },
        projections: projections, biases: block.biases.mapValues { $0.map { _ in 0 } })
    }
    let untrained = LlamaWeights(
      tokenEmbedding: embedding, blocks: blocks, finalNorm: weights.finalNorm.map { _ in 1 },
      output: weights.output.map(matrix))
    return try LlamaModel(
      configuration: configuration, weights: untrained, tokenizer: tokenizer, name: "\(name), untrained")
  }
}
