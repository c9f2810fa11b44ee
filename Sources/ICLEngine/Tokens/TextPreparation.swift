import Foundation

/// What Hugging Face's `tokenizers` does to a stretch of text before it is cut into words.
enum TextNormalizer: Sendable, Equatable {
  case prepend(String)
  case replace(String, with: String)
  case form(UnicodeForm)

  enum UnicodeForm: String, Sendable { case NFC, NFD, NFKC, NFKD }

  /// At most so many times as long in UTF-8 does it make a text of some length.
  var growth: Double {
    switch self {
    case .prepend(let prefix): Double(1 + prefix.utf8.count)
    case .replace(let pattern, let content): max(1, Double(content.utf8.count) / Double(max(1, pattern.utf8.count)))
    // U+0390 has three times its length in NFC and NFD, U+FDFA eleven times in NFKC and NFKD (UAX #15).
    case .form(.NFC), .form(.NFD): 3
    case .form(.NFKC), .form(.NFKD): 11
    }
  }

  func callAsFunction(_ text: String) -> String {
    switch self {
    case .prepend(let prefix): return text.isEmpty ? text : prefix + text
    case .replace(let pattern, let content): return Self.replacing(pattern, with: content, in: text)
    case .form(.NFC): return text.precomposedStringWithCanonicalMapping
    case .form(.NFD): return text.decomposedStringWithCanonicalMapping
    case .form(.NFKC): return text.precomposedStringWithCompatibilityMapping
    case .form(.NFKD): return text.decomposedStringWithCompatibilityMapping
    }
  }

  /// By bytes: Swift's own search takes canonically equal texts for the same.
  static func replacing(_ pattern: String, with content: String, in text: String) -> String {
    let (pattern, content, bytes) = (Array(pattern.utf8), Array(content.utf8), Array(text.utf8))
    guard let first = pattern.first else { return text }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count + bytes.count / 4)
    var at = 0
    while at < bytes.count {
      if bytes[at] == first, bytes.count - at >= pattern.count,
        bytes[at..<at + pattern.count].elementsEqual(pattern)
      {
        result += content
        at += pattern.count
      } else {
        result.append(bytes[at])
        at += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

/// How Hugging Face's `tokenizers` cuts a stretch of text into words.
enum WordCutter: Sendable, Equatable {
  /// Spaces become `replacement`; one more stands in front as `prefix` says; words begin with it where `splits`.
  case metaspace(replacement: String, prefix: SpacePrefix, splits: Bool)
  /// Bytes become GPT-2's letters, after cutting by its pattern where `splits`.
  case byteLevel(addsPrefixSpace: Bool, splits: Bool)
  case pattern(WordSplitter)
  case digits(each: Bool)

  enum SpacePrefix: String, Sendable { case always, never, first }

  /// A word, and whether the text begins with it.
  typealias Word = (text: String, isFirst: Bool)

  func callAsFunction(_ word: Word) -> [Word] {
    switch self {
    case .metaspace(let replacement, let prefix, let splits):
      var text = TextNormalizer.replacing(" ", with: replacement, in: word.text)
      let wants = prefix == .always || (prefix == .first && word.isFirst)
      if wants, !text.utf8.starts(with: replacement.utf8) { text = replacement + text }
      return splits ? Self.number(Self.cut(text, before: replacement), word.isFirst) : [(text, word.isFirst)]
    case .byteLevel(let addsPrefixSpace, let splits):
      let text = addsPrefixSpace && !word.text.utf8.starts(with: [0x20]) ? " " + word.text : word.text
      let parts = splits ? WordSplitter.gpt2.texts(text) : [text]
      return Self.number(parts.map(Self.letters), word.isFirst)
    case .pattern(let splitter): return Self.number(splitter.texts(word.text), word.isFirst)
    case .digits(let each): return Self.number(Self.cutDigits(word.text, each: each), word.isFirst)
    }
  }

  private static func number(_ texts: [String], _ isFirst: Bool) -> [Word] {
    texts.enumerated().map { ($1, isFirst && $0 == 0) }
  }

  private static func letters(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for byte in text.utf8 { result.append(ByteLetters.letters[Int(byte)]) }
    return String(result)
  }

  /// Cuts before each `mark`, which is one character.
  private static func cut(_ text: String, before mark: String) -> [String] {
    guard let mark = mark.unicodeScalars.first else { return [text] }
    var parts: [String] = []
    var part = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if scalar == mark, !part.isEmpty {
        parts.append(String(part))
        part = String.UnicodeScalarView()
      }
      part.append(scalar)
    }
    if !part.isEmpty { parts.append(String(part)) }
    return parts
  }

  private static func cutDigits(_ text: String, each: Bool) -> [String] {
    var parts: [String] = []
    var part = String.UnicodeScalarView()
    var wasDigit = false
    for scalar in text.unicodeScalars {
      let isDigit = scalar.isNumber
      if !part.isEmpty, isDigit != wasDigit || (isDigit && each) {
        parts.append(String(part))
        part = String.UnicodeScalarView()
      }
      part.append(scalar)
      wasDigit = isDigit
    }
    if !part.isEmpty { parts.append(String(part)) }
    return parts
  }
}

extension Unicode.Scalar {
  /// `\p{N}`
  var isNumber: Bool {
    switch properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: true
    default: false
    }
  }
}

extension WordSplitter {
  /// ``words(_:)`` as texts.
  func texts(_ text: String) -> [String] {
    words(Array(text.unicodeScalars)).map { String(String.UnicodeScalarView($0)) }
  }

  /// The regular expression that `tokenizer.json` holds.
  var pattern: String {
    switch self {
    case .gpt2: #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    case .llama3:
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"#
        + #"|\s+(?!\S)|\s+"#
    }
  }

  init?(pattern: String) {
    guard let known = [Self.gpt2, .llama3].first(where: { $0.pattern == pattern }) else { return nil }
    self = known
  }
}
