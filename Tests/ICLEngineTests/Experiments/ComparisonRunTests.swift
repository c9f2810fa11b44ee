import Foundation
import ICLEngine
import NotebookDisplay
import Testing

@Suite struct `A comparison` {
  let task: ClassificationTask
  let spec: ComparisonSpec
  init() throws {
    task = try ClassificationTask.weather()
    spec = ComparisonSpec(demonstrations: 4, queries: 8, repetitions: 3, tuning: .init(steps: 2), seed: 1)
  }

  private func run(_ spec: ComparisonSpec, _ model: FakeModel? = nil) throws -> Comparison {
    try ComparisonRun(model: model ?? FakeModel(WordTokenizer(task)), task: task, spec: spec).result()
  }

  @Test func `has all pairs, baselines and answers in every repetition`() throws {
    let result = try run(spec)
    #expect(result.repetitions.count == 3 && !result.isPartial)
    for repetition in result.repetitions {
      #expect(repetition.similarity.count == 6)
      #expect(repetition.similarity.values.allSatisfy { $0.count == 5 && $0.allSatisfy(\.isFinite) })
      #expect(Set(repetition.baselines.keys) == Set(Baseline.similarities))
      #expect(repetition.answers.values.allSatisfy { $0.count == 8 })
      #expect(repetition.tuningLoss == [1, 0.5])
    }
    #expect(result.repetitions.map { $0.untrained.count } == [6, 6, 0])
    // Layer 0 is the embedding of the same last token.
    #expect(near(result.similarity(.anchor, .icl, at: .block(0))?.mean ?? .nan, 1))
    #expect((result.similarity(.anchor, .icl)?.mean ?? .nan) < 0.99)
    #expect(result.similarity(.icl, .it) == result.similarity(.it, .icl))
    #expect(result.similarity(.icl, .it, at: .block(9)) == nil)
    // The fake's states do not depend on the order of what came before, but for rounding.
    #expect(near(result.baseline(.otherOrder)?.mean ?? .nan, 1, 1e-6))
    #expect(result.projection?.points[.icl]?.count == 8)
    #expect(result.layerCKA.map(\.count) == [4, 4, 4, 4])
    #expect(result.layerCKA[0].allSatisfy { $0.isNaN } && result.layerCKA[3][3] <= 1)
  }

  @Test func `gives the same bits for the same seed, and others for another`() throws {
    let first = try run(spec)
    // As text: values that are undefined are NaN, which equals nothing.
    #expect(try run(spec).json() == first.json())
    var other = spec
    other.seed = 2
    #expect(try run(other).provenance.fingerprint != first.provenance.fingerprint)
    #expect(try run(other).provenance.promptsSHA256 != first.provenance.promptsSHA256)
  }

  @Test func `goes through JSON with every bit, undefined values too`() throws {
    var single = spec
    single.demonstrations = 1
    single.repetitions = 1
    let result = try run(single)
    #expect(result.baseline(.otherOrder)?.mean.isNaN == true)
    let back = try Comparison(json: result.json())
    #expect(try back.json() == result.json())
    #expect(back.provenance == result.provenance)
  }

  @Test func `scores labels of several tokens by their whole likelihood`() throws {
    let words = ["fair", "foul"]
    var own = spec
    own.labelWords = .custom(words)
    let whole = try run(own)
    let split = try run(own, FakeModel(WordTokenizer(task, splitting: Set(words))))
    // Both are chance or better on this fake, but every query has an answer.
    #expect(whole.repetitions[0].answers[.icl]?.count == 8)
    #expect(split.repetitions[0].answers[.icl]?.count == 8)
    #expect(split.accuracy(.icl).mean.isFinite)
  }

  @Test func `an interruption keeps the repetitions that were finished`() throws {
    // Six passes a repetition, and four of the untrained model's: the stop comes in the second repetition.
    let result = try Interruption.$allowance.withValue(.init(checks: 14)) { try run(spec) }
    #expect(result.isPartial && result.repetitions.count == 1)
    #expect(result.plainText.contains("1 of 3 repetitions (interrupted)"))
    #expect(
      try run(spec).repetitions[0].allValues.map(\.bitPattern) == result.repetitions[0].allValues.map(\.bitPattern))
  }

  @Test func `an interruption before the first repetition is whole is thrown`() throws {
    Interruption.$allowance.withValue(.init(checks: 0)) {
      let error = #expect(throws: EngineError.self) { try run(spec) }
      #expect(error?.code == .interrupted)
    }
  }

  @Test func `values outside their range are refused`() throws {
    for change: (inout ComparisonSpec) -> Void in [
      { $0.demonstrations = 0 }, { $0.demonstrations = 99 }, { $0.queries = 0 }, { $0.repetitions = 0 },
      { $0.wrongLabelShare = 1.1 }, { $0.wrongLabelShare = .nan }, { $0.instruction = 5 }, { $0.tuning.rank = 0 },
      { $0.tuning.learningRate = .nan },
    ] {
      var bad = spec
      change(&bad)
      #expect(throws: EngineError.self) { try run(bad) }
    }
  }

  @Test func `a baseline can be left out`() throws {
    var bare = spec
    bare.baselines = [.otherOrder]
    let result = try run(bare)
    #expect(result.repetitions.allSatisfy { Array($0.baselines.keys) == [.otherOrder] && $0.untrained.isEmpty })
    #expect(!result.plainText.contains("random vectors"))
  }
}

/// What repetitions share changes no bit of them.
@Suite struct SharedWorkTests {
  private static func bits(of repetition: KeptRepetition) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return try encoder.encode(repetition)
  }

  @Test(arguments: [Precision.f32, .bf16], [DemonstrationChoice.random, .nearest])
  func `repetitions that are tuned side by side are those that are done alone`(
    precision: Precision, choice: DemonstrationChoice
  ) throws {
    let model = try LlamaModel(contentsOf: Engine.shippedModel()).with(precision)
    let spec = ComparisonSpec(
      demonstrations: 4, queries: 6, repetitions: 3, choice: choice, tuning: TuningSettings(steps: 4),
      measures: choice == .random ? Measure.standard.union([.subspaceOverlap]) : Measure.standard)
    let run = ComparisonRun(model: model, task: .sentiment, spec: spec)
    let together = try run.prepared(twin: model.untrainedTwin(seed: 0))
    for index in 0..<3 {
      let progress = ProgressLine("comparing", total: 1, unit: "steps")
      let one = try run.repetition(index, of: together, ahead: Array(index + 1..<3), progress: progress)
      let prepared = try run.prepared(twin: model.untrainedTwin(seed: 0))
      let alone = try run.repetition(index, of: prepared, progress: progress)
      #expect(try Self.bits(of: one) == Self.bits(of: alone))
      #expect(one.repetition.tuningLoss.count == 2 && one.repetition.tuningLoss[0] != one.repetition.tuningLoss[1])
    }
  }
}

@Suite struct `A specification in JSON` {
  @Test func `has defaults for what is absent`() throws {
    let spec = try ComparisonSpec(
      json: #"{"demonstrations": 2, "labelWords": ["x", "y"], "instruction": null, "tuning": {"steps": 3}}"#)
    var expected = ComparisonSpec(demonstrations: 2, labelWords: .custom(["x", "y"]), instruction: nil)
    expected.tuning.steps = 3
    #expect(spec == expected)
    #expect(try ComparisonSpec(json: "{}") == ComparisonSpec())
  }

  @Test func `comes back as it was`() throws {
    var spec = ComparisonSpec(labelWords: .swapped, instruction: nil, baselines: [.otherOrder], seed: .max)
    spec.tuning.projections = [.k, .down]
    let text = String(decoding: try JSONEncoder().encode(spec), as: UTF8.self)
    #expect(try ComparisonSpec(json: text) == spec)
  }

  @Test(arguments: [#"{"queris": 3}"#, #"{"queries": "many"}"#, "nonsense", #"{"labelWords": "random"}"#])
  func `is refused when it is not one`(text: String) {
    #expect(throws: EngineError.self) { try ComparisonSpec(json: text) }
  }

  @Test(arguments: [
    (#"{"queries": 2.5}"#, "queries", "2.5"),
    (#"{"tuning": {"learningRate": 0.5, "rank": 1.5}}"#, "tuning.rank", "1.5"),
    (#"{"seed": -1}"#, "seed", "-1"), (#"{"queries": 1e30, "tuning": {"learningRate": 0.5}}"#, "queries", "1e+30"),
    (#"{"queries": "many"}"#, "queries", #""many""#),
  ])
  func `says at which key a value does not fit`(text: String, key: String, found: String) throws {
    let error = try #require(throws: EngineError.self) { try ComparisonSpec(json: text) }
    #expect(error.location == "specification, key \(key)")
    #expect(error.found == found)
    #expect(error.expected == "a whole number" || error.expected == "a whole number, 0 or more")
  }

  @Test func `says which of several values does not fit`() throws {
    let error = try #require(throws: EngineError.self) {
      try SweepFactor(json: #"{"factor": "demonstrations", "values": [1, 2.5, 4]}"#)
    }
    #expect(error.location == "specification, key values.1")
  }
}
