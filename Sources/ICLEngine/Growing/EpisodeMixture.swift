/// What share of the training text is of which kind, and how hard it is: one point of the curriculum.
package struct EpisodeMixture: Sendable, Equatable {
  /// Relative shares.
  package var copying = 0.0
  /// Random words, each with a random word as its label, in the templates of labelled tasks; many return.
  package var recall = 0.0
  package var meaningful = 0.0
  package var arbitrary = 0.0
  package var swapped = 0.0
  package var translation = 0.0
  /// In episodes with arbitrary or swapped labels: probability that an example repeats an earlier one exactly.
  package var repetition = 0.0
  /// Probability that an episode's instruction says nothing of the task (arbitrary labels only).
  package var neutralInstruction = 0.3
  /// Probability that the instruction names the labels.
  package var namedLabels = 0.3
  /// Share of meaningful episodes that have one or two examples only.
  package var short = 0.5

  /// Share of episodes whose examples are single words instead of sentences.
  package var bare = 0.3

  /// Share of those that put the label right after the word, with nothing or a colon between: matching begins there.
  package var compact = 0.0

  package init() {}
}
