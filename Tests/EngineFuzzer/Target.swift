import Foundation
import ICLEngine

/// What is done with a mutated file: all that the engine does with a valid one, as far as it gets.
enum Target {
  enum Outcome {
    /// Read and used.
    case accepted
    /// A typed error.
    case refused
  }

  /// The model for which adapters and training states are read.
  static let adapterShape = ModelConfiguration(
    layerCount: 1, hiddenSize: 8, headCount: 2, keyValueHeadCount: 1, feedForwardSize: 12, vocabularySize: 16,
    contextLength: 32)

  static func trainer() throws -> FullTrainer { try FullTrainer(configuration: adapterShape, seed: 1) }

  /// A run of LoRA on a model of ``adapterShape`` with everything that a checkpoint keeps, so short that it is done at
  /// once.
  static func tune(checkpoint: String) throws {
    let model = try LlamaModel(
      configuration: adapterShape, weights: try trainer().weights(), tokenizer: NoText(vocabularySize: 16))
    let examples = [[1, 2, 3], [4, 5, 6, 7]].map { TuningExample(tokens: $0) }
    let settings = TuningConfiguration(
      method: .lora(rank: 1, alpha: 2, projections: [.q, .down], dropout: 0.1), steps: 2, batchSize: 1)
    _ = try LoRATuner.tune(model, on: examples, settings, checkpoint: TuningCheckpoint(checkpoint))
  }

  /// A tokenizer for a model that only sees ids.
  private struct NoText: Tokenizer {
    let vocabularySize: Int
    var beginToken: Int? { nil }
    var endToken: Int? { nil }
    func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int] { [] }
    func decode(_ ids: [Int]) -> String { "" }
    func piece(_ id: Int) -> String { "" }
  }

  /// - Parameter folder: where the seed's files lie
  /// - Throws: only what isn't an `EngineError`: a finding
  static func run(_ seed: Seed, in folder: URL) throws -> Outcome {
    let path = folder.appending(path: seed.files[0].name).path
    do {
      switch seed.kind {
      case .model: try use(try LlamaModel(contentsOf: path))
      case .huggingFace: try use(try LlamaModel(contentsOf: folder.path))
      case .tokenizer: use(try ModelTokenizer.read(contentsOf: folder.path))
      case .vocabulary: use(try GGUFTokenizer.read(contentsOf: path))
      case .tensors:
        let file = try SafetensorsFile(path: path)
        for name in file.tensors.keys.sorted() { _ = try? file.floats(name) }
      case .adapter: _ = try LoRAAdapter(contentsOf: folder.path, for: adapterShape)
      case .examples:
        let task = try ClassificationTask(contentsOf: path, template: "Review: {text}\nMood: {label}\n")
        guard !task.labels.isEmpty else { throw Surprise(what: "a task without labels") }
      case .specification:
        guard let text = String(validating: try Data(contentsOf: URL(filePath: path)), as: UTF8.self) else {
          return .refused
        }
        _ = try ComparisonSpec(json: text)
      case .training: try trainer().loadState(from: path)
      case .checkpoint: try tune(checkpoint: path)
      }
      return .accepted
    } catch let error as EngineError {
      // The message is part of what must hold: it is made of the file's own bytes.
      guard !error.description.isEmpty, error.description.utf8.count < 20_000 else {
        throw Surprise(what: "a message of \(error.description.utf8.count) bytes")
      }
      return .refused
    }
  }

  struct Surprise: Error, CustomStringConvertible {
    let what: String
    var description: String { what }
  }

  private static func use(_ model: LlamaModel) throws {
    let ids = model.tokenizer.encode(text)
    guard ids.allSatisfy({ (0..<model.tokenizer.vocabularySize).contains($0) }) else {
      throw Surprise(what: "the tokenizer gave an id outside its vocabulary")
    }
    let request = CaptureRequest(points: Set(CapturePoint.allCases), positions: .last, logits: true)
    _ = try model.forward([ids], capture: request)
    _ = try model.generate(ids, count: 2)
  }

  private static func use(_ tokenizer: any Tokenizer) {
    for (add, parse) in [(false, false), (true, true)] {
      let ids = tokenizer.encode(text, addSpecial: add, parseSpecial: parse)
      _ = tokenizer.decode(ids)
    }
    _ = tokenizer.decode([-1, 0, 1, tokenizer.vocabularySize - 1, tokenizer.vocabularySize, .max])
  }

  /// Words, spaces, numbers, characters of several bytes, special tokens, an invalid neighbour of each.
  private static let text = "ab a  abab\n\t12345's <s><x></s><|end|> é▁🙂\u{0} <0x41> it'S"
}
