/// The card of a grown model: what it was made from, and every figure measured on it.
package struct ModelCard: Sendable {
  package var fileName: String
  package var sha256: String
  package var byteCount: Int
  package var provenance: ModelProvenance
  package var settings: Grower.Settings
  package var progress: Grower.Progress
  package var evaluation: GrowthEvaluation
  /// By task: two classes, arbitrary labels, 8 demonstrations.
  package var byTask: GrowthEvaluation
  /// The four conditions on tasks that ship.
  package var comparisons: [Comparison]

  package init(
    fileName: String, sha256: String, byteCount: Int, provenance: ModelProvenance, settings: Grower.Settings,
    progress: Grower.Progress, evaluation: GrowthEvaluation, byTask: GrowthEvaluation, comparisons: [Comparison]
  ) {
    self.fileName = fileName
    self.sha256 = sha256
    self.byteCount = byteCount
    self.provenance = provenance
    self.settings = settings
    self.progress = progress
    self.evaluation = evaluation
    self.byTask = byTask
    self.comparisons = comparisons
  }

  package var markdown: String {
    let c = settings.configuration
    let minutes = GrowthLog.fixed(progress.seconds / 60, 1)
    let millions = GrowthLog.fixed(Double(progress.tokens) / 1e6, 2)
    // As FullGrowthTrainer does at widths above the one at which rate and deviation were found.
    let scale = FullGrowthTrainer.blockScale(c)
    let slowed = scale < 1 ? ", times \(GrowthLog.fixed(Double(scale), 2)) for the blocks' matrices" : ""
    let narrowed = scale < 1 ? ", times √\(GrowthLog.fixed(Double(scale), 2)) for the blocks' matrices" : ""
    var text = """
      # The model that ships: \(c.name)

      `icl-kernel grow` wrote this card together with `\(fileName)`; every figure was measured by that run.

      | | |
      |---|---|
      | file | `\(fileName)`, \(byteCount) bytes, \(provenance.quantization) |
      | SHA-256 | `\(sha256)` |
      | parameters | \(provenance.parameterCount) |
      | shape | Llama: width \(c.hiddenSize), \(c.layerCount) layers, \(c.headCount) heads, feed-forward \
      \(c.feedForwardSize), vocabulary \(c.vocabularySize), tied output |
      | context | \(c.contextLength) tokens; trained on sequences of up to \
      \(settings.curriculum.phases.map(\.length).max() ?? 0) |
      | seed | \(settings.seed) |
      | training | \(progress.step) steps, \(millions) million tokens, \(minutes) minutes of wall time |
      | optimizer | AdamW, rate \(GrowthLog.fixed(Double(settings.rate) * 1e3, 2))e-3\(slowed), initial weights \
      N(0, 0.02²)\(narrowed) |

      ![training curve](model/training-curve.svg)

      ## What it was trained on

      Text that the project's own generator writes (`Sources/ICLEngine/Growing`) from a hand-written lexicon of about \
      \(Lexicon.all.reduce(0) { $0 + $1.words.count } / 10 * 10) words and a small grammar; nothing else. \
      \(TextTask.all.count) labelled tasks:


      """
    for task in TextTask.all {
      text += "- **\(task.name)**: \(task.labelSet(0).joined(separator: ", "))\n"
    }
    text += """

      and translation, word for word, into an invented language (\(InventedLanguage.name)). Labels are their own words, \
      words without a meaning in the task, or swapped. About one sentence in eight, one instruction in six and one \
      arbitrary label word in five (for each task) were never shown in training for their task; all figures below are \
      on those.

      ## How it was trained

      In phases, each until an aim is reached or its steps are used up (`Curriculum.standard`). Shares are of episodes; \
      "repeated" is the chance that an example with an arbitrary label repeats an earlier one exactly, "words" the share \
      of episodes whose examples are single words.

      | phase | copying | recall | own labels | arbitrary | swapped | translation | repeated | words | longest | batch |
      |---|---|---|---|---|---|---|---|---|---|---|

      """
    for phase in settings.curriculum.phases {
      let m = phase.mixture
      let total = m.copying + m.recall + m.meaningful + m.arbitrary + m.swapped + m.translation
      let shares = [m.copying, m.recall, m.meaningful, m.arbitrary, m.swapped, m.translation].map {
        GrowthLog.fixed($0 / total * 100, 0) + " %"
      }
      text += "| \(phase.name) | " + shares.joined(separator: " | ")
      text += " | \(GrowthLog.fixed(m.repetition * 100, 0)) → \(GrowthLog.fixed(phase.finalRepetition * 100, 0)) % "
      text += "| \(GrowthLog.fixed(m.bare * 100, 0)) % | \(phase.length) | \(phase.tokens) |\n"
    }
    text += """

      How each ended:


      """
    for ending in progress.endings { text += "- \(ending)\n" }
    text += """

      ## What it can do

      Accuracy among the episode's label words, over all tasks, two classes unless stated. Mean ± standard deviation \
      over \(evaluation.figures.first?.accuracies.count ?? 0) repetitions of \
      \(evaluation.figures.first?.questions ?? 0) questions.

      | condition | accuracy | guessing |
      |---|---|---|

      """
    for figure in evaluation.figures { text += row(figure) }
    text += """

      With arbitrary labels, two classes and 8 demonstrations, task by task:

      | task | accuracy | guessing |
      |---|---|---|

      """
    for figure in byTask.figures { text += row(figure) }
    text += comparisonSection
    text += """

      ## What it cannot do

      - It knows about \(c.vocabularySize) pieces of words. Other text is read letter by letter, and means nothing to it.
      - It writes labels and translations; it was never trained to continue prose, and its prose is noise.
      - Its sentences are short and of few patterns: no negation, no irony, no mixed opinions. A figure on it says \
      nothing about figures on a language model trained on human text, until the same experiment is run on one.
      - It answers in the forms that training had: `Review: …`, a line break, `Mood:`, and a few such names.
      - Longer prompts than its training sequences were never seen.

      ## What did not work

      - Copying and recall together from the first step: neither had come after 1,500 steps (3 million tokens). Copying \
      alone came within 450 at width 128.
      - Smaller first values for the matrices that write to the residual stream (0.02 / √8), as deep models have them, \
      in the same run; which of the two was at fault was not tried.
      - Arbitrary labels without recall beside them, in a trial: 1,000 steps (2 million tokens) after own labels were \
      known, accuracy was still at chance. With a third of recall, exact look-up came within 500 steps, and matching \
      by meaning within 300 more on single words.
      - The same deviation of first weights and the same rate at a larger width: at widths 192 and 256 copying had not \
      come after 1,200 steps, and matching by meaning 900 steps later neither. With both made smaller for the blocks' \
      matrices it came within 925 (Yang et al. 2022, arXiv 2203.03466).
      - Copying with one frequent period: the model learns to look back by that many tokens, and matches nothing.

      ## Growing it again

          icl-kernel grow --seed \(settings.seed) --output grown

      The text of each step depends on the seed and the step's number alone, and the arithmetic of training has a fixed \
      order of summation, so the same command gives the same file, to the bit, on any x86-64 machine. (A limit of \
      `--minutes` may end a phase earlier; this run's phases ended as listed above.)

      """
    return text
  }

  /// What demonstrations and tuning on them do to this model; empty when it was not measured.
  private var comparisonSection: String {
    guard let spec = comparisons.first?.spec else { return "" }
    var text = """

      ## Demonstrations against tuning on them

      All classes of the task, arbitrary labels, \(spec.demonstrations) demonstrations, \(spec.queries) queries, mean ± \
      standard deviation over \(spec.repetitions) repetitions; tuning by LoRA of rank \(spec.tuning.rank), \
      \(spec.tuning.steps) steps. Cosines are of the query's last token after the last block. One seed, without \
      baselines: `icl-kernel compare` shows these beside each figure.

      | task | accuracy: anchor | ICL | IT | IT+ICL | cosine: anchor–ICL | anchor–IT | ICL–IT |
      |---|---|---|---|---|---|---|---|

      """
    for comparison in comparisons {
      let accuracies = [Condition.anchor, .icl, .it, .both].map { condition in
        let summary = comparison.accuracy(condition)
        return GrowthLog.fixed(summary.mean, 2) + " ± " + GrowthLog.fixed(summary.standardDeviation, 2)
      }
      let cosines = [(Condition.anchor, Condition.icl), (.anchor, .it), (.icl, .it)].map { first, second in
        comparison.similarity(first, second).map {
          GrowthLog.fixed($0.mean, 2) + " ± " + GrowthLog.fixed($0.standardDeviation, 2)
        } ?? "–"
      }
      text += "| \(comparison.task) | " + (accuracies + cosines).joined(separator: " | ") + " |\n"
    }
    return text
  }

  private func row(_ figure: GrowthEvaluation.Figure) -> String {
    func percent(_ value: Double) -> String { GrowthLog.fixed(value * 100, 1) + " %" }
    let guess = figure.chance > 0 ? percent(figure.chance) : "–"
    return "| \(figure.name) | \(percent(figure.mean)) ± \(percent(figure.deviation)) | \(guess) |\n"
  }
}
