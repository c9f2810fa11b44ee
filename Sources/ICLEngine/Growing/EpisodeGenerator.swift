/// Writes training text, one episode after the other, from a seed. The same seed gives the same text.
package struct EpisodeGenerator: Sendable {
  package var mixture: EpisodeMixture
  private var generator: SeededGenerator
  private let vocabulary: GrownVocabulary
  private let tasks: [Pools]
  private let words: [Int]
  private var encoded: [String: [Int]] = [:]

  /// What one task draws from, worked out once.
  private struct Pools: Sendable {
    let task: TextTask
    let labels: [String]
  }

  package init(vocabulary: GrownVocabulary, mixture: EpisodeMixture, generator: SeededGenerator) {
    self.vocabulary = vocabulary
    self.mixture = mixture
    self.generator = generator
    words = vocabulary.wholeWords
    tasks = TextTask.all.map { Pools(task: $0, labels: LabelPool.arbitrary(for: $0, heldOut: false)) }
  }

  /// Episodes, each a sequence of its own that begins with `<s>`, of about `tokens` tokens in all.
  /// - Parameter longest: the longest sequence; most episodes are as long as that, short ones have one or two examples.
  package mutating func batch(tokens: Int, longest: Int) -> [TokenSequence] {
    var batch: [TokenSequence] = []
    var count = 0
    while count < tokens {
      let episode = self.tokens(limit: longest)
      count += episode.ids.count
      batch.append(episode)
    }
    return batch
  }

  private mutating func tokens(limit: Int) -> TokenSequence {
    let m = mixture
    var pick = generator.uniform() * (m.copying + m.recall + m.meaningful + m.arbitrary + m.swapped + m.translation)
    pick -= m.copying
    if pick < 0 { return copying(limit: limit) }
    pick -= m.recall
    if pick < 0 { return recall(limit: limit) }
    pick -= m.meaningful
    if pick < 0 {
      let few = generator.uniform() < m.short
      let count = few ? 1 + generator.index(below: 2) : Int.max
      return classification(.meaningful, most: count, limit: limit)
    }
    pick -= m.arbitrary
    if pick < 0 { return classification(.arbitrary, most: .max, limit: limit) }
    pick -= m.swapped
    if pick < 0 { return classification(.swapped, most: .max, limit: limit) }
    return translation(limit: limit)
  }

  // MARK: Copying

  /// Random words, repeated until the limit; what repeats has weight.
  private mutating func copying(limit: Int) -> TokenSequence {
    var row = TokenSequence(ids: [GrownVocabulary.begin], weights: [0])
    let room = limit - 1
    // Every period is as likely as another: were one frequent, a fixed look back would do in place of matching.
    let period = 6 + generator.index(below: max(1, room / 2 - 5))
    let unit = (0..<period).map { _ in words[generator.index(below: words.count)] }
    row.append(unit, weight: 0)
    // The first repeated word cannot be foreseen: nothing says where the repetition begins.
    row.append([unit[0]], weight: 0)
    for index in 1..<room - period { row.append([unit[index % period]], weight: 0.3) }
    return row
  }

  // MARK: Recall

  /// Pairs of random words in a template. Where a first word returns, its second is to be recalled: the look-up that
  /// arbitrary labels need, without anything to learn about meaning.
  private mutating func recall(limit: Int) -> TokenSequence {
    let names = [("Text", "Answer"), ("Input", "Label"), ("Sentence", "Output"), ("Input", "Output")]
    let (input, output) = names[generator.index(below: names.count)]
    var wording = Wording(instruction: "", input: input, output: output)
    // From the word right before its label to the form of labelled tasks.
    wording.form = [.plain, .colon, .lines, .lines][generator.index(below: 4)]
    let (before, between) = wording.frame
    var row = TokenSequence(ids: [GrownVocabulary.begin], weights: [0])
    var pairs: [(key: Int, label: Int)] = []
    while true {
      let returns = pairs.count > 1 && generator.uniform() < 0.6
      let pair: (key: Int, label: Int)
      if returns {
        pair = pairs[generator.index(below: pairs.count)]
      } else {
        pair = (words[generator.index(below: words.count)], words[generator.index(below: words.count)])
        pairs.append(pair)
      }
      var next = TokenSequence()
      append(String(before.dropLast()), weight: 0, to: &next)
      next.append([pair.key], weight: 0)
      append(between, weight: 0, to: &next)
      next.append([pair.label], weight: returns ? 0.5 : 0)
      append("\n", weight: 0, to: &next)
      if row.ids.count + next.ids.count > limit { return row }
      row.ids += next.ids
      row.weights += next.weights
    }
  }

  // MARK: Labelled tasks

  package enum Labels: Sendable { case meaningful, arbitrary, swapped }

  private mutating func classification(_ kind: Labels, most: Int, limit: Int) -> TokenSequence {
    let pools = tasks[generator.index(below: tasks.count)]
    let episode = classification(pools.task, arbitrary: pools.labels, kind, most: min(most, 24))
    var row = TokenSequence(ids: [GrownVocabulary.begin], weights: [0])
    append(episode.wording.instruction + "\n", atStart: true, weight: 0, to: &row)
    let (before, between) = episode.wording.frame
    for item in episode.items {
      var next = TokenSequence()
      append(before + item.text + between, weight: 0, to: &next)
      append(" " + item.answer, weight: item.weight, to: &next)
      append("\n", weight: 0.05, to: &next)
      if row.ids.count + next.ids.count > limit { break }
      row.ids += next.ids
      row.weights += next.weights
    }
    return row
  }

  private mutating func classification(
    _ task: TextTask, arbitrary: [String], _ kind: Labels, most: Int
  ) -> Episode {
    let count = 2 + generator.index(below: min(task.classes.count, 4) - 1)
    let chosen = Array(generator.shuffled(Array(task.classes.indices)).prefix(count))
    let named = generator.uniform() < mixture.namedLabels
    // Without their names in the instruction, the first set of labels is meant.
    let set = named ? generator.index(below: task.labelSetCount) : 0
    let meaningful = chosen.map { task.classes[$0].labels[set] }
    let labels: [String]
    switch kind {
    case .meaningful: labels = meaningful
    case .swapped: labels = Array(meaningful.dropFirst() + meaningful.prefix(1))
    case .arbitrary: labels = Array(generator.shuffled(arbitrary).prefix(count))
    }
    var wording = Wording.random(
      for: task, neutral: kind == .arbitrary ? mixture.neutralInstruction : 0, using: &generator)
    if named { wording.instruction += " " + Wording.options(labels, using: &generator) }

    let bare = generator.uniform() < mixture.bare
    if bare, generator.uniform() < mixture.compact { wording.form = generator.uniform() < 0.5 ? .plain : .colon }

    var items: [Episode.Item] = []
    var places: [Int] = []
    for _ in 0..<most {
      if kind != .meaningful, items.count > 1, generator.uniform() < mixture.repetition {
        let earlier = generator.index(below: items.count)
        items.append(.init(text: items[earlier].text, answer: items[earlier].answer, weight: 1))
        places.append(places[earlier])
        continue
      }
      let place = generator.index(below: count)
      // A label that was not yet shown cannot be known, unless its meaning says it.
      let known = kind == .meaningful || places.contains(place)
      guard let sentence = newText(of: task, class: chosen[place], bare: bare, besides: items) else { continue }
      items.append(.init(text: sentence, answer: labels[place], weight: known ? 1 : kind == .swapped ? 0 : 0.05))
      places.append(place)
    }
    return Episode(wording: wording, items: items)
  }

  /// A sentence or word that the episode does not hold yet: where exact repetition answers, meaning is never learned.
  private mutating func newText(
    of task: TextTask, class index: Int, bare: Bool, besides items: [Episode.Item]
  ) -> String? {
    let words = task.classes[index].words
    for _ in 0..<8 {
      let sentence =
        bare
        ? words[generator.index(below: words.count)]
        : task.sentence(ofClass: index, heldOut: false, using: &generator)
      if !items.contains(where: { $0.text == sentence }) { return sentence }
    }
    return nil
  }

  // MARK: Translation

  private mutating func translation(limit: Int) -> TokenSequence {
    var row = TokenSequence(ids: [GrownVocabulary.begin], weights: [0])
    append("Translate into \(InventedLanguage.name).\n", atStart: true, weight: 0, to: &row)
    let most = 1 + generator.index(below: 8)
    for _ in 0..<most {
      let (english, lomi) = InventedLanguage.sentence(heldOut: false, using: &generator)
      var next = TokenSequence()
      append("English: \(english)\n\(InventedLanguage.name):", weight: 0, to: &next)
      append(" " + lomi, weight: 0.2, to: &next)
      append("\n", weight: 0.05, to: &next)
      if row.ids.count + next.ids.count > limit { break }
      row.ids += next.ids
      row.weights += next.weights
    }
    return row
  }

  private mutating func append(_ text: String, atStart: Bool = false, weight: Float, to row: inout TokenSequence) {
    let key = atStart ? "^" + text : text
    if let known = encoded[key] { return row.append(known, weight: weight) }
    let ids = vocabulary.encode(text, atStart: atStart)
    // Sentences are too many to keep; what recurs (instructions, labels) is short.
    if text.utf8.count < 24 { encoded[key] = ids }
    row.append(ids, weight: weight)
  }
}
