import ICLEngine
import Testing

@Suite struct `The draw of an experiment` {
  let task: ClassificationTask
  init() throws { task = try ClassificationTask.weather() }

  private func draw(_ spec: ComparisonSpec, repetition: Int = 0) throws -> (queries: [Draw.Example], Draw) {
    let queries = try Draw.queries(of: task, spec)
    return (queries, try Draw(of: task, spec, queries: queries, repetition: repetition))
  }

  @Test func `balances classes and keeps queries, demonstrations and others apart`() throws {
    let (queries, draw) = try draw(ComparisonSpec(demonstrations: 8, queries: 20, seed: 3))
    #expect(queries.count { $0.label == 0 } == 10)
    #expect(draw.demonstrations.count { $0.label == 0 } == 4)
    let texts = [queries, draw.demonstrations, draw.others].map { Set($0.map(\.fields)) }
    #expect(texts.map(\.count) == [20, 8, 8])
    #expect(texts[0].isDisjoint(with: texts[1]) && texts[0].isDisjoint(with: texts[2]))
    #expect(texts[1].isDisjoint(with: texts[2]))
    #expect(Set(draw.reordered) == Set(draw.demonstrations) && draw.reordered != draw.demonstrations)
  }

  @Test func `repeats with its seed, changes with it, and from repetition to repetition`() throws {
    let one = try draw(ComparisonSpec(demonstrations: 4, queries: 8, seed: 1))
    #expect(try one.1 == draw(ComparisonSpec(demonstrations: 4, queries: 8, seed: 1)).1)
    #expect(try one.1 != draw(ComparisonSpec(demonstrations: 4, queries: 8, seed: 2)).1)
    let next = try draw(ComparisonSpec(demonstrations: 4, queries: 8, seed: 1), repetition: 1)
    #expect(one.1 != next.1)
    #expect(one.queries == next.queries)
  }

  @Test(arguments: [(0.0, 0), (0.25, 2), (0.5, 4), (1.0, 8)])
  func `gives the asked share of demonstrations a wrong label`(share: Double, wrong: Int) throws {
    let (_, draw) = try draw(ComparisonSpec(demonstrations: 8, queries: 8, wrongLabelShare: share, seed: 3))
    let right = Dictionary(uniqueKeysWithValues: task.examples.map { ($0.fields, $0.label) })
    #expect(draw.demonstrations.count { right[$0.fields] != $0.label } == wrong)
    #expect(draw.others.count { right[$0.fields] != $0.label } == wrong)
  }

  @Test func `label words are the task's, swapped, arbitrary or one's own`() throws {
    var generator = SeededGenerator(seed: 4)
    #expect(try LabelWords.meaningful.words(of: task, using: &generator) == ["fair", "foul"])
    #expect(try LabelWords.swapped.words(of: task, using: &generator) == ["foul", "fair"])
    #expect(try LabelWords.custom(["A", "B"]).words(of: task, using: &generator) == ["A", "B"])
    let drawn = try LabelWords.arbitrary.words(of: task, using: &generator)
    #expect(Set(drawn).count == 2 && Set(drawn).isSubset(of: task.arbitraryLabels))
    #expect(throws: EngineError.self) { try LabelWords.custom(["A", "A"]).words(of: task, using: &generator) }
  }

  @Test func `a task that is too small is refused with what it allows`() throws {
    do {
      _ = try draw(ComparisonSpec(demonstrations: 8, queries: 33))
      Issue.record("accepted")
    } catch let error as EngineError {
      #expect(error.description.contains("at most 32 queries"))
    }
  }
}

@Suite struct `Prompts` {
  @Test func `are instruction, demonstrations and query, with the words in force`() throws {
    let task = try ClassificationTask.weather()
    let builder = PromptBuilder(
      task: task, tokenizer: WordTokenizer(task), labelWords: ["dax", "zib"], instruction: 0)
    let prompt = builder.prompt(.init("sun here", label: 0), after: [.init("fog there", label: 1)])
    #expect(
      prompt == """
        Say whether it is dax or zib .
        Report: fog there
        Outlook: zib
        Report: sun here
        Outlook:
        """)
    let bare = PromptBuilder(task: task, tokenizer: WordTokenizer(task), labelWords: task.labels, instruction: nil)
    #expect(bare.prompt(.init("sun here", label: 0)) == "Report: sun here\nOutlook:")
  }

  @Test func `only the answer's tokens count in the loss`() throws {
    let task = try ClassificationTask.weather()
    let tokenizer = WordTokenizer(task)
    let builder = PromptBuilder(task: task, tokenizer: tokenizer, labelWords: task.labels, instruction: nil)
    let (tokens, weights) = builder.tuningSequence(.init("sun here", label: 0))
    #expect(tokenizer.decode(tokens) == "<s> Report: sun here \n Outlook: fair")
    #expect(weights == [0, 0, 0, 0, 0, 0, 1])
  }
}
