import Fixtures
import Foundation
import ICLEngine

/// The valid files that are mutated: small ones written here, and real ones where the reference data is present.
enum SeedCatalogue {
  static func make() throws -> [Seed] {
    var seeds = TensorType.allCases.map { Seed("model-\($0.name)", .model, [file("model.gguf", model($0).fielded)]) }
    seeds += [
      Seed("model-rich", .model, weight: 300, [file("model.gguf", richModel())]),
      Seed("model-version-2", .model, [file("model.gguf", versionTwo())]),
      Seed("vocabulary-bytes", .vocabulary, weight: 200, [file("vocabulary.gguf", byteLevel("gpt-2"))]),
      Seed("vocabulary-llama3", .vocabulary, [file("vocabulary.gguf", byteLevel("llama-bpe"))]),
      Seed("vocabulary-pieces", .vocabulary, weight: 200, [file("vocabulary.gguf", sentencePiece())]),
      Seed("tensors", .tensors, weight: 200, [file("model.safetensors", safetensors())]),
      Seed("adapter", .adapter, weight: 200, try adapter()),
      Seed("training", .training, [file("state", try trainingState { try Target.trainer().saveState(to: $0) })]),
      Seed("checkpoint", .checkpoint, [file("run.safetensors", try trainingState(Target.tune(checkpoint:)))]),
    ]
    seeds += folders()
    seeds += textSeeds()
    if Fixtures.hasSharedData { seeds += try sharedSeeds() }
    return seeds
  }

  private static func file(_ name: String, _ bytes: FieldedBytes) -> Seed.File { Seed.File(name: name, bytes: bytes) }

  // MARK: GGUF

  /// A model of one block whose matrices are of `type` where rows of a small model allow it.
  static func model(_ type: TensorType) -> SeedGGUF {
    var gguf = SeedGGUF(seed: UInt64(type.rawValue))
    let d = type.blockSize == 256 ? 256 : 32
    let f = type.blockSize == 256 ? 4 : 32
    let (headCount, keyValueHeads, e) = (2, 1, 4)
    gguf.set("general.architecture", "llama")
    gguf.set("general.name", type.name)
    for (key, value) in [
      ("context_length", 64), ("embedding_length", d), ("block_count", 1), ("feed_forward_length", f),
      ("attention.head_count", headCount), ("attention.head_count_kv", keyValueHeads), ("attention.key_length", e),
      ("attention.value_length", e), ("rope.dimension_count", e),
    ] {
      gguf.set("llama.\(key)", value)
    }
    gguf.set("llama.attention.layer_norm_rms_epsilon", Float(1e-5))
    pieces(&gguf, byteTokens: 2)
    gguf.add("token_embd.weight", [d, vocabulary.count + 2], type)
    gguf.add("output_norm.weight", [d])
    block(&gguf, 0, d, f, headCount * e, keyValueHeads * e, type)
    return gguf
  }

  private static func block(
    _ gguf: inout SeedGGUF, _ index: Int, _ d: Int, _ f: Int, _ q: Int, _ kv: Int, _ type: TensorType
  ) {
    func suited(_ columns: Int) -> TensorType { columns % type.blockSize == 0 ? type : .f16 }
    gguf.add("blk.\(index).attn_norm.weight", [d])
    gguf.add("blk.\(index).ffn_norm.weight", [d])
    for (name, rows, columns) in [
      ("attn_q", q, d), ("attn_k", kv, d), ("attn_v", kv, d), ("attn_output", d, q), ("ffn_gate", f, d),
      ("ffn_up", f, d), ("ffn_down", d, f),
    ] {
      gguf.add("blk.\(index).\(name).weight", [columns, rows], suited(columns))
    }
  }

  /// Two blocks, biases, an output of its own, scaled positions, a window, every metadata type, another alignment.
  private static func richModel() -> FieldedBytes {
    var gguf = SeedGGUF(seed: 77)
    gguf.alignment = 64
    gguf.set("general.architecture", "llama")
    gguf.set("general.alignment", 64)
    gguf.setEveryType()
    for (key, value) in [
      ("context_length", 64), ("embedding_length", 8), ("block_count", 2), ("feed_forward_length", 12),
      ("attention.head_count", 4), ("attention.head_count_kv", 2), ("attention.sliding_window", 3),
      ("rope.scaling.original_context_length", 16), ("rope.dimension_count", 2),
    ] {
      gguf.set("llama.\(key)", value)
    }
    gguf.set("llama.rope.freq_base", Float(500_000))
    gguf.set("llama.rope.scaling.type", "yarn")
    gguf.set("llama.rope.scaling.factor", Float(4))
    gguf.set("llama.rope.scaling.yarn_beta_fast", Float(32))
    gguf.set("llama.attention.layer_norm_rms_epsilon", Float(1e-5))
    pieces(&gguf, byteTokens: 256)
    gguf.add("token_embd.weight", [8, vocabulary.count + 256], .f16)
    gguf.add("output.weight", [8, vocabulary.count + 256], .bf16)
    gguf.add("output_norm.weight", [8])
    for index in 0..<2 {
      block(&gguf, index, 8, 12, 8, 4, .f32)
      gguf.add("blk.\(index).attn_q.bias", [8])
      gguf.add("blk.\(index).ffn_down.bias", [8])
    }
    return gguf.fielded
  }

  private static func versionTwo() -> FieldedBytes {
    var gguf = model(.q8_0)
    gguf.version = 2
    return gguf.fielded
  }

  private static let vocabulary = ["<unk>", "<s>", "</s>", "▁", "a", "b", "ab", "▁ab", "<x>", "é"]

  /// A SentencePiece vocabulary: ``vocabulary``, then `byteTokens` byte tokens from `A` on (all of them for 256).
  private static func pieces(_ gguf: inout SeedGGUF, byteTokens: Int) {
    let bytes = (0..<byteTokens).map { index -> String in
      let text = String(byteTokens == 256 ? index : 65 + index, radix: 16, uppercase: true)
      return "<0x" + (text.count == 1 ? "0" : "") + text + ">"
    }
    gguf.set("tokenizer.ggml.model", "llama")
    gguf.set("tokenizer.ggml.tokens", vocabulary + bytes)
    gguf.set("tokenizer.ggml.scores", (0..<vocabulary.count + bytes.count).map { -Float($0) })
    gguf.set(
      "tokenizer.ggml.token_type", [Int32]([2, 3, 3, 1, 1, 1, 1, 1, 4, 1]) + [Int32](repeating: 6, count: bytes.count))
    gguf.set("tokenizer.ggml.bos_token_id", 1)
    gguf.set("tokenizer.ggml.eos_token_id", 2)
    gguf.set("tokenizer.ggml.unknown_token_id", 0)
    gguf.set("tokenizer.ggml.add_bos_token", true)
    gguf.set("tokenizer.ggml.add_space_prefix", true)
  }

  private static func sentencePiece() -> FieldedBytes {
    var gguf = SeedGGUF(seed: 5)
    gguf.set("general.architecture", "llama")
    pieces(&gguf, byteTokens: 256)
    return gguf.fielded
  }

  private static func byteLevel(_ rule: String) -> FieldedBytes {
    var gguf = SeedGGUF(seed: 6)
    let merges = ["a b", "Ġ a", "Ġ ab", "a a", "ab ab", "1 2", "c d", "cd e"]
    let letters = "abcde012'.Ġ".map(String.init)
    let pieces = ["<|end|>"] + letters + merges.map { $0.replacing(" ", with: "") } + ["<|begin|>", "<tool>"]
    gguf.set("general.architecture", "llama")
    gguf.set("tokenizer.ggml.model", "gpt2")
    gguf.set("tokenizer.ggml.pre", rule)
    gguf.set("tokenizer.ggml.tokens", pieces)
    gguf.set(
      "tokenizer.ggml.token_type", pieces.map { $0.hasPrefix("<|") ? Int32(3) : $0.hasPrefix("<") ? 4 : 1 })
    gguf.set("tokenizer.ggml.merges", merges)
    gguf.set("tokenizer.ggml.bos_token_id", pieces.count - 2)
    gguf.set("tokenizer.ggml.eos_token_id", 0)
    gguf.set("tokenizer.ggml.add_bos_token", true)
    return gguf.fielded
  }

  // MARK: Safetensors, adapters, training states

  /// Tensors of several types.
  private static func safetensors() -> FieldedBytes {
    let header = """
      {"__metadata__":{"format":"pt","note":"caf\\u00e9 \\ud83d\\ude80"},\
      "a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"F16","shape":[4],"data_offsets":[24,32]},\
      "c":{"dtype":"BF16","shape":[2,2,1],"data_offsets":[32,40]},"d":{"dtype":"F64","shape":[],"data_offsets":[40,48]},\
      "e":{"dtype":"I64","shape":[0,5],"data_offsets":[48,48]}}
      """
    var file = FieldedBytes()
    file.field(UInt64(header.utf8.count))
    file.bytes += Array(header.utf8) + [UInt8](repeating: 0x3c, count: 48)
    return file
  }

  private static func written(_ name: String, _ write: (String) throws -> Void) throws -> URL {
    let folder = try Fixtures.temporaryFolder("seed")
    let place = folder.appending(path: name)
    try write(place.path)
    return place
  }

  private static func adapter() throws -> [Seed.File] {
    let c = Target.adapterShape
    var generator = SeededGenerator(seed: 8)
    func values(_ count: Int) -> [Float] { (0..<count).map { _ in Float(generator.uniform() - 0.5) } }
    let block: [Projection: LoRAAdapter.Pair] = [
      .q: .init(a: values(2 * c.hiddenSize), b: values(2 * c.queryWidth)),
      // Patterns in the settings.
      .v: .init(a: values(3 * c.hiddenSize), b: values(3 * c.keyValueWidth), rank: 3, alpha: 1.5),
    ]
    let adapter = LoRAAdapter(rank: 2, alpha: 4, blocks: [block])
    let folder = try written("adapter") { try adapter.write(to: $0, for: c) }
    defer { try? FileManager.default.removeItem(at: folder.deletingLastPathComponent()) }
    return try ["adapter_config.json", "adapter_model.safetensors"].map { name in
      let bytes = [UInt8](try Data(contentsOf: folder.appending(path: name)))
      var fielded = FieldedBytes()
      if name.hasSuffix("safetensors") {
        fielded.field(bytes.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        fielded.bytes += bytes.dropFirst(8)
      } else {
        fielded = FieldedBytes(bytes)
      }
      return Seed.File(name: name, bytes: fielded)
    }
  }

  private static func trainingState(_ write: (String) throws -> Void) throws -> FieldedBytes {
    let place = try written("state", write)
    defer { try? FileManager.default.removeItem(at: place.deletingLastPathComponent()) }
    return FieldedBytes([UInt8](try Data(contentsOf: place)))
  }

  // MARK: Text

  private static func textSeeds() -> [Seed] {
    let csv = "text,label\n\"a film, good\",1\n\"said \"\"no\"\"\",0\nplain,1\r\né🙂,0\n"
    let jsonl =
      #"{"text":"good \u00e9","label":1}"# + "\n" + #"{"text":"bad","label":"0","more":[1,{"a":null}]}"# + "\n"
    let specification = """
      {"demonstrations": 4, "queries": 3, "repetitions": 2, "seed": 7, "wrongLabelShare": 0.5, "instruction": null}
      """
    return [
      Seed("examples-csv", .examples, [file("task.csv", FieldedBytes(csv))]),
      Seed(
        "examples-tsv", .examples,
        [file("task.tsv", FieldedBytes(csv.replacing(",", with: "\t").replacing("\r", with: "")))]),
      Seed("examples-jsonl", .examples, [file("task.jsonl", FieldedBytes(jsonl))]),
      Seed("specification", .specification, weight: 50, [file("spec.json", FieldedBytes(specification))]),
    ]
  }

  // MARK: Real files

  private static func sharedSeeds() throws -> [Seed] {
    func shared(_ path: String) throws -> FieldedBytes {
      FieldedBytes([UInt8](try Data(contentsOf: Fixtures.sharedData.appending(path: path))))
    }
    var seeds: [Seed] = []
    for (path, kind, weight) in [
      ("gguf-cases/weight-inspect-tiny.gguf", Seed.Kind.model, 20),
      ("gguf-cases/weight-inspect-empty.gguf", .model, 10),
      ("gguf-cases/example.gguf", .model, 20), ("gguf-cases/llama-2-tiny-random.gguf", .model, 1),
      ("stories260K/stories260K.gguf", .model, 2), ("vocab/ggml-vocab-llama-spm.gguf", .vocabulary, 1),
      ("vocab/ggml-vocab-gpt-2.gguf", .vocabulary, 1), ("safetensors/tensor-1d-int32.safetensors", .tensors, 30),
      ("safetensors/tensor-2d-float64.safetensors", .tensors, 30),
      ("safetensors/tensor-4d-float32.safetensors", .tensors, 30),
      ("safetensors/weight-inspect-tiny.safetensors", .tensors, 20),
    ] {
      let name = (path as NSString).lastPathComponent
      var seed = Seed(name, kind, weight: weight, [file(name, try shared(path))])
      seed.isRefused = path.contains("weight-inspect") || name == "example.gguf"
      seeds.append(seed)
    }
    return seeds
  }
}
