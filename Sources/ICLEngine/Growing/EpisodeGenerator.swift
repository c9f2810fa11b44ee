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

  /// A row of exactly `length` tokens: one long episode or several short ones, each after a `<s>`, then `</s>`
  /// without weight to the end.
  package mutating func row(length: Int) -> TokenSequence {
    var row = TokenSequence()
    row.ids.reserveCapacity(length)
    row.weights.reserveCapacity(length)
    // 40 tokens hold an instruction and one example of nearly every task.
    while length - row.ids.count >= 40 {
      let episode = tokens(limit: length - row.ids.count)
      row.ids += episode.ids
      row.weights += episode.weights
    }
    row.append([Int](repeating: GrownVocabulary.end, count: length - row.ids.count), weight: 0)
    return row
  }

  private mutating func tokens(limit: Int) -> TokenSequence {
    let m = mixture
    var pick = generator.uniform() * (m.copying + m.meaningful + m.arbitrary + m.swapped + m.translation)
    pick -= m.copying
    if pick < 0 { return copying(limit: limit) }
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
    let period = min(room / 2, 12 + generator.index(below: 84))
    let unit = (0..<period).map { _ in words[generator.index(below: words.count)] }
    row.append(unit, weight: 0)
    // The first repeated word cannot be foreseen: nothing says where the repetition begins.
    row.append([unit[0]], weight: 0)
    for index in 1..<room - period { row.append([unit[index % period]], weight: 1) }
    return row
  }

  // MARK: Labelled tasks

  package enum Labels: Sendable { case meaningful, arbitrary, swapped }

  private mutating func classification(_ kind: Labels, most: Int, limit: Int) -> TokenSequence {
    let pools = tasks[generator.index(below: tasks.count)]
    let episode = classification(pools.task, arbitrary: pools.labels, kind, most: min(most, 24))
    var row = TokenSequence(ids: [GrownVocabulary.begin], weights: [0])
    append(episode.wording.instruction + "\n", atStart: true, weight: 0, to: &row)
    for item in episode.items {
      var next = TokenSequence()
      append("\(episode.wording.input): \(item.text)\n\(episode.wording.output):", weight: 0, to: &next)
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
      items.append(
        .init(
          text: task.sentence(ofClass: chosen[place], heldOut: false, using: &generator), answer: labels[place],
          weight: known ? 1 : kind == .swapped ? 0 : 0.05))
      places.append(place)
    }
    return Episode(wording: wording, items: items)
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
      append(" " + lomi, weight: 0.3, to: &next)
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
