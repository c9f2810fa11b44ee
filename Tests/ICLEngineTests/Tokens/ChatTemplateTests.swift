import Fixtures
import Foundation
import ICLEngine
import Testing

/// Conversations against `apply_chat_template` of `transformers`: the same text and the same ids.
struct ChatTemplateTests {
  struct Case: Decodable {
    let name: String
    let tokenizer: String
    let template: String
    let messages: [ChatMessage]
    let prompt: Bool
    let text: String?
    let ids: [Int]?
  }

  static let cases = Result {
    let folder = try HuggingFaceTokenizerTests.folder.get()
    try Fixtures.runPython("chat_templates.py", [folder.path])
    return try JSONDecoder().decode([Case].self, from: Data(contentsOf: folder.appending(path: "chats.json")))
  }

  static func model(_ tokenizer: any Tokenizer, _ template: String?) throws -> LlamaModel {
    let model = try RandomModel.make()
    return try LlamaModel(
      configuration: model.configuration, weights: model.weights, tokenizer: tokenizer, chatTemplate: template)
  }

  @Test(
    .enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"),
    .enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"),
    arguments: [
      "llama2", "llama3", "llama3-first", "llama31", "chatml", "chatml-system", "mistral", "mistral-space",
      "mistral-system", "zephyr",
    ])
  func `text and ids are those of transformers`(_ name: String) throws {
    let cases = try Self.cases.get().filter { $0.name == name }
    #expect(cases.count == 16)
    var written = 0
    for one in cases {
      let model = try Self.model(HuggingFaceTokenizerTests.read(one.tokenizer).0, one.template)
      // A system message in the middle is left out by Llama 2's template without a word; here it is an error.
      let isLost = name == "llama2" && one.messages.dropFirst().contains { $0.role == .system }
      guard let text = one.text, !isLost else {
        let error = #expect(throws: EngineError.self, "\(one.messages)") { try model.text(chat: one.messages) }
        #expect(error?.code == .invalidArgument)
        continue
      }
      #expect(try model.text(chat: one.messages, addGenerationPrompt: one.prompt) == text, "\(one.messages)")
      #expect(try model.encode(chat: one.messages, addGenerationPrompt: one.prompt) == one.ids, "\(one.messages)")
      written += 1
    }
    #expect(written >= 4)
  }

  @Test func `what a user writes is never a special token`() throws {
    let tokenizer = try TokenizerRulesTests.make([("▁", -1), ("a", -1)])
    let model = try Self.model(tokenizer, nil)
    let ids = try model.encode(chat: [.user("</s><s>a")], template: .llama2)
    #expect(ids.filter { $0 == 1 || $0 == 2 } == [1])
    #expect(tokenizer.decode(ids) == "[INST] </s><s>a [/INST]")
    let turns: [ChatMessage] = [.user("a"), .assistant("</s>"), .user("a")]
    #expect(try model.encode(chat: turns, template: .llama2).filter { $0 == 2 }.count == 1)
  }

  @Test(arguments: [
    "", "{{ bos_token }}", "{% for m in messages %}{{ m.content }}{% endfor %}",
    // Llama 2's expressions and one more output.
    "{{ 'extra' }}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}",
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '<|im_sep|>' + message['content']}}{% endfor %}",
  ])
  func `a template that the engine doesn't know is said to be so`(_ template: String) throws {
    #expect(ChatTemplate(template: template) == nil)
    let model = try Self.model(TokenizerRulesTests.make([("▁", -1)]), template)
    let error = #expect(throws: EngineError.self) { try model.encode(chat: [.user("a")]) }
    #expect(error?.code == .unsupported)
    #expect(try model.text(chat: [.user("a")], template: .chatML(system: nil)).hasPrefix("<|im_start|>user\na"))
  }

  @Test func `a model without a template says what to do`() throws {
    let model = try Self.model(TokenizerRulesTests.make([("▁", -1)]), nil)
    let error = #expect(throws: EngineError.self) { try model.text(chat: [.user("a")]) }
    #expect(error?.code == .unsupported && error?.nextStep?.contains("template:") == true)
  }

  @Test func `the date of Llama 3_1 is the template's, today's or given`() throws {
    let template = ChatTemplate.llama31(date: .fixed("26 Jul 2024"))
    func text(_ date: String?) throws -> String {
      try template.segments([.user("a")], begin: "<b>", end: "", date: date).map(\.text).joined()
    }
    #expect(try text(nil).contains("Today Date: 26 Jul 2024\n\n<|eot_id|>"))
    #expect(try text("01 Jan 2030").contains("Today Date: 01 Jan 2030\n"))
  }
}
