import Foundation

/// Tokens that Hugging Face's `tokenizers` finds in a text before anything else: at each place the longest, from left
/// to right.
struct AddedTokens: Sendable {
  struct Token: Sendable {
    let id: Int
    let text: [UInt8]
    /// Found only where special tokens are parsed.
    let isSpecial: Bool
    /// Only between characters that are not of words.
    let isSingleWord: Bool
    /// Takes the space before or behind it along.
    let stripsLeft: Bool
    let stripsRight: Bool
  }

  /// By first byte, the longest first.
  private var byFirst: [[Token]] = Array(repeating: [], count: 256)
  private(set) var isEmpty = true

  init(_ tokens: [Token]) {
    for token in tokens {
      guard let first = token.text.first else { continue }
      byFirst[Int(first)].append(token)
      isEmpty = false
    }
    for index in byFirst.indices { byFirst[index].sort { ($0.text.count, $1.id) > ($1.text.count, $0.id) } }
  }

  /// Cuts a text into tokens and stretches between them, empty ones left out.
  /// - Parameter parsesSpecial: whether a special token may stand in this range
  func split(
    _ text: [UInt8], parsesSpecial: (Range<Int>) -> Bool
  ) -> [SpecialTokens.Fragment] {
    guard !isEmpty else { return text.isEmpty ? [] : [.text(0..<text.count)] }
    var fragments: [SpecialTokens.Fragment] = []
    var start = 0
    var at = 0
    while at < text.count {
      guard let token = match(text, at) else {
        at += 1
        continue
      }
      let range = at..<at + token.text.count
      at = range.upperBound
      guard !token.isSpecial || parsesSpecial(range), !token.isSingleWord || Self.standsAlone(range, in: text) else {
        continue
      }
      var (from, to) = (range.lowerBound, range.upperBound)
      if token.stripsLeft { from = max(start, Self.spaceBefore(from, in: text)) }
      if token.stripsRight { to = Self.spaceAfter(to, in: text) }
      if start < from { fragments.append(.text(start..<from)) }
      fragments.append(.token(token.id))
      start = to
      at = max(at, to)
    }
    if start < text.count { fragments.append(.text(start..<text.count)) }
    return fragments
  }

  private func match(_ text: [UInt8], _ at: Int) -> Token? {
    byFirst[Int(text[at])].first { token in
      token.text.count <= text.count - at && text[at..<at + token.text.count].elementsEqual(token.text)
    }
  }

  private static func standsAlone(_ range: Range<Int>, in text: [UInt8]) -> Bool {
    !(scalar(before: range.lowerBound, in: text).map(isOfWord) ?? false)
      && !(scalar(after: range.upperBound, in: text).map(isOfWord) ?? false)
  }

  private static func scalar(before at: Int, in text: [UInt8]) -> Unicode.Scalar? {
    var start = at - 1
    while start > 0, at - start < 4, text[start] & 0xc0 == 0x80 { start -= 1 }
    return start < 0 ? nil : String(decoding: text[start..<at], as: UTF8.self).unicodeScalars.last
  }

  private static func scalar(after at: Int, in text: [UInt8]) -> Unicode.Scalar? {
    String(decoding: text[at...].prefix(4), as: UTF8.self).unicodeScalars.first
  }

  /// `\w` of Unicode regular expressions.
  private static func isOfWord(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    if properties.isAlphabetic || scalar == "\u{200c}" || scalar == "\u{200d}" { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return false
    }
  }

  private static func spaceBefore(_ at: Int, in text: [UInt8]) -> Int {
    var start = at
    while let scalar = scalar(before: start, in: text), scalar.properties.isWhitespace { start -= UTF8.width(scalar) }
    return start
  }

  private static func spaceAfter(_ at: Int, in text: [UInt8]) -> Int {
    var end = at
    while let scalar = scalar(after: end, in: text), scalar.properties.isWhitespace { end += UTF8.width(scalar) }
    return end
  }
}
