import Foundation
import ICLEngine
import Testing

@Suite struct `Steps of tuning beside demonstrations` {
  let task: ClassificationTask
  let spec: ComparisonSpec
  init() throws {
    task = try ClassificationTask.weather()
    spec = ComparisonSpec(demonstrations: 4, queries: 6, repetitions: 2, tuning: .init(steps: 10), seed: 1)
  }

  private func steps(every: Int, _ spec: ComparisonSpec? = nil) throws -> StepsToICL {
    try ComparisonRun(model: FakeModel(WordTokenizer(task)), task: task, spec: spec ?? self.spec).stepsToICL(
      every: every)
  }

  @Test func `are looked at from none to the last, and agree with the comparison at both ends`() throws {
    let result = try steps(every: 4)
    #expect(result.steps == [0, 4, 8, 10])
    #expect(result.repetitions.count == 2 && !result.isPartial)
    for course in result.repetitions {
      #expect(course.withICL.count == 4 && course.withAnchor.count == 4 && course.accuracy.count == 4)
      #expect(course.withAnchor[0] == 1)
      // The fake's state moves along a line away from the anchor.
      #expect(course.withAnchor == course.withAnchor.sorted(by: >))
    }
    let whole = try ComparisonRun(model: FakeModel(WordTokenizer(task)), task: task, spec: spec).result()
    let last = model(whole)
    for (course, repetition) in zip(result.repetitions, whole.repetitions) {
      #expect(course.withICL.first == repetition.similarity[ConditionPair(.anchor, .icl)]?[last])
      #expect(course.withICL.last == repetition.similarity[ConditionPair(.icl, .it)]?[last])
      #expect(course.withAnchor.last == repetition.similarity[ConditionPair(.anchor, .it)]?[last])
      #expect(course.noiseFloor == repetition.baselines[.otherOrder]?[last])
      #expect(course.accuracyOfICL == repetition.accuracy(.icl))
      #expect(course.accuracy.last == repetition.accuracy(.it))
    }
  }

  private func model(_ comparison: Comparison) -> Int { comparison.layerCount }

  @Test func `show as a picture, a table and a sentence`() throws {
    let result = try steps(every: 5)
    #expect(isWellFormedXML(result.plot.source) && result.plot.source.utf8.count < 60_000)
    #expect(isWellFormedXML(result.mimeBundle[.html] ?? ""))
    #expect(result.table.rows.map { $0[0] } == ["0", "5", "10"])
    #expect(result.steps.contains(result.nearestStep))
    #expect(result.finding.hasPrefix("4 demonstrations"))
    #expect(try result.json() == steps(every: 5).json())
  }

  @Test func `refuse what cannot be followed`() throws {
    #expect(throws: EngineError.self) { try steps(every: 0) }
    var none = spec
    none.tuning.steps = 0
    #expect(throws: EngineError.self) { try steps(every: 1, none) }
    var near = spec
    near.choice = .nearest
    #expect(throws: EngineError.self) { try steps(every: 1, near) }
  }
}
