import Foundation

/// JSON for everybody else: results and what commands print. Undefined numbers (NaN) are `null`, infinite ones the
/// strings `"Infinity"` and `"-Infinity"`; `docs/COMMAND_LINE.md` says so.
///
/// What an experiment keeps on disk has checksums over its own text, in which undefined numbers are the string `"NaN"`
/// (``ExperimentJSON``).
package enum ResultJSON {
  /// - Parameter pretty: in lines, for people; otherwise in one
  package static func text(of value: some Encodable, pretty: Bool = false) throws(EngineError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting =
      pretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
    // The encoder has no way to say null for a number. A text that nothing else can hold stands for it.
    let mark = "undefined \(UUID().uuidString)"
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: mark)
    do {
      let text = String(decoding: try encoder.encode(value), as: UTF8.self)
      return text.contains(mark) ? text.replacingOccurrences(of: "\"\(mark)\"", with: "null") : text
    } catch {
      throw EngineError(.unsupported, "the result cannot be written as JSON", underlying: error)
    }
  }

  /// Reads what ``text(of:pretty:)`` wrote, and what earlier versions did.
  package static func value<T: Decodable>(_ type: T.Type, from json: String) throws -> T {
    try ExperimentJSON.value(type, from: Data(withUndefinedNumbers(Array(json.utf8))))
  }

  /// The same text with `"NaN"` for `null` where a number stands: in lists, and where the key is a pair of conditions
  /// or a coordinate. Elsewhere `null` is a choice, such as "no instruction".
  private static func withUndefinedNumbers(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    let null = Array("null".utf8)
    var (isText, isEscaped) = (false, false)
    var textStart = 0
    var lastText = 0..<0
    var before = UInt8(ascii: " ")
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      if isText {
        if byte == UInt8(ascii: "\""), !isEscaped {
          isText = false
          lastText = textStart..<index
        }
        isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
      } else if byte == UInt8(ascii: "\"") {
        isText = true
        textStart = index + 1
      } else if byte == UInt8(ascii: "n"), bytes[index...].starts(with: null),
        before != UInt8(ascii: ":") || isNumber(String(decoding: bytes[lastText], as: UTF8.self))
      {
        result += "\"NaN\"".utf8
        index += null.count
        before = byte
        continue
      }
      if byte > 32 { before = byte }
      result.append(byte)
      index += 1
    }
    return result
  }

  private static func isNumber(_ key: String) -> Bool { key.contains(" ~ ") || key == "x" || key == "y" }
}
