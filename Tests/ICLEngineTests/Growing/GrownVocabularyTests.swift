import ICLEngine
import Testing

@Suite struct GrownVocabularyTests {
  @Test func `every word of the training text is a single token of a small vocabulary`() throws {
    let words = TrainingText.words()
    let vocabulary = try GrownVocabulary(words: words)
    #expect((1000...2400).contains(vocabulary.pieces.count))
    #expect(words.count > 700)
    for word in words.keys { #expect(vocabulary.segment(word).count == 1, "\(word)") }
    #expect(Set(vocabulary.pieces).count == vocabulary.pieces.count)
  }

  @Test func `training on the same words gives the same vocabulary`() throws {
    let words = TrainingText.words()
    #expect(try GrownVocabulary(words: words) == GrownVocabulary(words: words))
  }

  @Test(arguments: [
    "Find the mood of each review.\nReview: The soup was superb!\nMood: dax\n", "Unseen wörds, 123 + digits: naïve…",
    "two  blanks and a\ttab", "", "Label", "\n\nline breaks\n", "emoji 🦉 too",
  ])
  func `the engine's tokenizer cuts text as the vocabulary does, and puts it together again`(text: String) throws {
    let vocabulary = try TrainingText.vocabulary()
    let tokenizer = try vocabulary.tokenizer()
    let ids = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
    #expect(ids == (text.isEmpty ? [] : vocabulary.encode(text, atStart: true)))
    #expect(tokenizer.decode(ids) == text)
  }

  @Test func `generated text goes there and back, a token for each word`() throws {
    let vocabulary = try TrainingText.vocabulary()
    let tokenizer = try vocabulary.tokenizer()
    for task in ClassificationTask.shipped where !task.hasWrittenAnswers {
      for example in task.examples.prefix(40) {
        let text = task.template.demonstration(example.fields, label: task.labels[example.label])
        let ids = tokenizer.encode(text)
        #expect(tokenizer.decode(ids) == text)
        // A prompt cut anywhere between words gives the same tokens as its parts.
        let query = task.template.query(example.fields)
        let answer = task.template.answer(task.labels[example.label])
        #expect(ids == tokenizer.encode(query) + vocabulary.encode(answer + "\n", atStart: false))
        #expect(vocabulary.encode(answer, atStart: false).count == 1)
      }
    }
  }

  @Test func `words that do not fit are an error that says how many are left`() throws {
    let error = try #require(throws: EngineError.self) {
      try GrownVocabulary(words: ["▁elephant": 1, "▁giraffe": 1], limit: 360)
    }
    #expect(error.code == .invalidArgument && error.found?.contains("2 words") == true)
  }
}
