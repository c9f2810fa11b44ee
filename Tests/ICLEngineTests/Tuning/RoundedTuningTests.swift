import ICLEngine
import Testing

/// Tuning with products in bf16.
@Suite struct RoundedTuningTests {
  private let c = SmallModels.configuration()

  private func model(threads: Int = 2) throws -> LlamaModel {
    try LlamaModel(
      configuration: c, weights: SmallModels.weights(c, isTied: true, biases: true), tokenizer: SmallModels.tokenizer
    ).with(ThreadPool(threadCount: threads))
  }

  private func tune(_ model: LlamaModel, _ arithmetic: TrainingArithmetic) throws -> TuningResult {
    try LoRATuner.tune(
      model, on: SmallModels.batch(c),
      TuningConfiguration(
        method: .lora(rank: 4, alpha: 8, projections: [.q, .k, .v, .o, .down]), learningRate: 1e-3, steps: 4, seed: 4,
        arithmetic: arithmetic))
  }

  @Test func `the training pass gives the bits of the inference pass`() throws {
    let adapter = SmallModels.adapter(c)
    let model = try model().with(.bf16)
    let network = TrainingNetwork(
      model.weights, c, method: .lora(rank: adapter.rank, alpha: adapter.alpha, projections: Projection.allCases),
      adapter: adapter)
    let batch = SmallModels.batch(c)
    let ours = try Trainer(network, arithmetic: .bf16, pool: .shared).finalStates(batch)
    let states = try model.forward(batch.map(\.tokens), capture: CaptureRequest(positions: .all), adapter: adapter)
    let theirs = try states.flatMap { try #require($0.residual(c.layerCount)) }
    #expect(theirs.count == ours.rows)
    for (row, expected) in theirs.enumerated() { #expect(ours.row(row) == expected, "row \(row)") }
  }

  @Test func `the number of threads changes no bit`() throws {
    let one = try tune(model(threads: 1), .bf16)
    for threads in [2, 3] {
      let other = try tune(model(threads: threads), .bf16)
      #expect(other.losses == one.losses && other.adapter == one.adapter, "\(threads) threads")
    }
  }

  @Test func `losses and gradients are near those of F32`() throws {
    let (exact, rounded) = (try tune(model(), .reproducible), try tune(model(), .bf16))
    for (a, b) in zip(exact.losses, rounded.losses) {
      // Rounding of 2⁻⁹ in every product of two blocks whose weights are ten times as large as a model's.
      #expect(abs(a - b) < 0.02 * a && a != b)
    }
    for (a, b) in zip(exact.gradientNorms, rounded.gradientNorms) { #expect(abs(a - b) < 0.05 * a) }
  }
}
