import Fixtures
import Foundation
import ICLEngine
import Testing

/// A real model whose tuning always gives the same adapter, so that another program can use it too.
private struct FixedAdapterModel: ExperimentModel {
  let model: LlamaModel
  let adapter: LoRAAdapter

  var configuration: ModelConfiguration { model.configuration }
  var tokenizer: any Tokenizer { model.tokenizer }
  var provenance: ModelProvenance { model.provenance }
  func forward(
    _ prompts: [[Int]], capture: CaptureRequest, adapter: LoRAAdapter?
  ) throws(EngineError) -> [HiddenStates] {
    try model.forward(prompts, capture: capture, adapter: adapter)
  }
  func tuned(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> LoRAAdapter? { adapter }
  func untrainedTwin(seed: UInt64) throws(EngineError) -> (any ExperimentModel)? { nil }
}

@Suite struct `A comparison on real weights` {
  static let path = Fixtures.sharedData.appending(path: "stories260K/stories260K.gguf").path

  private struct Case: Encodable {
    struct Pair: Encodable {
      let a: [Float]
      let b: [Float]
    }
    let gguf: String
    let anchor: [[Int]]
    let icl: [[Int]]
    let adapter: [[String: Pair]]
    let rank: Int
    let scale: Float
  }

  @Test(
    .enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"),
    .enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
  func `has the similarities of a transformers script`() throws {
    let model = try LlamaModel(contentsOf: Self.path)
    let c = model.configuration
    var generator = SeededGenerator(seed: 11)
    let projections: [Projection] = [.q, .k, .v, .down]
    let adapter = LoRAAdapter(
      rank: 4, alpha: 8,
      blocks: (0..<c.layerCount).map { _ in
        Dictionary(
          uniqueKeysWithValues: projections.map { projection in
            let shape = projection.shape(in: c)
            return (
              projection,
              LoRAAdapter.Pair(
                a: generator.normals(4 * shape.input).map { $0 * 0.1 },
                b: generator.normals(4 * shape.output).map { $0 * 0.1 })
            )
          })
      })
    let task = ClassificationTask.sentiment
    let spec = ComparisonSpec(demonstrations: 4, queries: 6, repetitions: 1, baselines: [], seed: 5)
    let result = try ComparisonRun(
      model: FixedAdapterModel(model: model, adapter: adapter), task: task, spec: spec
    ).result()

    let queries = try Draw.queries(of: task, spec)
    let draw = try Draw(of: task, spec, queries: queries, repetition: 0)
    let builder = PromptBuilder(
      task: task, tokenizer: model.tokenizer, labelWords: draw.labelWords, instruction: spec.instruction)
    let folder = try Fixtures.temporaryFolder("comparison")
    defer { try? FileManager.default.removeItem(at: folder) }
    let reference = Case(
      gguf: Self.path, anchor: queries.map { builder.tokens(builder.prompt($0)) },
      icl: queries.map { builder.tokens(builder.prompt($0, after: draw.demonstrations)) },
      adapter: adapter.blocks.map { block in
        Dictionary(uniqueKeysWithValues: block.map { ($0.rawValue, Case.Pair(a: $1.a, b: $1.b)) })
      }, rank: adapter.rank, scale: adapter.scale)
    try JSONEncoder().encode(reference).write(to: folder.appending(path: "case.json"))
    try Fixtures.runPython("comparison_reference.py", [folder.path])
    let expected = try JSONDecoder().decode(
      [ConditionPair: [Double]].self, from: Data(contentsOf: folder.appending(path: "similarity.json")))

    #expect(expected.count == 6)
    for pair in ConditionPair.all {
      let ours = result.repetitions[0].similarity[pair] ?? []
      let theirs = expected[pair] ?? []
      #expect(ours.count == c.layerCount + 2 && theirs.count == ours.count)
      // Both compute in F32, in another order; states agree within 1e-4 relative, their cosines at least as well.
      for (a, b) in zip(ours, theirs) { #expect(near(a, b, 1e-4), "\(pair): \(ours) against \(theirs)") }
    }
    // The conditions differ by far more than the tolerance.
    #expect((expected[ConditionPair(.anchor, .it)]?.last ?? 1) < 0.99)
  }

  @Test(.enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"))
  func `has the same bits whatever the number of threads`() throws {
    let spec = ComparisonSpec(
      demonstrations: 4, queries: 6, repetitions: 2, tuning: TuningSettings(steps: 3), seed: 5)
    let prints = try [1, 2, 3].map { threads in
      let model = try LlamaModel(contentsOf: Self.path, pool: ThreadPool(threadCount: threads))
      return try ComparisonRun(model: model, task: .topic, spec: spec).result().provenance.fingerprint
    }
    #expect(Set(prints).count == 1)
  }
}
