import ICLEngine
import Testing

/// What isn't kept or isn't computed again: the same bits with less memory, or with less work.
@Suite struct RecomputationTests {
  private static let c = ModelConfiguration(
    layerCount: 5, hiddenSize: 36, headCount: 6, keyValueHeadCount: 2, feedForwardSize: 50, vocabularySize: 61,
    contextLength: 128)

  private func trainer(
    _ method: TuningMethod, adapter: LoRAAdapter?, recomputes: Bool = false, layers: [Int]? = nil,
    arithmetic: TrainingArithmetic = .reproducible
  ) -> Trainer {
    Trainer(
      TrainingNetwork(
        SmallModels.weights(Self.c, isTied: true, biases: true), Self.c, method: method, adapter: adapter,
        layers: layers), arithmetic: arithmetic, pool: .shared, recomputes: recomputes)
  }

  private static let lora = TuningMethod.lora(rank: 3, alpha: 7, projections: Projection.allCases, dropout: 0.25)

  @Test(arguments: [lora, .full, .keyValue], [TrainingArithmetic.reproducible, .openBLAS, .bf16])
  func `computing a block's inside again changes no bit`(method: TuningMethod, arithmetic: TrainingArithmetic) throws {
    let adapter = method == Self.lora ? SmallModels.adapter(Self.c) : nil
    let kept = trainer(method, adapter: adapter, arithmetic: arithmetic)
    let again = trainer(method, adapter: adapter, recomputes: true, arithmetic: arithmetic)
    let batch = SmallModels.batch(Self.c)
    for portions in [1, 2] {
      let losses = (
        try kept.gradients(batch, portions: portions, dropoutSeed: 3),
        try again.gradients(batch, portions: portions, dropoutSeed: 3)
      )
      #expect(losses.0 == losses.1)
      #expect(kept.network.trained.count == again.network.trained.count)
      for (a, b) in zip(kept.network.trained, again.network.trained) {
        #expect(a.gradient?.values == b.gradient?.values, "\(a.name)")
        #expect(a.gradient?.values.contains { $0 != 0 } == true, "\(a.name)")
      }
    }
    // Four of five layers' insides, for 65 rows of F32: two scales, q, k, v, attended, middle, gate, up.
    let layer = 65 * (2 + 36 + 12 + 12 + 36 + 36 + 50 + 50) * 4
    // In bf16 the four keep half as much, without the scales, with the residual stream before them: two of six are F32.
    let stream = 65 * 36 * 4
    let rounded = (layer - 65 * 2 * 4 + stream) / 2
    #expect(
      kept.workspaceBytes - again.workspaceBytes == (arithmetic == .bf16 ? 4 * rounded - 4 * stream : 4 * layer))
  }

  @Test func `whole runs agree too`() throws {
    let model = try LlamaModel(
      configuration: Self.c, weights: SmallModels.weights(Self.c, isTied: false), tokenizer: SmallModels.tokenizer)
    var settings = TuningConfiguration(
      method: Self.lora, learningRate: 1e-2, schedule: .linear, warmUpSteps: 1, steps: 5, batchSize: 2, clip: 1)
    let kept = try LoRATuner.tune(model, on: SmallModels.batch(Self.c), settings)
    settings.recomputes = true
    let again = try LoRATuner.tune(model, on: SmallModels.batch(Self.c), settings)
    #expect(kept.losses == again.losses && kept.adapter == again.adapter)
    #expect(Set(kept.losses).count > 3)
  }

  @Test(arguments: [[4, 5], [3], [2, 5]]) func `chosen layers have the gradients that they have among all`(
    layers: [Int]
  ) throws {
    let batch = SmallModels.batch(Self.c)
    for (method, adapter) in [(Self.lora, SmallModels.adapter(Self.c)), (.full, nil), (.keyValue, nil)]
      as [(TuningMethod, LoRAAdapter?)]
    {
      let all = trainer(method, adapter: adapter)
      let some = trainer(method, adapter: adapter, layers: layers)
      // Without dropout: the frozen updates below have none.
      let losses = (try all.gradients(batch), try some.gradients(batch))
      #expect(losses.0 == losses.1)
      let wanted = layers.map { "block \($0 - 1) " }
      #expect(some.network.trained.allSatisfy { p in wanted.contains { p.name.hasPrefix($0) } })
      #expect(
        some.network.trained.count
          == all.network.trained.count(where: { p in wanted.contains { p.name.hasPrefix($0) } }))
      let expected = Dictionary(uniqueKeysWithValues: all.network.trained.map { ($0.name, $0.gradient?.values) })
      for parameter in some.network.trained {
        #expect(parameter.gradient?.values == expected[parameter.name], "\(parameter.name)")
      }
    }
  }

  @Test func `what enters the lowest tuned block is computed once for each example`() throws {
    let trainer = trainer(Self.lora, adapter: SmallModels.adapter(Self.c), layers: [4, 5])
    let batch = SmallModels.batch(Self.c)
    var losses: [Float] = []
    for step in 0..<4 {
      losses.append(
        try trainer.step(batch, optimizer: .adamW, rate: 1e-2, clip: nil, portions: 2, dropoutSeed: UInt64(step)))
    }
    #expect(trainer.frozenSequences == 4)
    #expect(losses[3] < losses[0])
    // The room for the first three blocks' states isn't there.
    let all = self.trainer(Self.lora, adapter: SmallModels.adapter(Self.c))
    try all.gradients(batch, portions: 2)
    #expect(trainer.workspaceBytes < all.workspaceBytes)
  }

  @Test func `frozen layers of an adapter stay and act`() throws {
    let weights = SmallModels.weights(Self.c, isTied: true)
    let model = try LlamaModel(configuration: Self.c, weights: weights, tokenizer: SmallModels.tokenizer)
    let start = SmallModels.adapter(Self.c)
    let result = try LoRATuner.tune(
      model, on: SmallModels.batch(Self.c),
      TuningConfiguration(method: .lora(rank: 3, alpha: 7), learningRate: 1e-2, steps: 6, layers: [5]), from: start)
    let tuned = try #require(result.adapter)
    #expect(tuned.blocks.prefix(4) == start.blocks.prefix(4) && tuned.blocks[4] != start.blocks[4])
    let network = TrainingNetwork(weights, Self.c, method: .lora(), adapter: start)
    #expect(
      try result.losses[0] == Trainer(network, arithmetic: .reproducible, pool: .shared).loss(SmallModels.batch(Self.c))
    )
    #expect(result.losses[5] < result.losses[0])
    // A new adapter has updates in the chosen layers alone.
    let fresh = try LoRATuner.tune(model, on: SmallModels.batch(Self.c), TuningConfiguration(steps: 1, layers: [2, 4]))
      .adapter
    #expect(fresh?.blocks.map(\.isEmpty) == [true, false, true, false, true])
    for wrong in [[], [0], [6]] {
      #expect(throws: EngineError.self) {
        try LoRATuner.tune(model, on: SmallModels.batch(Self.c), TuningConfiguration(steps: 1, layers: wrong))
      }
    }
  }
}
