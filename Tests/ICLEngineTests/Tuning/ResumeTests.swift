import Fixtures
import Foundation
import ICLEngine
import Testing

/// Stops: in the middle of an update, and with a checkpoint to go on from.
@Suite struct ResumeTests {
  private let c = SmallModels.configuration()

  /// Everything that is random or has a memory: dropout, shuffled batches, moments, a schedule, portions.
  private func configuration(_ method: TuningMethod? = nil, steps: Int = 7) -> TuningConfiguration {
    TuningConfiguration(
      method: method ?? .lora(rank: 3, alpha: 6, projections: [.q, .v, .down], dropout: 0.2), learningRate: 1e-2,
      schedule: .cosine, warmUpSteps: 2, steps: steps, batchSize: 3, accumulation: 2, clip: 1, seed: 9, snapshotEvery: 1
    )
  }

  private func model() throws -> LlamaModel {
    try LlamaModel(configuration: c, weights: SmallModels.weights(c, isTied: true), tokenizer: SmallModels.tokenizer)
  }

  /// Stops at the check after `checks` of them.
  private func stopped<R>(after checks: Int, _ body: () throws -> R) rethrows -> R {
    try Interruption.$allowance.withValue(Interruption.Allowance(checks: checks)) { try body() }
  }

  private static func bits(_ weights: LlamaWeights?) -> [[UInt32]] {
    (weights?.matrices ?? []).map { $0.dequantized().values.map(\.bitPattern) }
      + (weights.map { [$0.finalNorm.map(\.bitPattern)] } ?? [])
  }

  @Test func `an interruption anywhere in an update leaves the last whole one`() throws {
    let model = try model()
    let examples = SmallModels.batch(c)
    let whole = try LoRATuner.tune(model, on: examples, configuration(steps: 4))
    let start = try LoRATuner.tune(model, on: examples, configuration(steps: 0)).adapter
    var seen: Set<Int> = []
    var checks = 0
    while true {
      let result = try stopped(after: checks) { try LoRATuner.tune(model, on: examples, configuration(steps: 4)) }
      seen.insert(result.completedSteps)
      #expect(result.losses == Array(whole.losses.prefix(result.completedSteps)))
      #expect(
        result.adapter == (result.completedSteps == 0 ? start : whole.snapshots[result.completedSteps - 1].adapter),
        "stopped after \(checks) checks")
      if !result.isInterrupted { break }
      checks += 1
    }
    #expect(seen == [0, 1, 2, 3, 4])
    // In each update at least each of two blocks forward and back, in each portion, and the loss: within a block's time.
    #expect(checks >= 4 * 5, "\(checks)")
  }

  @Test func `a full trainer's interrupted update changes nothing`() throws {
    let trainer = try FullTrainer(configuration: c, seed: 2, arithmetic: .reproducible)
    try trainer.step(SmallModels.batch(c))
    let before = Self.bits(trainer.weights())
    for checks in 0..<5 {
      let error = #expect(throws: EngineError.self) {
        try stopped(after: checks) { try trainer.step(SmallModels.batch(c)) }
      }
      #expect(error?.code == .interrupted)
    }
    #expect(Self.bits(trainer.weights()) == before && trainer.completedSteps == 1)
  }

  @Test(arguments: [nil, TuningMethod.full, .keyValue])
  func `a run that goes on has the bits of one that never stopped`(method: TuningMethod?) throws {
    let folder = try Fixtures.temporaryFolder("checkpoint")
    defer { try? FileManager.default.removeItem(at: folder) }
    let model = try model()
    let examples = SmallModels.batch(c)
    let settings = configuration(method)
    let whole = try LoRATuner.tune(model, on: examples, settings)
    for (index, checks) in [0, 3, 12, 21, 30].enumerated() {
      let checkpoint = TuningCheckpoint(folder.appending(path: "run \(index).safetensors").path, every: 2)
      let first = try stopped(after: checks) {
        try LoRATuner.tune(model, on: examples, settings, checkpoint: checkpoint)
      }
      #expect(first.isInterrupted && first.completedSteps < 7)
      // Stopped once more on the way.
      let second = try stopped(after: 11) { try LoRATuner.tune(model, on: examples, settings, checkpoint: checkpoint) }
      #expect(second.isInterrupted && second.completedSteps >= first.completedSteps)
      let last = try LoRATuner.tune(model, on: examples, settings, checkpoint: checkpoint)
      #expect(last.losses == whole.losses && last.gradientNorms == whole.gradientNorms)
      #expect(last.adapter == whole.adapter && Self.bits(last.weights) == Self.bits(whole.weights))
      // A finished run has nothing left to do.
      let again = try LoRATuner.tune(model, on: examples, settings, checkpoint: checkpoint)
      #expect(again.losses == whole.losses && again.adapter == whole.adapter)
    }
  }

  @Test func `a crash goes back to the last file, not to the beginning`() throws {
    let folder = try Fixtures.temporaryFolder("checkpoint")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "run.safetensors").path
    let copy = folder.appending(path: "copy.safetensors").path
    let model = try model()
    let whole = try LoRATuner.tune(
      model, on: SmallModels.batch(c), configuration(), checkpoint: TuningCheckpoint(path, every: 3)
    ) { progress in
      // What lies there when update 5 is done: the state after the third.
      if progress.step == 5 { try? FileManager.default.copyItem(atPath: path, toPath: copy) }
    }
    var steps: [Int] = []
    let resumed = try LoRATuner.tune(
      model, on: SmallModels.batch(c), configuration(), checkpoint: TuningCheckpoint(copy)
    ) { steps.append($0.step) }
    #expect(steps == [4, 5, 6, 7])
    #expect(resumed.adapter == whole.adapter && resumed.losses == whole.losses)
  }

  @Test func `a checkpoint of another run, or a damaged one, is refused`() throws {
    let folder = try Fixtures.temporaryFolder("checkpoint")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "run.safetensors").path
    let model = try model()
    let examples = SmallModels.batch(c)
    _ = try LoRATuner.tune(model, on: examples, configuration(), checkpoint: TuningCheckpoint(path))
    func refuse(_ examples: [TuningExample], _ settings: TuningConfiguration, _ word: String) {
      let error = #expect(throws: EngineError.self) {
        try LoRATuner.tune(model, on: examples, settings, checkpoint: TuningCheckpoint(path))
      }
      #expect(word.isEmpty || error?.description.contains(word) == true, "\(error?.description ?? "")")
    }
    var other = configuration()
    other.learningRate = 2e-2
    refuse(examples, other, "settings")
    refuse(examples, configuration(steps: 9), "settings")
    refuse(examples, configuration(.full), "another")
    refuse(examples.reversed(), configuration(), "examples")
    var weighted = examples
    weighted[1].lossWeights[3] += 0.25
    refuse(weighted, configuration(), "examples")
    let bytes = try Data(contentsOf: URL(filePath: path))
    // What changes no bit of the updates may change.
    var harmless = configuration()
    harmless.recomputes = true
    harmless.snapshotEvery = nil
    _ = try LoRATuner.tune(model, on: examples, harmless, checkpoint: TuningCheckpoint(path))

    for count in [0, 7, 100, bytes.count / 2, bytes.count - 1] {
      try bytes.prefix(count).write(to: URL(filePath: path))
      refuse(examples, configuration(), "")
    }
    for (from, to) in [("icl-training-state", "icl-training-stato"), ("\\\"losses\\\"", "\\\"lasses\\\"")] {
      var text = bytes
      let place = try #require(text.range(of: Data(from.utf8)), "\(from)")
      text.replaceSubrange(place, with: Data(to.utf8))
      try text.write(to: URL(filePath: path))
      refuse(examples, configuration(), "")
    }
    try Data("not a checkpoint".utf8).write(to: URL(filePath: path))
    refuse(examples, configuration(), "")
    // It is left alone unless one begins anew.
    #expect(try Data(contentsOf: URL(filePath: path)) == Data("not a checkpoint".utf8))
    _ = try LoRATuner.tune(model, on: examples, configuration(), checkpoint: TuningCheckpoint(path, resumes: false))
    #expect(try Data(contentsOf: URL(filePath: path)) == bytes)
  }

  @Test func `progress says how far, how fast and how long`() throws {
    var lines: [String] = []
    var last: TuningProgress?
    _ = try LoRATuner.tune(model(), on: SmallModels.batch(c), configuration(steps: 3)) {
      lines.append("\($0)")
      last = $0
    }
    #expect(lines.count == 3)
    #expect(lines[1].hasPrefix("step 2 of 3  loss ") && lines[1].contains("tokens/s") && lines[1].hasSuffix(" left"))
    #expect(lines[2].hasSuffix("tokens/s"))
    #expect(last?.secondsLeft == 0 && (last?.tokensPerSecond ?? 0) > 0)
  }
}
