import Fixtures
import Foundation
import ICLEngine

/// Models and their states by Hugging Face in F32, made once per run of the tests by `llama_reference.py`.
struct LlamaReference {
  struct Case: Encodable {
    let name: String
    let prompts: [[Int]]
    var gguf: String?
    var config: [String: Setting]?
  }

  /// A value of a case's configuration.
  enum Setting: Encodable, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByBooleanLiteral {
    case number(Int)
    case text(String)
    case flag(Bool)
    init(integerLiteral value: Int) { self = .number(value) }
    init(stringLiteral value: String) { self = .text(value) }
    init(booleanLiteral value: Bool) { self = .flag(value) }
    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .number(let value): try container.encode(value)
      case .text(let value): try container.encode(value)
      case .flag(let value): try container.encode(value)
      }
    }
  }

  private struct Entry: Decodable {
    let prompt: Int
    let point: String
    let layer: Int
    let rows: Int
    let columns: Int
    let offset: Int
  }

  let folder: URL

  static let made = Result { try LlamaReference() }

  private init() throws {
    folder = try Fixtures.temporaryFolder("llama-reference")
    try JSONEncoder().encode(Self.cases).write(to: folder.appending(path: "cases.json"))
    try Fixtures.runPython("llama_reference.py", [folder.path])
  }

  static func modelPath(_ name: String) throws -> String {
    try cases.first { $0.name == name }?.gguf ?? made.get().folder.appending(path: "\(name).gguf").path
  }

  /// What Hugging Face computed: `[prompt][point and layer]` → rows.
  static func states(_ name: String) throws -> [[String: [[Float]]]] {
    try read(made.get().folder, name)
  }

  /// Reads what a script wrote to `folder`.
  static func read(_ folder: URL, _ name: String) throws -> [[String: [[Float]]]] {
    let entries = try JSONDecoder().decode(
      [Entry].self, from: Data(contentsOf: folder.appending(path: "\(name).json")))
    let data = try Data(contentsOf: folder.appending(path: "\(name).f32"))
    let values = data.withUnsafeBytes { raw in
      (0..<raw.count / 4).map { Float(bitPattern: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)) }
    }
    var result: [[String: [[Float]]]] = []
    for entry in entries {
      while result.count <= entry.prompt { result.append([:]) }
      result[entry.prompt]["\(entry.point) \(entry.layer)"] = (0..<entry.rows).map { row in
        let start = entry.offset + row * entry.columns
        return Array(values[start..<start + entry.columns])
      }
    }
    return result
  }

  /// Ids below `vocabulary`, BOS first.
  static func prompt(_ length: Int, vocabulary: Int = 320, seed: UInt64 = 1) -> [Int] {
    var generator = SeededGenerator(seed: seed)
    return [1] + (1..<max(1, length)).map { _ in 3 + generator.index(below: vocabulary - 3) }
  }

  static let stories = Fixtures.sharedData.appending(path: "stories260K/stories260K.gguf").path
  static let random = Fixtures.sharedData.appending(path: "gguf-cases/llama-2-tiny-random.gguf").path

  static let cases: [Case] =
    [
      Case(
        name: "stories260K",
        prompts: [prompt(1, vocabulary: 512), prompt(7, vocabulary: 512), prompt(500, vocabulary: 512)],
        gguf: stories),
      Case(name: "tiny-random-F16", prompts: [prompt(40)], gguf: random),
      Case(name: "one-head-group", prompts: [prompt(33)], config: shape(["kvHeads": 4])),
      Case(
        name: "grouped", prompts: [prompt(1), prompt(70), prompt(600)], config: shape(["kvHeads": 2, "tied": false])),
      Case(name: "one-kv-head", prompts: [prompt(33)], config: shape(["kvHeads": 1])),
      Case(name: "biases", prompts: [prompt(33)], config: shape(["bias": true])),
      Case(name: "wide-heads", prompts: [prompt(33)], config: shape(["headDim": 48])),
      Case(name: "odd-sizes", prompts: [prompt(33)], config: shape(["hidden": 60, "headDim": 10, "feedForward": 77])),
      Case(name: "rope-linear", prompts: [prompt(200)], config: shape(["scaling": "linear"])),
      Case(name: "rope-llama3", prompts: [prompt(200)], config: shape(["scaling": "llama3", "ropeBase": 500_000])),
      Case(name: "rope-yarn", prompts: [prompt(200)], config: shape(["scaling": "yarn"])),
      Case(name: "window", prompts: [prompt(5), prompt(100)], config: shape(["window": 20])),
    ] + layouts + types

  /// Head layouts and constants of real models, on small widths.
  private static let layouts: [Case] = [
    // Llama 2 7B and 13B: as many key/value heads as heads, 128 wide.
    Case(
      name: "Llama-2-7B", prompts: lengths,
      config: shape(["layers": 2, "heads": 32, "kvHeads": 32, "headDim": 128, "tied": false])),
    Case(
      name: "Llama-2-13B", prompts: [prompt(130)],
      config: shape(["layers": 2, "hidden": 80, "heads": 40, "kvHeads": 40, "headDim": 128, "tied": false])),
    Case(
      name: "Llama-2-70B", prompts: [prompt(130)],
      config: shape(["layers": 2, "heads": 64, "kvHeads": 8, "headDim": 128, "tied": false])),
    Case(
      name: "Llama-3-8B", prompts: lengths,
      config: shape([
        "layers": 2, "heads": 32, "kvHeads": 8, "headDim": 128, "ropeBase": 500_000, "scaling": "llama3",
        "tied": false,
      ])),
    Case(
      name: "Llama-3-1B", prompts: [prompt(130)],
      config: shape([
        "layers": 2, "heads": 32, "kvHeads": 8, "headDim": 64, "ropeBase": 500_000, "scaling": "llama3",
      ])),
    Case(
      name: "TinyLlama", prompts: lengths,
      config: shape(["layers": 2, "heads": 32, "kvHeads": 4, "headDim": 64, "tied": false])),
    Case(
      name: "Mistral", prompts: lengths,
      config: shape([
        "layers": 2, "heads": 32, "kvHeads": 8, "headDim": 128, "window": 48, "tied": false,
      ])),
  ]

  /// From a single token to beyond a batch of rows, around the sizes of tiles and blocks.
  private static let lengths = [1, 2, 17, 64, 65, 129, 600].map { prompt($0) }

  /// Every stored type in every matrix, the embedding and the output too; rows of 256, as the larger blocks need.
  private static let types: [Case] = TensorType.allCases.filter { $0 != .f32 }.map { type in
    Case(
      name: type.name, prompts: [prompt(1), prompt(40)],
      config: shape([
        "type": .text(type.name), "layers": 2, "hidden": 256, "heads": 4, "feedForward": 256, "tied": false,
      ]))
  }

  private static func shape(_ changes: [String: Setting]) -> [String: Setting] {
    let base: [String: Setting] = [
      "layers": 3, "hidden": 64, "heads": 4, "kvHeads": 2, "feedForward": 96, "vocabulary": 320, "context": 1024,
    ]
    return base.merging(changes) { $1 }
  }
}

/// ‖a − b‖ / ‖b‖ of two rows; NaN when anything is not a number, or when the lengths differ.
func relativeError(_ a: [Float], _ b: [Float]) -> Double {
  guard a.count == b.count, !a.isEmpty else { return .nan }
  var difference = 0.0
  var size = 0.0
  for (x, y) in zip(a, b) {
    difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
    size += Double(y) * Double(y)
  }
  return (difference / size).squareRoot()
}
