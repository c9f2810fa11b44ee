import ICLEngine

/// Words and line breaks as tokens; the id of a word is its place in the vocabulary.
struct WordTokenizer: Tokenizer {
  let words: [String]
  /// Whether label words are split into letters, so that they have several tokens.
  var splits: Set<String> = []

  var vocabularySize: Int { words.count }
  var beginToken: Int? { 0 }
  var endToken: Int? { nil }

  init(_ task: ClassificationTask, splitting: Set<String> = []) {
    var text = ["<s>", "\n", "?"] + (97...122).map { String(UnicodeScalar(UInt8($0))) }
    let prompts = PromptBuilder(
      task: task, tokenizer: Letters(), labelWords: task.labels, instruction: 0)
    for example in task.examples + task.queries {
      for word in Self.parts(prompts.prompt(example)) where !text.contains(word) { text.append(word) }
    }
    for word in (task.examples + task.queries).flatMap({ Self.parts($0.answer ?? "") }) where !text.contains(word) {
      text.append(word)
    }
    for word in task.labels + task.arbitraryLabels where !text.contains(word) { text.append(word) }
    words = text
    splits = splitting
  }

  private struct Letters: Tokenizer {
    var vocabularySize: Int { 1 }
    var beginToken: Int? { nil }
    var endToken: Int? { nil }
    func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int] { [] }
    func decode(_ ids: [Int]) -> String { "" }
    func piece(_ id: Int) -> String { "" }
  }

  static func parts(_ text: String) -> [String] {
    text.split(separator: " ").flatMap { part -> [String] in
      let lines = part.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      return Array(lines.map { [$0] }.joined(separator: ["\n"])).filter { !$0.isEmpty }
    }
  }

  func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int] {
    let ids = Self.parts(text).flatMap { word in
      splits.contains(word)
        ? word.map { words.firstIndex(of: String($0)) ?? 2 } : [words.firstIndex(of: word) ?? 2]
    }
    return addSpecial ? [0] + ids : ids
  }
  func decode(_ ids: [Int]) -> String { ids.map { words[$0] }.joined(separator: " ") }
  func piece(_ id: Int) -> String { words[id] }
}

/// A model whose states are simple sums of token vectors, so that experiments can be tested without weights: the
/// state of layer `l` is the last token's vector plus `l` times the mean of all tokens' vectors, plus what tuning
/// added; logits count how often a label followed a text with the same words.
struct FakeModel: ExperimentModel {
  let configuration: ModelConfiguration
  let tokenizer: any Tokenizer
  var isTrained = true
  /// What tuning of all parameters added.
  var added: LoRAAdapter?
  /// Called before each forward pass.
  var onForward: @Sendable () -> Void = {}
  /// The one word that can follow a text, where a test says so.
  var nextWord: (@Sendable (_ text: String, _ isTuned: Bool) -> String)?

  init(_ tokenizer: WordTokenizer) {
    self.tokenizer = tokenizer
    configuration = ModelConfiguration(
      name: "fake", layerCount: 3, hiddenSize: 16, headCount: 2, feedForwardSize: 16,
      vocabularySize: tokenizer.vocabularySize, contextLength: 4096)
  }

  var provenance: ModelProvenance {
    ModelProvenance(name: "fake", path: nil, sha256: nil, quantization: "F32 ×1", parameterCount: 16)
  }

  private func vector(_ token: Int) -> [Float] {
    var generator = SeededGenerator(seed: UInt64(token), stream: isTrained ? "trained" : "untrained")
    return generator.normals(16)
  }

  func forward(
    _ prompts: [[Int]], capture: CaptureRequest, adapter: LoRAAdapter?
  ) throws(EngineError) -> [HiddenStates] {
    onForward()
    var choices: [[Int]] = []
    for (index, prompt) in prompts.enumerated() {
      choices.append(try capture.positions.resolved(length: prompt.count, prompt: index, at: "fake model"))
    }
    return zip(prompts, choices).map { prompt, positions in
      var result = HiddenStates(positions: positions)
      let shift = (adapter ?? added)?.blocks.first?[.q]?.a ?? [Float](repeating: 0, count: 16)
      func state(_ place: Int, _ layer: Int) -> [Float] {
        let seen = prompt[...place].map(vector)
        let last = vector(prompt[place])
        return (0..<16).map { i in
          last[i] + Float(layer) * (seen.reduce(0) { $0 + $1[i] } / Float(seen.count) + shift[i])
        }
      }
      for layer in 0...4 {
        result.rows[.init(layer == 4 ? .finalNorm : .residual, layer: min(layer, 3))] = positions.map {
          state($0, layer)
        }
      }
      // What a block adds, and what its heads read: the mean of what came before, turned by one dimension for each point.
      let points: [CapturePoint] = [.attentionOutput, .feedForwardOutput, .headOutputs]
      for (turn, point) in points.enumerated() where capture.points.contains(point) {
        for layer in 1...3 {
          result.rows[.init(point, layer: layer)] = positions.map { place in
            let (after, before) = (state(place, layer), state(place, layer - 1))
            return (0..<16).map { after[($0 + turn) % 16] - before[($0 + turn) % 16] }
          }
        }
      }
      if capture.attention.contains(.logits) {
        for layer in 1...3 {
          result.attention[.init(.logits, layer: layer)] = positions.map { place in
            let query = queryVector(state(place, layer - 1))
            return (0..<2).map { head in
              (0...place).map { key in
                let keyState = state(key, layer - 1)
                return (8 * head..<8 * head + 8).reduce(0) { $0 + query[$1] * keyState[$1] } / 8
              }
            }
          }
        }
      }
      // A token's logit: how often it came before in the prompt, later ones counting more.
      result.logits = positions.map { place in
        var logits = [Float](repeating: 0, count: tokenizer.vocabularySize)
        for (index, token) in prompt[...place].enumerated() { logits[token] += Float(index + 1) * 0.01 }
        if let word = nextWord?(tokenizer.decode(Array(prompt[...place])), adapter != nil) {
          logits[tokenizer.encode(word, addSpecial: false, parseSpecial: false)[0]] += 1000
        }
        return logits
      }
      return result
    }
  }

  /// The state's dimensions, head by head, each a little less than the one before it.
  private func queryVector(_ state: [Float]) -> [Float] { state.enumerated().map { $1 * (1 - Float($0) / 32) } }

  func queryVectors(
    _ prompts: [[Int]], positions: CaptureRequest.Positions, adapter: LoRAAdapter?
  ) throws(EngineError) -> [[[[Float]]]] {
    try forward(prompts, capture: CaptureRequest(positions: positions), adapter: adapter).map { states in
      (0..<3).map { (states.residual($0) ?? []).map(queryVector) }
    }
  }

  /// Other words than tuning by LoRA, as a model of its own.
  func whollyTuned(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> any ExperimentModel {
    var result = self
    result.added = try tuned(on: examples, settings, seed: seed, onStep: onStep)
    return result
  }

  func tuned(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> LoRAAdapter? {
    if settings.steps == 0 { return nil }
    for step in 0..<settings.steps { onStep(1 / Float(step + 1)) }
    var shift = [Float](repeating: 0, count: 16)
    for (token, weight) in examples.flatMap({ zip($0.tokens, $0.lossWeights) }) where weight > 0 {
      for (i, x) in vector(token).enumerated() { shift[i] += x / Float(examples.count) }
    }
    return LoRAAdapter(rank: 1, alpha: 1, blocks: [[.q: .init(a: shift, b: shift)]])
  }

  /// The shift of `tuned`, reached along a straight line.
  func tunedSnapshots(
    on examples: [(tokens: [Int], lossWeights: [Float])], _ settings: TuningSettings, every: Int, seed: UInt64,
    onStep: (Float) -> Void
  ) throws(EngineError) -> [(step: Int, adapter: LoRAAdapter)] {
    guard let whole = try tuned(on: examples, settings, seed: seed, onStep: onStep) else { return [] }
    let looks = Array(stride(from: every, through: settings.steps, by: every))
    return (looks.last == settings.steps ? looks : looks + [settings.steps]).map { step in
      if step == settings.steps { return (step, whole) }
      var part = whole
      for (projection, pair) in whole.blocks[0] {
        part.blocks[0][projection] = .init(
          a: pair.a.map { $0 * Float(step) / Float(settings.steps) }, b: pair.b)
      }
      return (step, part)
    }
  }

  func untrainedTwin(seed: UInt64) throws(EngineError) -> (any ExperimentModel)? {
    var twin = self
    twin.isTrained = false
    return twin
  }
}

extension ClassificationTask {
  /// Forty short reports of fair or foul weather.
  static func weather() throws -> ClassificationTask {
    let (fair, foul) = (["sun", "calm", "blue", "mild"], ["storm", "rain", "hail", "fog"])
    let places = ["here", "there", "inland", "offshore", "north"]
    let examples = places.flatMap { place in
      fair.map { Example("\($0) \(place)", label: 0) } + foul.map { Example("\($0) \(place)", label: 1) }
    }
    return try ClassificationTask(
      name: "weather", template: "Report: {text}\nOutlook: {label}\n",
      instructions: ["Say whether it is {labels} ."], labels: ["fair", "foul"],
      arbitraryLabels: ["dax", "zib", "mep", "lof"], examples: examples)
  }
}
