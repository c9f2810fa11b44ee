/// Grows with the engine's own full trainer: AdamW on every parameter, from random values.
package final class FullGrowthTrainer: GrowthTrainer {
  private let trainer: FullTrainer
  /// How many parts a batch goes through the model in; bounds the memory of a step.
  private let portions: Int

  package init(
    configuration: ModelConfiguration, seed: UInt64, arithmetic: TrainingArithmetic = .openBLAS, portions: Int = 1
  ) throws(EngineError) {
    try configuration.check(at: "growing")
    trainer = try FullTrainer(
      Self.firstWeights(configuration, seed: seed), configuration: configuration,
      optimizer: .adamW(beta2: 0.98, weightDecay: 0.01), clip: 1, arithmetic: arithmetic)
    self.portions = portions
    // The embedding is tied to the output; gains don't decay. All other parameters are the blocks' matrices.
    let scale = Self.blockScale(configuration)
    for parameter in trainer.trainer.network.trained
    where parameter.value.rows > 1 && parameter.value.rows != configuration.vocabularySize {
      parameter.rateScale = scale
    }
  }

  /// What the rate of the blocks' matrices is multiplied by, and the variance of their first values: 1 up to the width
  /// of 128, at which rate and deviation were found by trial, and inverse to the width above it.
  package static func blockScale(_ c: ModelConfiguration) -> Float { min(1, 128 / Float(c.hiddenSize)) }

  /// Embeddings N(0, 0.02²), and at width 128 every matrix too, also those that write to the residual stream: with these
  /// made smaller, as is usual for deep models, copying did not come within 1,500 steps, and with 0.02 within 400. At
  /// larger widths the blocks' matrices are narrower, and slower by the width (Yang et al. 2022, arXiv 2203.03466), so
  /// that what a block writes keeps its size beside the embeddings: with 0.02 and one rate for all, copying had not come
  /// after 1,200 steps at widths 192 and 256.
  private static func firstWeights(_ c: ModelConfiguration, seed: UInt64) -> LlamaWeights {
    let deviation = 0.02 * blockScale(c).squareRoot()
    let embeddings = LlamaWeights(random: c, seed: seed, deviation: 0.02, isTied: true)
    var weights = LlamaWeights(random: c, seed: seed, deviation: deviation, isTied: true)
    weights.tokenEmbedding = embeddings.tokenEmbedding
    let wide = LlamaWeights(
      random: c, seed: seed, deviation: deviation * Float(2 * c.layerCount).squareRoot(), isTied: true)
    for layer in weights.blocks.indices {
      for projection in [Projection.o, .down] {
        weights.blocks[layer].projections[projection] = wide.blocks[layer].projections[projection]
      }
    }
    return weights
  }

  package func step(_ batch: [TokenSequence], rate: Float) throws(EngineError) -> Double {
    let examples = batch.map { TuningExample(tokens: $0.ids, lossWeights: $0.weights) }
    return Double(try trainer.step(examples, learningRate: rate, portions: portions))
  }

  package func weights() -> LlamaWeights { trainer.weights() }

  package func state() -> [(name: String, values: [Float])] {
    var state: [(name: String, values: [Float])] = [("steps", [Float(trainer.completedSteps)])]
    for (index, parameter) in trainer.trainer.network.trained.enumerated() {
      state.append(("\(index).value", parameter.value.values))
      if let first = parameter.firstMoment { state.append(("\(index).first", first.values)) }
      if let second = parameter.secondMoment { state.append(("\(index).second", second.values)) }
    }
    return state
  }

  package func restore(_ state: [String: [Float]]) throws(EngineError) {
    var copies: [(from: [Float], to: FloatMatrix)] = []
    for (index, parameter) in trainer.trainer.network.trained.enumerated() {
      for (part, matrix) in [
        ("value", parameter.value as FloatMatrix?), ("first", parameter.firstMoment),
        ("second", parameter.secondMoment),
      ] {
        guard let matrix else { continue }
        let values = state["\(index).\(part)"] ?? []
        guard values.count == parameter.count else {
          throw EngineError(
            .malformedFile, "a checkpoint does not fit the model", at: "\(part) of \(parameter.name)",
            expected: "\(parameter.count) numbers", found: "\(values.count)", nextStep: "remove it to begin anew")
        }
        copies.append((values, matrix))
      }
    }
    guard let steps = state["steps"]?.first, steps >= 0, let count = Int(exactly: steps) else {
      throw EngineError(.malformedFile, "a checkpoint does not say its number of steps", at: "tensor steps")
    }
    for (values, matrix) in copies {
      values.withUnsafeBufferPointer { source in
        if let start = source.baseAddress { matrix.pointer().update(from: start, count: source.count) }
      }
    }
    trainer.trainer.resume(after: count)
  }
}
