/// The order in which a model meets its training text. Everything at once does not work: copying never comes, and
/// matching by meaning with it (`docs/MODEL_CARD.md` tells what was tried).
package struct Curriculum: Sendable {
  /// A stretch of training on one mixture, until its aim is reached or its steps are used up.
  package struct Phase: Sendable {
    package var name: String
    package var mixture: EpisodeMixture
    /// Where the probability of exact repetition goes from `mixture.repetition` over `maxSteps`; it also falls
    /// faster: each time the aim is reached, by a fifth of the way.
    package var finalRepetition: Double
    /// Tokens in a batch, and in its longest sequence.
    package var tokens: Int
    package var length: Int
    /// Reached, the next phase begins; `nil` goes on to `maxSteps`.
    package var aim: Aim?
    package var minSteps: Int
    package var maxSteps: Int

    package init(
      _ name: String, mixture: EpisodeMixture, finalRepetition: Double? = nil, tokens: Int, length: Int, aim: Aim?,
      minSteps: Int = 0, maxSteps: Int
    ) {
      self.name = name
      self.mixture = mixture
      self.finalRepetition = finalRepetition ?? mixture.repetition
      self.tokens = tokens
      self.length = length
      self.aim = aim
      self.minSteps = minSteps
      self.maxSteps = maxSteps
    }
  }

  /// A measured figure that ends a phase.
  package enum Aim: Sendable, Equatable {
    /// Mean training loss between two log rows at most this.
    case loss(Double)
    /// Held-out accuracies of ``GrowthEvaluation/brief`` at least these.
    case accuracies([String: Double])
  }

  package var phases: [Phase]

  package init(phases: [Phase]) { self.phases = phases }
}
