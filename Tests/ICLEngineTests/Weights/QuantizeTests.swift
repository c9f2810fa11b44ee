import Fixtures
import Foundation
import ICLEngine
import Testing

/// Whole models written as GGUF and read again.
struct QuantizeTests {
  let folder: URL
  init() throws { folder = try Fixtures.temporaryFolder("quantize-model") }

  static let request = CaptureRequest(points: Set(CapturePoint.allCases), positions: .all, logits: true)

  private func written(_ model: LlamaModel, _ type: TensorType, _ name: String = "out") throws -> LlamaModel {
    let path = folder.appending(path: "\(name)-\(type.name).gguf").path
    try model.write(gguf: path, as: type)
    return try LlamaModel(contentsOf: path)
  }

  private static func logits(_ model: LlamaModel, _ prompt: [Int]) throws -> [[Float]] {
    try model.forward([prompt], capture: request)[0].logits
  }

  @Test(arguments: BlockQuantizer.supported)
  func `a model read back has the blocks that its matrices give, and its own states`(_ type: TensorType) throws {
    let model = try RandomModel.make()
    let again = try written(model, type)
    #expect(again.configuration == model.configuration.named(again.configuration.name))
    for (stored, matrix) in zip(again.weights.matrices, model.weights.matrices) {
      #expect(stored.type == type)
      let bytes = try BlockQuantizer.encode(matrix.dequantized().values, as: type)
      #expect(stored.withRows(0..<stored.rows) { [UInt8]($0) } == bytes)
    }
    #expect(again.weights.finalNorm == model.weights.finalNorm)
    let prompt = LlamaReference.prompt(20, vocabulary: 300)
    let (found, wanted) = (try Self.logits(again, prompt), try Self.logits(model, prompt))
    if type == .f32 { #expect(found == wanted) }
    for (row, wantedRow) in zip(found, wanted) {
      // What the type rounds away: half a step of each format, accumulated over three blocks.
      let error = relativeError(row, wantedRow)
      let most: Double =
        switch type {
        case .f32: 0
        case .f16: 2e-3
        case .bf16: 2e-2
        case .q8_0: 3e-2
        default: 0.4
        }
      #expect(error <= most, "\(type.name)")
    }
  }

  @Test func `a file's own keys and tokenizer are kept`() throws {
    let first = try written(try RandomModel.make(), .f32, "first")
    let second = try written(first, .q8_0, "second")
    let path = try #require(second.files?.path)
    let file = try GGUFFile(path: path)
    #expect(try file.integer("general.file_type") == 7)
    #expect(try file.integer("general.quantization_version") == 2)
    let text = "a b é🙂 </s>"
    #expect(second.tokenizer.encode(text) == first.tokenizer.encode(text))
    #expect(second.tokenizer.vocabularySize == 300, "ids without a piece have one now")
  }

  @Test func `rows that are not whole blocks keep their type`() throws {
    var c = RandomModel.grouped
    c.feedForwardSize = 100
    let model = try written(try RandomModel.make(c), .q4_0)
    #expect(model.weights.blocks[0].projections[.down]?.type == .f32)
    #expect(model.weights.blocks[0].projections[.up]?.type == .q4_0)
  }

  @Test func `scaling of positions and windows come through`() throws {
    var c = RandomModel.grouped
    c.slidingWindow = 9
    for scaling in [
      RoPEScaling.linear(factor: 4),
      .yarn(factor: 4, attentionFactor: 1.25, betaFast: 20, betaSlow: 2, originalContext: 64),
      .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64),
    ] {
      c.ropeScaling = scaling
      let model = try RandomModel.make(c)
      let again = try written(model, .f32)
      let prompt = LlamaReference.prompt(150, vocabulary: 300)
      for (row, wanted) in zip(try Self.logits(again, prompt), try Self.logits(model, prompt)) {
        let error = relativeError(row, wanted)
        // Llama 3's frequencies go through a quotient, rounded once.
        #expect(error <= 1e-5, "\(scaling)")
      }
    }
  }

  @Test func `a value that can't be stored is named, and nothing is left behind`() throws {
    let model = try RandomModel.make()
    var weights = model.weights
    var values = weights.tokenEmbedding.dequantized().values
    values[96 * 7 + 3] = .infinity
    weights.tokenEmbedding = WeightMatrix(name: "embedding", rows: 300, columns: 96, values: values)
    let bad = try LlamaModel(configuration: model.configuration, weights: weights, tokenizer: model.tokenizer)
    let path = folder.appending(path: "bad.gguf").path
    let error = #expect(throws: EngineError.self) { try bad.write(gguf: path, as: .q8_0) }
    #expect(error?.location == "tensor token_embd.weight, element \(96 * 7 + 3)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    #expect(throws: EngineError.self) { try model.write(gguf: path, as: .q6_K) }
    #expect(throws: EngineError.self) { try model.write(gguf: "/nowhere/at/all.gguf", as: .q8_0) }
    struct Stop: Error {}
    #expect(throws: EngineError.self) {
      try model.write(gguf: path, as: .q8_0) { _ throws(EngineError) in throw EngineError(.interrupted, "stop") }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
  func `a Hugging Face folder becomes a GGUF file with the same states`() throws {
    let source = try HuggingFaceModelTests.folder.get()
    for name in ["sharded", "tied-BF16", "biases", "llama3", "yarn", "mistral-window"] {
      let model = try LlamaModel(contentsOf: source.appending(path: name).path)
      let again = try written(model, .f32, name)
      let prompts = try #require(HuggingFaceModelTests.cases.first { $0.name == name }).prompts
      for prompt in prompts {
        for (row, wanted) in zip(try Self.logits(again, prompt), try Self.logits(model, prompt)) {
          let error = relativeError(row, wanted)
          #expect(error <= 1e-5, "\(name)")
        }
      }
      // Byte tokens alone: the text goes there and back.
      let text = "größe 🙂"
      #expect(again.tokenizer.decode(again.tokenizer.encode(text)) == text)
    }
  }

  @Test(
    .enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"),
    .enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"), arguments: ["llama2", "llama3", "sentencepiece"])
  func `a tokenizer written to GGUF cuts texts as it did`(_ name: String) throws {
    let (tokenizer, reference) = try HuggingFaceTokenizerTests.read(name)
    var c = RandomModel.grouped
    c.vocabularySize = tokenizer.vocabularySize + 5
    let plain = try RandomModel.make(c)
    let model = try LlamaModel(configuration: c, weights: plain.weights, tokenizer: tokenizer, chatTemplate: "{{ x }}")
    let again = try written(model, .q8_0)
    #expect(again.chatTemplate == "{{ x }}")
    #expect(again.tokenizer.stopTokens.sorted() == tokenizer.stopTokens.sorted())
    for text in reference.texts where !text.contains("<") {
      #expect(again.tokenizer.encode(text) == tokenizer.encode(text), "\(text.debugDescription)")
    }
  }
}
