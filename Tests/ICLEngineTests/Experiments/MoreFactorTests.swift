import Foundation
import ICLEngine
import Testing

@Suite struct `Further factors of an experiment` {
  let task: ClassificationTask
  init() throws { task = try ClassificationTask.weather() }

  private func base() -> ComparisonSpec {
    ComparisonSpec(
      demonstrations: 4, queries: 4, repetitions: 2, tuning: .init(steps: 2), baselines: [.otherOrder], seed: 1,
      measures: [.jensenShannon])
  }
  private func run(_ spec: ComparisonSpec) throws -> Comparison {
    try ComparisonRun(model: FakeModel(WordTokenizer(task)), task: task, spec: spec).result()
  }
  private func prompt(_ spec: ComparisonSpec) throws -> String {
    let run = ComparisonRun(model: FakeModel(WordTokenizer(task)), task: task, spec: spec)
    let queries = try Draw.queries(of: task, spec)
    let draw = try Draw(of: task, spec, queries: queries, repetition: 0)
    return run.builder(draw).prompt(queries[0], after: draw.demonstrations)
  }

  @Test func `an instruction of one's own, none, and one that contradicts`() throws {
    var spec = base()
    spec.labelWords = .meaningful
    #expect(try prompt(spec).hasPrefix("Say whether it is fair or foul .\n"))
    spec.instructionText = ComparisonSpec.contradictoryInstruction
    #expect(try prompt(spec).hasPrefix("Do not answer with fair or foul.\nReport:"))
    #expect(try run(spec).heading.contains("Do not answer"))
    spec.instructionText = nil
    spec.instruction = nil
    #expect(try prompt(spec).hasPrefix("Report:"))
  }

  @Test func `a template in place of the task's, with its placeholders checked`() throws {
    var spec = base()
    spec.template = try PromptTemplate("{text} -> {label}\n")
    let text = try prompt(spec)
    #expect(!text.contains("Report:") && text.hasSuffix(" ->"))
    #expect(try Comparison(json: run(spec).json()).spec == spec)
    spec.template = try PromptTemplate("{title} -> {label}\n")
    #expect(throws: EngineError.self) { try run(spec) }
  }

  @Test func `classes one after the other, or in turn`() throws {
    func labels(_ order: DemonstrationOrder) throws -> [Int] {
      var spec = base()
      spec.order = order
      return try Draw(of: task, spec, queries: Draw.queries(of: task, spec), repetition: 0).demonstrations.map(\.label)
    }
    let grouped = try labels(.grouped)
    #expect(grouped[0] == grouped[1] && grouped[2] == grouped[3] && grouped[0] != grouped[2])
    let turns = try labels(.alternating)
    #expect(turns[0] == turns[2] && turns[1] == turns[3] && turns[0] != turns[1])
  }

  @Test func `near by the model's own states`() throws {
    var spec = base()
    spec.choice = .nearest
    spec.likeness = .states
    let model = FakeModel(WordTokenizer(task))
    let queries = try Draw.queries(of: task, spec)
    let states = try MeanStates(
      of: (queries + task.examples).map { ($0, task.template.fieldNames) }, model: model)
    func mean(_ choice: DemonstrationChoice) throws -> Double {
      var spec = spec
      spec.choice = choice
      return Statistics.mean(
        try queries.indices.flatMap { index in
          try Draw(of: task, spec, queries: queries, repetition: 0, query: index, states: states).demonstrations.map {
            states.likeness($0, queries[index])
          }
        })
    }
    #expect(try mean(.nearest) > mean(.farthest) + 0.2)
    #expect(try run(spec).heading.contains("by the model's states"))
  }

  @Test func `tuning of other parameters, and on all tokens`() throws {
    let usual = try run(base())
    for method in [TuningSettings.Method.keyValue, .full] {
      var spec = base()
      spec.tuning.method = method
      let result = try run(spec)
      // The fake tunes alike by every method.
      #expect(result.similarity(.icl, .it) == usual.similarity(.icl, .it))
      #expect(try Comparison(json: result.json()).spec == spec)
    }
    var all = base()
    all.tuning.loss = .all
    #expect(try run(all).similarity(.icl, .it) != usual.similarity(.icl, .it))
    #expect(try ComparisonSpec(json: #"{"tuning": {"method": "full", "loss": "all"}}"#).tuning.method == .full)
    for bad in [#"{"tuning": {"method": "magic"}}"#, #"{"tuning": {"stepz": 3}}"#] {
      #expect(throws: EngineError.self) { try ComparisonSpec(json: bad) }
    }
  }

  @Test(arguments: [
    #"{"factor": "likeness", "values": ["words", "states"]}"#, #"{"factor": "order", "values": ["grouped"]}"#,
    #"{"factor": "template", "values": [null, "{text}: {label}\n"]}"#,
    #"{"factor": "instructionText", "values": [null, "contradictory"]}"#,
    #"{"factor": "tuningMethod", "values": ["full", "lora"]}"#,
    #"{"factor": "projections", "values": [["q"], ["k", "v"]]}"#,
    #"{"factor": "tuningLoss", "values": ["all"]}"#, #"{"factor": "positions", "values": ["queryMean", -2]}"#,
    #"{"factor": "point", "values": ["finalNorm"]}"#,
  ])
  func `are swept from a specification`(json: String) throws {
    let sweep = try Sweep.run(
      model: FakeModel(WordTokenizer(task)), task: task, over: SweepFactor(json: json), base: base())
    #expect(sweep.comparisons.allSatisfy { $0.repetitions.count == 2 })
    #expect(isWellFormedXML(sweep.plot(measure: .jensenShannon).source))
    #expect(sweep.measureTable.rows.count == sweep.values.count)
  }

  @Test(arguments: [
    #"{"factor": "quantization", "values": ["Q9_9"]}"#, #"{"factor": "template", "values": ["{text}"]}"#,
    #"{"factor": "tuningMethod", "values": ["magic"]}"#,
  ])
  func `are refused when they are none`(json: String) {
    #expect(throws: EngineError.self) { try SweepFactor(json: json) }
  }
}

@Suite struct `Further factors on the model that ships` {
  private let base = ComparisonSpec(
    demonstrations: 2, queries: 3, repetitions: 2, tuning: .init(steps: 2), baselines: [], seed: 1,
    measures: [.attentionToDemonstrations, .simAM])

  @Test func `other models and other quantizations of one, one after the other, and from what was kept`() throws {
    let engine = try Engine()
    let path = try #require(engine.model.files?.path)
    let folder = FileManager.default.temporaryDirectory.appending(path: "models-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let sweep = try engine.sweep(.sentiment, over: .quantization([nil, .q8_0, .q4_0]), base, keepingIn: folder)
    let prints = sweep.comparisons.map(\.provenance.fingerprint)
    #expect(prints[2] != prints[0])
    #expect(sweep.comparisons[2].provenance.model.quantization.hasPrefix("Q4_0"))
    #expect(sweep.comparisons[2].provenance.model.name.contains(engine.model.files?.sha256.prefix(16) ?? "none"))
    let again = try engine.sweep(.sentiment, over: .quantization([nil, .q8_0, .q4_0]), base, keepingIn: folder)
    #expect(try again.json() == sweep.json())
    let models = try engine.sweep(.sentiment, over: .model([nil, path]), base)
    #expect(models.comparisons[0].provenance.fingerprint == models.comparisons[1].provenance.fingerprint)
    #expect(models.comparisons[0].provenance.fingerprint == prints[0])
    #expect(throws: EngineError.self) { try engine.sweep(.sentiment, over: .model(["/no/such.gguf"]), base) }
  }

  @Test func `full tuning and key and value tuning move the state, and other tokens of the label can be read`() throws {
    let engine = try Engine()
    var spec = base
    spec.tuning = TuningSettings(learningRate: 1e-3, steps: 2)
    spec.repetitions = 1
    var found: [Double] = []
    for method in TuningSettings.Method.allCases {
      spec.tuning.method = method
      let result = try engine.compare(.sentiment, spec)
      let similarity = try #require(result.similarity(.anchor, .it)?.mean)
      #expect(similarity < 1)
      found.append(similarity)
      // Ranks are of real query vectors.
      let tau = try #require(result.figure(.attentionToDemonstrations, of: .pair(ConditionPair(.icl, .it))))
      #expect((-1...1).contains(tau.mean))
    }
    #expect(Set(found).count == 3)
    spec.tuning.method = .lora
    spec.positions = .lastOfLabel
    spec.point = .headOutputs
    #expect(try engine.compare(.sentiment, spec).similarity(.icl, .it)?.mean.isFinite == true)
  }

  @Test func `query vectors and keys give the attention's logits at the first position`() throws {
    // At position 0 nothing is rotated: q·k / √E of one token with itself is what the attention sees.
    let model = try Engine().model
    let prompt = [model.tokenizer.beginToken ?? 1]
    let queries = try model.queryVectors([prompt], positions: .last, adapter: nil)
    let states = try model.forward([prompt], capture: CaptureRequest(points: [], attention: [.logits]))
    let c = model.configuration
    #expect(queries[0].count == c.layerCount && queries[0][0][0].count == c.queryWidth)
    for block in 0..<c.layerCount {
      let logits = try #require(states[0].attention(.logits, layer: block + 1)?.first)
      let weights = try #require(model.weights.blocks[block].projections[.k])
      let input = try model.forward([prompt], capture: CaptureRequest(layers: .some([block])))[0].residual(block)?.first
      let x = try #require(input).map(Double.init)
      let rms = (x.reduce(0) { $0 + $1 * $1 } / Double(x.count) + Double(c.normEpsilon)).squareRoot()
      let normed = zip(x, model.weights.blocks[block].attentionNorm).map { $0 / rms * Double($1) }
      let k = weights.dequantized()
      for head in 0..<c.headCount {
        let own = head / (c.headCount / c.keyValueHeadCount)
        var sum = 0.0
        for e in 0..<c.headDimension {
          let row = k.row(own * c.headDimension + e)
          let key = zip(row, normed).reduce(0) { $0 + Double($1.0) * $1.1 }
          sum += key * Double(queries[0][block][0][head * c.headDimension + e])
        }
        // The engine sums in F32.
        let expected = sum / Double(c.headDimension).squareRoot()
        #expect(near(Double(logits[head][0]), expected, 1e-3 * max(1, abs(expected))))
      }
    }
  }
}
