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
      let rate = rate * parameter.rateScale
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

/// How the learning rate changes over a run, as a factor of its peak: the schedules of Hugging Face's transformers
/// (`get_constant_schedule_with_warmup` and so on), at every step.
public enum RateSchedule: Sendable, Equatable, Codable {
  case constant
  /// A straight line from 1 down to 0 after the last update.
  case linear
  /// Half a cosine from 1 down to `floor` after the last update.
  case cosine(floor: Float = 0)

  public static let cosine = RateSchedule.cosine()

  /// The factor in update `step` of `steps`, both counted from 1. It rises linearly over the first `warmUp` updates,
  /// from 0 in the very first (which therefore changes nothing) to 1 in the one after them.
  public func factor(step: Int, of steps: Int, warmUp: Int) -> Float {
    let done = step - 1
    if done < warmUp { return Float(Double(done) / Double(max(1, warmUp))) }
    let rest = Double(max(1, steps - warmUp))
    switch self {
    case .constant: return 1
    case .linear: return Float(max(0, Double(steps - done) / rest))
    case .cosine(let floor):
      let wave = ReproducibleMath.cosineAndSine(Double(done - warmUp) / rest * .pi).cosine
      return Float(max(0, Double(floor) + (1 - Double(floor)) * 0.5 * (1 + wave)))
    }
  }
}
