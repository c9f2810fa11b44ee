import Fixtures
import Foundation
import ICLEngine
import Testing

/// Folders that `save_pretrained` wrote, against the states that `transformers` computes from them in F32.
@Suite(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
struct HuggingFaceModelTests {
  struct Case: Encodable {
    let name: String
    var prompts: [[Int]] = [LlamaReference.prompt(1), LlamaReference.prompt(40)]
    var type: String?
    var shard: Int?
    var spelling: String?
    var config: [String: LlamaReference.Setting]
    var rope: [String: LlamaReference.Setting]?

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(name, forKey: Key("name"))
      try container.encode(prompts, forKey: Key("prompts"))
      try container.encodeIfPresent(type, forKey: Key("type"))
      try container.encodeIfPresent(shard, forKey: Key("shard"))
      try container.encodeIfPresent(spelling, forKey: Key("spelling"))
      var inner = container.nestedContainer(keyedBy: Key.self, forKey: Key("config"))
      for (key, value) in HuggingFaceModelTests.shape.merging(config, uniquingKeysWith: { $1 }) {
        try inner.encode(value, forKey: Key(key))
      }
      try inner.encodeIfPresent(rope, forKey: Key("rope"))
    }

    struct Key: CodingKey {
      let stringValue: String
      var intValue: Int? { nil }
      init(_ name: String) { stringValue = name }
      init?(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }
  }

  static let shape: [String: LlamaReference.Setting] = [
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 320, "max_position_embeddings": 1024,
  ]
  static let llama3: [String: LlamaReference.Setting] = [
    "rope_type": "llama3", "rope_theta": 500_000, "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
    "original_max_position_embeddings": 64,
  ]
  static let long = [LlamaReference.prompt(200)]
  static let cases: [Case] = [
    Case(name: "sharded", shard: 30_000, config: [:]),
    Case(name: "tied-BF16", type: "bfloat16", config: ["tie_word_embeddings": true]),
    Case(name: "F16", type: "float16", shard: 50_000, config: ["num_key_value_heads": 1]),
    Case(name: "biases", config: ["attention_bias": true, "mlp_bias": true, "num_key_value_heads": 4]),
    Case(name: "biases-BF16-wide-heads", type: "bfloat16", config: ["attention_bias": true, "head_dim": 48]),
    Case(name: "llama3", prompts: long, config: [:], rope: llama3),
    Case(name: "llama3-old", prompts: long, spelling: "old", config: [:], rope: llama3),
    Case(
      name: "linear-oldest", prompts: long, spelling: "oldest", config: [:],
      rope: ["rope_type": "linear", "factor": 4]),
    Case(name: "default-old", prompts: long, spelling: "old", config: [:], rope: ["rope_theta": 1_000_000]),
    Case(
      name: "yarn", prompts: long, config: [:],
      rope: ["rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 64, "beta_fast": 16]),
    Case(
      name: "yarn-scales-old", prompts: long, spelling: "old", config: [:],
      rope: [
        "rope_type": "yarn", "factor": 8, "original_max_position_embeddings": 64, "mscale": 2, "mscale_all_dim": 1,
      ]),
    Case(
      name: "mistral-window", prompts: [LlamaReference.prompt(5), LlamaReference.prompt(100)],
      config: ["mistral": true, "sliding_window": 20]),
  ]

  static let folder = Result {
    let folder = try Fixtures.temporaryFolder("hugging-face")
    try JSONEncoder().encode(cases).write(to: folder.appending(path: "cases.json"))
    try Fixtures.runPython("hugging_face_models.py", [folder.path])
    return folder
  }

  @Test(arguments: cases.map(\.name)) func `states and logits of every layer agree with transformers`(
    _ name: String
  ) throws {
    let folder = try Self.folder.get()
    let model = try LlamaModel(contentsOf: folder.appending(path: name).path)
    let expected = try LlamaReference.read(folder, name)
    let prompts = try #require(Self.cases.first { $0.name == name }).prompts
    let request = CaptureRequest(points: Set(CapturePoint.allCases), layers: .all, positions: .all, logits: true)
    let found = try model.forward(prompts, capture: request)
    #expect(found.count == expected.count)
    for (states, reference) in zip(found, expected) {
      for (key, rows) in reference {
        let parts = key.split(separator: " ")
        let layer = try #require(Int(parts[1]))
        let own: [[Float]]?
        if parts[0] == "logits" {
          own = states.logits
        } else {
          own = states.rows[.init(try #require(CapturePoint(rawValue: String(parts[0]))), layer: layer)]
        }
        let found = try #require(own, "\(key)")
        #expect(found.count == rows.count)
        for (position, (row, wanted)) in zip(found, rows).enumerated() {
          let error = relativeError(row, wanted)
          // Two orders of summation in F32: see ParityTests. A wrong permutation gives more than 1e-2.
          #expect(error <= 1e-5, "\(key), position \(position)")
        }
      }
    }
  }

  @Test func `the shape is what config_json says`() throws {
    let folder = try Self.folder.get()
    func shape(_ name: String) throws -> ModelConfiguration {
      try LlamaModel(contentsOf: folder.appending(path: name).path).configuration
    }
    let window = try shape("mistral-window")
    #expect(window.slidingWindow == 20 && window.normEpsilon == 1e-6)
    #expect(try shape("default-old").ropeBase == 1_000_000)
    #expect(try shape("llama3") == shape("llama3-old").named("llama3"))
    #expect(try shape("biases-BF16-wide-heads").headDimension == 48)
  }

  @Test func `weights stay in the files, the parts of one checkpoint have one checksum`() throws {
    let folder = try Self.folder.get()
    let model = try LlamaModel(contentsOf: folder.appending(path: "sharded").path)
    let again = try LlamaModel(contentsOf: folder.appending(path: "sharded").path)
    let files = try #require(model.files)
    #expect(files.path.hasSuffix("sharded"))
    // F32 values and the parts' headers.
    #expect(files.byteCount > 4 * model.weights.parameterCount)
    #expect(files.sha256.count == 64 && files.sha256 == again.files?.sha256)
    let other = try LlamaModel(contentsOf: folder.appending(path: "biases").path)
    #expect(files.sha256 != other.files?.sha256)
  }
}

extension ModelConfiguration {
  func named(_ name: String) -> ModelConfiguration {
    var copy = self
    copy.name = name
    return copy
  }
}
