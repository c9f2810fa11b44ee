import Fixtures
import Foundation
import ICLEngine
import Testing

/// A real trained model against the text that other implementations agree on.
@Suite(.enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"))
struct StoriesTests {
  static var path: String { Fixtures.sharedData.appending(path: "stories260K/stories260K.gguf").path }

  @Test func `stories260K writes the text that other implementations write`() throws {
    let model = try LlamaModel(contentsOf: Self.path)
    let expected = try String(
      contentsOf: Fixtures.sharedData.appending(path: "stories260K/expected_greedy_200.txt"), encoding: .utf8)
    let begin = try #require(model.tokenizer.beginToken)
    let result = try model.generate([begin], count: 200)
    let text = model.tokenizer.decode([begin] + result.tokens)
    #expect(text == expected.trimmingCharacters(in: .newlines))
  }
}
