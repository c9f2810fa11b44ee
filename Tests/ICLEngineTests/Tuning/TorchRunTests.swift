import Fixtures
import Foundation
import ICLEngine
import Testing

/// Whole runs against PyTorch, transformers' schedules and PEFT from the same beginning: every optimizer, schedule,
/// clipping and portions, of LoRA and of everything.
@Suite(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)")) struct TorchRunTests {
  struct Run: Encodable, Sendable {
    let name: String
    var isFull = false
    var isRankStabilized = false
    var optimizer = "adamW"
    var momentum: Float = 0
    var beta2: Float = 0.999
    var decay: Float = 0
    var rate: Float
    var schedule = "constant"
    var floor: Float = 0
    var warmUp = 0
    var steps = 50
    var clip: Float?
    var portions = 1

    private enum CodingKeys: String, CodingKey {
      case name, isFull, isRankStabilized, optimizer, momentum, beta2, decay, rate, schedule, floor, warmUp, steps
      case clip, portions
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try container.encode(isFull, forKey: .isFull)
      try container.encode(isRankStabilized, forKey: .isRankStabilized)
      try container.encode(optimizer, forKey: .optimizer)
      try container.encode(momentum, forKey: .momentum)
      try container.encode(beta2, forKey: .beta2)
      try container.encode(decay, forKey: .decay)
      try container.encode(rate, forKey: .rate)
      try container.encode(schedule, forKey: .schedule)
      try container.encode(floor, forKey: .floor)
      try container.encode(warmUp, forKey: .warmUp)
      try container.encode(steps, forKey: .steps)
      // Also when there is none.
      try container.encode(clip, forKey: .clip)
      try container.encode(portions, forKey: .portions)
    }

    var rateSchedule: RateSchedule {
      switch schedule {
      case "linear": .linear
      case "cosine": .cosine(floor: floor)
      default: .constant
      }
    }

    var configuration: TuningConfiguration {
      TuningConfiguration(
        method: isFull
          ? .full : .lora(rank: 4, alpha: 8, projections: Projection.allCases, isRankStabilized: isRankStabilized),
        optimizer: optimizer == "sgd"
          ? .sgd(momentum: momentum, weightDecay: decay) : .adamW(beta2: beta2, weightDecay: decay), learningRate: rate,
        schedule: rateSchedule, warmUpSteps: warmUp, steps: steps, accumulation: portions, clip: clip)
    }
  }

  static let runs: [Run] = [
    Run(name: "LoRA, AdamW, cosine", decay: 0.01, rate: 5e-3, schedule: "cosine", warmUp: 5, clip: 1, portions: 2),
    Run(name: "LoRA, AdamW, linear", isRankStabilized: true, rate: 3e-3, schedule: "linear", warmUp: 3),
    Run(
      name: "LoRA, SGD", optimizer: "sgd", momentum: 0.9, decay: 0.01, rate: 0.05, schedule: "cosine", floor: 0.1,
      clip: 0.5),
    Run(
      name: "full, AdamW, cosine", isFull: true, decay: 0.1, rate: 2e-3, schedule: "cosine", warmUp: 4, clip: 1,
      portions: 4),
    Run(name: "full, AdamW, linear", isFull: true, beta2: 0.95, rate: 1e-3, schedule: "linear", clip: 0.3),
    Run(name: "full, SGD", isFull: true, optimizer: "sgd", momentum: 0.8, decay: 0.02, rate: 0.02, warmUp: 7, clip: 1),
  ]

  private struct Reference {
    var losses: [String: [Double]]
    var rates: [String: [Double]]

    static let made = Result { try Reference() }
    static var adapter: LoRAAdapter {
      LoRAAdapter(for: SmallModels.configuration(), rank: 4, alpha: 8, projections: Projection.allCases, seed: 3)
    }

    init() throws {
      let folder = try Fixtures.temporaryFolder("tuning-runs")
      defer { try? FileManager.default.removeItem(at: folder) }
      let c = SmallModels.configuration()
      try TorchReference.send(
        SmallModels.weights(c, isTied: true), c, adapter: Self.adapter, batch: SmallModels.batch(c), to: folder)
      try JSONEncoder().encode(TorchRunTests.runs).write(to: folder.appending(path: "runs.json"))
      try Fixtures.runPython("tuning_run_reference.py", [folder.path])
      func read(_ name: String) throws -> [String: [Double]] {
        try JSONDecoder().decode([String: [Double]].self, from: Data(contentsOf: folder.appending(path: name)))
      }
      (losses, rates) = (try read("losses.json"), try read("rates.json"))
    }
  }

  @Test(arguments: runs.map(\.name)) func `losses follow PyTorch's at every update`(name: String) throws {
    let run = try #require(Self.runs.first { $0.name == name })
    let c = SmallModels.configuration()
    let model = try LlamaModel(
      configuration: c, weights: SmallModels.weights(c, isTied: true), tokenizer: SmallModels.tokenizer)
    var start = Reference.adapter
    start.isRankStabilized = run.isRankStabilized
    let result = try LoRATuner.tune(model, on: SmallModels.batch(c), run.configuration, from: run.isFull ? nil : start)
    let expected = try #require(try Reference.made.get().losses[name])
    #expect(result.losses.count == 50 && expected.count == 50)
    // The bound. Both are F32 in other orders of summation, which the optimizer's division spreads.
    for (step, (ours, theirs)) in zip(result.losses, expected).enumerated() {
      #expect(abs(Double(ours) - theirs) <= 1e-3, "update \(step + 1): \(ours), PyTorch \(theirs)")
    }
    #expect(result.losses[49] < 0.8 * result.losses[0], "a run that learns nothing would follow anything")
  }

  @Test(arguments: runs.map(\.name)) func `rates are those of transformers' schedules at every update`(name: String)
    throws
  {
    let run = try #require(Self.runs.first { $0.name == name })
    let expected = try #require(try Reference.made.get().rates[name])
    for step in 1...run.steps {
      let ours = run.rate * run.rateSchedule.factor(step: step, of: run.steps, warmUp: run.warmUp)
      // Theirs is in double precision; ours is rounded to F32 three times (peak, factor, product), 2⁻²⁴ of the peak each.
      #expect(abs(Double(ours) - expected[step - 1]) <= 1.8e-7 * Double(run.rate), "update \(step)")
    }
  }
}
