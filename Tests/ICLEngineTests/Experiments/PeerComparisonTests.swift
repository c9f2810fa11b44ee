import Fixtures
import Foundation
import ICLEngine
import Testing

/// The whole comparison against a script of transformers and PEFT (`Benchmarks/engine/peer_comparison.py`), which gets
/// the prompts' token ids, the adapters that tuning begins with, and the weights as our own writer puts them into a
/// Hugging Face folder.
@Suite(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)")) struct PeerComparisonTests {
  let folder: URL
  init() throws { folder = try Fixtures.temporaryFolder("peer-comparison") }

  private static let stories = Fixtures.sharedData.appending(path: "stories260K/stories260K.gguf").path
  private static let script = Fixtures.root.appending(path: "Benchmarks/engine/peer_comparison.py")

  private struct Report: Decodable {
    let repetitions: [Repetition]
  }

  /// What the script finds for a specification, with the weights of `model`.
  private func peer(_ model: LlamaModel, _ task: ExperimentTask, _ spec: ComparisonSpec) throws -> [Repetition] {
    let (script, weights) = (folder.appending(path: "script").path, folder.appending(path: "weights").path)
    let out = folder.appending(path: "found.json")
    try ComparisonScript(ComparisonRun(model: model, task: task, spec: spec)).write(to: script)
    try model.write(huggingFace: weights, as: .f32)
    try Fixtures.runPython(Self.script, [script, weights, "--threads", "1", "--out", out.path])
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return try decoder.decode(Report.self, from: Data(contentsOf: out)).repetitions
  }

  private func engine(
    _ model: LlamaModel, _ task: ExperimentTask, _ spec: ComparisonSpec
  ) throws -> [Repetition] {
    try ComparisonRun(model: model, task: task, spec: spec).result().repetitions
  }

  /// The greatest difference of any similarity at any layer, baselines included; NaN where only one is defined.
  private func gap(_ ours: [Repetition], _ theirs: [Repetition]) throws -> Double {
    #expect(ours.count == theirs.count)
    var greatest = 0.0
    func take(_ a: [Double], _ b: [Double]) {
      #expect(a.count == b.count)
      for (x, y) in zip(a, b) where !(x.isNaN && y.isNaN) {
        greatest = (x - y).isNaN ? .nan : max(greatest, abs(x - y))
      }
    }
    for (mine, other) in zip(ours, theirs) {
      #expect(mine.labelWords == other.labelWords && other.similarity.count == 6)
      for pair in ConditionPair.all { take(mine.similarity[pair] ?? [], other.similarity[pair] ?? []) }
      #expect(other.baselines.count == 3)
      for (baseline, values) in other.baselines { take(mine.baselines[baseline] ?? [], values) }
    }
    return greatest
  }

  private func spec(_ demonstrations: Int, steps: Int) -> ComparisonSpec {
    ComparisonSpec(
      demonstrations: demonstrations, queries: 12, repetitions: 2, tuning: TuningSettings(steps: steps),
      baselines: [.otherOrder, .otherDemonstrations, .otherQuery], seed: 3)
  }

  /// Similarities within the bound, answers the same, and beside them what else a comparison measures.
  private func agree(_ model: LlamaModel, _ task: ExperimentTask, _ spec: ComparisonSpec) throws {
    let (ours, theirs) = (try engine(model, task, spec), try peer(model, task, spec))
    let gap = try gap(ours, theirs)
    // The bound. Both compute in F32 in other orders of summation; AdamW divides by the size of gradients, which
    // spreads that over the steps of tuning.
    #expect(gap <= 1e-4, "\(gap)")
    for (mine, other) in zip(ours, theirs) {
      #expect(mine.answers == other.answers)
      for (a, b) in zip(mine.tuningLoss, other.tuningLoss) { #expect(abs(a - b) <= 1e-3, "\(a) against \(b)") }
      for pair in ConditionPair.all {
        #expect(near(mine.cka[pair] ?? .nan, other.cka[pair] ?? .nan, 1e-3), "CKA \(pair)")
        #expect(near(mine.divergence[pair] ?? .nan, other.divergence[pair] ?? .nan, 1e-4), "divergence \(pair)")
      }
      // Tuning and demonstrations moved the states by far more than the tolerance.
      #expect((mine.similarity[ConditionPair(.anchor, .it)]?.last ?? 1) < 0.99)
      #expect((mine.similarity[ConditionPair(.anchor, .icl)]?.last ?? 1) < 0.99)
      #expect(mine.tuningLoss[1] < mine.tuningLoss[0])
    }
  }

  @Test func `the model that ships has the similarities and answers of transformers and PEFT`() throws {
    let model = try LlamaModel(contentsOf: Engine.shippedModel())
    try agree(model, .sentiment, spec(8, steps: 20))
  }

  @Test(.enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"))
  func `label words of several tokens are scored as the script scores them`() throws {
    // No word of the task is a token of this vocabulary of 512.
    try agree(try LlamaModel(contentsOf: Self.stories), .topic, spec(4, steps: 10))
  }

  @Test(.enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"))
  func `a quantized file has the figures of its dequantized weights, and nearly those of the weights before`() throws {
    let plain = try LlamaModel(contentsOf: Self.stories)
    let path = folder.appending(path: "q8.gguf").path
    try plain.write(gguf: path, as: .q8_0)
    let quantized = try LlamaModel(contentsOf: path)
    let spec = spec(4, steps: 10)
    let ours = try engine(quantized, .sentiment, spec)
    let exact = try gap(ours, try peer(quantized, .sentiment, spec))
    #expect(exact <= 1e-4, "\(exact)")
    let before = try gap(ours, try peer(plain, .sentiment, spec))
    // The quantization's error: what it changes in the engine's own figures, and nothing beside.
    let quantizing = try gap(ours, try engine(plain, .sentiment, spec))
    #expect(abs(before - quantizing) <= 1e-4, "\(before) against \(quantizing)")
    // Codes of 8 bits err by 1/254 of a block's greatest weight at most, which AdamW's division by the size of gradients
    // spreads: measured 0.02, in a model of width 64.
    #expect(before > exact && before <= 0.05, "\(before)")
    // Integer products code the inputs in 8 bits as well.
    let coded = try gap(try engine(try quantized.with(.int8), .sentiment, spec), ours)
    #expect(coded > 0 && coded <= 0.05, "\(coded)")
  }

  @Test func `what the script would not follow is not written out`() throws {
    let model = try LlamaModel(contentsOf: Engine.shippedModel())
    var elsewhere = spec(2, steps: 1)
    elsewhere.positions = .queryMean
    var otherPoint = spec(2, steps: 1)
    otherPoint.point = .attentionOutput
    for (spec, key) in [(elsewhere, "positions"), (otherPoint, "point")] {
      let error = try #require(throws: EngineError.self) {
        try ComparisonScript(ComparisonRun(model: model, task: .sentiment, spec: spec))
      }
      #expect(error.location == "comparison.\(key)", "\(error)")
    }
  }
}
