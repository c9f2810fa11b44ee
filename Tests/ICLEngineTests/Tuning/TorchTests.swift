import Fixtures
import ICLEngine
import Testing

/// Training against transformers, PyTorch's autograd and PEFT on the same small models.
@Suite(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
struct TorchTests {
  /// F32 sums of a few hundred terms against the same in F64: rounding of about 1e-6 of a gradient's norm.
  static let tolerance = 1e-4

  @Test(arguments: [true, false])
  func `gradients of every parameter equal PyTorch's`(isTied: Bool) throws {
    let c = SmallModels.configuration()
    let weights = SmallModels.weights(c, isTied: isTied, biases: !isTied)
    let batch = SmallModels.batch(c)
    let network = TrainingNetwork(weights, c, method: .full)
    let trainer = Trainer(network, arithmetic: .reproducible, pool: .shared)
    let loss = try trainer.gradients(batch)
    let reference = try TorchReference(weights, c, adapter: nil, trained: network.trained, batch: batch)
    #expect(abs(Double(loss) - reference.loss) < Self.tolerance * reference.loss)
    for (parameter, expected) in zip(network.trained, reference.gradients) {
      let distance = relativeDistance(parameter.gradient?.values ?? [], expected)
      #expect(distance < Self.tolerance, "\(parameter.name): \(distance)")
    }
  }

  @Test(arguments: [true, false])
  func `low-rank gradients of every projection equal PEFT's`(isTied: Bool) throws {
    let c = SmallModels.configuration()
    let weights = SmallModels.weights(c, isTied: isTied)
    let batch = SmallModels.batch(c)
    let adapter = SmallModels.adapter(c)
    let network = TrainingNetwork(
      weights, c, method: .lora(rank: adapter.rank, alpha: adapter.alpha, projections: Projection.allCases),
      adapter: adapter)
    let trainer = Trainer(network, arithmetic: .reproducible, pool: .shared)
    let loss = try trainer.gradients(batch)
    let reference = try TorchReference(weights, c, adapter: adapter, trained: network.trained, batch: batch)
    #expect(abs(Double(loss) - reference.loss) < Self.tolerance * reference.loss)
    for (parameter, expected) in zip(network.trained, reference.gradients) {
      let distance = relativeDistance(parameter.gradient?.values ?? [], expected)
      #expect(distance < Self.tolerance, "\(parameter.name): \(distance)")
    }
  }

  @Test func `fifty steps of LoRA follow PEFT's losses from the same beginning`() throws {
    let c = SmallModels.configuration()
    let weights = SmallModels.weights(c, isTied: true)
    let model = try LlamaModel(configuration: c, weights: weights, tokenizer: SmallModels.tokenizer)
    let batch = SmallModels.batch(c)
    let begin = LoRAAdapter(for: c, rank: 4, alpha: 8, projections: [.q, .v, .down], seed: 3)
    let run = TorchReference.Run(steps: 50, rate: 5e-3, decay: 0.01, clip: 1)
    let result = try LoRATuner.tune(
      model, on: batch,
      TuningConfiguration(
        method: .lora(rank: 4, alpha: 8, projections: [.q, .v, .down]), optimizer: .adamW(weightDecay: run.decay),
        learningRate: run.rate, steps: run.steps, clip: run.clip), from: begin)
    let network = TrainingNetwork(
      weights, c, method: .lora(rank: 4, alpha: 8, projections: [.q, .v, .down]), adapter: begin)
    let reference = try TorchReference(
      weights, c, adapter: begin, trained: network.trained, batch: batch, run: run)
    #expect(result.losses.count == 50 && reference.losses.count == 50)
    // Both are F32 with other orders of summation; AdamW's division spreads that, over 50 steps to a few 1e-5.
    for (step, (ours, theirs)) in zip(result.losses, reference.losses).enumerated() {
      #expect(abs(Double(ours) - theirs) < 1e-3 * theirs, "step \(step): \(ours), PEFT \(theirs)")
    }
    #expect(result.losses[49] < 0.5 * result.losses[0])
  }
}
