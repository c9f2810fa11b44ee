import ICLEngine
import Testing

@Suite struct `The factors of an experiment` {
  let task: ClassificationTask
  init() throws { task = try ClassificationTask.weather() }

  private func draw(_ spec: ComparisonSpec, query: Int? = nil) throws -> (queries: [Draw.Example], draw: Draw) {
    let queries = try Draw.queries(of: task, spec)
    return (queries, try Draw(of: task, spec, queries: queries, repetition: 0, query: query))
  }
  private func words(_ example: Draw.Example) -> Set<Substring> {
    Set((example.fields["text"] ?? "").split(separator: " "))
  }

  @Test func `near demonstrations share more words with their query than far ones, and classes stay balanced`() throws {
    func shared(_ choice: DemonstrationChoice) throws -> Int {
      let spec = ComparisonSpec(demonstrations: 4, queries: 6, choice: choice, seed: 5)
      return try (0..<6).reduce(0) { sum, query in
        let (queries, draw) = try draw(spec, query: query)
        #expect(draw.demonstrations.count { $0.label == 0 } == 2)
        #expect(Set(draw.others).isDisjoint(with: draw.demonstrations))
        #expect(!draw.demonstrations.contains(queries[query]))
        return sum + draw.demonstrations.reduce(0) { $0 + words($1).intersection(words(queries[query])).count }
      }
    }
    // A weather report has two words; near ones share the place or the weather, far ones nothing.
    #expect(try shared(.nearest) == 24)
    #expect(try shared(.farthest) == 0)
  }

  @Test func `label words are the same for every query of a repetition`() throws {
    let spec = ComparisonSpec(demonstrations: 2, queries: 4, choice: .nearest, seed: 5)
    let all = try (0..<4).map { try draw(spec, query: $0).draw.labelWords }
    #expect(Set(all).count == 1)
  }

  @Test func `permuted labels keep their counts, random ones are drawn from all classes`() throws {
    let right = Dictionary(uniqueKeysWithValues: task.examples.map { ($0.fields, $0.label) })
    var moved = 0
    var wrong = 0
    for seed in 0..<20 as Range<UInt64> {
      let permuted = try draw(
        ComparisonSpec(demonstrations: 8, queries: 8, wrongLabelShare: 1, wrongLabelKind: .permuted, seed: seed)
      ).draw.demonstrations
      #expect(permuted.count { $0.label == 0 } == 4)
      moved += permuted.count { right[$0.fields] != $0.label }
      let random = try draw(
        ComparisonSpec(demonstrations: 8, queries: 8, wrongLabelShare: 1, wrongLabelKind: .random, seed: seed)
      ).draw.demonstrations
      wrong += random.count { right[$0.fields] != $0.label }
    }
    // Of 160 labels about half are wrong by chance: four standard deviations are 25.
    #expect((55...105).contains(moved) && (55...105).contains(wrong))
  }

  @Test func `demonstrations of another task stand in its own form before the query`() throws {
    let other = try ClassificationTask(
      name: "size", template: "Thing: {thing}\nSize: {label}\n", labels: ["small", "large"],
      examples: (0..<8).map { ClassificationTask.Example(fields: ["thing": "t\($0)"], label: $0 % 2) })
    let spec = ComparisonSpec(
      demonstrations: 2, queries: 4, demonstrationTask: other, labelWords: .meaningful, instruction: nil, seed: 1)
    let (queries, draw) = try draw(spec)
    let builder = PromptBuilder(
      task: task, tokenizer: WordTokenizer(task), labelWords: draw.labelWords, instruction: nil,
      showing: (other, draw.demonstrationWords))
    let prompt = builder.prompt(queries[0], after: draw.demonstrations)
    #expect(prompt.hasPrefix("Thing: t") && prompt.hasSuffix("Outlook:"))
    #expect(prompt.contains("Size: small\n") && prompt.contains("Size: large\n"))
    let tuned = builder.tuningSequence(draw.demonstrations[0])
    #expect(tuned.lossWeights.contains(1) && tuned.lossWeights.first == 0)
  }

  @Test(arguments: [
    ComparisonSpec(demonstrations: 2, queries: 4, repetitions: 2, choice: .nearest, tuning: .init(steps: 2), seed: 1),
    ComparisonSpec(
      demonstrations: 4, queries: 4, repetitions: 1, wrongLabelShare: 0.5, wrongLabelKind: .permuted,
      tuning: .init(steps: 2), seed: 1),
  ])
  func `give whole results, and go through JSON`(spec: ComparisonSpec) throws {
    let model = FakeModel(WordTokenizer(task))
    let result = try ComparisonRun(model: model, task: task, spec: spec).result()
    for repetition in result.repetitions {
      #expect(repetition.similarity.count == 6)
      #expect(repetition.answers.values.allSatisfy { $0.count == spec.queries })
      #expect(Set(repetition.baselines.keys) == Set(Baseline.similarities))
      #expect(repetition.tuningLoss.count == 2)
    }
    #expect(try Comparison(json: result.json()).spec == spec)
    #expect(isWellFormedXML(result.html))
  }

  @Test func `a specification of before keeps its text`() throws {
    let spec = try ComparisonSpec(json: #"{"demonstrations": 4}"#)
    #expect(spec == ComparisonSpec(demonstrations: 4))
    let named = try ComparisonSpec(json: #"{"demonstrationTask": "topic", "choice": "farthest"}"#)
    #expect(named.demonstrationTask == .topic && named.choice == .farthest)
    for bad in [#"{"demonstrationTask": "moon"}"#, #"{"choice": "best"}"#, #"{"wrongLabelKind": 3}"#] {
      #expect(throws: EngineError.self) { try ComparisonSpec(json: bad) }
    }
  }
}
