import ICLEngine
import Testing

/// What examples begin with goes through the model once.
@Suite struct SharedBeginningTests {
  /// Texts over few tokens, so that many begin alike: some equal, some the beginning of others, some without a target.
  private static func batch(_ c: ModelConfiguration, count: Int = 12, seed: UInt64) -> [TuningExample] {
    var generator = SeededGenerator(seed: seed)
    let beginnings = (0..<3).map { _ in (0..<14).map { _ in generator.index(below: c.vocabularySize) } }
    return (0..<count).map { index in
      let length = index == 3 ? 1 : 4 + generator.index(below: 40)
      let begin = beginnings[generator.index(below: 3)].prefix(4 + generator.index(below: 11))
      let tokens = Array((begin + (0..<40).map { _ in generator.index(below: 3) }).prefix(length))
      return TuningExample(
        tokens: tokens, lossWeights: tokens.map { _ in [0, 0, 1, 0.5][generator.index(below: 4)] })
    } + [TuningExample(tokens: [1, 2, 3], lossWeights: [1, 0, 0])]
  }

  private static func trainer(
    _ c: ModelConfiguration, _ method: TuningMethod, sharing: Bool, arithmetic: TrainingArithmetic = .reproducible,
    pool: ThreadPool = .shared, layers: [Int]? = nil, recomputes: Bool = false
  ) -> Trainer {
    var adapter: LoRAAdapter?
    if case .lora = method { adapter = SmallModels.adapter(c) }
    return Trainer(
      TrainingNetwork(
        SmallModels.weights(c, isTied: true, biases: true), c, method: method, adapter: adapter, layers: layers),
      arithmetic: arithmetic, pool: pool, recomputes: recomputes, sharing: sharing)
  }

  private static let lora = TuningMethod.lora(rank: 3, alpha: 7, projections: Projection.allCases)

  @Test(arguments: [1, 2, 3, 4] as [UInt64]) func `every counted prediction stands behind its own tokens`(
    seed: UInt64
  ) {
    let batch = Self.batch(SmallModels.configuration(), seed: seed)
    let packed = PackedBatch([batch[...]], sharing: true)
    var expected: [[Int]: Float] = [:]
    for example in batch {
      for i in example.tokens.indices.dropFirst() where example.lossWeights[i] != 0 {
        expected[Array(example.tokens[...i]), default: 0] += example.lossWeights[i]
      }
    }
    var found: [[Int]: Float] = [:]
    for target in packed.targets {
      let span = packed.spans.first { $0.own.row <= target.row && target.row < $0.own.row + $0.own.count }
      guard let span else { continue }
      let before = packed.path(of: span).prefix(span.offset + target.row - span.own.row + 1)
      #expect(found.updateValue(target.weight, forKey: before + [Int(target.token)]) == nil, "counted twice")
    }
    #expect(found == expected)
    #expect(packed.targets.map(\.row) == packed.targets.map(\.row).sorted())
    #expect(packed.tokens.count < batch.reduce(0) { $0 + $1.tokens.count } * 4 / 5)
  }

  @Test(
    arguments: [lora, .full, .keyValue], [TrainingArithmetic.reproducible, .bf16])
  func `loss and gradients are those of separate rows`(method: TuningMethod, arithmetic: TrainingArithmetic) throws {
    for window in [nil, 7] {
      let c = SmallModels.configuration(window: window)
      let batch = Self.batch(c, seed: 5)
      let apart = Self.trainer(c, method, sharing: false, arithmetic: arithmetic)
      let shared = Self.trainer(c, method, sharing: true, arithmetic: arithmetic)
      let losses = (try apart.gradients(batch), try shared.gradients(batch))
      #expect(shared.rowCount < apart.rowCount)
      // States have the same bits; the sum of the losses is taken in another order.
      #expect(abs(losses.0 - losses.1) <= 1e-6 * losses.0)
      // In bf16 the gradients that a shared row gets are rounded once as a sum, not one by one.
      let tolerance = arithmetic == .bf16 ? 3e-2 : 2e-5
      for (a, b) in zip(apart.network.trained, shared.network.trained) {
        let distance = relativeDistance(b.gradient?.values ?? [], a.gradient?.values ?? [])
        #expect(distance < tolerance, "\(a.name), window \(window ?? 0): \(distance)")
      }
    }
  }

  @Test func `they change no bit from run to run, with other threads, with recomputation, above frozen blocks`() throws
  {
    let c = SmallModels.configuration()
    let batch = Self.batch(c, seed: 6)
    func gradients(_ trainer: Trainer) throws -> [[Float]?] {
      try trainer.gradients(batch)
      // The second time from the states that the frozen blocks gave.
      try trainer.gradients(batch)
      return trainer.network.trained.map { $0.gradient?.values }
    }
    for arithmetic in [TrainingArithmetic.reproducible, .bf16] {
      let expected = try gradients(Self.trainer(c, Self.lora, sharing: true, arithmetic: arithmetic))
      for threads in [1, 3] {
        let pool = ThreadPool(threadCount: threads)
        #expect(
          try gradients(Self.trainer(c, Self.lora, sharing: true, arithmetic: arithmetic, pool: pool)) == expected)
      }
      #expect(
        try gradients(Self.trainer(c, Self.lora, sharing: true, arithmetic: arithmetic, recomputes: true)) == expected)
      let upper = try gradients(Self.trainer(c, Self.lora, sharing: true, arithmetic: arithmetic, layers: [2]))
      #expect(upper == Array(expected.suffix(upper.count)))
    }
  }

  @Test func `texts that begin with one token alike keep their rows`() {
    let texts = (0..<10).map { text in TuningExample(tokens: [1] + (0..<30).map { (text * 5 + $0) % 50 + 2 }) }
    // All but the last token of each: no prediction depends on it.
    #expect(PackedBatch([texts[...]], sharing: true).tokens.count == 300)
  }

  @Test(arguments: [TrainingArithmetic.reproducible, .bf16], [0, 0.25] as [Float])
  func `tunings side by side have the bits that each has alone`(
    arithmetic: TrainingArithmetic, dropout: Float
  ) throws {
    let c = SmallModels.configuration()
    for weights in [
      SmallModels.weights(c, isTied: true),
      SmallModels.weights(c, isTied: false, biases: true),
    ] {
      let model = try LlamaModel(configuration: c, weights: weights, tokenizer: SmallModels.tokenizer)
      let settings = TuningConfiguration(
        method: .lora(rank: 3, alpha: 7, projections: [.q, .v, .down], dropout: dropout), learningRate: 1e-2, steps: 6,
        batchSize: 5, accumulation: 2, clip: 1, arithmetic: arithmetic, snapshotEvery: 4, layers: [2])
      let members = (0..<3).map { index in
        LoRATuner.Member(
          examples: Self.batch(c, count: 6 + 3 * index, seed: UInt64(index)), seed: UInt64(10 + index))
      }
      var reports = 0
      let together = try LoRATuner.tune(model, members, settings) { reports += $0.count }
      #expect(reports == 18)
      for (index, result) in together.enumerated() {
        var own = settings
        own.seed = UInt64(10 + index)
        let alone = try LoRATuner.tune(
          model, on: Self.batch(c, count: 6 + 3 * index, seed: UInt64(index)), own)
        #expect(result.losses == alone.losses && result.gradientNorms == alone.gradientNorms)
        #expect(result.adapter == alone.adapter && Set(alone.losses).count == 6)
        #expect(result.snapshots.map(\.adapter) == alone.snapshots.map(\.adapter) && result.snapshots.count == 1)
      }
    }
  }

  @Test func `of tunings that differ in size as many go side by side as there is room for`() throws {
    let c = SmallModels.configuration()
    let model = try LlamaModel(
      configuration: c, weights: SmallModels.weights(c, isTied: true), tokenizer: SmallModels.tokenizer)
    func text(_ first: Int, _ count: Int) -> TuningExample {
      TuningExample(tokens: (0..<count).map { ($0 + first) % 61 })
    }
    // 512 rows; equal texts take theirs once, the last token takes none.
    let parts = [
      [text(0, 101), text(7, 101)], [text(0, 101), text(0, 101)], [text(0, 101)], [text(0, 113)], [text(0, 9)],
    ]
    #expect(LoRATuner.countTogether(model, parts, TuningConfiguration()) == 4)
    #expect(LoRATuner.countTogether(model, parts, TuningConfiguration(method: .full)) == 1)
    #expect(LoRATuner.countTogether(model, [[text(0, 128)] + (1..<6).map { text($0, 128) }, parts[1]], .init()) == 1)
  }

  @Test func `one that diverges stops all, and is named`() throws {
    let c = SmallModels.configuration()
    let adapters = [SmallModels.adapter(c), SmallModels.adapter(c)]
    var broken = adapters[1]
    broken.blocks[0][.q]?.a[0] = .infinity
    let model = try LlamaModel(
      configuration: c, weights: SmallModels.weights(c, isTied: true), tokenizer: SmallModels.tokenizer)
    let batch = Self.batch(c, seed: 7)
    do {
      _ = try LoRATuner.tune(
        model,
        [.init(examples: batch, seed: 1, initial: adapters[0]), .init(examples: batch, seed: 2, initial: broken)],
        TuningConfiguration(method: Self.lora, steps: 2))
      Issue.record("nothing was thrown")
    } catch {
      #expect(error.location?.contains("of tuning 2") == true, "\(error)")
    }
  }
}
