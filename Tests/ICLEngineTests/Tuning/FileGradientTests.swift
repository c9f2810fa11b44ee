import Fixtures
import Foundation
import ICLEngine
import Testing

/// Training of models read from GGUF files, against Hugging Face's own architectures on the same files: scaled
/// rotations, a sliding window, biases, head widths other than `D / H`, a quantized base.
@Suite(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
struct FileGradientTests {
  /// Both sides sum in F32, in different orders: about 1e-6 each, which cancellation in the backward pass of softmax
  /// multiplies.
  static let tolerance = 1e-4

  @Test(arguments: FileGradientReference.cases.map(\.name), [TrainingArithmetic.reproducible, .openBLAS])
  func `gradients on a file's model equal autograd's`(name: String, arithmetic: TrainingArithmetic) throws {
    let reference = try FileGradientReference.made.get()
    let trainer = try reference.trainer(name, arithmetic)
    let loss = try Double(trainer.gradients(FileGradientReference.batch, portions: 2))
    let theirs = try #require(reference.losses(name).first)
    #expect(abs(loss - theirs) < 1e-5 * theirs, "\(loss), autograd \(theirs)")
    let expected = try reference.gradients(name)
    var seen: Set<String> = []
    for parameter in trainer.network.trained {
      let key = FileGradientReference.key(parameter.name)
      seen.insert(key)
      let gradient = try #require(expected[key], "\(key)")
      let norm = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      // A gradient of nothing would agree with anything.
      #expect(norm > 1e-6, "\(key)")
      let distance = relativeDistance(parameter.gradient?.values ?? [], gradient)
      #expect(distance < Self.tolerance, "\(key): \(distance)")
    }
    #expect(seen == Set(expected.keys))
  }

  @Test(arguments: FileGradientReference.cases.filter { $0.steps > 1 }.map(\.name))
  func `a run's losses on a file's model follow PyTorch's`(name: String) throws {
    let reference = try FileGradientReference.made.get()
    let test = try FileGradientReference.testCase(name)
    let trainer = try reference.trainer(name, .reproducible)
    let expected = try reference.losses(name)
    #expect(expected.count == test.steps)
    for (step, loss) in expected.enumerated() {
      let ours = try trainer.step(
        FileGradientReference.batch, optimizer: .adamW(weightDecay: test.decay), rate: test.rate, clip: test.clip)
      // Issue 2's bound. PyTorch's own rounding (F32 against F64) reaches 2.4e-6 in the quantized run.
      #expect(abs(Double(ours) - loss) <= 1e-3, "step \(step): \(ours), PyTorch \(loss)")
    }
    #expect(try #require(expected.last) < 0.8 * (try #require(expected.first)))
  }
}

/// Gradients and losses by PyTorch, made once per run of the tests by `gradient_reference.py`.
struct FileGradientReference {
  struct Case: Encodable {
    let name: String
    let config: [String: LlamaReference.Setting]
    var adapter: Adapter?
    var steps = 1
    /// At 1e-2 the quantized case multiplies rounding by itself: PyTorch in F32 parts from PyTorch in F64 by 6e-3 within
    /// its 50 steps, at 5e-3 by 2.4e-6.
    var rate: Float = 5e-3
    let decay: Float = 0.1
    let clip: Float = 1
    let batch = FileGradientReference.batch.map { Example(tokens: $0.tokens, lossWeights: $0.lossWeights) }
  }
  struct Adapter: Encodable {
    let rank: Int
    let alpha: Float
    let projections: [Projection]
  }
  struct Example: Encodable {
    let tokens: [Int]
    let lossWeights: [Float]
  }
  private struct Entry: Decodable {
    let name: String
    let offset: Int
    let count: Int
  }

  static let config: [String: LlamaReference.Setting] = [
    "layers": 3, "hidden": 64, "heads": 4, "kvHeads": 2, "headDim": 12, "feedForward": 96, "vocabulary": 300,
    "context": 160, "seed": 11,
  ]
  static let cases = [
    Case(name: "scaled-biased", config: config.merging(["tied": false, "bias": true, "scaling": "llama3"]) { $1 }),
    Case(name: "window", config: config.merging(["tied": false, "window": 20]) { $1 }, steps: 20, rate: 1e-2),
    Case(
      name: "adapted-window", config: config.merging(["window": 20, "scaling": "yarn"]) { $1 },
      adapter: Adapter(rank: 3, alpha: 5, projections: Projection.allCases)),
    Case(
      name: "adapted-scaled", config: config.merging(["tied": false, "bias": true, "scaling": "linear"]) { $1 },
      adapter: Adapter(rank: 3, alpha: 5, projections: Projection.allCases)),
    // Q8_0 wants rows of 32: heads of 16.
    Case(
      name: "quantized", config: config.merging(["type": "Q8_0", "headDim": 16]) { $1 },
      adapter: Adapter(rank: 4, alpha: 8, projections: [.q, .v, .down]), steps: 50),
  ]

  /// Ragged lengths, a masked prompt, unequal weights, an example whose end doesn't count, several tiles of attention.
  static let batch: [TuningExample] = {
    var generator = SeededGenerator(seed: 5)
    func tokens(_ count: Int) -> [Int] { [1] + (1..<count).map { _ in 3 + generator.index(below: 290) } }
    return [
      TuningExample(tokens: tokens(23)),
      TuningExample(tokens: tokens(19), lossWeights: (0..<19).map { $0 < 17 ? 0 : 1 }),
      TuningExample(tokens: tokens(40), lossWeights: (0..<40).map { $0 < 30 ? Float($0 % 3) * 0.5 : 0 }),
      TuningExample(tokens: tokens(140)),
    ]
  }()

  let folder: URL
  static let made = Result { try FileGradientReference() }

  private init() throws {
    folder = try Fixtures.temporaryFolder("gradient-reference")
    try JSONEncoder().encode(Self.cases).write(to: folder.appending(path: "cases.json"))
    try Fixtures.runPython("gradient_reference.py", [folder.path, "--models"])
    for test in Self.cases {
      guard let adapter = try adapter(test, model(test.name).configuration) else { continue }
      var values: [Float] = []
      for block in adapter.blocks {
        for projection in Projection.allCases {
          if let pair = block[projection] { values += pair.a + pair.b }
        }
      }
      try values.withUnsafeBytes { try Data($0).write(to: folder.appending(path: "\(test.name).adapter.f32")) }
    }
    try Fixtures.runPython("gradient_reference.py", [folder.path])
  }

  static func testCase(_ name: String) throws -> Case { try #require(cases.first { $0.name == name }) }

  private func model(_ name: String) throws -> LlamaModel {
    try LlamaModel(contentsOf: folder.appending(path: "\(name).gguf").path)
  }

  /// B isn't zero, so that A has a gradient too.
  private func adapter(_ test: Case, _ c: ModelConfiguration) throws -> LoRAAdapter? {
    guard let wanted = test.adapter else { return nil }
    var adapter = LoRAAdapter(
      for: c, rank: wanted.rank, alpha: wanted.alpha, projections: wanted.projections, seed: 3)
    var generator = SeededGenerator(seed: 4)
    for layer in adapter.blocks.indices {
      for projection in wanted.projections {
        guard let pair = adapter.blocks[layer][projection] else { continue }
        adapter.blocks[layer][projection]?.b = pair.b.map { _ in Float(generator.uniform() - 0.5) / 4 }
      }
    }
    return adapter
  }

  func trainer(_ name: String, _ arithmetic: TrainingArithmetic) throws -> Trainer {
    let test = try Self.testCase(name)
    let model = try model(name)
    let adapter = try adapter(test, model.configuration)
    let method =
      test.adapter.map { TuningMethod.lora(rank: $0.rank, alpha: $0.alpha, projections: $0.projections) } ?? .full
    let network = TrainingNetwork(model.weights, model.configuration, method: method, adapter: adapter)
    return Trainer(network, arithmetic: arithmetic, pool: .shared)
  }

  /// The script's name of a parameter: a matrix already has its name in the file.
  static func key(_ name: String) -> String {
    let words = name.split(separator: " ").map(String.init)
    if words == ["final", "norm"] { return "output_norm.weight" }
    guard words.count > 2, words[0] == "block" else { return name }
    if words[2] == "attention" { return "blk.\(words[1]).attn_norm.weight" }
    if words[2] == "feed-forward" { return "blk.\(words[1]).ffn_norm.weight" }
    guard let projection = Projection(rawValue: words[2]) else { return name }
    let stem = "blk.\(words[1]).\(projection.ggufName)"
    return switch words.count > 3 ? words[3] : "" {
    case "A": stem + ".lora_a"
    case "B": stem + ".lora_b"
    case "bias": stem + ".bias"
    default: stem + ".weight"
    }
  }

  /// Name → gradient, in GGUF's row order.
  func gradients(_ name: String) throws -> [String: [Float]] {
    let entries = try JSONDecoder().decode(
      [Entry].self, from: Data(contentsOf: folder.appending(path: "\(name).gradients.json")))
    let data = try Data(contentsOf: folder.appending(path: "\(name).gradients.f32"))
    let values = data.withUnsafeBytes { raw in
      (0..<raw.count / 4).map { Float(bitPattern: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)) }
    }
    return Dictionary(uniqueKeysWithValues: entries.map { ($0.name, Array(values[$0.offset..<$0.offset + $0.count])) })
  }

  func losses(_ name: String) throws -> [Double] {
    try JSONDecoder().decode([Double].self, from: Data(contentsOf: folder.appending(path: "\(name).losses.json")))
  }
}
