extension Curriculum {
  /// The curriculum of the model that ships, as found by trial.
  ///
  /// 1. *copy*: random words that repeat with every period, nothing else, until what returns is foreseen. It comes
  ///    suddenly.
  /// 2. *mean*: labels with their own meaning, in sentences and, denser, in single words; never the same text twice in
  ///    an episode. Copying is kept, recall (pairs of random words of which the first returns) and translation begin.
  /// 3. *words*: labels without a meaning, mostly on single words, many right before their label; at first many
  ///    examples repeat an earlier one exactly, later fewer. With much recall beside it, looking up the same word comes
  ///    first, and becomes looking up a word of its class.
  /// 4. *sentences*: the same, mostly on sentences.
  /// 5. *settle*: all kinds of text, longer, no repetitions, while the learning rate falls.
  package static let standard = Curriculum(phases: [
    Phase(
      "copy", mixture: mixture { $0.copying = 1 }, tokens: 2048, length: 64, aim: .loss(0.6), maxSteps: 2500),
    Phase(
      "mean",
      mixture: mixture {
        $0.copying = 0.1
        $0.recall = 0.15
        $0.meaningful = 0.7
        $0.translation = 0.05
        $0.bare = 0.4
      },
      tokens: 2048, length: 128, aim: .accuracies(["meaningful 0": 0.9]), maxSteps: 900),
    Phase(
      "words",
      mixture: mixture {
        $0.copying = 0.05
        $0.recall = 0.3
        $0.meaningful = 0.15
        $0.arbitrary = 0.5
        $0.repetition = 0.5
        $0.bare = 0.7
        $0.compact = 0.4
      },
      finalRepetition: 0.1, tokens: 2048, length: 128, aim: .accuracies(["arbitrary 8": 0.7]), maxSteps: 1400),
    Phase(
      "sentences",
      mixture: mixture {
        $0.copying = 0.03
        $0.recall = 0.07
        $0.meaningful = 0.2
        $0.arbitrary = 0.55
        $0.swapped = 0.08
        $0.translation = 0.07
        $0.repetition = 0.1
        $0.bare = 0.25
        $0.compact = 0.3
      },
      finalRepetition: 0, tokens: 2048, length: 160,
      aim: .accuracies(["arbitrary 8": 0.93, "arbitrary 2": 0.85, "swapped 8": 0.85]), maxSteps: 2500),
    Phase(
      "settle",
      mixture: mixture {
        $0.copying = 0.02
        $0.recall = 0.03
        $0.meaningful = 0.25
        $0.arbitrary = 0.55
        $0.swapped = 0.08
        $0.translation = 0.07
        $0.bare = 0.1
        $0.short = 0.7
      },
      tokens: 3072, length: 256, aim: nil, maxSteps: 400),
  ])

  /// A few steps of copying alone: for tests, and to see that everything is in place.
  package static let trial = Curriculum(phases: [
    Phase("copy", mixture: mixture { $0.copying = 1 }, tokens: 400, length: 48, aim: nil, maxSteps: 60),
    Phase("settle", mixture: mixture { $0.meaningful = 1 }, tokens: 800, length: 96, aim: nil, maxSteps: 60),
  ])

  private static func mixture(_ change: (inout EpisodeMixture) -> Void) -> EpisodeMixture {
    var mixture = EpisodeMixture()
    change(&mixture)
    return mixture
  }
}
