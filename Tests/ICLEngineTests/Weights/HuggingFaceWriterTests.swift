import Fixtures
import Foundation
import ICLEngine
import Testing

/// Folders that we wrote, as `transformers` and we ourselves read them.
struct HuggingFaceWriterTests {
  let folder: URL
  init() throws { folder = try Fixtures.temporaryFolder("hugging-face-written") }

  static let request = CaptureRequest(points: Set(CapturePoint.allCases), positions: .all, logits: true)

  private static func random(_ change: (inout ModelConfiguration) -> Void = { _ in }) throws -> LlamaModel {
    var c = RandomModel.grouped
    change(&c)
    return try RandomModel.make(c)
  }

  @Test func `what we wrote we read with the same bits`() throws {
    let model = try Self.random()
    let prompt = LlamaReference.prompt(30, vocabulary: 300)
    for limit in [5_000_000_000, 100_000] {
      let path = folder.appending(path: "own-\(limit)").path
      try model.write(huggingFace: path, as: .f32, largestPart: limit)
      let again = try LlamaModel(contentsOf: path)
      #expect(again.configuration == model.configuration.named(again.configuration.name))
      #expect(
        try again.forward([prompt], capture: Self.request)[0].logits
          == model.forward([prompt], capture: Self.request)[0].logits)
      let parts = try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".safetensors") }
      #expect(limit > 1_000_000 ? parts.count == 1 : parts.count > 3)
      let text = "a b é🙂\n"
      #expect(again.tokenizer.encode(text) == model.tokenizer.encode(text))
      #expect(again.tokenizer.decode(again.tokenizer.encode(text)) == text)
    }
  }

  @Test(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
  func `transformers computes from our folder what we do`() throws {
    let models: [(String, LlamaModel)] = [
      ("plain", try Self.random()), ("window", try Self.random { $0.slidingWindow = 12 }),
      (
        "yarn",
        try Self.random {
          $0.ropeScaling = .yarn(factor: 4, attentionFactor: 1.1, betaFast: 20, betaSlow: 2, originalContext: 64)
        }
      ),
      (
        "llama3",
        try Self.random {
          $0.ropeScaling = .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64)
        }
      ),
    ]
    let prompt = LlamaReference.prompt(120, vocabulary: 300)
    let cases = try models.map { name, model in
      try model.write(huggingFace: folder.appending(path: name).path, as: .f32, largestPart: 200_000)
      return ["name": name]
    }
    struct Case: Encodable {
      let name: String
      let prompts: [[Int]]
      let existing = true
    }
    try JSONEncoder().encode(cases.compactMap { $0["name"] }.map { Case(name: $0, prompts: [prompt]) })
      .write(to: folder.appending(path: "cases.json"))
    try Fixtures.runPython("hugging_face_models.py", [folder.path])
    for (name, model) in models {
      let reference = try LlamaReference.read(folder, name)[0]
      let found = try model.forward([prompt], capture: Self.request)[0]
      let logits = try #require(reference["logits \(model.configuration.layerCount)"])
      #expect(logits.count == found.logits.count)
      for (row, wanted) in zip(found.logits, logits) {
        let error = relativeError(row, wanted)
        // Two orders of summation in F32: see ParityTests.
        #expect(error <= 1e-5, "\(name)")
      }
    }
  }

  @Test(.enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"))
  func `a vocabulary of GGUF becomes a tokenizer_json that cuts texts as it did`() throws {
    for name in ["llama-spm", "gpt-2"] {
      let tokenizer = try VocabularyTests.tokenizer(name)
      let plain = try Self.random { $0.vocabularySize = tokenizer.vocabularySize }
      let model = try LlamaModel(
        configuration: plain.configuration, weights: plain.weights, tokenizer: tokenizer, chatTemplate: "{{ x }}")
      let path = folder.appending(path: name).path
      try model.write(huggingFace: path, as: .bf16)
      let again = try LlamaModel(contentsOf: path)
      #expect(again.chatTemplate == "{{ x }}")
      for (text, ids) in try VocabularyTests.cases(name) {
        #expect(again.tokenizer.encode(text, addSpecial: false, parseSpecial: false) == ids, "\(text.debugDescription)")
        #expect(again.tokenizer.encode(text) == tokenizer.encode(text))
      }
    }
  }

  @Test func `a quantized type and a shape that config_json can't say are refused`() throws {
    let model = try Self.random()
    #expect(throws: EngineError.self) { try model.write(huggingFace: folder.path, as: .q8_0) }
    let partial = try Self.random { $0.ropeDimension = 8 }
    let error = #expect(throws: EngineError.self) { try partial.write(huggingFace: folder.path) }
    #expect(error?.code == .unsupported)
    #expect(throws: EngineError.self) { try model.write(huggingFace: "/proc/nowhere") }
  }
}
