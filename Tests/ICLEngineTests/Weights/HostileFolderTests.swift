import Fixtures
import Foundation
import ICLEngine
import Testing

/// A Hugging Face folder is hostile until proved otherwise, each of its files for itself.
struct HostileFolderTests {
  let folder: URL

  /// A small model's folder, written once.
  static let good = Result {
    let folder = try Fixtures.temporaryFolder("hostile-folder-good")
    var c = RandomModel.grouped
    (c.layerCount, c.hiddenSize, c.headCount, c.keyValueHeadCount, c.headDimension) = (1, 8, 2, 1, 4)
    (c.ropeDimension, c.feedForwardSize, c.vocabularySize) = (4, 12, 261)
    try RandomModel.make(c).write(huggingFace: folder.path, as: .f32, largestPart: 9000)
    return folder
  }

  init() throws {
    folder = try Fixtures.temporaryFolder("hostile-folder")
    try? FileManager.default.removeItem(at: folder)
    try FileManager.default.copyItem(at: Self.good.get(), to: folder)
  }

  private func text(_ name: String) throws -> String {
    try String(contentsOf: Self.good.get().appending(path: name), encoding: .utf8)
  }

  private func put(_ name: String, _ bytes: some Sequence<UInt8>) throws {
    try Data(bytes).write(to: folder.appending(path: name))
  }

  /// Changes a JSON object's member, `nil` to take it away, and expects an error that names `word`.
  private func refuse(
    _ name: String, _ key: String, _ value: Any?, _ code: EngineError.Code, naming word: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var tree = try #require(try JSONSerialization.jsonObject(with: Data(text(name).utf8)) as? [String: Any])
    tree[key] = value
    try put(name, JSONSerialization.data(withJSONObject: tree))
    let error = #expect(throws: EngineError.self, sourceLocation: sourceLocation) {
      try LlamaModel(contentsOf: folder.path)
    }
    #expect(error?.code == code, "\(key)", sourceLocation: sourceLocation)
    #expect(
      error?.description.contains(word) == true, "\(key): \(error?.description ?? "")", sourceLocation: sourceLocation)
    try put(name, text(name).utf8)
  }

  @Test func `the unchanged folder is a model`() throws {
    let model = try LlamaModel(contentsOf: folder.path)
    #expect(try model.forward([model.tokenizer.encode("ab a")])[0].residual(1)?[0].allSatisfy { $0.isFinite } == true)
  }

  @Test func `settings that make no sense, and kinds that the engine doesn't run`() throws {
    for (key, value, word) in [
      ("hidden_size", 0, "hidden_size"), ("hidden_size", -4, "-4"), ("num_hidden_layers", 4000, "blocks"),
      ("vocab_size", 1 << 40, "vocab_size"), ("num_attention_heads", 0, "num_attention_heads"),
      ("head_dim", 3, "head_dim"), ("intermediate_size", 11, "11"), ("vocab_size", 7, "embed_tokens"),
    ] {
      try refuse("config.json", key, value, .malformedFile, naming: word)
    }
    try refuse("config.json", "num_hidden_layers", 1_000_000, .invalidArgument, naming: "layers")
    for key in ["hidden_size", "rms_norm_eps", "tie_word_embeddings", "rope_theta", "rope_scaling"] {
      try refuse("config.json", key, "x", .malformedFile, naming: key)
    }
    try refuse("config.json", "num_key_value_heads", 3, .invalidArgument, naming: "divisor")
    try refuse("config.json", "rms_norm_eps", -1.0, .invalidArgument, naming: "epsilon")
    try refuse("config.json", "architectures", ["BertModel", "GPT2LMHeadModel"], .unsupported, naming: "BertModel")
    try refuse("config.json", "architectures", ["LlamaModel"], .unsupported, naming: "LlamaForCausalLM")
    try refuse("config.json", "quantization_config", ["quant_method": "gptq"], .unsupported, naming: "gptq")
    try refuse("config.json", "hidden_act", "gelu", .unsupported, naming: "gelu")
    try refuse("config.json", "partial_rotary_factor", 0.5, .unsupported, naming: "0.5")
    for kind in ["dynamic", "longrope", "su"] {
      try refuse("config.json", "rope_scaling", ["rope_type": kind, "factor": 2], .unsupported, naming: kind)
    }
    try refuse("config.json", "rope_scaling", ["rope_type": "linear"], .malformedFile, naming: "factor")
    try refuse("config.json", "attention_bias", true, .malformedFile, naming: "q_proj.bias")
    try refuse("config.json", "tie_word_embeddings", false, .malformedFile, naming: "lm_head.weight")
  }

  @Test(arguments: ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors.index.json"])
  func `cut off anywhere, or with a byte changed, it is a model or an error`(_ name: String) throws {
    let bytes = Array(try text(name).utf8)
    var generator = SeededGenerator(seed: 9)
    for _ in 0..<150 {
      try put(name, bytes[..<generator.index(below: bytes.count)])
      let error = #expect(throws: EngineError.self) { try LlamaModel(contentsOf: folder.path) }
      #expect(error?.code == .malformedFile)
    }
    for _ in 0..<300 {
      var changed = bytes
      changed[generator.index(below: bytes.count)] = UInt8(truncatingIfNeeded: generator.next())
      try put(name, changed)
      // Whatever it throws is an EngineError: the type says so. What is tested is that it ends.
      _ = try? LlamaModel(contentsOf: folder.path)
    }
  }

  @Test func `bombs of JSON end early`() throws {
    for text in [
      String(repeating: "[", count: 1_000_000), "{\"a\":" + String(repeating: "[", count: 100_000),
      "{\"a\":[" + String(repeating: "[],", count: 400_000) + "[]]}", "{\"a\":1,\"a\":2}", "{\"a\":1e999}",
      "{\"a\":\"\\ud800\"}", "{\"a\":\"\u{1}\"}", "{\"a\":01x}", "[]", "null", "", "{}{}",
    ] {
      for name in ["config.json", "tokenizer.json", "model.safetensors.index.json"] {
        try put(name, text.utf8)
        let error = #expect(throws: EngineError.self, "\(text.prefix(20)) as \(name)") {
          try LlamaModel(contentsOf: folder.path)
        }
        #expect([.malformedFile, .unsupported].contains(error?.code), "\(text.prefix(20)) as \(name)")
        try put(name, self.text(name).utf8)
      }
    }
  }

  @Test(arguments: [
    "../model.safetensors", "/etc/passwd", "a/b.safetensors", "model.bin", ".safetensors", "none.safetensors",
  ])
  func `an index that leads elsewhere is refused`(_ part: String) throws {
    let map = ["model.norm.weight": part]
    let code: EngineError.Code = part == "none.safetensors" ? .unreadableFile : .malformedFile
    try refuse("model.safetensors.index.json", "weight_map", map, code, naming: part)
  }

  @Test func `an index without a tensor, or with one that its part lacks, is refused`() throws {
    let name = "model.safetensors.index.json"
    let tree = try #require(try JSONSerialization.jsonObject(with: Data(text(name).utf8)) as? [String: Any])
    var map = try #require(tree["weight_map"] as? [String: String])
    let part = try #require(map["model.norm.weight"])
    map["model.extra.weight"] = part
    try refuse(name, "weight_map", map, .malformedFile, naming: "model.extra.weight")
    map["model.extra.weight"] = nil
    map["model.norm.weight"] = nil
    try refuse(name, "weight_map", map, .malformedFile, naming: "model.norm.weight")
    try refuse(name, "weight_map", [:], .malformedFile, naming: "weight_map")
  }

  @Test func `vocabularies and steps that can't be`() throws {
    let name = "tokenizer.json"
    let tree = try #require(try JSONSerialization.jsonObject(with: Data(text(name).utf8)) as? [String: Any])
    let model = try #require(tree["model"] as? [String: Any])
    func with(_ key: String, _ value: Any) -> [String: Any] { model.merging([key: value]) { $1 } }
    try refuse(name, "model", with("type", "Unigram"), .unsupported, naming: "Unigram")
    try refuse(name, "model", with("vocab", [["a", 0.5]]), .unsupported, naming: "vocab")
    try refuse(name, "model", with("vocab", ["a": 1 << 50]), .malformedFile, naming: "ids")
    try refuse(name, "model", with("vocab", ["a": 0, "b": 0]), .malformedFile, naming: "one id")
    try refuse(name, "model", with("merges", [["a", "zebra"]]), .malformedFile, naming: "merge 0")
    try refuse(name, "model", with("merges", ["nospace"]), .malformedFile, naming: "two pieces")
    try refuse(name, "model", with("end_of_word_suffix", "</w>"), .unsupported, naming: "</w>")
    try refuse(name, "model", nil, .malformedFile, naming: "model")
    for (key, step) in [
      ("normalizer", "Lowercase"), ("pre_tokenizer", "BertPreTokenizer"), ("decoder", "WordPiece"),
      ("post_processor", "BertProcessing"),
    ] {
      try refuse(name, key, ["type": step], .unsupported, naming: step)
    }
    let split: [String: Any] = ["type": "Split", "pattern": ["Regex": "(a+)+$"], "behavior": "Isolated"]
    try refuse(name, "pre_tokenizer", split, .unsupported, naming: "(a+)+$")
    let token: [String: Any] = ["id": 5, "content": "<other>", "special": true]
    try refuse(name, "added_tokens", [token], .malformedFile, naming: "another piece")
    try refuse("tokenizer_config.json", "bos_token", "<nowhere>", .malformedFile, naming: "<nowhere>")
  }

  @Test func `weights in a format that isn't read are named`() throws {
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) where file.contains("safetensors") {
      try FileManager.default.removeItem(at: folder.appending(path: file))
    }
    try put("pytorch_model.bin", [1, 2, 3])
    let error = #expect(throws: EngineError.self) { try LlamaModel(contentsOf: folder.path) }
    #expect(error?.code == .unreadableFile && error?.found == "pytorch_model.bin")
    #expect(error?.nextStep?.contains("save_pretrained") == true)
  }

  @Test(.enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"))
  func `a SentencePiece model cut off or changed is a tokenizer or an error`() throws {
    let source = Fixtures.sharedData.appending(path: "vocab/tokenizer-llama32k.model")
    let bytes = [UInt8](try Data(contentsOf: source))
    try FileManager.default.removeItem(at: folder.appending(path: "tokenizer.json"))
    var generator = SeededGenerator(seed: 4)
    for round in 0..<200 {
      // Most of the file is pieces: places near the beginning and the settings at the end are tried more often.
      let near = [400, bytes.count][round % 2]
      var changed = bytes
      if round % 4 < 2 {
        changed = Array(bytes[..<generator.index(below: near)])
      } else {
        let place = round % 8 < 6 ? generator.index(below: near) : bytes.count - 1 - generator.index(below: 400)
        changed[place] = UInt8(truncatingIfNeeded: generator.next())
      }
      try put("tokenizer.model", changed)
      _ = try? ModelTokenizer.read(contentsOf: folder.path).encode("ab")
    }
    try put("tokenizer.model", bytes)
    let tokenizer = try ModelTokenizer.read(contentsOf: folder.path)
    #expect(tokenizer.encode("Hello", addSpecial: false, parseSpecial: false) == [15043])
  }
}
