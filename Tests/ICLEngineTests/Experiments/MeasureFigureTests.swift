import Foundation
import ICLEngine
import NotebookDisplay
import Testing

@Suite struct `The measures of a comparison` {
  let task: ClassificationTask
  init() throws { task = try ClassificationTask.weather() }

  private func spec(_ measures: Set<Measure> = Measure.standard, demonstrations: Int = 4) -> ComparisonSpec {
    ComparisonSpec(
      demonstrations: demonstrations, queries: 6, repetitions: 3, tuning: .init(projections: [.q], steps: 2), seed: 1,
      measures: measures)
  }
  private func run(_ spec: ComparisonSpec, _ model: FakeModel? = nil) throws -> Comparison {
    try ComparisonRun(model: model ?? FakeModel(WordTokenizer(task)), task: task, spec: spec).result()
  }
  private static let main = ConditionPair(.icl, .it)

  @Test func `are all kept in each repetition, with their baselines`() throws {
    let result = try run(spec(Set(Measure.allCases)))
    #expect(Set(result.measured) == Set(Measure.allCases))
    for (index, repetition) in result.repetitions.enumerated() {
      for measure: Measure in [.simAM, .cka, .ckaBiased, .kl, .klReversed, .jensenShannon, .topKOverlap] {
        let figure = try #require(repetition.figures[measure])
        #expect(Set(figure.pairs.keys) == Set(ConditionPair.all), "\(measure)")
        #expect(figure.untrained.count == (index < 2 ? 6 : 0), "\(measure)")
        #expect(figure.baselines.keys.contains(.otherQuery) && figure.baselines.keys.contains(.otherOrder))
      }
      for measure: Measure in [.updateCosine, .simAMDelta, .simAOU, .attentionUpdateCosine] {
        let figure = try #require(repetition.figures[measure])
        // A difference to the anchor: pairs without it.
        #expect(Set(figure.pairs.keys) == Set(ConditionPair.all.filter { $0.first != .anchor }), "\(measure)")
        #expect(Set(figure.baselines.keys) == [.otherOrder, .otherDemonstrations, .randomVectors], "\(measure)")
      }
      // Lists by block or by place.
      #expect(repetition.figures[.simAM]?.pairs[Self.main]?.count == 3)
      #expect(repetition.figures[.cka]?.pairs[Self.main]?.count == 5)
      #expect(repetition.figures[.kl]?.pairs[Self.main]?.count == 1)
      #expect(repetition.figures[.orderSimilarity]?.conditions[.icl]?.count == 5)
      #expect(repetition.figures[.orderSensitivity]?.conditions[.icl]?.count == 1)
      #expect(repetition.figures[.attentionToDemonstrations]?.pairs.count == 2)
      #expect(repetition.figures[.subspaceOverlap]?.conditions[.it]?.count == 1)
      // What older fields say, they say too.
      #expect(repetition.figures[.updateCosine]?.pairs[Self.main]?[3] == repetition.updateCosine[3])
      #expect(repetition.figures[.jensenShannon]?.pairs[Self.main] == [repetition.divergence[Self.main] ?? .nan])
      #expect(repetition.figures[.cka]?.pairs[Self.main]?[3] == repetition.cka[Self.main])
    }
    let text = result.plainText
    for measure in result.measured { #expect(text.contains(measure.title.prefix(2)), "\(measure)") }
    #expect(isWellFormedXML(result.html) && isWellFormedXML(result.measurePairTable.html))
    for measure in Measure.allCases {
      let picture = result.plot(measure: measure)
      #expect(isWellFormedXML(picture.source) && picture.source.utf8.count < 60_000)
      #expect(!picture.source.contains("nan") && !picture.plainText.isEmpty)
    }
    #expect(try Comparison(json: result.json()).json() == result.json())
  }

  @Test func `that need passes of their own are not run unless they are asked for`() throws {
    let result = try run(spec())
    #expect(Set(result.measured) == Measure.standard)
    let none = try run(spec([]))
    #expect(none.measured.isEmpty && none.repetitions.allSatisfy(\.figures.isEmpty))
    // What is measured beside them does not change the rest.
    #expect(none.repetitions.map(\.similarity) == result.repetitions.map(\.similarity))
    #expect(!none.plainText.contains("Other measures"))
  }

  @Test func `random updates show SimAOU's trap, and none without normalising`() throws {
    // Many dimensions would give exactly 0; 16 of them scatter by about 1/4 a query.
    let result = try run(spec())
    let normalised = try #require(result.figure(.simAOU, of: .baseline(.randomVectors)))
    let plain = try #require(result.figure(.attentionUpdateCosine, of: .baseline(.randomVectors)))
    #expect(abs(plain.mean) < 0.2 && normalised.mean > plain.mean)
    // Biased CKA of random states is high, debiased is not.
    let biased = try #require(result.figure(.ckaBiased, of: .baseline(.randomVectors)))
    #expect(biased.mean > 0.5)
    let floor = try #require(result.figure(.cka, of: .baseline(.randomVectors)))
    #expect(floor.mean < biased.mean - 0.3)
  }

  @Test func `Rec2FTP stands beside the same share without regard to tuning`() throws {
    let result = try run(spec())
    for repetition in result.repetitions {
      let pairs = try #require(repetition.figures[.rec2FTP]?.pairs)
      let (zero, icl) = (repetition.answers[.anchor] ?? [], repetition.answers[.icl] ?? [])
      let wrong = zero.indices.filter { !zero[$0] }
      let share = Double(wrong.count { icl[$0] }) / Double(wrong.count)
      #expect(pairs[ConditionPair(.anchor, .icl)]?[0] == share)
      #expect(pairs[Self.main]?[0].bitPattern == repetition.rec2FTP.bitPattern || repetition.rec2FTP.isNaN)
    }
  }

  @Test func `of the order are those of the runs in these orders`() throws {
    // Two demonstrations have two orders: the other one is the noise floor's.
    let result = try run(spec([.orderSimilarity, .orderSensitivity], demonstrations: 2))
    for repetition in result.repetitions {
      let between = try #require(repetition.figures[.orderSimilarity]?.conditions[.icl])
      #expect(near(between[3], repetition.baselines[.otherOrder]?[3] ?? .nan))
    }
    let single = try run(spec([.orderSensitivity], demonstrations: 1))
    #expect(single.repetitions[0].figures[.orderSensitivity]?.conditions[.icl]?[0].isNaN == true)
  }

  @Test func `of subspaces are the same in shards as in one run`() throws {
    let spec = spec([.subspaceOverlap])
    let run = ComparisonRun(model: FakeModel(WordTokenizer(task)), task: task, spec: spec)
    let whole = try run.result()
    // The fake's rank is one: the squared cosine of two vectors.
    for repetition in whole.repetitions {
      let value = repetition.figures[.subspaceOverlap]?.conditions[.it]?[0] ?? .nan
      #expect((0...1).contains(value))
    }
    for index in [2, 0, 1] {
      let prepared = try run.prepared(twin: nil)
      let alone = try run.repetition(index, of: prepared, progress: .init("alone", total: 1, unit: "steps"))
      #expect(alone.repetition.figures[.subspaceOverlap] == whole.repetitions[index].figures[.subspaceOverlap])
    }
    var full = spec
    full.tuning.method = .full
    #expect(throws: EngineError.self) { try self.run(full) }
  }

  @Test func `are read from a specification, and an unknown one is refused`() throws {
    let spec = try ComparisonSpec(json: #"{"measures": ["simAM", "orderSensitivity"], "permutations": 3, "topK": 5}"#)
    #expect(spec.measures == [.simAM, .orderSensitivity] && spec.permutations == 3 && spec.topK == 5)
    #expect(try ComparisonSpec(json: "{}").measures == Measure.standard)
    for bad in [#"{"measures": ["beauty"]}"#, #"{"measures": "simAM"}"#] {
      #expect(throws: EngineError.self) { try ComparisonSpec(json: bad) }
    }
    for change: (inout ComparisonSpec) -> Void in [{ $0.topK = 0 }, { $0.permutations = 1 }] {
      var bad = spec
      change(&bad)
      #expect(throws: EngineError.self) { try bad.validate(for: task) }
    }
  }

  @Test func `that an earlier version kept without them are read, and not mixed with these`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "measures-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let model = FakeModel(WordTokenizer(task))
    let old = try ExperimentRun(model: model, task: task, base: spec([])).comparison(in: folder)
    // As the version before wrote it: without the key.
    let plan = URL(filePath: folder).appending(path: "experiment.json")
    let text = try String(contentsOf: plan, encoding: .utf8)
    let earlier = text.replacing(#/"measures" : \[\s*\],\s*/#, with: "")
    #expect(earlier != text)
    try Data(earlier.utf8).write(to: plan)
    let opened = try ExperimentFolder(opening: folder)
    let read = try opened.plan.comparison(of: opened.whole())
    #expect(read.provenance.fingerprint == old.provenance.fingerprint)
    let error = #expect(throws: EngineError.self) {
      try ExperimentRun(model: model, task: task, base: spec()).comparison(in: folder)
    }
    #expect(error?.code == .invalidArgument && "\(error as Any)".contains("earlier version"))
    #expect(throws: EngineError.self) {
      try ExperimentRun(model: model, task: task, base: spec([.simAM])).comparison(in: folder)
    }
  }
}
