import Fixtures
import Foundation
import ICLEngine
import Testing

@Suite struct `A task whose answers are written` {
  /// Four pairs to show, two to ask for. The model of ``model(_:)`` knows all words but one.
  static func task() throws -> ExperimentTask {
    try TranslationTask(
      name: "lomi", template: "English: {text}\nLomi: {label}\n", instructions: ["Translate ."],
      pairs: [("the cat", "lo meso"), ("a dog", "un kani"), ("cat sees dog", "meso vidu kani"), ("dog", "kani")],
      queries: [("the dog sees a dog", "lo kani vidu un kani"), ("a cat", "un meso")])
  }

  /// Translates the last line word for word. What a cat is it must have been shown, or tuned on; otherwise it is a dog.
  private func model(_ task: ExperimentTask) -> FakeModel {
    var model = FakeModel(WordTokenizer(task))
    model.nextWord = { text, isTuned in
      let isShown = text.contains("meso")
      let words = ["the": "lo", "a": "un", "dog": "kani", "sees": "vidu", "cat": isShown || isTuned ? "meso" : "kani"]
      let parts = text.components(separatedBy: "English:").last?.components(separatedBy: "Lomi:") ?? []
      let source = parts[0].split(whereSeparator: \.isWhitespace).map(String.init)
      let written = (parts.count > 1 ? parts[1] : "").split(separator: " ").map(String.init)
      return written.count < source.count ? words[source[written.count]] ?? "?" : "\n"
    }
    return model
  }

  private func spec(_ change: (inout ComparisonSpec) -> Void = { _ in }) -> ComparisonSpec {
    var spec = ComparisonSpec(demonstrations: 4, queries: 2, repetitions: 1, tuning: .init(steps: 2), seed: 1)
    change(&spec)
    return spec
  }

  @Test func `is graded by its words, as worked out by hand`() throws {
    let task = try Self.task()
    let result = try ComparisonRun(model: model(task), task: task, spec: spec()).result()
    let repetition = result.repetitions[0]
    // Without demonstrations "a cat" becomes "un kani": wrong, and one of two words, 2·1 / (2 + 2).
    #expect(repetition.accuracy(.anchor) == 0.5)
    #expect(repetition.wordShares?[.anchor]?.sorted() == [0.5, 1])
    #expect(result.wordShare(.anchor)?.mean == 0.75)
    for condition in [Condition.icl, .it, .both] {
      #expect(repetition.accuracy(condition) == 1)
      #expect(repetition.wordShare(condition) == 1)
    }
    #expect(repetition.labelWords.isEmpty)
    #expect(result.heading.contains("written"))
    #expect(result.accuracyTable.columns.last == "right words")
    #expect(result.accuracyTable.rows[0].last == "75.0 %")
    // By its text: some of the numbers are undefined, and NaN is not itself.
    #expect(try Comparison(json: result.json()).json() == result.json())
    // Shares are among the numbers that the fingerprint is of.
    var other = repetition
    other.wordShares?[.anchor]?[0] = 0.25
    #expect(other.allValues != repetition.allValues)
  }

  @Test func `is followed step by step, and swept`() throws {
    let task = try Self.task()
    let steps = try ComparisonRun(model: model(task), task: task, spec: spec()).stepsToICL(every: 1)
    #expect(steps.repetitions[0].accuracy == [0.5, 1, 1] && steps.repetitions[0].accuracyOfICL == 1)
    let sweep = try Sweep.run(model: model(task), task: task, over: .wrongLabels([0, 1]), base: spec())
    #expect(sweep.comparisons[0].accuracy(.icl).mean == 1)
    #expect(sweep.comparisons[0].provenance.promptsSHA256 != sweep.comparisons[1].provenance.promptsSHA256)
  }

  @Test func `is tuned on the whole answer and on what ends it`() throws {
    let task = try Self.task()
    let builder = PromptBuilder(task: task, tokenizer: WordTokenizer(task), labelWords: [], instruction: 0)
    let sequence = builder.tuningSequence(task.examples[0])
    let words = sequence.tokens.map(builder.tokenizer.piece)
    #expect(words == ["<s>", "Translate", ".", "\n", "English:", "the", "cat", "\n", "Lomi:", "lo", "meso", "\n"])
    #expect(sequence.lossWeights == [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    #expect(
      builder.prompt(task.queries[1], after: [task.examples[0]])
        == "Translate .\nEnglish: the cat\nLomi: lo meso\nEnglish: a cat\nLomi:")
  }

  @Test(arguments: WrongLabelKind.allCases)
  func `has answers of other examples where they are to be wrong`(kind: WrongLabelKind) throws {
    let task = try Self.task()
    let spec = self.spec { ($0.wrongLabelShare, $0.wrongLabelKind) = (1, kind) }
    let right = Dictionary(uniqueKeysWithValues: task.examples.map { ($0.fields, $0.answer) })
    let draw = try Draw(of: task, spec, queries: task.queries, repetition: 0)
    let shown = draw.demonstrations.map { ($0.answer, right[$0.fields] ?? nil) }
    #expect(shown.allSatisfy { answer, _ in task.examples.contains { $0.answer == answer } })
    switch kind {
    case .flipped: #expect(shown.allSatisfy { $0.0 != $0.1 })
    case .permuted: #expect(Set(shown.map { $0.0 }) == Set(shown.map { $0.1 }))
    case .random: break
    }
  }

  @Test func `may stand before the queries of a task with labels, and the other way round`() throws {
    let weather = try ClassificationTask.weather()
    let lomi = try Self.task()
    var both = weather
    both.examples += lomi.examples.map { .init(fields: $0.fields, label: 0) }
    let spec = self.spec {
      $0.demonstrationTask = lomi
      $0.queries = 4
    }
    let result = try ComparisonRun(model: FakeModel(WordTokenizer(both)), task: weather, spec: spec).result()
    #expect(result.heading.contains("demonstrations of lomi"))
    #expect(result.repetitions[0].wordShares == nil)
    let builder = PromptBuilder(
      task: weather, tokenizer: WordTokenizer(both), labelWords: weather.labels, instruction: nil,
      showing: (lomi, []))
    #expect(
      builder.prompt(weather.examples[0], after: [lomi.examples[3]])
        == "English: dog\nLomi: kani\nReport: sun here\nOutlook:")
    let reverse = try ComparisonRun(
      model: model(lomi), task: lomi, spec: self.spec { $0.demonstrationTask = weather }
    ).result()
    #expect(reverse.repetitions[0].wordShare(.anchor) == 0.75)
  }

  @Test func `has no task vectors, and says so`() throws {
    let error = #expect(throws: EngineError.self) { try Engine().taskVectors(.translation, queries: 4) }
    #expect(error?.code == .unsupported && error?.description.contains("translation") == true)
  }

  @Test func `is read from TSV and JSONL`() throws {
    func read(_ text: String, _ format: ExperimentTask.TextFormat) throws -> ExperimentTask {
      try TranslationTask(
        text: text, format: format, path: "pairs", name: "pairs", template: "English: {en}\nCzech: {label}\n",
        instructions: ["Translate."], answerColumn: "cs")
    }
    let tsv = try read("en\tcs\na man sleeping\tmuž  spí \na dog\tpes\n", .tsv)
    #expect(tsv.hasWrittenAnswers && tsv.examples.map(\.answer) == ["muž spí", "pes"])
    #expect(tsv.examples[1].fields == ["en": "a dog"])
    #expect(
      try read("{\"en\": \"a man sleeping\", \"cs\": \"muž spí\"}\n{\"en\": \"a dog\", \"cs\": \"pes\"}", .jsonl) == tsv
    )
    let data = try JSONEncoder().encode(tsv)
    #expect(try JSONDecoder().decode(ExperimentTask.self, from: data) == tsv)
    let empty = #expect(throws: EngineError.self) { try read("en\tcs\na\tb\nc\t \n", .tsv) }
    #expect(empty?.location == "pairs, line 3")
  }

  @Test(
    arguments: [
      ("{text}: {label}\n", ["a", ""], "no answer"), ("{text}: {label}\n", ["a", "x\ny"], "ends an answer"),
      ("{text}: {label};", ["a", "x; y"], "ends an answer"), ("{text}: {label}", ["a", "x\ny"], "ends an answer"),
      ("{text}: {label}\n", ["", "x"], "no text"), ("{text}: {label}\n", [], "needs examples"),
    ] as [(String, [String], String)])
  func `is refused where an answer could not be told from the rest`(template: String, pair: [String], part: String) {
    let error = #expect(throws: EngineError.self) {
      try TranslationTask(
        name: "t", template: template, pairs: pair.isEmpty ? [] : [(text: pair[0], answer: pair[1])])
    }
    #expect(error?.description.contains(part) == true, "\(error.map(\.description) ?? "")")
  }

  @Test func `is written with the tokens that plain generation gives`() throws {
    let model = try RandomModel.make(threads: 1)
    let prompts = [[1, 5, 9, 5], [1, 5, 9], [1, 7]]
    let limits = [6, 3, 0]
    let written = try model.continued(prompts, limits: limits, adapter: nil) { _, _ in false }
    for (index, prompt) in prompts.enumerated() {
      let alone = try model.generate(prompt, count: limits[index], stopsAtEnd: false)
      #expect(written[index] == alone.tokens)
    }
    let stopped = try model.continued([prompts[0]], limits: [6], adapter: nil) { $1.count == 2 }
    #expect(stopped == [Array(written[0].prefix(2))])
  }

  @Test func `runs on the model that ships`() throws {
    let result = try Engine().compare(
      .translation,
      ComparisonSpec(
        demonstrations: 2, queries: 4, repetitions: 1, tuning: .init(steps: 2), baselines: [.otherOrder], seed: 1))
    let shares = try #require(result.repetitions[0].wordShares)
    #expect(shares.count == 4 && shares.values.allSatisfy { $0.count == 4 && $0.allSatisfy { (0...1).contains($0) } })
    for (condition, answers) in result.repetitions[0].answers {
      // Right in every word exactly where the share is 1.
      #expect(zip(answers, shares[condition] ?? []).allSatisfy { $0 == ($1 == 1) })
    }
    #expect(result.reproduce.contains("engine.compare(.translation, spec)"))
  }

  @Test(.enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"))
  func `can be English and Czech, and stand before reviews`() throws {
    func lines(_ ending: String) throws -> [String] {
      try String(contentsOf: Fixtures.sharedData.appending(path: "text/multi30k.val.\(ending)"), encoding: .utf8)
        .split(separator: "\n").map(String.init)
    }
    let pairs = Array(zip(try lines("en"), try lines("cs")))
    let folder = try Fixtures.temporaryFolder("pairs")
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "pairs.tsv")
    try Data((["en\tcs"] + pairs.map { "\($0)\t\($1)" }).joined(separator: "\n").utf8).write(to: file)
    let task = try TranslationTask(
      contentsOf: file.path, template: "English: {en}\nCzech: {label}\n", instructions: ["Translate into Czech."],
      answerColumn: "cs")
    #expect(task.examples.count == pairs.count && task.name == "pairs")
    #expect(task.examples[1].answer == "muž spí na gauči v zeleném pokoji .")

    // The shortest, because to the model that ships Czech is a token for each byte.
    var short = task
    short.examples = Array(task.examples.sorted { ($0.answer ?? "").count < ($1.answer ?? "").count }.prefix(12))
    let engine = try Engine()
    let spec = ComparisonSpec(
      demonstrations: 1, queries: 2, repetitions: 1, tuning: .init(steps: 1), baselines: [], seed: 1)
    let result = try engine.compare(short, spec)
    #expect(result.repetitions[0].wordShares?[.icl]?.count == 2)
    var before = spec
    before.demonstrationTask = short
    #expect(try engine.compare(.sentiment, before).repetitions[0].answers[.icl]?.count == 2)
  }
}

@Suite struct `A specification with a mistake` {
  @Test(arguments: [
    (#"{"demonstrations": "8"}"#, "key demonstrations", #""8""#),
    (#"{"demonstration": 8}"#, "key demonstration", "demonstrations"),
    (#"{"tuning": {"rnk": 8}}"#, "key tuning.rnk", "rank"),
    (#"{"tuning": {"rank": "8"}}"#, "key tuning.rank", "a whole number"),
    (#"{"tuning": {"projections": ["q", "w"]}}"#, "key tuning.projections", "k, v"),
    (#"{"wrongLabelKind": "flipd"}"#, "key wrongLabelKind", "flipped, random, permuted"),
    (#"{"baselines": ["otherOrder", "none"]}"#, "key baselines", "otherDemonstrations"),
    (#"{"labelWords": "arbitary"}"#, "key labelWords", "arbitrary"),
    (#"{"demonstrationTask": "sentimant"}"#, "key demonstrationTask", "sentiment, topic"),
    (#"{"queries": null, "seed": []}"#, "key seed", "[]"),
    ("[1]", "specification", "[1]"), (#"{"seed": 1"#, "specification", "never closed"),
  ])
  func `is told its key, and what should be there`(json: String, key: String, part: String) {
    let error = #expect(throws: EngineError.self) { try ComparisonSpec(json: json) }
    #expect(error?.code == .malformedFile)
    #expect(error?.location?.contains(key) == true, "\(error.map(\.description) ?? "")")
    #expect(error?.description.contains(part) == true, "\(error.map(\.description) ?? "")")
  }

  @Test(arguments: [
    (#"{"factor": "moon", "values": [1]}"#, "key factor", "demonstrations"),
    (#"{"factor": "rank", "values": ["x"]}"#, "key values", "a whole number"),
    (#"{"factor": "rank", "value": [1]}"#, "key value", "values"),
  ])
  func `is told so in a sweep too`(json: String, key: String, part: String) {
    let error = #expect(throws: EngineError.self) { try SweepFactor(json: json) }
    #expect(error?.location?.contains(key) == true, "\(error.map(\.description) ?? "")")
    #expect(error?.description.contains(part) == true, "\(error.map(\.description) ?? "")")
  }
}
