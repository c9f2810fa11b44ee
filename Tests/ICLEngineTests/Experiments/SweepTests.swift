import ICLEngine
import Testing

@Suite struct `A sweep` {
  @Test func `is the comparisons at its values, one by one`() throws {
    let task = try ClassificationTask.weather()
    let model = FakeModel(WordTokenizer(task))
    let base = ComparisonSpec(queries: 6, repetitions: 2, tuning: .init(steps: 2), seed: 1)
    let sweep = try Sweep.run(model: model, task: task, over: .demonstrations([1, 4]), base: base)
    #expect(sweep.values == ["1", "4"] && !sweep.isPartial)
    var four = base
    four.demonstrations = 4
    let alone = try ComparisonRun(model: model, task: task, spec: four).result()
    #expect(sweep.comparisons[1].provenance.fingerprint == alone.provenance.fingerprint)
    for kind in Sweep.PlotKind.allCases {
      #expect(isWellFormedXML(sweep.plot(kind).source))
      #expect(sweep.plot(kind).source.utf8.count < 60_000)
    }
    #expect(isWellFormedXML(sweep.mimeBundle[.html] ?? ""))
    #expect(sweep.table.rows.map { $0[0] } == ["1", "4"])
    // The noise floor of one demonstration does not exist.
    #expect(sweep.table.rows[0][4] == "undefined")
    let accuracy = sweep.comparisons[1].accuracy(.icl)
    let half = (accuracy.interval.upper - accuracy.interval.lower) / 2
    #expect(
      sweep.accuracyTable.rows[1][2]
        == "\(ReportNumber.fixed(100 * accuracy.mean, 1)) ± \(ReportNumber.fixed(100 * half, 1)) %")
  }

  @Test(arguments: [SweepFactor.wrongLabels([0, 1]), .tuningSteps([1, 2]), .rank([1, 2])])
  func `changes its factor`(factor: SweepFactor) throws {
    let task = try ClassificationTask.weather()
    let base = ComparisonSpec(
      demonstrations: 2, queries: 4, repetitions: 1, tuning: .init(steps: 1), baselines: [], seed: 1)
    let sweep = try Sweep.run(model: FakeModel(WordTokenizer(task)), task: task, over: factor, base: base)
    #expect(sweep.comparisons[0].spec != sweep.comparisons[1].spec)
  }

  @Test func `refuses a bad value before any work`() throws {
    let task = try ClassificationTask.weather()
    #expect(throws: EngineError.self) {
      try Sweep.run(
        model: FakeModel(WordTokenizer(task)), task: task, over: .demonstrations([2, 999]), base: ComparisonSpec())
    }
  }
}
