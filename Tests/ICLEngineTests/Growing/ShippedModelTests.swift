import Fixtures
import Foundation
import ICLEngine
import Testing

/// Holds the model that ships to what its card says.
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
    // Three standard errors of 120 guesses are 0.14.
    let accuracy = try Self.accuracy(.arbitrary(demonstrations: 0))
    #expect((0.36...0.64).contains(accuracy), "\(accuracy)")
  }

  /// The card says at least 97 %; three standard errors of 120 such answers are 0.05.
  @Test(arguments: [
    HeldOutEpisodes.Condition.arbitrary(demonstrations: 4), .arbitrary(demonstrations: 8),
    .meaningful(demonstrations: 0), .swapped(demonstrations: 8), .translation,
  ])
  func `it answers held-out questions as its card says`(condition: HeldOutEpisodes.Condition) throws {
    let accuracy = try Self.accuracy(condition)
    #expect(accuracy >= 0.92, "\(accuracy)")
  }

  @Test func `tuning on the demonstrations does what showing them does`() throws {
    let engine = try Engine(model: Self.path)
    let result = try engine.compare(
      .sentiment, ComparisonSpec(demonstrations: 8, queries: 16, repetitions: 3, baselines: [], seed: 5))
    #expect(result.accuracy(.icl).mean >= 0.9)
    #expect(result.accuracy(.it).mean >= 0.85)
    let together = try #require(result.similarity(.icl, .it)).mean
    let shown = try #require(result.similarity(.anchor, .icl)).mean
    let tuned = try #require(result.similarity(.anchor, .it)).mean
    #expect(together > shown + 0.1 && together > tuned + 0.1, "\(together), \(shown), \(tuned)")
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
