import ICLEngine
import Testing

@Suite struct GeneratorTests {
  private static let vocabulary = Result { try TrainingText.vocabulary() }

  private static func mixture(_ change: (inout EpisodeMixture) -> Void) -> EpisodeMixture {
    var mixture = EpisodeMixture()
    change(&mixture)
    return mixture
  }

  private static let everything = mixture {
    $0.copying = 0.1
    $0.meaningful = 1
    $0.arbitrary = 1
    $0.swapped = 0.5
    $0.translation = 0.2
    $0.repetition = 0.2
  }

  private static func rows(_ count: Int, seed: UInt64, mixture: EpisodeMixture = everything) throws -> [TokenSequence] {
    var generator = EpisodeGenerator(
      vocabulary: try vocabulary.get(), mixture: mixture, generator: SeededGenerator(seed: seed))
    return generator.batch(tokens: count * 192, longest: 192)
  }

  @Test func `the same seed writes the same text, another seed another`() throws {
    let first = try Self.rows(20, seed: 3)
    #expect(try Self.rows(20, seed: 3) == first)
    #expect(try Self.rows(20, seed: 4) != first)
  }

  @Test func `every slot of every sentence has words`() {
    for task in TextTask.all {
      for kind in task.classes {
        let incomplete = kind.frames.filter { !$0.isComplete }.map(\.text)
        #expect(incomplete == [], "\(task.name)")
        #expect(!kind.words.isEmpty && kind.labels.count == task.labelSetCount)
      }
    }
  }

  @Test func `articles fit the word after them`() {
    var generator = SeededGenerator(seed: 1)
    #expect(
      Frame("{A} {x} saw {a} {y}.", slots: ["x": ["owl"], "y": ["dog"]]).sentence(using: &generator)
        == "An owl saw a dog.")
  }

  @Test func `no class of a task shares a word with another`() {
    for task in TextTask.all {
      let words = task.classes.flatMap(\.words)
      #expect(Set(words).count == words.count, "\(task.name): a word that is in two classes has no one answer")
    }
  }

  @Test func `a sequence keeps to its length and weighs some answers`() throws {
    for sequence in try Self.rows(100, seed: 5) {
      #expect(sequence.ids.count <= 192 && sequence.weights.count == sequence.ids.count)
      #expect(sequence.weights.contains { $0 > 0 })
      #expect(sequence.ids.first == GrownVocabulary.begin && sequence.weights.first == 0)
    }
  }

  @Test func `no held-out sentence is in the training text`() throws {
    let tokenizer = try Self.vocabulary.get().tokenizer()
    var checked = 0
    for row in try Self.rows(400, seed: 6, mixture: Self.mixture { ($0.meaningful, $0.arbitrary, $0.bare) = (1, 1, 0) })
    {
      for line in tokenizer.decode(row.ids).split(separator: "\n") {
        guard let colon = line.firstIndex(of: ":"), line.hasSuffix(".") || line.hasSuffix("!") else { continue }
        let sentence = line[line.index(after: colon)...].drop { $0 == " " }
        checked += 1
        #expect(!TextTask.isHeldOut(String(sentence)), "\(sentence)")
      }
    }
    // About twelve sentences in each row; far fewer would mean that the text was not understood.
    #expect(checked > 2000)
    for task in ClassificationTask.shipped where !task.hasWrittenAnswers {
      for example in task.examples + task.queries {
        #expect(TextTask.isHeldOut(example.fields["text"] ?? ""))
      }
      let trained = task.instructions.filter { !Wording.isHeldOut($0) }
      #expect(trained == [] && !task.instructions.isEmpty)
    }
  }

  @Test func `held-out labels never label their task in training but live in others`() throws {
    let vocabulary = try Self.vocabulary.get()
    let tokenizer = try vocabulary.tokenizer()
    let rows = try Self.rows(600, seed: 7, mixture: Self.mixture { ($0.arbitrary, $0.bare) = (1, 0) })
    var used: [String: Set<String>] = [:]
    for row in rows {
      for text in tokenizer.decode(row.ids).components(separatedBy: "<s>") {
        let lines = text.split(separator: "\n")
        for (line, next) in zip(lines, lines.dropFirst()) {
          // Only lines under a task's own input name say which task they belong to; two names are generic as well.
          guard let task = TextTask.all.first(where: { line.hasPrefix($0.inputName + ": ") }),
            !["Sentence", "Text"].contains(task.inputName), let label = next.split(separator: " ").last
          else { continue }
          used[task.name, default: []].insert(String(label))
        }
      }
    }
    #expect(used.count == TextTask.all.count - 2)
    for (name, labels) in used {
      let task = try #require(TextTask.named(name))
      let held = Set(LabelPool.arbitrary(for: task, heldOut: true))
      #expect(held.count >= 4, "\(name) needs four held-out labels for four classes")
      #expect(held.isDisjoint(with: labels), "\(name)")
    }
    for label in Lexicon.arbitraryLabels {
      #expect(TextTask.all.contains { !LabelPool.isHeldOut(label, task: $0) }, "\(label) is trained in no task")
    }
  }

  @Test func `meaningful and arbitrary examples never repeat, copied ones do`() throws {
    func repeats(_ mixture: EpisodeMixture) throws -> Int {
      let tokenizer = try Self.vocabulary.get().tokenizer()
      return try Self.rows(60, seed: 8, mixture: mixture).reduce(0) { count, row in
        let episodes = tokenizer.decode(row.ids).components(separatedBy: ".\n")
        let lines = episodes.joined(separator: ".\n").split(separator: "\n").filter {
          $0.hasSuffix(".") && $0.contains(": ")
        }
        return count + lines.count - Set(lines).count
      }
    }
    let fresh = try repeats(Self.mixture { ($0.meaningful, $0.bare, $0.short) = (1, 0, 0) })
    let copied = try repeats(Self.mixture { ($0.arbitrary, $0.bare, $0.repetition) = (1, 0, 0.8) })
    #expect(fresh == 0)
    #expect(copied > 200)
  }

  @Test func `translation is word for word`() {
    #expect(InventedLanguage.translation(of: "the old dog sees an owl") == "lo malu kani vidu un owl")
    let lomi = InventedLanguage.dictionary.filter { $0.english != "an" }.map(\.lomi)
    #expect(Set(lomi).count == lomi.count, "two English words share a Lomi word")
  }

  @Test func `held-out questions hold demonstrations of every class and one right answer`() throws {
    var episodes = HeldOutEpisodes(vocabulary: try Self.vocabulary.get(), seed: 1)
    for _ in 0..<50 {
      let question = episodes.question(.arbitrary(demonstrations: 8))
      #expect(question.text.split(separator: "\n").count == 1 + 2 * 8 + 2)
      #expect(question.candidates.map(\.count) == [1, 1])
      #expect(question.prompt.count < 256)
      let label = question.text.components(separatedBy: "\n")
      #expect(label.last?.hasSuffix(":") == true)
    }
  }
}
