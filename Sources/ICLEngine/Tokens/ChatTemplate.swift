import Foundation

/// One turn of a conversation.
public struct ChatMessage: Sendable, Equatable, Codable {
  public enum Role: String, Sendable, Codable { case system, user, assistant }
  public var role: Role
  public var content: String

  public init(_ role: Role, _ content: String) {
    self.role = role
    self.content = content
  }

  public static func system(_ content: String) -> ChatMessage { ChatMessage(.system, content) }
  public static func user(_ content: String) -> ChatMessage { ChatMessage(.user, content) }
  public static func assistant(_ content: String) -> ChatMessage { ChatMessage(.assistant, content) }
}

/// How a chat model was shown conversations when it was trained.
///
/// The text is that of `tokenizer.apply_chat_template` of `transformers`, character for character. What the template
/// writes may hold special tokens; what a message says never does.
public enum ChatTemplate: Sendable, Equatable {
  /// Llama 2 chat: `<s>[INST] <<SYS>>…<</SYS>> … [/INST] … </s>`
  case llama2
  /// Llama 3: `<|start_header_id|>user<|end_header_id|>…<|eot_id|>`. The first files end with the assistant's header
  /// whether it is asked for or not.
  case llama3(alwaysPrompts: Bool)
  /// Llama 3.1 and later: as Llama 3, with a system turn that says the date in any case.
  case llama31(date: DateRule)
  /// ChatML: `<|im_start|>user … <|im_end|>`, with a system message of its own where a conversation has none.
  case chatML(system: String?)
  /// Mistral's first instruct models: `<s>[INST] … [/INST]…</s>`, without system messages.
  case mistral(spaceAfterEnd: Bool)
  /// Mistral's later models, where the system message stands in the first user turn.
  case mistralSystem
  /// Zephyr's format, which TinyLlama's chat model has: `<|user|> … </s>`
  case zephyr

  /// The date that Llama 3.1's system turn says.
  public enum DateRule: Sendable, Equatable {
    /// As the template writes it, such as `26 Jul 2024`.
    case fixed(String)
    /// The day on which the prompt is made.
    case today
  }

  /// The conversation as segments, ready for `Tokenizer.encode(_:addSpecial:)` without further special tokens.
  /// - Parameters:
  ///   - begin: text of BOS; empty where the model has none
  ///   - end: text of EOS
  ///   - addGenerationPrompt: end with what stands before an answer
  ///   - date: overrules the date of ``llama31(date:)``
  /// - Throws: `invalidArgument` for an order of turns that the format doesn't have
  public func segments(
    _ messages: [ChatMessage], begin: String, end: String, addGenerationPrompt: Bool = true, date: String? = nil
  ) throws(EngineError) -> [PromptSegment] {
    var out = Builder(begin: begin, end: end)
    switch self {
    case .llama2: try llama2(messages, &out)
    case .llama3(let always):
      for (index, message) in messages.enumerated() { out.llama3(message, begins: index == 0) }
      if always || addGenerationPrompt { out.template("<|start_header_id|>assistant<|end_header_id|>\n\n") }
    case .llama31(let rule):
      llama31(messages, date: date ?? rule.text, &out)
      if addGenerationPrompt { out.template("<|start_header_id|>assistant<|end_header_id|>\n\n") }
    case .chatML(let standard):
      if let standard, messages.first?.role != .system {
        out.template("<|im_start|>system\n\(standard)<|im_end|>\n")
      }
      for message in messages {
        out.template("<|im_start|>\(message.role.rawValue)\n")
        out.content(message.content)
        out.template("<|im_end|>\n")
      }
      if addGenerationPrompt { out.template("<|im_start|>assistant\n") }
    case .mistral(let space): try mistral(messages, spaceAfterEnd: space, &out)
    case .mistralSystem: try mistralSystem(messages, &out)
    case .zephyr:
      for message in messages {
        out.template("<|\(message.role.rawValue)|>\n")
        out.content(message.content)
        out.template("\(end)\n")
      }
      if addGenerationPrompt { out.template("<|assistant|>\n") }
    }
    return out.segments
  }

  // MARK: Formats

  private func llama2(_ messages: [ChatMessage], _ out: inout Builder) throws(EngineError) {
    let (system, turns) = Self.split(messages)
    try Self.checkTurns(turns)
    for (index, turn) in turns.enumerated() {
      if turn.role == .assistant {
        out.template(" ")
        out.content(turn.content.strippedAsPython)
        out.template(" \(out.end)")
      } else if index == 0, let system {
        // The content is stripped together with the system message, whose mark is in front.
        out.template("\(out.begin)[INST] <<SYS>>\n")
        out.content(system)
        out.template("\n<</SYS>>\n\n")
        out.content(turn.content.strippedAtEndAsPython)
        if turn.content.strippedAsPython.isEmpty { out.removeTrailingSpace() }
        out.template(" [/INST]")
      } else {
        out.template("\(out.begin)[INST] ")
        out.content(turn.content.strippedAsPython)
        out.template(" [/INST]")
      }
    }
  }

  private func llama31(_ messages: [ChatMessage], date: String, _ out: inout Builder) {
    let (system, turns) = Self.split(messages)
    out.template(
      "\(out.begin)<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
        + "Today Date: \(date)\n\n")
    out.content((system ?? "").strippedAsPython)
    out.template("<|eot_id|>")
    for turn in turns { out.llama3(turn, begins: false) }
  }

  private func mistral(
    _ messages: [ChatMessage], spaceAfterEnd: Bool, _ out: inout Builder
  ) throws(EngineError) {
    out.template(out.begin)
    try Self.checkTurns(messages)
    for turn in messages {
      if turn.role == .user { out.template("[INST] ") }
      out.content(turn.content)
      out.template(turn.role == .user ? " [/INST]" : out.end + (spaceAfterEnd ? " " : ""))
    }
  }

  private func mistralSystem(_ messages: [ChatMessage], _ out: inout Builder) throws(EngineError) {
    let (system, turns) = Self.split(messages)
    out.template(out.begin)
    try Self.checkTurns(turns)
    for (index, turn) in turns.enumerated() {
      out.template(turn.role == .user ? " [INST] " : " ")
      if index == 0, let system {
        out.content(system)
        out.template("\n\n")
      }
      out.content(turn.content)
      out.template(turn.role == .user ? " [/INST]" : out.end)
    }
  }

  /// The system message in front, and the turns after it.
  private static func split(_ messages: [ChatMessage]) -> (system: String?, turns: ArraySlice<ChatMessage>) {
    guard let first = messages.first, first.role == .system else { return (nil, messages[...]) }
    return (first.content, messages.dropFirst())
  }

  private static func checkTurns(_ turns: some Collection<ChatMessage>) throws(EngineError) {
    for (index, turn) in turns.enumerated() where turn.role != (index % 2 == 0 ? .user : .assistant) {
      throw EngineError(
        .invalidArgument, "the turns of a conversation must alternate, the user first", at: "message \(index)",
        expected: index % 2 == 0 ? "user" : "assistant", found: turn.role.rawValue,
        nextStep: turn.role == .system ? "put the system message's text into the first user turn" : nil)
    }
  }
}

extension ChatTemplate.DateRule {
  /// `26 Jul 2024`
  var text: String {
    switch self {
    case .fixed(let date): return date
    case .today:
      var now = time(nil)
      var parts = tm()
      localtime_r(&now, &parts)
      let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
      let day = parts.tm_mday < 10 ? "0\(parts.tm_mday)" : "\(parts.tm_mday)"
      return "\(day) \(months[Int(parts.tm_mon)]) \(1900 + parts.tm_year)"
    }
  }
}

/// Puts segments together.
private struct Builder {
  let begin: String
  let end: String
  var segments: [PromptSegment] = []

  init(begin: String, end: String) {
    self.begin = begin
    self.end = end
  }

  mutating func template(_ text: String) { append(text, parsesSpecial: true) }
  mutating func content(_ text: String) { append(text, parsesSpecial: false) }

  mutating func llama3(_ message: ChatMessage, begins: Bool) {
    template((begins ? begin : "") + "<|start_header_id|>\(message.role.rawValue)<|end_header_id|>\n\n")
    content(message.content.strippedAsPython)
    template("<|eot_id|>")
  }

  /// Space at the end of what has been written.
  mutating func removeTrailingSpace() {
    while let last = segments.last {
      let text = last.text.strippedAtEndAsPython
      if !text.isEmpty {
        segments[segments.count - 1].text = text
        return
      }
      segments.removeLast()
    }
  }

  private mutating func append(_ text: String, parsesSpecial: Bool) {
    guard !text.isEmpty else { return }
    if let last = segments.last, last.parsesSpecial == parsesSpecial {
      segments[segments.count - 1].text += text
    } else {
      segments.append(PromptSegment(text, parsesSpecial: parsesSpecial))
    }
  }
}

extension String {
  /// Without the space at both ends that Python's `strip` takes.
  var strippedAsPython: String {
    let scalars = unicodeScalars
    guard let first = scalars.firstIndex(where: { !$0.isSpaceInPython }),
      let last = scalars.lastIndex(where: { !$0.isSpaceInPython })
    else { return "" }
    return String(scalars[first...last])
  }

  var strippedAtEndAsPython: String {
    guard let last = unicodeScalars.lastIndex(where: { !$0.isSpaceInPython }) else { return "" }
    return String(unicodeScalars[...last])
  }
}

extension Unicode.Scalar {
  /// Python's `str.isspace`: Unicode's white space and four separators among the control characters.
  var isSpaceInPython: Bool { properties.isWhitespace || (0x1c...0x1f).contains(value) }
}
