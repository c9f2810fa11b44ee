import Fixtures
import Foundation
import ICLEngine
import Testing

/// A weight file is hostile until proved otherwise: every class of wrong file is a typed error, never a crash.
struct HostileFileTests {
  let folder: URL
  init() throws { folder = try Fixtures.temporaryFolder("hostile") }

  private func load(_ bytes: [UInt8]) throws -> LlamaModel {
    let path = folder.appending(path: "model.gguf").path
    defer { unlink(path) }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    #expect(write(descriptor, bytes, bytes.count) == bytes.count)
    close(descriptor)
    return try LlamaModel(contentsOf: path)
  }

  /// Loads a changed file and expects an error of this code whose text names `word`.
  private func refuse(
    _ code: EngineError.Code, naming word: String, _ change: (inout RawGGUF) -> Void,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var file = RawGGUF.model
    change(&file)
    let error = #expect(throws: EngineError.self, sourceLocation: sourceLocation) { try load(file.bytes) }
    #expect(error?.code == code, sourceLocation: sourceLocation)
    #expect(error?.description.contains(word) == true, "\(error?.description ?? "")", sourceLocation: sourceLocation)
    #expect(error?.location?.contains("model.gguf") == true, sourceLocation: sourceLocation)
    #expect(error?.expected != nil && error?.found != nil, sourceLocation: sourceLocation)
  }

  @Test func `the unchanged file is a model`() throws {
    let model = try load(RawGGUF.model.bytes)
    let states = try model.forward([[1, 5, 6]])
    #expect(states[0].residual(1)?[0].allSatisfy { $0.isFinite } == true)
    #expect(model.configuration.keyValueHeadCount == 1)
    #expect(model.provenance.parameterCount == 32 + 4 * 3 + 16 + 8 + 8 + 16 + 24 * 3)
    #expect(model.provenance.quantization == "F32 ×8")
  }

  @Test func `the hash is that of the file's bytes`() throws {
    let path = folder.appending(path: "hash.gguf").path
    try Data(RawGGUF.model.bytes).write(to: URL(filePath: path))
    let tool = Process()
    tool.executableURL = URL(filePath: "/usr/bin/sha256sum")
    tool.arguments = [path]
    let pipe = Pipe()
    tool.standardOutput = pipe
    try tool.run()
    let line = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(try LlamaModel(contentsOf: path).provenance.sha256 == String(line.prefix(64)))
  }

  @Test func `cut off at every byte`() throws {
    let bytes = RawGGUF.model.bytes
    for count in 0..<bytes.count {
      let error = #expect(throws: EngineError.self, "cut at \(count)") { try load(Array(bytes[..<count])) }
      #expect(error?.code == .malformedFile, "cut at \(count)")
    }
  }

  @Test func `one byte changed anywhere is a model or an error`() throws {
    let bytes = RawGGUF.model.bytes
    var generator = SeededGenerator(seed: 3)
    var refused = 0
    for index in bytes.indices {
      var changed = bytes
      changed[index] = UInt8(truncatingIfNeeded: generator.next())
      do {
        let model = try load(changed)
        _ = try model.forward([model.tokenizer.encode("ab a")], capture: CaptureRequest(logits: true))
      } catch is EngineError {
        refused += 1
      }
    }
    #expect(refused > 500)
  }

  @Test func `absent, a folder, empty`() throws {
    let absent = #expect(throws: EngineError.self) { try LlamaModel(contentsOf: "/nowhere/model.gguf") }
    #expect(absent?.code == .unreadableFile)
    #expect(absent?.found == "No such file or directory")
    let directory = #expect(throws: EngineError.self) { try LlamaModel(contentsOf: folder.path) }
    #expect(directory?.code == .unreadableFile && directory?.found == "no config.json")
    let empty = #expect(throws: EngineError.self) { try load([]) }
    #expect(empty?.code == .malformedFile && empty?.found == "0 bytes")
  }

  @Test func `wrong magic and versions`() {
    refuse(.malformedFile, naming: "PK\\x3\\x4") { $0.magic = [0x50, 0x4b, 3, 4] }
    refuse(.malformedFile, naming: "before GGUF") { $0.magic = Array("tjgg".utf8) }
    refuse(.unsupported, naming: "big-endian") { $0.version = 0x0300_0000 }
    refuse(.unsupported, naming: "big-endian") { $0.magic = Array("FUGG".utf8) }
    for version: UInt32 in [0, 1, 4, .max] { refuse(.unsupported, naming: "\(version)") { $0.version = version } }
  }

  @Test func `version 2 is read as version 3 is`() throws {
    var file = RawGGUF.model
    file.version = 2
    _ = try load(file.bytes)
  }

  @Test(arguments: [UInt64.max, 1 << 63, 1 << 32, 1 << 20]) func `counts that promise too much`(_ count: UInt64) {
    refuse(.malformedFile, naming: "\(count)") { $0.keyCount = count }
    refuse(.malformedFile, naming: "\(count)") { $0.tensorCount = count }
  }

  @Test(arguments: [UInt64.max, 1 << 63, 1 << 61, 1 << 40, 100_000]) func `lengths that promise too much`(
    _ length: UInt64
  ) {
    refuse(.malformedFile, naming: "\(length)") {
      $0.put("general.name", RawGGUF.u32(8) + RawGGUF.u64(length) + [65])
    }
    for type: UInt32 in [0, 5, 8, 9, 12] {
      refuse(.malformedFile, naming: "\(length)") {
        $0.put("general.array", RawGGUF.u32(9) + RawGGUF.u32(type) + RawGGUF.u64(length) + [65])
      }
    }
    refuse(.malformedFile, naming: "ends too early") {
      $0.put(
        "general.array", RawGGUF.u32(9) + RawGGUF.u32(8) + RawGGUF.u64(2) + RawGGUF.u64(1) + [65] + RawGGUF.u64(length))
    }
  }

  @Test func `arrays within arrays without end`() {
    refuse(.malformedFile, naming: "nested") {
      let level = RawGGUF.u32(9) + RawGGUF.u64(1)
      $0.put("general.array", RawGGUF.u32(9) + (0..<1000).flatMap { _ in level } + RawGGUF.u32(0) + RawGGUF.u64(0))
    }
  }

  @Test func `types and texts that are none`() {
    refuse(.malformedFile, naming: "13") { $0.put("general.x", RawGGUF.u32(13)) }
    refuse(.malformedFile, naming: "0 or 1") { $0.put("general.x", RawGGUF.u32(7) + [2]) }
    refuse(.malformedFile, naming: "UTF-8") { $0.put("general.x", RawGGUF.u32(8) + RawGGUF.u64(2) + [0xc3, 0x28]) }
  }

  @Test func `keys and names that stand twice`() {
    refuse(.malformedFile, naming: "twice") { $0.keys.append($0.keys[0]) }
    refuse(.malformedFile, naming: "twice") { $0.tensors[1].name = $0.tensors[0].name }
  }

  @Test(arguments: [0, 1, 4, 3, 48, 1 << 31]) func `an alignment that is none`(_ value: UInt32) {
    refuse(.malformedFile, naming: "\(value)") { $0.set("general.alignment", value) }
  }

  @Test func `an alignment of another type`() {
    refuse(.malformedFile, naming: "alignment") { $0.put("general.alignment", RawGGUF.u32(10) + RawGGUF.u64(32)) }
    refuse(.malformedFile, naming: "alignment") { $0.set("general.alignment", "32") }
  }

  @Test func `a larger alignment is followed`() throws {
    var file = RawGGUF.model
    file.set("general.alignment", UInt32(64))
    file.alignment = 64
    let old = file.tensors
    let data = file.data
    file.tensors = []
    file.data = []
    for tensor in old {
      while file.data.count % 64 != 0 { file.data.append(0) }
      let count = Int(tensor.dimensions.reduce(1, *)) * 4
      file.tensors.append(
        RawGGUF.Tensor(name: tensor.name, dimensions: tensor.dimensions, offset: UInt64(file.data.count)))
      file.data += data[Int(tensor.offset)..<Int(tensor.offset) + count]
    }
    let request = CaptureRequest(logits: true)
    let found = try load(file.bytes).forward([[1, 5]], capture: request)
    let expected = try load(RawGGUF.model.bytes).forward([[1, 5]], capture: request)
    #expect(found[0].logits == expected[0].logits)
  }

  @Test func `dimensions that wrap, are zero or too many`() {
    refuse(.malformedFile, naming: "63 bits") { $0.tensors[0].dimensions = [1 << 32, 1 << 32] }
    refuse(.malformedFile, naming: "63 bits") { $0.tensors[0].dimensions = [.max, 1] }
    refuse(.malformedFile, naming: "positive") { $0.tensors[0].dimensions = [4, 0] }
    refuse(.malformedFile, naming: "dimensions") { $0.tensors[0].dimensions = [] }
    refuse(.malformedFile, naming: "1 to 4") { $0.tensors[0].dimensions = [4, 8, 1, 1, 1] }
    refuse(.malformedFile, naming: "2^63") { $0.tensors[0].dimensions = [1 << 31, 1 << 31] }
    refuse(.malformedFile, naming: "past the end") { $0.tensors[0].dimensions = [1 << 40, 8] }
  }

  @Test func `offsets past the end, unaligned, overlapping`() {
    refuse(.malformedFile, naming: "past the end") { $0.tensors[0].offset = 1 << 40 }
    refuse(.malformedFile, naming: "past the end") { $0.tensors[0].offset = .max - 31 }
    refuse(.malformedFile, naming: "divisible by 32") { $0.tensors[0].offset = 4 }
    refuse(.malformedFile, naming: "share bytes") { $0.tensors[1].offset = $0.tensors[0].offset }
    refuse(.malformedFile, naming: "share bytes") { $0.tensors[1].offset = 32 }
  }

  @Test func `a tensor type that the engine doesn't read is named with its tensor`() {
    refuse(.unsupported, naming: "type 16 (IQ2_XXS)") { $0.tensors[4].type = 16 }
    refuse(.unsupported, naming: "blk.0.attn_q.weight") { $0.tensors[4].type = 4_000_000_000 }
    refuse(.malformedFile, naming: "divisible by 32 (Q4_0)") { $0.tensors[4].type = 2 }
  }

  @Test func `sizes that fit no model`() {
    refuse(.malformedFile, naming: "1000000") { $0.set("llama.block_count", UInt32(1_000_000)) }
    refuse(.malformedFile, naming: "block_count") { $0.set("llama.block_count", UInt32(0)) }
    refuse(.malformedFile, naming: "4294967295") { $0.set("llama.embedding_length", UInt32.max) }
    refuse(.malformedFile, naming: "head_count") { $0.set("llama.attention.head_count", UInt32(0)) }
    refuse(.malformedFile, naming: "divisor") { $0.set("llama.attention.head_count", UInt32(3)) }
    refuse(.malformedFile, naming: "embedding_length") { $0.set("llama.embedding_length", "4") }
    refuse(.malformedFile, naming: "6 rows of 4") { $0.set("llama.feed_forward_length", UInt32(5)) }
    refuse(.invalidArgument, naming: "rotary") { $0.set("llama.rope.dimension_count", UInt32(3)) }
    refuse(.invalidArgument, naming: "rotary base") { $0.set("llama.rope.freq_base", Float.nan) }
    refuse(.invalidArgument, naming: "epsilon") { $0.set("llama.attention.layer_norm_rms_epsilon", Float.infinity) }
    refuse(.unsupported, naming: "longrope") { $0.set("llama.rope.scaling.type", "longrope") }
    refuse(.unsupported, naming: "falcon") { $0.set("general.architecture", "falcon") }
    refuse(.unsupported, naming: "8 experts") { $0.set("llama.expert_count", UInt32(8)) }
  }

  @Test func `a weight that is missing or of another shape is named`() {
    refuse(.malformedFile, naming: "blk.0.attn_q.weight") { $0.tensors[4].name = "other" }
    refuse(.malformedFile, naming: "output_norm.weight") { $0.tensors[1].dimensions = [2] }
    refuse(.malformedFile, naming: "token_embd.weight") { $0.tensors[0].dimensions = [2, 16] }
  }

  @Test func `vocabularies that can't be`() {
    refuse(.malformedFile, naming: "different lengths") { $0.set("tokenizer.ggml.token_type", int32s: [1, 1]) }
    refuse(.malformedFile, naming: "token 0") {
      $0.set("tokenizer.ggml.token_type", int32s: [99, 3, 3, 6, 1, 1, 1, 1])
    }
    refuse(.malformedFile, naming: "<0xZZ>") {
      $0.set("tokenizer.ggml.tokens", strings: ["<unk>", "<s>", "</s>", "<0xZZ>", "▁", "a", "b", "ab"])
    }
    refuse(.malformedFile, naming: "BOS") { $0.set("tokenizer.ggml.bos_token_id", UInt32(8)) }
    refuse(.malformedFile, naming: "EOS") { $0.set("tokenizer.ggml.eos_token_id", UInt32.max) }
    refuse(.unsupported, naming: "bert") { $0.set("tokenizer.ggml.model", "bert") }
    refuse(.malformedFile, naming: "merge 0") {
      $0.set("tokenizer.ggml.model", "gpt2")
      $0.set("tokenizer.ggml.pre", "gpt-2")
      $0.set("tokenizer.ggml.merges", strings: ["a zebra"])
    }
    refuse(.unsupported, naming: "qwen2") {
      $0.set("tokenizer.ggml.model", "gpt2")
      $0.set("tokenizer.ggml.pre", "qwen2")
      $0.set("tokenizer.ggml.merges", strings: [])
    }
  }

  @Test(.enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"))
  func `old and foreign files of others are refused with their reason`() throws {
    let cases = Fixtures.sharedData.appending(path: "gguf-cases")
    for (name, word) in [
      ("example.gguf", "big-endian"), ("gguf-v1-a.gguf", "2 or 3"), ("gguf-v1-b.gguf", "2 or 3"),
      ("gguf-v2-a.gguf", "falcon"), ("weight-inspect-empty.gguf", "embedding_length"),
      ("weight-inspect-tiny.gguf", "past the end"),
    ] {
      let error = #expect(throws: EngineError.self) {
        try LlamaModel(contentsOf: cases.appending(path: name).path)
      }
      #expect(error?.description.contains(word) == true, "\(name): \(error?.description ?? "")")
    }
    #expect(try GGUFFile(path: cases.appending(path: "gguf-v2-a.gguf").path).version == 2)
    let tiny = try LlamaModel(contentsOf: cases.appending(path: "llama-2-tiny-random.gguf").path)
    #expect(tiny.configuration.ropeBase == 10_000)
  }
}
