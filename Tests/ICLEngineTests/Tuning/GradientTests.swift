import ICLEngine
import Testing

/// The backward pass against differences of the forward pass, without any other implementation.
@Suite struct GradientTests {
  /// The gradient along a random direction against the central difference of the loss along it.
  ///
  /// The loss is F32: with steps of size h its difference carries about 1e-7·loss/h of rounding and h² of curvature;
  /// h near 1e-3 balances them at a few 1e-4 of the slope along a direction of length 1, hence 3e-3.
  private func check(_ trainer: Trainer, _ batch: [TuningExample], arithmetic: String) throws {
    try trainer.gradients(batch)
    let gradients = trainer.network.trained.map { $0.gradient?.values ?? [] }
    var generator = SeededGenerator(seed: 9)
    for (parameter, gradient) in zip(trainer.network.trained, gradients) {
      // A direction that has a good part of the gradient, so that the slope is well above the rounding.
      let norm = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(norm > 0, "\(parameter.name) has no gradient")
      let noise = generator.normals(gradient.count)
      let noiseNorm = noise.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let direction = zip(gradient, noise).map { Double($0) / norm + 0.5 * Double($1) / noiseNorm }
      let slope = zip(direction, gradient).reduce(0.0) { $0 + $1.0 * Double($1.1) }
      let h = min(0.02, 2e-3 / slope)
      let original = parameter.value.values
      func loss(_ step: Double) throws -> Double {
        for i in original.indices { parameter.value.pointer()[i] = original[i] + Float(step * direction[i]) }
        return try Double(trainer.loss(batch))
      }
      let difference = (try loss(h) - loss(-h)) / (2 * h)
      for i in original.indices { parameter.value.pointer()[i] = original[i] }
      let error = abs(difference - slope) / slope
      #expect(error < 3e-3, "\(parameter.name), \(arithmetic): gradient \(slope), difference \(difference)")
    }
  }

  @Test(arguments: [true, false], [TrainingArithmetic.reproducible, .openBLAS])
  func `every parameter's gradient is the slope of the loss`(isTied: Bool, arithmetic: TrainingArithmetic) throws {
    let c = SmallModels.configuration()
    let network = TrainingNetwork(SmallModels.weights(c, isTied: isTied, biases: true), c, method: .full)
    let trainer = Trainer(network, arithmetic: arithmetic, pool: .shared)
    #expect(network.trained.count == 2 + (isTied ? 0 : 1) + c.layerCount * 16)
    try check(trainer, SmallModels.batch(c), arithmetic: arithmetic.rawValue)
  }

  @Test func `low-rank gradients are the slope of the loss, for every projection`() throws {
    let c = SmallModels.configuration()
    let network = TrainingNetwork(
      SmallModels.weights(c, isTied: true), c,
      method: .lora(rank: 3, alpha: 7, projections: Projection.allCases), adapter: SmallModels.adapter(c))
    #expect(network.trained.count == c.layerCount * Projection.allCases.count * 2)
    try check(Trainer(network, arithmetic: .reproducible, pool: .shared), SmallModels.batch(c), arithmetic: "LoRA")
  }

  @Test func `a sliding window and scaled rotations have right gradients too`() throws {
    let c = SmallModels.configuration(window: 7, scaling: .linear(factor: 2))
    let network = TrainingNetwork(SmallModels.weights(c, isTied: true), c, method: .keyValue)
    #expect(network.trained.count == c.layerCount * 2)
    try check(Trainer(network, arithmetic: .reproducible, pool: .shared), SmallModels.batch(c), arithmetic: "window")
  }
}
