import Foundation

/// A small JSON text as a whole: settings, never weights or vocabularies.
package enum JSONTree: Sendable, Equatable {
  case null
  case boolean(Bool)
  case number(Double)
  case string(String)
  case array([JSONTree])
  case object([String: JSONTree])

  /// Values that one tree may hold: a bomb of empty arrays ends here.
  private static let mostValues = 200_000

  /// Reads a file of settings.
  /// - Parameter limit: bytes that such a file has at most
  /// - Throws: `unreadableFile`, `malformedFile`; a name that stands twice in an object is malformed
  package static func read(_ path: String, limit: Int = 8 << 20) throws(EngineError) -> JSONTree {
    let file = try MappedFile(path: path)
    // The bytes end with the object, and the optimizer ends it at its last use.
    defer { withExtendedLifetime(file) {} }
    guard file.byteCount <= limit else {
      throw EngineError(
        .malformedFile, "a file of settings is too long", at: path, expected: "at most \(limit) bytes",
        found: "\(file.byteCount)", nextStep: "check that this is the file that its name says")
    }
    var cursor = JSONCursor(file.bytes, path: path, name: "the JSON text")
    let tree = try JSONTree(&cursor)
    try cursor.end()
    return tree
  }

  /// Reads the value at which a cursor stands.
  package init(_ cursor: inout JSONCursor) throws(EngineError) {
    var left = Self.mostValues
    self = try Self.value(&cursor, depth: 0, left: &left)
  }

  private static func value(
    _ cursor: inout JSONCursor, depth: Int, left: inout Int
  ) throws(EngineError) -> JSONTree {
    left -= 1
    guard left >= 0, depth <= JSONCursor.deepest else {
      throw cursor.malformed("at most \(mostValues) values in \(JSONCursor.deepest) levels", "more")
    }
    switch try cursor.kind() {
    case .null:
      try cursor.null()
      return .null
    case .boolean: return .boolean(try cursor.boolean())
    case .number: return .number(try cursor.number())
    case .string: return .string(try cursor.string())
    case .array:
      var elements: [JSONTree] = []
      try cursor.array { cursor, _ throws(EngineError) in
        elements.append(try value(&cursor, depth: depth + 1, left: &left))
      }
      return .array(elements)
    case .object:
      var members: [String: JSONTree] = [:]
      try cursor.object { cursor, name throws(EngineError) in
        guard members[name] == nil else {
          throw cursor.malformed("a name that is new", "\(name.prefix(80)) again")
        }
        members[name] = try value(&cursor, depth: depth + 1, left: &left)
      }
      return .object(members)
    }
  }

  /// A member of an object; `nil` when it is absent, null, or this is no object.
  package subscript(_ name: String) -> JSONTree? {
    guard case .object(let members) = self, let member = members[name], member != .null else { return nil }
    return member
  }

  package var text: String? { if case .string(let text) = self { text } else { nil } }
  package var boolean: Bool? { if case .boolean(let value) = self { value } else { nil } }
  package var real: Double? { if case .number(let value) = self { value } else { nil } }
  package var integer: Int? { real.flatMap { abs($0) <= 0x1p53 ? Int(exactly: $0) : nil } }
  package var elements: [JSONTree]? { if case .array(let elements) = self { elements } else { nil } }
  package var members: [String: JSONTree]? { if case .object(let members) = self { members } else { nil } }

  /// Shortly, for messages.
  package var summary: String {
    switch self {
    case .null: "null"
    case .boolean(let value): "\(value)"
    case .number(let value): integer.map { "\($0)" } ?? "\(value)"
    case .string(let text): "\"\(text.prefix(60))\""
    case .array(let elements): "an array of \(elements.count)"
    case .object(let members): "an object of \(members.count)"
    }
  }
}
