/// How one example is written in a prompt: text with placeholders in braces, such as
///
///     Review: {text}
///     Sentiment: {label}
///
/// `{label}` stands exactly once and after every other placeholder, because a query is the template up to its
/// label. What follows `{label}` (usually a line break) separates demonstrations. `{{` and `}}` are literal braces.
public struct PromptTemplate: Sendable, Equatable, CustomStringConvertible {
  /// The template as written.
  public let text: String
  /// Placeholder names other than `label`, in order of first appearance.
  public let fieldNames: [String]

  private let segments: [Segment]
  private let tail: String

  private enum Segment: Equatable {
    case literal(String)
    case field(String)
  }

  /// - Throws: `invalidArgument` when a brace is left open, `{label}` is missing, repeated or not the last
  ///   placeholder, or there is no placeholder beside it.
  public init(_ text: String) throws(EngineError) {
    let parsed = try Self.parse(text)
    let labelPlaces = parsed.indices.filter { parsed[$0] == .field("label") }
    guard labelPlaces.count == 1, let place = labelPlaces.first else {
      throw EngineError(
        .invalidArgument, "a template needs {label} exactly once", at: Self.quoted(text), expected: "one {label}",
        found: "\(labelPlaces.count)", nextStep: #"write it as in "Review: {text}\nSentiment: {label}\n""#)
    }
    var names: [String] = []
    for case .field(let name) in parsed[..<place] where !names.contains(name) { names.append(name) }
    guard !names.isEmpty else {
      throw EngineError(
        .invalidArgument, "a template needs a placeholder for the example's text before {label}",
        at: Self.quoted(text), expected: "{text} or your column's name in braces", found: "only {label}",
        nextStep: #"write it as in "Review: {text}\nSentiment: {label}\n""#)
    }
    var tail = ""
    for segment in parsed[(place + 1)...] {
      switch segment {
      case .literal(let part): tail += part
      case .field(let name):
        throw EngineError(
          .invalidArgument, "a query is the template up to {label}, so no placeholder may follow it",
          at: Self.quoted(text), expected: "{label} after {\(name)}", found: "{\(name)} after {label}",
          nextStep: "move {label} to the end")
      }
    }
    self.text = text
    self.fieldNames = names
    self.segments = Array(parsed[..<place])
    self.tail = tail
  }

  /// `Input: {text}`, a line break, `Output: {label}`, a line break.
  /// - Parameters: names without braces
  package init(input: String, output: String) {
    text = "\(input): {text}\n\(output): {label}\n"
    fieldNames = ["text"]
    segments = [.literal("\(input): "), .field("text"), .literal("\n\(output): ")]
    tail = "\n"
  }

  public var description: String { text }

  /// The example as a demonstration: the whole template with its label word.
  public func demonstration(_ fields: [String: String], label: String) -> String {
    head(fields) + label + tail
  }

  /// The example as a question: the template up to the label, without the spaces before it, so that the prompt's
  /// last token is a whole one and the label's own first token begins with its space.
  public func query(_ fields: [String: String]) -> String {
    String(head(fields).dropLast(spacesBeforeLabel))
  }

  /// What is to follow ``query(_:)``: the spaces before the label, and the label.
  public func answer(_ label: String) -> String { String(repeating: " ", count: spacesBeforeLabel) + label }

  /// What ends an answer that the model writes: the text after `{label}`, a line break where there is none.
  public var ending: String { tail.isEmpty ? "\n" : tail }

  private var spacesBeforeLabel: Int {
    guard case .literal(let last)? = segments.last else { return 0 }
    return last.reversed().prefix { $0 == " " }.count
  }

  private func head(_ fields: [String: String]) -> String {
    var result = ""
    for segment in segments {
      switch segment {
      case .literal(let part): result += part
      case .field(let name): result += fields[name] ?? ""
      }
    }
    return result
  }

  private static func quoted(_ text: String) -> String { "template " + text.debugDescription }

  private static func parse(_ text: String) throws(EngineError) -> [Segment] {
    var segments: [Segment] = []
    var literal = ""
    var name: String?
    var rest = text[...]
    func fail(_ what: String) -> EngineError {
      EngineError(
        .invalidArgument, what, at: quoted(text), expected: "{name}, or {{ and }} for braces as such",
        found: "a single brace", nextStep: "close the placeholder, or double the brace")
    }
    while let character = rest.popFirst() {
      switch (character, name) {
      case ("{", nil) where rest.first == "{", ("}", nil) where rest.first == "}":
        rest.removeFirst()
        literal.append(character)
      case ("{", nil): name = ""
      case ("}", nil): throw fail("a template has a closing brace without an opening one")
      case ("}", let open?):
        guard !open.isEmpty else { throw fail("a template has a placeholder without a name") }
        if !literal.isEmpty { segments.append(.literal(literal)) }
        literal = ""
        segments.append(.field(open))
        name = nil
      case ("{", _?): throw fail("a template has a placeholder that is not closed")
      case (_, _?) where character.isNewline: throw fail("a template has a placeholder that is not closed")
      case (_, nil): literal.append(character)
      case (_, _?): name?.append(character)
      }
    }
    if name != nil { throw fail("a template has a placeholder that is not closed") }
    if !literal.isEmpty { segments.append(.literal(literal)) }
    return segments
  }
}

extension PromptTemplate: Codable {
  public init(from decoder: any Decoder) throws {
    try self.init(try decoder.singleValueContainer().decode(String.self))
  }
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}
