import Fixtures
import Foundation
import ICLEngine
import Testing

/// Loading touches what it must, shares what it can, and says beforehand what will be needed.
struct LoadingTests {
  let folder: URL
  init() throws { folder = try Fixtures.temporaryFolder("loading") }

  private func small(_ name: String = "small.gguf") throws -> String {
    let path = folder.appending(path: name).path
    try Data(RawGGUF.model.bytes).write(to: URL(filePath: path))
    return path
  }

  /// A Q4_0 file of Llama 2 13B's shape, 7.3 GB, whose weights are a hole in the file.
  private func hollow() throws -> String {
    var file = RawGGUF()
    file.set("general.architecture", "llama")
    let shape: [(String, UInt32)] = [
      ("context_length", 4096), ("embedding_length", 5120), ("block_count", 40), ("feed_forward_length", 13_824),
      ("attention.head_count", 40),
    ]
    for (key, value) in shape { file.set("llama.\(key)", value) }
    file.set("tokenizer.ggml.model", "llama")
    file.set("tokenizer.ggml.tokens", strings: ["<unk>", "<s>", "</s>"] + (3..<32_000).map { "piece\($0)" })
    file.set("tokenizer.ggml.token_type", int32s: [2, 3, 3] + Array(repeating: 1, count: 31_997))
    var offset: UInt64 = 0
    func add(_ name: String, _ dimensions: [UInt64], _ type: UInt32) {
      file.tensors.append(RawGGUF.Tensor(name: name, dimensions: dimensions, type: type, offset: offset))
      let count = dimensions.reduce(1, *)
      offset += (type == 0 ? count * 4 : count / 32 * 18 + 31) / 32 * 32
    }
    add("token_embd.weight", [5120, 32_000], 2)
    add("output.weight", [5120, 32_000], 2)
    add("output_norm.weight", [5120], 0)
    for layer in 0..<40 {
      for name in ["attn_norm", "ffn_norm"] { add("blk.\(layer).\(name).weight", [5120], 0) }
      for name in ["attn_q", "attn_k", "attn_v", "attn_output"] { add("blk.\(layer).\(name).weight", [5120, 5120], 2) }
      for name in ["ffn_gate", "ffn_up"] { add("blk.\(layer).\(name).weight", [5120, 13_824], 2) }
      add("blk.\(layer).ffn_down.weight", [13_824, 5120], 2)
    }
    let path = folder.appending(path: "hollow.gguf").path
    let head = file.bytes
    try Data(head).write(to: URL(filePath: path))
    try #require(truncate(path, Int(offset) + head.count + 64) == 0)
    return path
  }

  @Test func `loading 7 GB touches metadata, vocabulary and norms alone`() throws {
    let path = try hollow()
    let model = try LlamaModel(contentsOf: path)
    let engine = Engine(model)
    #expect(engine.table.plainText.contains("not worked out yet"))
    let memory = ModelMemory(model)
    #expect(memory.parameterCount == 13_015_864_320)
    #expect(memory.fileByteCount > 7_300_000_000)
    // The kernel reads ahead, megabytes around each of 81 norms; touching the weights would bring in all of it.
    let file = try MappedFile.shared(path: path)
    #expect(file.residentByteCount < memory.fileByteCount / 10, "\(file.residentByteCount)")
    #expect(file.knownSHA256 == nil)
  }

  @Test func `what is said of 13B follows the formulas`() throws {
    let memory = ModelMemory(try LlamaModel(contentsOf: hollow()))
    // 40 layers × 2 × 4096 tokens × 5120 × 4 bytes.
    #expect(memory.keyValueBytes(tokens: 4096) == 6_710_886_400)
    #expect(memory.totalBytes(tokens: 512) < 1_200_000_000)
    #expect(memory.totalBytes(tokens: 1024) > memory.totalBytes(tokens: 512))
    // In integers all but the embedding and the norms stands in memory again: 12,851,609,600 weights of 18/32 bytes.
    #expect(memory.packedBytes(in: .int8) == 12_851_609_600 / 32 * 18)
    #expect(memory.packedBytes(in: .f32) == 0)
  }

  @Test func `keys and values take what was said`() throws {
    let model = try RandomModel.make()
    let segment = KeyValueSegment(start: 0, capacity: 100, configuration: model.configuration)
    #expect(segment.byteCount == ModelMemory(model).keyValueBytes(tokens: 100))
  }

  @Test func `one file has one mapping, whatever it is called`() throws {
    let path = try small()
    let link = folder.appending(path: "link.gguf").path
    try FileManager.default.linkItem(atPath: path, toPath: link)
    let first = try MappedFile.shared(path: path)
    #expect(try MappedFile.shared(path: path) === first)
    #expect(try MappedFile.shared(path: link) === first)
    let copy = folder.appending(path: "copy.gguf").path
    try FileManager.default.copyItem(atPath: path, toPath: copy)
    #expect(try MappedFile.shared(path: copy) !== first)
    #expect(try MappedFile.shared(path: copy).sha256 == first.sha256)
    // A file that was replaced is another one.
    try Data(RawGGUF.model.bytes + [0]).write(to: URL(filePath: path), options: .atomic)
    #expect(try MappedFile.shared(path: path) !== first)
    // Messages name the path that was asked for.
    try Data(repeating: 1, count: 100).write(to: URL(filePath: copy))
    let error = #expect(throws: EngineError.self) { try LlamaModel(contentsOf: copy) }
    #expect(error?.location?.contains("copy.gguf") == true)
  }

  @Test func `several models load in the background, each with its progress`() throws {
    let paths = try (0..<4).map { try small("model-\($0).gguf") }
    let loadings = paths.map { Engine.loading($0) }
    for loading in loadings {
      let engine = try loading.engine()
      #expect(engine.model.configuration.layerCount == 1)
      guard case .usable = loading.progress else {
        Issue.record("\(loading.progress)")
        continue
      }
    }
    let expected = try MappedFile(path: paths[0]).sha256
    for loading in loadings {
      // Asking for the checksum waits for it; then its progress is whole.
      #expect(try loading.engine().model.files?.sha256 == expected)
      #expect(loading.progress == .usable(checksum: 1))
    }
  }

  @Test func `a model that can't be loaded says why to whoever waits`() throws {
    let loading = Engine.loading(folder.appending(path: "none.gguf").path)
    let error = #expect(throws: EngineError.self) { try loading.engine() }
    #expect(error?.code == .unreadableFile)
    #expect(loading.progress == .failed)
    #expect(throws: EngineError.self) { try loading.engine() }
  }
}
