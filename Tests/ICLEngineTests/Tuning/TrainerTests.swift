import Fixtures
import Foundation
import ICLEngine
import Testing

/// What a trainer promises besides right gradients.
@Suite struct TrainerTests {
  private let c = SmallModels.configuration()

  private func tune(
    _ model: LlamaModel, steps: Int = 6, snapshotEvery: Int? = nil, dropout: Float = 0.1,
    progress: (TuningProgress) -> Void = { _ in }
  ) throws -> TuningResult {
    try LoRATuner.tune(
      model, on: SmallModels.batch(c),
      TuningConfiguration(
        method: .lora(rank: 4, alpha: 8, projections: [.q, .k, .v, .o, .down], dropout: dropout), learningRate: 1e-2,
        schedule: .cosine, warmUpSteps: 2, steps: steps, batchSize: 2, accumulation: 2, clip: 1, seed: 4,
        snapshotEvery: snapshotEvery), progress: progress)
  }

  private func model(threads: Int = 2) throws -> LlamaModel {
    try LlamaModel(
      configuration: c, weights: SmallModels.weights(c, isTied: true, biases: true),
      tokenizer: SmallModels.tokenizer
    ).with(ThreadPool(threadCount: threads))
  }

  @Test(arguments: [TensorType.q8_0, .f16])
  func `a quantized base wider than a share has the same gradients on any cores`(
    type: TensorType
  ) throws {
    let c = ModelConfiguration(
      layerCount: 1, hiddenSize: 320, headCount: 5, keyValueHeadCount: 1, feedForwardSize: 704, vocabularySize: 61,
      contextLength: 64)
    func gradients(threads: Int) throws -> [[Float]] {
      let pool = ThreadPool(threadCount: threads)
      let plain = try LlamaModel(
        configuration: c, weights: LlamaWeights(random: c, seed: 5, deviation: 0.1, isTied: false),
        tokenizer: SmallModels.tokenizer, files: nil, pool: pool)
      let model = try #require(try plain.quantized(as: type) as? LlamaModel)
      let adapter = SmallModels.adapter(c)
      let trainer = Trainer(
        TrainingNetwork(model.weights, c, method: .lora(), adapter: adapter), arithmetic: .reproducible, pool: pool)
      try trainer.gradients(SmallModels.batch(c))
      return trainer.network.trained.map { $0.gradient?.values ?? [] }
    }
    let one = try gradients(threads: 1)
    #expect(try gradients(threads: 3) == one)
    #expect(one.allSatisfy { $0.contains { $0 != 0 } })
  }

  /// Training and inference share kernels and order of summation, so nothing but equality will do: a tuned adapter is
  /// then measured by the very function that it was tuned on.
  @Test func `the training pass gives the bits of the inference pass`() throws {
    let adapter = SmallModels.adapter(c)
    let model = try model()
    let network = TrainingNetwork(
      model.weights, c, method: .lora(rank: adapter.rank, alpha: adapter.alpha, projections: Projection.allCases),
      adapter: adapter)
    let batch = SmallModels.batch(c)
    let ours = try Trainer(network, arithmetic: .reproducible, pool: .shared).finalStates(batch)
    let states = try model.forward(
      batch.map(\.tokens), capture: CaptureRequest(positions: .all), adapter: adapter)
    let theirs = try states.flatMap { try #require($0.residual(c.layerCount)) }
    #expect(theirs.count == ours.rows && ours.rows == 65)
    for (row, expected) in theirs.enumerated() { #expect(ours.row(row) == expected, "row \(row)") }
  }

  @Test func `the number of threads and a second run change no bit`() throws {
    let one = try tune(model(threads: 1))
    #expect(one.losses.count == 6)
    #expect(Set(one.losses).count == 6, "every update has another loss")
    for threads in [1, 2, 3] {
      let other = try tune(model(threads: threads))
      #expect(other.losses == one.losses && other.adapter == one.adapter, "\(threads) threads")
    }
  }

  @Test func `another seed gives another run`() throws {
    let model = try model()
    func run(_ seed: UInt64) throws -> LoRAAdapter? {
      try LoRATuner.tune(model, on: SmallModels.batch(c), TuningConfiguration(steps: 2, seed: seed)).adapter
    }
    #expect(try run(1) != run(2))
    #expect(try run(1) == run(1))
  }

  @Test func `an interruption keeps the last whole update and says so`() async throws {
    let model = try model()
    let whole = try tune(model, snapshotEvery: 1)
    let result = try await Task {
      try tune(model) { progress in
        if progress.step == 3 { withUnsafeCurrentTask { $0?.cancel() } }
      }
    }.value
    #expect(result.isInterrupted && !whole.isInterrupted)
    #expect(result.completedSteps == 3)
    #expect(result.losses == Array(whole.losses.prefix(3)))
    #expect(result.adapter == whole.snapshots[2].adapter)
    #expect(whole.snapshots.map(\.step) == [1, 2, 3, 4, 5, 6])
    #expect(whole.snapshots[5].adapter == whole.adapter)
  }

  @Test func `portions of a batch add up to its gradient`() throws {
    let network = TrainingNetwork(SmallModels.weights(c, isTied: false), c, method: .full)
    let trainer = Trainer(network, arithmetic: .reproducible, pool: .shared)
    let batch = SmallModels.batch(c)
    let loss = try trainer.gradients(batch)
    let whole = network.trained.map { $0.gradient?.values ?? [] }
    let portioned = try trainer.gradients(batch, portions: 3)
    // The same terms in another order: F32 rounding.
    #expect(abs(loss - portioned) < 1e-5 * loss)
    for (parameter, expected) in zip(network.trained, whole) {
      #expect(relativeDistance(parameter.gradient?.values ?? [], expected) < 1e-5, "\(parameter.name)")
    }
  }

  @Test(arguments: [TuningMethod.full, .keyValue])
  func `other methods give weights that inference uses`(method: TuningMethod) throws {
    let model = try model()
    let batch = SmallModels.batch(c)
    let result = try LoRATuner.tune(
      model, on: batch, TuningConfiguration(method: method, learningRate: 3e-3, steps: 20))
    let weights = try #require(result.weights)
    #expect(result.adapter == nil)
    #expect(result.losses[19] < 0.9 * result.losses[0])
    let tuned = Trainer(TrainingNetwork(weights, c, method: method), arithmetic: .reproducible, pool: .shared)
    #expect(try tuned.loss(batch) < result.losses[19])
    let changed = zip(weights.blocks, model.weights.blocks).allSatisfy { a, b in
      Projection.allCases.allSatisfy { p in
        let isTrained = method == .full || p == .k || p == .v
        return (a.projections[p]?.dequantized().values == b.projections[p]?.dequantized().values) != isTrained
      }
    }
    #expect(changed, "what is trained changes, and nothing else")
  }

  @Test func `a frozen base in a stored type is tuned as its F32 values are`() throws {
    let shape = ModelConfiguration(
      layerCount: 1, hiddenSize: 64, headCount: 2, feedForwardSize: 96, vocabularySize: 61, contextLength: 64)
    let floats = LlamaWeights(random: shape, seed: 1, deviation: 0.2, isTied: true)
    func half(_ m: WeightMatrix) -> WeightMatrix {
      let bytes = OwnedBytes(byteCount: m.rows * m.columns * 2)
      guard let start = bytes.bytes.baseAddress else { return m }
      let values = m.dequantized().values
      for (i, value) in values.enumerated() {
        bytes.bytes.storeBytes(
          of: UInt16(truncatingIfNeeded: value.bitPattern >> 16), toByteOffset: 2 * i, as: UInt16.self)
      }
      return WeightMatrix(
        name: m.name, type: .bf16, rows: m.rows, columns: m.columns, base: UnsafeRawPointer(start),
        owner: bytes)
    }
    func full(_ m: WeightMatrix) -> WeightMatrix {
      WeightMatrix(name: m.name, rows: m.rows, columns: m.columns, values: m.dequantized().values)
    }
    func converted(_ w: LlamaWeights, _ f: (WeightMatrix) -> WeightMatrix) -> LlamaWeights {
      var result = w
      result.tokenEmbedding = f(w.tokenEmbedding)
      for i in w.blocks.indices { result.blocks[i].projections = w.blocks[i].projections.mapValues(f) }
      return result
    }
    let stored = converted(floats, half)
    func losses(_ weights: LlamaWeights) throws -> [Float] {
      let model = try LlamaModel(configuration: shape, weights: weights, tokenizer: SmallModels.tokenizer)
      return try LoRATuner.tune(
        model, on: [TuningExample(tokens: [1, 2, 3, 4, 5])], TuningConfiguration(learningRate: 1e-2, steps: 5)
      ).losses
    }
    let (a, b) = (try losses(stored), try losses(converted(stored, full)))
    #expect(a == b && a[4] < a[0])
  }

  @Test func `dropout's gradient is the slope of the loss with the same dropout`() throws {
    let adapter = SmallModels.adapter(c)
    let network = TrainingNetwork(
      SmallModels.weights(c, isTied: true), c,
      method: .lora(rank: adapter.rank, alpha: adapter.alpha, projections: Projection.allCases, dropout: 0.3),
      adapter: adapter)
    let trainer = Trainer(network, arithmetic: .reproducible, pool: .shared)
    let batch = SmallModels.batch(c)
    let plain = try trainer.loss(batch)
    #expect(try trainer.loss(batch, dropoutSeed: 1) != plain)
    #expect(try trainer.loss(batch, dropoutSeed: 1) == trainer.loss(batch, dropoutSeed: 1))
    try trainer.gradients(batch, dropoutSeed: 1)
    for parameter in network.trained.prefix(14) {
      let gradient = parameter.gradient?.values ?? []
      let norm = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let original = parameter.value.values
      func loss(_ step: Double) throws -> Double {
        for i in original.indices {
          parameter.value.pointer()[i] = original[i] + Float(step * Double(gradient[i]) / norm)
        }
        return try Double(trainer.loss(batch, dropoutSeed: 1))
      }
      let h = min(0.02, 2e-3 / norm)
      let slope = (try loss(h) - loss(-h)) / (2 * h)
      for i in original.indices { parameter.value.pointer()[i] = original[i] }
      // As in ``GradientTests``.
      #expect(abs(slope - norm) < 3e-3 * norm, "\(parameter.name): gradient \(norm), difference \(slope)")
    }
  }

  @Test func `a run that goes on from a saved state has the bits of one that never stopped`() throws {
    let folder = try Fixtures.temporaryFolder("state")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "run.state").path
    let batch = SmallModels.batch(c)
    func trainer() throws -> FullTrainer {
      try FullTrainer(configuration: c, seed: 2, arithmetic: .reproducible)
    }
    let whole = try trainer()
    var losses = try (0..<4).map { _ in try whole.step(batch) }
    try whole.saveState(to: path)
    losses += try (0..<3).map { _ in try whole.step(batch) }

    let resumed = try trainer()
    try resumed.loadState(from: path)
    #expect(resumed.completedSteps == 4)
    #expect(try (0..<3).map { _ in try resumed.step(batch) } == Array(losses[4...]))
    #expect(losses[6] < losses[0])

    // Damage and strangers are refused, and change nothing.
    let bytes = try Data(contentsOf: URL(filePath: path))
    for count in [0, 7, 12, 30, 100, bytes.count - 1] {
      try bytes.prefix(count).write(to: URL(filePath: path))
      #expect(throws: EngineError.self) { try resumed.loadState(from: path) }
    }
    try (bytes + [0]).write(to: URL(filePath: path))
    #expect(throws: EngineError.self) { try resumed.loadState(from: path) }
    try bytes.write(to: URL(filePath: path))
    var other = c
    other.feedForwardSize = 40
    let stranger = try FullTrainer(configuration: other, seed: 2)
    #expect(throws: EngineError.self) { try stranger.loadState(from: path) }
    #expect(resumed.completedSteps == 7)
  }

  @Test func `arguments outside their range are refused with a reason`() throws {
    let model = try model()
    let good = SmallModels.batch(c)
    func refuses(_ examples: [TuningExample], _ configuration: TuningConfiguration = .init(steps: 1)) -> Bool {
      do {
        _ = try LoRATuner.tune(model, on: examples, configuration)
        return false
      } catch {
        return error.code == .invalidArgument || error.code == .contextOverflow
      }
    }
    #expect(!refuses(good))
    #expect(refuses([]))
    #expect(refuses([TuningExample(tokens: [])]))
    #expect(refuses([TuningExample(tokens: [1, 61])]))
    #expect(refuses([TuningExample(tokens: [1, -1])]))
    #expect(refuses([TuningExample(tokens: [1, 2], lossWeights: [1])]))
    #expect(refuses([TuningExample(tokens: [1, 2], lossWeights: [1, 0])]))
    #expect(refuses([TuningExample(tokens: [1, 2], lossWeights: [1, -1])]))
    #expect(refuses([TuningExample(tokens: [1, 2], lossWeights: [1, .nan])]))
    #expect(refuses([TuningExample(tokens: [Int](repeating: 1, count: 129))]))
    #expect(refuses(good, TuningConfiguration(method: .lora(rank: 0))))
    #expect(refuses(good, TuningConfiguration(method: .lora(projections: []))))
    #expect(refuses(good, TuningConfiguration(method: .lora(dropout: 1))))
    #expect(refuses(good, TuningConfiguration(learningRate: .nan)))
    #expect(refuses(good, TuningConfiguration(batchSize: 0)))
    #expect(refuses(good, TuningConfiguration(accumulation: 0)))
    #expect(refuses(good, TuningConfiguration(clip: 0)))
    #expect(refuses(good, TuningConfiguration(optimizer: .adamW(beta1: 1))))
  }

  @Test func `a loss that is not a number stops the run with a reason`() throws {
    var weights = SmallModels.weights(c, isTied: true)
    weights.finalNorm[3] = .nan
    let model = try LlamaModel(configuration: c, weights: weights, tokenizer: SmallModels.tokenizer)
    #expect {
      _ = try LoRATuner.tune(model, on: SmallModels.batch(c), TuningConfiguration(steps: 2))
    } throws: {
      "\($0)".contains("diverged")
    }
  }

  @Test func `rates rise, then stay or fall to nothing or a floor`() {
    func factors(_ schedule: RateSchedule, _ steps: Int = 10, warmUp: Int = 2) -> [Float] {
      (1...steps).map { schedule.factor(step: $0, of: steps, warmUp: warmUp) }
    }
    #expect(factors(.constant, 4) == [0, 0.5, 1, 1])
    #expect(factors(.linear, 6) == [0, 0.5, 1, 0.75, 0.5, 0.25])
    let cosine = factors(.cosine(floor: 0.1))
    #expect(Array(cosine.prefix(3)) == [0, 0.5, 1])
    // Halfway through the eight that fall.
    #expect(abs(cosine[6] - 0.55) < 1e-6)
    #expect(zip(cosine[2...], cosine[3...]).allSatisfy { $0 > $1 } && cosine[9] > 0.1)
    #expect(factors(.linear, 3, warmUp: 0)[0] == 1 && factors(.cosine, 1, warmUp: 9) == [0])
  }
}
