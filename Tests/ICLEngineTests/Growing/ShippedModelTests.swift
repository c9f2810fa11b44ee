import Fixtures
import Foundation
import ICLEngine
import Testing

/// Holds the model that ships to what its card says: fewer questions than the card's, so the bounds leave room for
/// three standard errors of a sample of this size.
@Suite struct ShippedModelTests {
  private static let path = Fixtures.root.appending(path: "Sources/ICLEngine/Resources/tour.gguf").path

  private static func accuracy(_ condition: HeldOutEpisodes.Condition, questions: Int = 120) throws -> Double {
    let model = try LlamaModel(contentsOf: path)
    let evaluation = try GrowthEvaluation.measure(
      model, vocabulary: TrainingText.vocabulary(), items: [.init("asked", condition)], questions: questions, seed: 77)
    return try #require(evaluation.figures.first).mean
  }

  @Test func `it is small, and its card and vocabulary are its own`() throws {
    let model = try LlamaModel(contentsOf: Self.path)
    let bytes = try Data(contentsOf: URL(filePath: Self.path)).count
    #expect(bytes <= 8 << 20)
    let card = try String(contentsOf: Fixtures.root.appending(path: "docs/MODEL_CARD.md"), encoding: .utf8)
    #expect(card.contains(try #require(model.provenance.sha256)), "the card describes another file")
    let vocabulary = try TrainingText.vocabulary()
    #expect(vocabulary.pieces.indices.allSatisfy { model.tokenizer.piece($0) == vocabulary.pieces[$0] })
  }

  @Test func `without a demonstration it cannot know arbitrary labels`() throws {
    let accuracy = try Self.accuracy(.arbitrary(demonstrations: 0))
    #expect((0.36...0.64).contains(accuracy), "\(accuracy)")
  }

  @Test func `eight demonstrations teach it arbitrary labels`() throws {
    let accuracy = try Self.accuracy(.arbitrary(demonstrations: 8))
    #expect(accuracy >= 0.85, "\(accuracy)")
  }

  @Test func `it knows what the labels' own words mean`() throws {
    let accuracy = try Self.accuracy(.meaningful(demonstrations: 0))
    #expect(accuracy >= 0.9, "\(accuracy)")
  }

  @Test(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
  func `the gguf package reads it`() throws {
    let output = try Fixtures.runPython("describe_gguf.py", [Self.path])
    let json = try #require(JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
    let tensors = try #require(json["tensors"] as? [String: [String: Any]])
    let model = try LlamaModel(contentsOf: Self.path)
    #expect(tensors.count == 2 + 9 * model.configuration.layerCount)
    #expect(tensors["token_embd.weight"]?["type"] as? String == "Q8_0")
    #expect(tensors["output_norm.weight"]?["type"] as? String == "F32")
    let keys = try #require(json["keys"] as? [String: Any])
    #expect(keys["general.architecture"] as? String == "llama")
    #expect((keys["tokenizer.ggml.tokens"] as? [String])?.count == model.configuration.vocabularySize)
  }
}
