import Foundation
import ICLEngine
import Testing

@Suite struct `The place at which states are read` {
  let task: ClassificationTask
  init() throws { task = try ClassificationTask.weather() }

  private func spec(_ positions: StatePosition = .last, _ point: StatePoint = .residual) -> ComparisonSpec {
    ComparisonSpec(
      demonstrations: 4, queries: 6, repetitions: 2, tuning: .init(steps: 2), seed: 1, positions: positions,
      point: point)
  }
  private func run(_ spec: ComparisonSpec) throws -> Comparison {
    try ComparisonRun(model: FakeModel(WordTokenizer(task)), task: task, spec: spec).result()
  }

  @Test(arguments: [
    StatePosition.last, .fromEnd(2), .queryMean, .after("Report:"), .firstOfLabel, .lastOfLabel,
  ])
  func `can be any token of the query, and answers stay those of its end`(position: StatePosition) throws {
    let (result, usual) = (try run(spec(position)), try run(spec()))
    #expect(result.repetitions.map(\.answers) == usual.repetitions.map(\.answers))
    #expect(result.repetitions.map(\.divergence) == usual.repetitions.map(\.divergence))
    #expect(result.repetitions.allSatisfy { $0.similarity.values.allSatisfy { $0.allSatisfy(\.isFinite) } })
    if position != .last { #expect(result.similarity(.icl, .it) != usual.similarity(.icl, .it)) }
    for text in [result.similarityTable.plainText, result.plot(.layers).source, result.plot(.heatmap).source] {
      #expect(text.contains(position.title.prefix(11)), "\(position)")
    }
    #expect(try Comparison(json: result.json()).spec == result.spec)
  }

  @Test func `is the token that it says`() throws {
    let tokenizer = WordTokenizer(task)
    let builder = PromptBuilder(task: task, tokenizer: tokenizer, labelWords: ["dax", "zib"], instruction: 0)
    let (query, shown) = (task.examples[0], Array(task.examples[1...2]))
    func words(_ position: StatePosition) throws -> [String] {
      let reading = try builder.reading(query, after: shown, at: position)
      return reading.positions.map { tokenizer.piece(reading.stateTokens[$0]) }
    }
    #expect(try words(.last) == ["Outlook:"])
    #expect(try words(.fromEnd(1)) == ["Outlook:"])
    #expect(try words(.fromEnd(3)) == ["here"])
    #expect(try words(.after("Report:")) == ["sun"])
    #expect(try words(.queryMean) == ["Report:", "sun", "here", "\n", "Outlook:"])
    #expect(try words(.firstOfLabel) == ["dax"])
    let split = PromptBuilder(
      task: task, tokenizer: WordTokenizer(task, splitting: ["dax"]), labelWords: ["dax", "zib"], instruction: 0)
    func piece(_ position: StatePosition) throws -> String {
      let reading = try split.reading(query, after: shown, at: position)
      return split.tokenizer.piece(reading.stateTokens[reading.positions[0]])
    }
    #expect(try piece(.firstOfLabel) == "d" && piece(.lastOfLabel) == "x")
    for bad in [StatePosition.fromEnd(6), .after("moon"), .after("Outlook:")] {
      let error = #expect(throws: EngineError.self) { try builder.reading(query, after: shown, at: bad) }
      #expect(error?.code == .invalidArgument)
    }
  }

  @Test(arguments: StatePoint.allCases)
  func `can be any point of the model`(point: StatePoint) throws {
    let (result, usual) = (try run(spec(.last, point)), try run(spec()))
    // Embeddings and final norm are there whatever the point.
    for place in [Comparison.Layer.block(0), .finalNorm] {
      #expect(result.similarity(.anchor, .icl, at: place) == usual.similarity(.anchor, .icl, at: place))
    }
    let last = try #require(result.similarity(.icl, .it))
    switch point {
    case .residual: #expect(last == usual.similarity(.icl, .it))
    case .embeddings: #expect(last == usual.similarity(.icl, .it, at: .block(0)))
    case .finalNorm: #expect(last == usual.similarity(.icl, .it, at: .finalNorm))
    default: #expect(last != usual.similarity(.icl, .it))
    }
    #expect(isWellFormedXML(result.html))
    if point == .attentionOutput {
      #expect(result.similarityTable.plainText.contains("last token, attention output of block 3"))
    }
  }

  @Test func `is read from a specification`() throws {
    let spec = try ComparisonSpec(json: #"{"positions": {"after": "Report:"}, "point": "attentionOutput"}"#)
    #expect(spec.positions == .after("Report:") && spec.point == .attentionOutput)
    #expect(try ComparisonSpec(json: #"{"positions": -3}"#).positions == .fromEnd(3))
    #expect(try ComparisonSpec(json: #"{"positions": "queryMean"}"#).positions == .queryMean)
    for bad in [#"{"positions": 2}"#, #"{"positions": "middle"}"#, #"{"point": "heart"}"#] {
      #expect(throws: EngineError.self) { try ComparisonSpec(json: bad) }
    }
  }
}
