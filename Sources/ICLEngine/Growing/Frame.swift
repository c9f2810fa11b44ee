/// A sentence with slots: `"It was {a} {praise} {reviewed}."`. A slot in braces is filled by a word of the list of
/// that name; `{a}` and `{A}` become the article that fits the next word.
package struct Frame: Sendable {
  private enum Part: Sendable {
    case literal(String)
    case article(capital: Bool)
    case slot([String])
  }
  private let parts: [Part]
  package let text: String

  /// - Parameter slots: names that stand for another list in one class, such as `who` → `sportWho`.
  package init(_ text: String, slots: [String: [String]] = [:]) {
    self.text = text
    var parts: [Part] = []
    var rest = text[...]
    while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
      if open > rest.startIndex { parts.append(.literal(String(rest[..<open]))) }
      let name = String(rest[rest.index(after: open)..<close])
      switch name {
      case "a": parts.append(.article(capital: false))
      case "A": parts.append(.article(capital: true))
      default: parts.append(.slot(slots[name] ?? Lexicon.words(name)))
      }
      rest = rest[rest.index(after: close)...]
      // The article is written together with the word after it, so the blank between them goes with it.
      if name.lowercased() == "a", rest.first == " " { rest = rest.dropFirst() }
    }
    if !rest.isEmpty { parts.append(.literal(String(rest))) }
    self.parts = parts
  }

  /// Whether every slot has words.
  package var isComplete: Bool {
    parts.allSatisfy { if case .slot(let words) = $0 { !words.isEmpty } else { true } }
  }

  /// A sentence; no word fills two slots of it.
  package func sentence(using generator: inout SeededGenerator) -> String {
    var result = ""
    var used: [String] = []
    var pendingArticle: Bool?
    for part in parts {
      switch part {
      case .literal(let text): result += text
      case .article(let capital): pendingArticle = capital
      case .slot(let words):
        var word = words[generator.index(below: words.count)]
        while used.contains(word), words.count > used.count { word = words[generator.index(below: words.count)] }
        used.append(word)
        if let capital = pendingArticle {
          let vowel = word.first.map { "aeiouAEIOU".contains($0) } ?? false
          let article = vowel ? (capital ? "An" : "an") : (capital ? "A" : "a")
          result += article + " "
          pendingArticle = nil
        }
        result += word
      }
    }
    return result
  }
}
