/// What an experiment needs of a model. ``Engine``'s model is one; tests have small ones of their own.
package protocol ExperimentModel: Sendable {
  var configuration: ModelConfiguration { get }
  var tokenizer: any Tokenizer { get }
  var provenance: ModelProvenance { get }

  /// As ``LlamaModel/forward(_:capture:adapter:)``.
  func forward(
    _ prompts: [[Int]], capture: CaptureRequest, adapter: LoRAAdapter?
  ) throws(EngineError) -> [HiddenStates]

  /// Tunes an adapter on token sequences.
  /// - Parameters:
  ///   - examples: token ids with the weight of each token in the loss
  ///   - onStep: called after each optimizer step with its loss
  /// - Returns: `nil` for no steps
  func tuned(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> LoRAAdapter?

  /// Tunes several adapters, each with the bits that ``tuned(on:_:seed:onStep:)`` gives it.
  /// - Parameter onStep: called after each optimizer step of each part with the part's number and loss
  func tuned(
    together parts: [TuningPart], _ settings: TuningSettings, onStep: (_ part: Int, _ loss: Float) -> Void
  ) throws(EngineError) -> [LoRAAdapter?]

  /// How many of these tunings, from the first on, gain by going side by side. At least 1.
  func countTogether(_ parts: [TuningPart], _ settings: TuningSettings) -> Int

  /// As ``tuned(on:_:seed:onStep:)``, with the adapter after every so many steps and after the last.
  func tunedSnapshots(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, every: Int, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> [(step: Int, adapter: LoRAAdapter)]

  /// Continues each prompt by its likeliest tokens.
  /// - Parameters:
  ///   - limits: most tokens for each prompt
  ///   - isDone: asked after each token with the prompt's number and what was written after it
  func continued(
    _ prompts: [[Int]], limits: [Int], adapter: LoRAAdapter?, isDone: (Int, [Int]) -> Bool
  ) throws(EngineError) -> [[Int]]

  /// Tunes other parameters than low-rank updates: the model with them.
  func whollyTuned(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> any ExperimentModel

  /// Query vectors of every head before the rotary embedding, `[prompt][block 0…L − 1][position][H·E]`.
  func queryVectors(
    _ prompts: [[Int]], positions: CaptureRequest.Positions, adapter: LoRAAdapter?
  ) throws(EngineError) -> [[[[Float]]]]

  /// The same model with its matrices stored in another type.
  func quantized(as type: TensorType) throws(EngineError) -> any ExperimentModel

  /// A model of the same shape and tokenizer whose weights were never trained; `nil` when it would not fit in memory.
  func untrainedTwin(seed: UInt64) throws(EngineError) -> (any ExperimentModel)?
}

extension ExperimentModel {
  package func tuned(
    together parts: [TuningPart], _ settings: TuningSettings, onStep: (_ part: Int, _ loss: Float) -> Void
  ) throws(EngineError) -> [LoRAAdapter?] {
    var adapters: [LoRAAdapter?] = []
    for (index, part) in parts.enumerated() {
      adapters.append(try tuned(on: part.examples, settings, seed: part.seed) { onStep(index, $0) })
    }
    return adapters
  }

  package func countTogether(_ parts: [TuningPart], _ settings: TuningSettings) -> Int { 1 }

  package func whollyTuned(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> any ExperimentModel {
    throw EngineError(
      .unsupported, "this model is tuned by LoRA alone", at: provenance.name, expected: "tuning method lora",
      found: settings.method.rawValue)
  }

  package func queryVectors(
    _ prompts: [[Int]], positions: CaptureRequest.Positions, adapter: LoRAAdapter?
  ) throws(EngineError) -> [[[[Float]]]] {
    throw EngineError(
      .unsupported, "this model gives no query vectors", at: provenance.name,
      nextStep: "leave attentionToDemonstrations out of the measures")
  }

  package func quantized(as type: TensorType) throws(EngineError) -> any ExperimentModel {
    throw EngineError(
      .unsupported, "this model has no matrices to quantize", at: provenance.name, expected: "a model with weights",
      found: type.name)
  }

  /// The model as the tuned conditions use it.
  func tuned(
    by settings: TuningSettings, on examples: [(tokens: [Int], lossWeights: [Float])], seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> TunedModel {
    if settings.method == .lora || settings.steps == 0 {
      return TunedModel(model: self, adapter: try tuned(on: examples, settings, seed: seed, onStep: onStep))
    }
    return TunedModel(model: try whollyTuned(on: examples, settings, seed: seed, onStep: onStep), adapter: nil)
  }

  /// Tuned anew for each number of steps: right for any model, slower than looking on the way.
  package func tunedSnapshots(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, every: Int, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> [(step: Int, adapter: LoRAAdapter)] {
    var looks = Array(stride(from: every, through: settings.steps, by: every))
    if looks.last != settings.steps { looks.append(settings.steps) }
    var result: [(step: Int, adapter: LoRAAdapter)] = []
    for step in looks {
      var part = settings
      part.steps = step
      guard let adapter = try tuned(on: examples, part, seed: seed, onStep: { _ in }) else { continue }
      result.append((step, adapter))
      onStep(0)
    }
    return result
  }
}

/// A model with what tuning changed: an adapter, or parameters of its own.
struct TunedModel: Sendable {
  let model: any ExperimentModel
  let adapter: LoRAAdapter?
}
