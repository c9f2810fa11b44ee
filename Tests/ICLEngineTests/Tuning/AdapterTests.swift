import ICLEngine
import Testing

/// Adapters as values: on, off, scaled, side by side, merged; names and patterns.
@Suite struct AdapterTests {
  private let prompt = LlamaReference.prompt(20, vocabulary: 300)
  private let request = CaptureRequest(logits: true)

  private func logits(_ model: LlamaModel, _ adapter: LoRAAdapter?) throws -> [Float] {
    try model.forward([prompt], capture: request, adapter: adapter)[0].logits[0]
  }

  @Test func `an adapter is switched on, off and scaled, and others lie beside it`() throws {
    let model = try RandomModel.make()
    let c = model.configuration
    let (a, b) = (RandomModel.adapter(c), RandomModel.adapter(c, rank: 2, on: [.q, .down], seed: 6))
    var adapters = AdapterSet()
    #expect(try adapters.active() == nil)
    adapters["a"] = a
    #expect(adapters.names == ["a"] && adapters.isOn("a"))
    #expect(try adapters.active() == a)
    adapters["b"] = b
    try adapters.switchOff("a")
    #expect(try adapters.active() == b)
    try adapters.switchToOnly("a", weight: 0.5)
    #expect(adapters.weights == ["a": 0.5])
    // A power of two: the same bits.
    #expect(try logits(model, adapters.active()) == logits(model, a.scaled(by: 0.5)))
    try adapters.switchOff("a")
    #expect(try logits(model, adapters.active()) == logits(model, nil))
    #expect(try logits(model, a.scaled(by: 0)) == logits(model, nil))
    #expect(try logits(model, a.scaled(by: 1)) == logits(model, a))
    #expect(try logits(model, a.scaled(by: 0.5)) != logits(model, a))
    #expect(throws: EngineError.self) { try adapters.switchOn("c") }
    #expect(throws: EngineError.self) { try adapters.switchOn("a", weight: .nan) }
    adapters["a"] = nil
    #expect(adapters.names == ["b"])
  }

  @Test func `a weighted sum of adapters acts as the sum of their updates`() throws {
    let model = try RandomModel.make()
    let c = model.configuration
    var a = RandomModel.adapter(c)
    a.isRankStabilized = true
    let b = RandomModel.adapter(c, rank: 2, on: [.q, .down], seed: 6)
    var adapters = AdapterSet()
    adapters["a"] = a
    adapters["b"] = b
    try adapters.switchOn("a", weight: 0.7)
    try adapters.switchOn("b", weight: -1.5)
    let together = try #require(try adapters.active())
    #expect(together.blocks[1][.q].map { together.rank(of: $0) } == 6)
    #expect(together.blocks[1][.v].map { together.rank(of: $0) } == 4)
    let merged = try model.weights.merged(with: a.scaled(by: 0.7), c).merged(with: b.scaled(by: -1.5), c)
    let other = try LlamaModel(configuration: c, weights: merged, tokenizer: model.tokenizer)
    // F32 in other orders, through three blocks.
    #expect(relativeError(try logits(model, together), try logits(other, nil)) < 1e-5)
    #expect(relativeError(try logits(model, together), try logits(model, a.scaled(by: 0.7))) > 1e-3)
    var short = b
    short.blocks.removeLast()
    adapters["b"] = short
    #expect(throws: EngineError.self) { try adapters.active() }
  }

  @Test func `merged and apart agree, and a merged model needs no adapter`() throws {
    let model = try RandomModel.make()
    let c = model.configuration
    var adapter = RandomModel.adapter(c)
    adapter.blocks[2] = [:]
    let merged = try model.merged(with: adapter)
    // x·(W + BA) against x·W + (x·A)·B: F32 rounding in other orders, through three blocks.
    #expect(relativeError(try logits(merged, nil), try logits(model, adapter)) < 1e-5)
    #expect(relativeError(try logits(merged, nil), try logits(model, nil)) > 1e-3)
    #expect(
      merged.weights.blocks[2].projections[.q]?.dequantized().values
        == model.weights.blocks[2].projections[.q]?.dequantized().values)
    // Taken off again: what it was, but for rounding.
    let back = try merged.merged(with: adapter.scaled(by: -1))
    #expect(relativeError(try logits(back, nil), try logits(model, nil)) < 1e-5)
    adapter.blocks[0][.q]?.a.removeLast()
    #expect(throws: EngineError.self) { try model.merged(with: adapter) }
  }

  @Test func `pairs may have ranks and alphas of their own`() throws {
    let model = try RandomModel.make()
    let c = model.configuration
    let plain = RandomModel.adapter(c, rank: 4)
    // The same update with two rows of zeros more, and twice the alpha for twice … the rank's scale kept.
    var padded = plain
    let pair = try #require(plain.blocks[1][.v])
    let shape = Projection.v.shape(in: c)
    var b = [Float](repeating: 0, count: shape.output * 6)
    for row in 0..<shape.output { for r in 0..<4 { b[row * 6 + r] = pair.b[row * 4 + r] } }
    padded.blocks[1][.v] = .init(
      a: pair.a + [Float](repeating: 1, count: 2 * shape.input), b: b, rank: 6, alpha: plain.alpha / 4 * 6)
    // The scale is the same number; sums of six instead of four terms, two of them zero.
    #expect(relativeError(try logits(model, padded), try logits(model, plain)) < 1e-6)
    padded.blocks[1][.v]?.alpha = nil
    #expect(relativeError(try logits(model, padded), try logits(model, plain)) > 1e-6)
    padded.blocks[1][.v]?.rank = 5
    #expect(throws: EngineError.self) { try logits(model, padded) }
    // Tuning keeps them.
    padded.blocks[1][.v]?.rank = 6
    let result = try LoRATuner.tune(
      model, on: [TuningExample(tokens: prompt)], TuningConfiguration(learningRate: 1e-3, steps: 3), from: padded)
    #expect(result.adapter?.blocks[1][.v]?.rank == 6)
    #expect(result.losses[2] < result.losses[0])
  }

  private func matches(_ text: String, _ name: String) throws -> Bool {
    var effort = 5000
    let answer = try NamePattern(text, at: "test").matches(name, effort: &effort)
    #expect(effort >= 0, "\(text)")
    return answer
  }

  @Test func `names match as Python's regular expressions do`() throws {
    let name = "model.layers.11.self_attn.q_proj"
    let yes = [
      "q_proj", "self_attn.q_proj", "model.layers.11.self_attn.q_proj", "^model.*q_proj",
      #"layers\.\d+\.self_attn\.q_proj"#, "(q|v)_proj", "[qv]_proj$", ".*",
      "model.layers.(1[0-9]|2).self_attn.(?:q|k)_proj", "[^k]_proj", "q?_?q_proj", #"layers\.1{2}\.self_attn\.q_proj"#,
      #"1{1,3}\.self_attn\.\w+"#, "(k_proj|q_proj|)",
    ]
    let no = [
      "k_proj", "proj", "attn.q_proj", "q_pro", "layers.1.self_attn.q_proj", "^q_proj", "[k-p]_proj", "q_proj.",
      #"layers\.1{3}\.self_attn\.q_proj"#, "", "(k|v)_proj",
    ]
    for text in yes { #expect(try matches(text, name), "\(text)") }
    for text in no { #expect(try !matches(text, name), "\(text)") }
    for text in [
      "(", ")", "[", "a**", "(?=a)", "(?P<x>a)", #"\1"#, #"\b"#, "é", "*", "((a*)*)*",
      String(repeating: "a", count: 513), String(repeating: "(", count: 200),
    ] {
      let error = #expect(throws: EngineError.self, "\(text.prefix(20))") { try NamePattern(text, at: "test") }
      #expect(error?.code == .unsupported)
    }
    // What takes a backtracking matcher for ever ends at once.
    let long = "model." + String(repeating: "a", count: 5000) + "b"
    var effort = 200_000
    #expect(try !NamePattern("(a*a*)*", at: "test").matches(long, effort: &effort) && effort >= 0)
    effort = 1000
    #expect(try !NamePattern("(a*a*)*", at: "test").matches(long, effort: &effort) && effort < 0)
  }
}
