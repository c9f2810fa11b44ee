/// Chat models, used as they were trained.
extension LlamaModel {
  /// The format of the chat template that came with the model.
  /// - Throws: `unsupported` when the model has no template, or one that the engine doesn't know
  public func knownChatTemplate() throws(EngineError) -> ChatTemplate {
    guard let chatTemplate else {
      throw EngineError(
        .unsupported, "the model has no chat template", at: files?.path ?? name,
        expected: "tokenizer.chat_template in the GGUF file, or chat_template.jinja in the folder", found: "neither",
        nextStep: "if you know its format, name it: template: .llama2, .llama3(alwaysPrompts: false), "
          + ".chatML(system: nil) …")
    }
    guard let known = ChatTemplate(template: chatTemplate) else {
      throw EngineError(
        .unsupported, "the engine doesn't know this chat template", at: files?.path ?? name,
        expected: "the format of Llama 2, Llama 3, ChatML, Mistral or Zephyr", found: String(chatTemplate.prefix(120)),
        nextStep: "name the format that comes closest (template: .chatML(system: nil) …), or write the prompt yourself "
          + "and tokenize it with parseSpecial")
    }
    return known
  }

  /// The ids of a conversation, as the model was shown conversations when it was trained. Special tokens are read in
  /// the template's own text and never in a message.
  /// - Parameters:
  ///   - template: the format; without it the one that came with the model
  ///   - addGenerationPrompt: end with what stands before an answer
  ///   - date: for formats that say it; without it the template's own rule
  /// - Throws: `unsupported` without a known format, `invalidArgument` for turns in an order that the format lacks
  public func encode(
    chat messages: [ChatMessage], template: ChatTemplate? = nil, addGenerationPrompt: Bool = true, date: String? = nil
  ) throws(EngineError) -> [Int] {
    let segments = try segments(
      of: messages, template: template, addGenerationPrompt: addGenerationPrompt, date: date)
    return tokenizer.encode(segments, addSpecial: false)
  }

  /// The text of a conversation in the model's format.
  /// - Throws: as ``encode(chat:template:addGenerationPrompt:date:)``
  public func text(
    chat messages: [ChatMessage], template: ChatTemplate? = nil, addGenerationPrompt: Bool = true, date: String? = nil
  ) throws(EngineError) -> String {
    try segments(of: messages, template: template, addGenerationPrompt: addGenerationPrompt, date: date)
      .map(\.text).joined()
  }

  private func segments(
    of messages: [ChatMessage], template: ChatTemplate?, addGenerationPrompt: Bool, date: String?
  ) throws(EngineError) -> [PromptSegment] {
    let format: ChatTemplate
    if let template { format = template } else { format = try knownChatTemplate() }
    func text(_ id: Int?) -> String { id.map(tokenizer.piece) ?? "" }
    return try format.segments(
      messages, begin: text(tokenizer.beginToken), end: text(tokenizer.endToken),
      addGenerationPrompt: addGenerationPrompt, date: date)
  }
}

extension Engine {
  /// The model's answer to a conversation.
  ///
  ///     let answer = try engine.chat([.system("Be brief."), .user("What is a prompt?")])
  /// - Throws: as ``LlamaModel/encode(chat:template:addGenerationPrompt:date:)``, and `contextOverflow`
  public func chat(
    _ messages: [ChatMessage], tokens: Int = 256, sampling: Sampling = .greedy, template: ChatTemplate? = nil,
    adapter: LoRAAdapter? = nil
  ) throws(EngineError) -> Generation {
    try model.generate(
      model.encode(chat: messages, template: template), count: tokens, sampling: sampling, adapter: adapter)
  }
}
