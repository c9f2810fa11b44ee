internal import CQuantKernels

/// How gradients become updates.
public enum TuningOptimizer: Sendable, Equatable, Codable {
  /// Adam with decoupled weight decay (Loshchilov, Hutter 2019, arXiv 1711.05101). Gains and biases don't decay.
  case adamW(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8, weightDecay: Float = 0)
  /// `m = momentum·m + g`, `p -= rate·(m + …)`; decay is added to the gradient.
  case sgd(momentum: Float = 0, weightDecay: Float = 0)

  public static let adamW = TuningOptimizer.adamW()
  public static let sgd = TuningOptimizer.sgd()

  func check(at place: String) throws(EngineError) {
    let values: [(String, Float, ClosedRange<Float>)] =
      switch self {
      case .adamW(let beta1, let beta2, let epsilon, let decay):
        [
          ("beta1", beta1, 0...0.999_999), ("beta2", beta2, 0...0.999_999), ("epsilon", epsilon, 0...1),
          ("decay", decay, 0...100),
        ]
      case .sgd(let momentum, let decay): [("momentum", momentum, 0...0.999_999), ("decay", decay, 0...100)]
      }
    for (name, value, range) in values where !range.contains(value) {
      throw EngineError(
        .invalidArgument, "an optimizer's constant is outside its range", at: "\(place), \(name)",
        expected: "\(range.lowerBound) to \(range.upperBound)", found: "\(value)")
    }
  }

  /// Updates all parameters from their gradients.
  /// - Parameters:
  ///   - step: number of this update, from 1
  ///   - clip: largest norm of all gradients together; larger ones are scaled down to it
  /// - Returns: the norm before clipping.
  func update(
    _ parameters: [Parameter], step: Int, rate: Float, clip: Float?, pool: ThreadPool
  ) -> Float {
    let norm = Float(parameters.reduce(0.0) { $0 + $1.gradientSquare }.squareRoot())
    var gradientScale: Float = 1
    if let clip, norm > clip { gradientScale = clip / (norm + 1e-6) }
    for parameter in parameters {
      guard let gradient = parameter.gradient, let first = parameter.firstMoment, let second = parameter.secondMoment
      else { continue }
      let (p, g, m, v) = (parameter.value.pointer(), gradient.pointer(), first.pointer(), second.pointer())
      pool.split(parameter.count, grain: 1024, worth: parameter.count * 16) { range in
        let at = range.lowerBound
        switch self {
        case .adamW(let beta1, let beta2, let epsilon, let decay):
          let correction1 = 1 / (1 - ReproducibleMath.power(Double(beta1), Double(step)))
          let correction2 = 1 / (1 - ReproducibleMath.power(Double(beta2), Double(step))).squareRoot()
          cqk_t_adamw(
            p + at, g + at, m + at, v + at, range.count, rate, beta1, beta2, epsilon, Float(correction1),
            Float(correction2), parameter.decays ? decay : 0, gradientScale)
        case .sgd(let momentum, let decay):
          cqk_t_sgd(
            p + at, g + at, m + at, range.count, rate, momentum, parameter.decays ? decay : 0, gradientScale)
        }
      }
    }
    return norm
  }
}

/// How the learning rate changes over a run, as a factor of its peak.
public enum RateSchedule: Sendable, Equatable, Codable {
  case constant
  /// Half a cosine from 1 down to `floor`.
  case cosine(floor: Float = 0)

  public static let cosine = RateSchedule.cosine()

  /// The factor in update `step` of `steps`, both counted from 1: rises linearly over the first `warmUp` updates.
  public func factor(step: Int, of steps: Int, warmUp: Int) -> Float {
    if step <= warmUp { return Float(step) / Float(warmUp) }
    switch self {
    case .constant: return 1
    case .cosine(let floor):
      let progress = Double(step - warmUp - 1) / Double(max(1, steps - warmUp))
      let wave = Float(ReproducibleMath.cosineAndSine(min(1, progress) * .pi).cosine)
      return floor + (1 - floor) * 0.5 * (1 + wave)
    }
  }
}
