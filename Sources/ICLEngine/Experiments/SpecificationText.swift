package import Foundation

/// Looks through JSON that people write by hand, before anything reads it: what is wrong is said with line, column and
/// cause. Stricter than the readers behind it, which take a trailing comma and the last of two equal keys in silence.
package struct SpecificationText {
  private let bytes: [UInt8]
  private let path: String
  private var at = 0

  /// - Throws: `malformedFile`
  package static func check(_ data: Data, path: String) throws(EngineError) {
    var text = SpecificationText(bytes: Array(data), path: path)
    try text.whole()
  }

  private init(bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
  }

  /// Levels of objects and lists; a specification has five.
  private static let deepest = 64

  private mutating func whole() throws(EngineError) {
    if bytes.starts(with: [0xef, 0xbb, 0xbf]) {
      throw wrong("the text begins with a byte order mark", "save it as UTF-8 without one")
    }
    if let place = invalidUTF8 {
      at = place
      throw wrong("the text is not UTF-8", "save it as UTF-8")
    }
    try space()
    if at == bytes.count { throw wrong("the text is empty", #"write an object, such as {"task": "sentiment"}"#) }
    try value(depth: 0)
    try space()
    if at < bytes.count { throw wrong("something follows the end of the JSON: \(found)", "one value alone") }
  }

  private var invalidUTF8: Int? {
    if String(validating: bytes, as: UTF8.self) != nil { return nil }
    var (iterator, decoder, place) = (bytes.makeIterator(), Unicode.UTF8(), 0)
    while case .scalarValue(let scalar) = decoder.decode(&iterator) { place += Unicode.UTF8.width(scalar) }
    return place
  }

  // MARK: Values

  private mutating func value(depth: Int) throws(EngineError) {
    guard depth < Self.deepest else { throw wrong("more than \(Self.deepest) levels", "fewer braces and brackets") }
    switch peek {
    case UInt8(ascii: "{"): try object(depth: depth)
    case UInt8(ascii: "["): try list(depth: depth)
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "'"): throw wrong("a text in single quotes", #"double quotes: "text""#)
    case let byte? where (48...57).contains(byte) || "+-.".utf8.contains(byte): try number()
    case nil: throw wrong("the text ends where a value should stand", "the value and the closing braces")
    case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ":"):
      throw wrong("\(found) where a value should stand", "a value")
    default: try word()
    }
  }

  private mutating func object(depth: Int) throws(EngineError) {
    let opening = at
    at += 1
    var names: Set<String> = []
    try space()
    if take("}") { return }
    while true {
      guard peek != nil else { throw unclosed("{", from: opening) }
      if peek == UInt8(ascii: "'") { throw wrong("a key in single quotes", #"double quotes: "key""#) }
      guard peek == UInt8(ascii: "\"") else {
        throw wrong("\(found) where a key should stand", #"a key in quotes: "key": value"#)
      }
      let place = at
      let name = try string()
      guard names.insert(name).inserted else {
        at = place
        throw wrong("the key \"\(name.prefix(60))\" stands twice in one object", "it once")
      }
      try space()
      guard take(":") else { throw wrong("\(found) behind a key", "a colon and the value") }
      try space()
      try value(depth: depth + 1)
      if try end("}", opening: opening) { return }
    }
  }

  private mutating func list(depth: Int) throws(EngineError) {
    let opening = at
    at += 1
    try space()
    if take("]") { return }
    while true {
      try value(depth: depth + 1)
      if try end("]", opening: opening) { return }
    }
  }

  /// Behind a value: a comma and the next one, or the end of what holds it.
  private mutating func end(_ closing: Unicode.Scalar, opening: Int) throws(EngineError) -> Bool {
    try space()
    if take(closing) { return true }
    let comma = at
    guard take(",") else {
      if peek == nil { throw unclosed(closing == "}" ? "{" : "[", from: opening) }
      throw wrong("\(found) behind a value", "a comma, or \(closing)")
    }
    try space()
    if peek == UInt8(closing.value) {
      at = comma
      throw wrong("a comma before \(closing)", "no comma behind the last entry")
    }
    return false
  }

  private mutating func number() throws(EngineError) {
    let start = at
    while let byte = peek, byte == 43 || byte == 45 || byte == 46 || (48...57).contains(byte) || isLetter(byte) {
      at += 1
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    guard text.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+\-]?[0-9]+)?/) != nil else {
      at = start
      throw wrong("\(text.prefix(40)) is no number of JSON", "a number such as 8, -3, 0.5 or 1e-4")
    }
    guard let number = Double(text), number.isFinite else {
      at = start
      throw wrong("the number \(text.prefix(40)) is too large", "a smaller one")
    }
  }

  private mutating func word() throws(EngineError) {
    let start = at
    while let byte = peek, isLetter(byte) || (48...57).contains(byte) || byte == 95 { at += 1 }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if ["true", "false", "null"].contains(text) { return }
    at = start
    switch text {
    case "": throw wrong("\(found) where a value should stand", "a value")
    case "NaN", "Infinity", "nan", "inf": throw wrong("\(text), which JSON has no word for", "a number")
    case "True", "False", "None": throw wrong(text, text == "None" ? "null" : text.lowercased())
    default: throw wrong("\(text.prefix(40)) without quotes", #"a text in quotes: "text""#)
    }
  }

  private mutating func string() throws(EngineError) -> String {
    let start = at
    at += 1
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        at += 1
        let text = Data(bytes[start..<at])
        guard let value = try? JSONDecoder().decode(String.self, from: text) else {
          at = start
          throw wrong("a text whose escapes make no characters", #"\n, \t, \", \\ and \u followed by four digits"#)
        }
        return value
      case UInt8(ascii: "\\"):
        at += 1
        guard let next = peek, "\"\\/bfnrtu".utf8.contains(next) else {
          at -= 1
          throw wrong("an escape that JSON doesn't have", #"\n, \t, \", \\ or \u followed by four digits"#)
        }
        at += 1
      case 10, 13:
        throw wrong("a text that goes over the end of its line", #"a closing quote, or \n for a line break"#)
      case ..<32: throw wrong("a control character in a text", #"\t for a tab, \u00XX for others"#)
      default: at += 1
      }
    }
    at = start
    throw wrong("a text without its closing quote", "a quote at its end")
  }

  // MARK: Characters

  private var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

  private func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte & 0xdf) }

  private mutating func space() throws(EngineError) {
    while let byte = peek {
      switch byte {
      case 32, 9, 10, 13: at += 1
      case UInt8(ascii: "/"), UInt8(ascii: "#"): throw wrong("a comment", "none: JSON has no comments")
      default: return
      }
    }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek == UInt8(character.value) else { return false }
    at += 1
    return true
  }

  private var found: String {
    guard at < bytes.count else { return "the end of the text" }
    return String(decoding: bytes[at..<min(bytes.count, at + 4)], as: UTF8.self).first.map { "'\($0)'" } ?? "a byte"
  }

  private mutating func unclosed(_ opening: String, from place: Int) -> EngineError {
    at = place
    return wrong("\(opening) is never closed", opening == "{" ? "} at its end" : "] at its end")
  }

  /// Line and column of where the reading stands; a column is a character.
  private func wrong(_ what: String, _ expected: String) -> EngineError {
    let before = bytes[..<min(at, bytes.count)]
    let line = before.count { $0 == 10 } + 1
    let start = before.lastIndex(of: 10).map { $0 + 1 } ?? 0
    let column = String(decoding: before[start...], as: UTF8.self).count + 1
    return EngineError(
      .malformedFile, "this is not JSON: \(what)", at: "\(path), line \(line), column \(column)", expected: expected,
      nextStep: "mend that place; docs/EXPERIMENTS.md shows whole specifications")
  }
}

/// What someone may have meant.
package enum Suggestion {
  /// The name that is nearest to a mistyped one; `nil` where none is near.
  package static func nearest(to text: String, among names: [String]) -> String? {
    let limit = max(1, text.count / 3)
    return names.map { (distance(text.lowercased(), $0.lowercased()), $0) }.filter { $0.0 <= limit }
      .min { $0.0 < $1.0 }?.1
  }

  /// Insertions, deletions, replacements and swaps of neighbours (Damerau 1964, restricted).
  private static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.prefix(64)), Array(b.prefix(64)))
    var rows = [Array(0...b.count)]
    for i in 0..<a.count {
      var row = [i + 1]
      for j in 0..<b.count {
        var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
