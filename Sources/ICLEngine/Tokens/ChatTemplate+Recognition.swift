import Foundation

extension ChatTemplate {
  /// The format of a template in the language of Jinja, by the expressions that write its output; `nil` for a template
  /// that the engine doesn't know.
  ///
  /// A template that writes anything else besides is not taken for a known one.
  public init?(template: String) {
    let text = Self.squeezed(template)
    func has(_ fragments: String...) -> Bool { fragments.allSatisfy(text.contains) }
    let outputs = text.split(separator: "{{", omittingEmptySubsequences: false).count - 1
    let prompts = has("{%ifadd_generation_prompt%}")

    if outputs == 3,
      has(
        "{%else%}{%setloop_messages=messages%}{%setsystem_message=false%}{%endif%}",
        #"'<<SYS>>\n'+system_message+'\n<</SYS>>\n\n'+message['content']"#,
        "bos_token+'[INST] '+content.strip()+' [/INST]'", "' '+content.strip()+' '+eos_token")
    {
      self = .llama2
      return
    }
    let header = #"'<|start_header_id|>'+message['role']+'<|end_header_id|>\n\n'+message['content']|trim+'<|eot_id|>'"#
    if outputs == 2,
      has(header, "{%setcontent=bos_token+content%}", #"'<|start_header_id|>assistant<|end_header_id|>\n\n'"#)
    {
      self = .llama3(alwaysPrompts: !prompts)
      return
    }
    if has(header, #"'Cutting Knowledge Date: December 2023\n'"#, #"'Today Date: '+date_string+'\n\n'"#),
      has("{{bos_token}}", "{{system_message}}{{'<|eot_id|>'}}"), prompts
    {
      let date = Self.between("date_string='", "'", in: text)
      self = .llama31(date: has("strftime_now('%d %b %Y')") ? .today : .fixed(date ?? "26 Jul 2024"))
      return
    }
    if prompts, let format = Self.chatML(text, outputs) {
      self = format
      return
    }
    let old = ["{{bos_token}}", "'[INST] '+message['content']+' [/INST]'", "message['content']+eos_token"]
    if outputs == 5, old.allSatisfy(text.contains), !text.contains("' '+message['content']") {
      self = .mistral(spaceAfterEnd: text.contains("message['content']+eos_token+' '"))
      return
    }
    if outputs == 6,
      has(
        "{{bos_token}}", "loop.firstandsystem_messageisdefined",
        #"' [INST] '+system_message+'\n\n'+message['content']+' [/INST]'"#,
        "' [INST] '+message['content']+' [/INST]'", "' '+message['content']+eos_token")
    {
      self = .mistralSystem
      return
    }
    if outputs == 4,
      has(
        #"'<|user|>\n'+message['content']+eos_token"#, #"'<|system|>\n'+message['content']+eos_token"#,
        #"'<|assistant|>\n'+message['content']+eos_token"#, "{%ifloop.lastandadd_generation_prompt%}{{'<|assistant|>'}}"
      )
    {
      self = .zephyr
      return
    }
    return nil
  }

  private static func chatML(_ text: String, _ outputs: Int) -> ChatTemplate? {
    let turn = #"'<|im_start|>'+message['role']+'\n'+message['content']+'<|im_end|>"#
    guard text.contains(turn + #"'+'\n'"#) || text.contains(turn + #"\n'"#),
      text.contains(#"'<|im_start|>assistant\n'"#)
    else { return nil }
    if outputs == 2 { return .chatML(system: nil) }
    guard outputs == 3, text.contains("loop.first"),
      let system = between(#"{{'<|im_start|>system\n"#, #"<|im_end|>\n'}}"#, in: text), !system.contains("'")
    else { return nil }
    return .chatML(system: system.replacing(#"\n"#, with: "\n"))
  }

  private static func between(_ before: String, _ after: String, in text: String) -> String? {
    guard let start = text.range(of: before)?.upperBound, let end = text[start...].range(of: after)?.lowerBound else {
      return nil
    }
    return String(text[start..<end])
  }

  /// The template without what doesn't matter: space outside of quotes, marks that trim it, and which quotes are used.
  private static func squeezed(_ template: String) -> String {
    var result = ""
    var quote: Character?
    var isInTag = false
    var last: Character = " "
    for character in template {
      defer { last = character }
      if let open = quote {
        if character == open, last != "\\" {
          quote = nil
          result.append("'")
        } else {
          result += character == "\n" ? #"\n"# : String(character)
        }
        continue
      }
      if character.isWhitespace { continue }
      if last == "{", character == "{" || character == "%" { isInTag = true }
      if last == "}" || last == "%", character == "}" { isInTag = false }
      if isInTag, character == "'" || character == "\"" {
        quote = character
        result.append("'")
        continue
      }
      result.append(character)
    }
    for (trimmed, plain) in [("{%-", "{%"), ("-%}", "%}"), ("{{-", "{{"), ("-}}", "}}")] {
      result = result.replacing(trimmed, with: plain)
    }
    return result
  }
}
