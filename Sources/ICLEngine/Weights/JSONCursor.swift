/// Reads JSON forward only, strictly, and keeps nothing: what a caller does not ask for costs no memory, however long
/// or deep a hostile file makes it.
package struct JSONCursor {
  private let bytes: UnsafeRawBufferPointer
  private var at = 0
  private let path: String
  /// What messages call the text, such as "the safetensors header".
  private let name: String
  /// Where the text begins in its file, for messages.
  private let start: Int

  /// - Parameters:
  ///   - bytes: the text, which must outlive the cursor
  ///   - start: its place in the file that `path` names
  package init(_ bytes: UnsafeRawBufferPointer, path: String, name: String, start: Int = 0) {
    self.bytes = bytes
    self.path = path
    self.name = name
    self.start = start
  }

  /// Levels of objects and arrays that ``skip()`` and ``JSONTree`` go down.
  package static let deepest = 64

  package enum Kind: Sendable { case object, array, string, number, boolean, null }

  /// What comes next; nothing is read but space.
  package mutating func kind() throws(EngineError) -> Kind {
    skipSpace()
    guard at < bytes.count else { throw malformed("a value", found) }
    switch bytes[at] {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"), 48...57: return .number
    default: throw malformed("a value", found)
    }
  }

  /// Calls `member` with each name; it reads the value. Names that stand twice are the caller's to refuse.
  package mutating func object(
    _ member: (inout JSONCursor, String) throws(EngineError) -> Void
  ) throws(EngineError) {
    try expect("{")
    if take("}") { return }
    repeat {
      let name = try string()
      try expect(":")
      try member(&self, name)
    } while take(",")
    try expect("}")
  }

  /// Calls `element` with each index; it reads the value.
  package mutating func array(
    _ element: (inout JSONCursor, Int) throws(EngineError) -> Void
  ) throws(EngineError) {
    try expect("[")
    if take("]") { return }
    var index = 0
    repeat {
      try element(&self, index)
      index += 1
    } while take(",")
    try expect("]")
  }

  package mutating func boolean() throws(EngineError) -> Bool {
    if try word("true") { return true }
    if try word("false") { return false }
    throw malformed("true or false", found)
  }

  package mutating func null() throws(EngineError) {
    guard try word("null") else { throw malformed("null", found) }
  }

  /// A number that is an integer from 0 on and fits 63 bits.
  package mutating func count() throws(EngineError) -> Int {
    skipSpace()
    let first = at
    var value = 0
    while at < bytes.count, (48...57).contains(bytes[at]) {
      let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, tooLargeToo) = product.addingReportingOverflow(Int(bytes[at]) - 48)
      guard !tooLarge, !tooLargeToo else { throw malformed("an integer below 2⁶³", "a larger one") }
      value = sum
      at += 1
    }
    guard at > first else { throw malformed("an integer from 0 on", found) }
    return value
  }

  package mutating func number() throws(EngineError) -> Double {
    skipSpace()
    let first = at
    while at < bytes.count, Self.isOfNumber(bytes[at]) { at += 1 }
    let text = String(decoding: bytes[first..<at], as: UTF8.self)
    // Swift's conversion takes more than JSON does: "+1", "1.", ".5", "0x10".
    guard let head = text.first, head == "-" || head.isNumber, text.last?.isNumber == true,
      !text.contains(".e"), !text.contains(".E"), !text.hasPrefix("-."), let value = Double(text), value.isFinite
    else { throw malformed("a number", text.isEmpty ? found : String(text.prefix(40))) }
    return value
  }

  /// Moves past a value of any kind.
  package mutating func skip() throws(EngineError) {
    var open: [Bool] = []
    repeat {
      switch try kind() {
      case .object, .array:
        let isObject = take("{")
        if !isObject { try expect("[") }
        if take(isObject ? "}" : "]") { break }
        guard open.count < Self.deepest else { throw malformed("at most \(Self.deepest) levels", "more") }
        open.append(isObject)
        if isObject { try memberName() }
        continue
      case .string: _ = try string()
      case .number: _ = try number()
      case .boolean: _ = try boolean()
      case .null: try null()
      }
      // After a value: a comma and the next one, or the end of what holds it.
      while let isObject = open.last {
        if take(",") {
          if isObject { try memberName() }
          break
        }
        try expect(isObject ? "}" : "]")
        open.removeLast()
      }
    } while !open.isEmpty
  }

  private mutating func memberName() throws(EngineError) {
    _ = try string()
    try expect(":")
  }

  /// Throws unless only space is left.
  package mutating func end() throws(EngineError) {
    skipSpace()
    guard at == bytes.count else { throw malformed("the end of the text", found) }
  }

  private static func isOfNumber(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): true
    default: false
    }
  }

  private mutating func skipSpace() {
    while at < bytes.count, bytes[at] == 32 || bytes[at] == 10 || bytes[at] == 13 || bytes[at] == 9 { at += 1 }
  }

  private mutating func word(_ word: StaticString) throws(EngineError) -> Bool {
    skipSpace()
    let count = word.utf8CodeUnitCount
    guard count <= bytes.count - at else { return false }
    for index in 0..<count where bytes[at + index] != word.utf8Start[index] { return false }
    at += count
    return true
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard at < bytes.count, UInt32(bytes[at]) == character.value else { return false }
    at += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(EngineError) {
    guard take(character) else { throw malformed("\(character)", found) }
  }

  private var found: String {
    guard at < bytes.count else { return "the end of the text" }
    return (33...126).contains(bytes[at]) ? "\(Unicode.Scalar(bytes[at]))" : "the byte \(bytes[at])"
  }

  /// An error that says where the cursor stands.
  package func malformed(_ expected: String, _ found: String) -> EngineError {
    EngineError(
      .malformedFile, "\(name) is not what its format says", at: "\(path), byte \(start + at)", expected: expected,
      found: found, nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
  }
}

extension JSONCursor {
  package mutating func string() throws(EngineError) -> String {
    try expect("\"")
    let first = at
    while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\"), bytes[at] >= 32 {
      at += 1
    }
    // Most strings have no escape: they are read where they stand.
    if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
      let text = String(validating: UnsafeRawBufferPointer(rebasing: bytes[first..<at]), as: UTF8.self)
      guard let text else { throw malformed("UTF-8", "other bytes") }
      at += 1
      return text
    }
    var units = Array(bytes[first..<at])
    while true {
      guard at < bytes.count else { throw malformed("the end of a string", "the end of the text") }
      let byte = bytes[at]
      at += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: units, as: UTF8.self) else { throw malformed("UTF-8", "other bytes") }
        return text
      case UInt8(ascii: "\\"): units += try escape()
      case ..<32: throw malformed("printable text in a string", "a control character")
      default: units.append(byte)
      }
    }
  }

  private mutating func escape() throws(EngineError) -> [UInt8] {
    guard at < bytes.count else { throw malformed("an escape", "the end of the text") }
    let byte = bytes[at]
    at += 1
    switch byte {
    case UInt8(ascii: "n"): return [10]
    case UInt8(ascii: "t"): return [9]
    case UInt8(ascii: "r"): return [13]
    case UInt8(ascii: "b"): return [8]
    case UInt8(ascii: "f"): return [12]
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "u"):
      var value = try hexadecimal()
      if (0xd800..<0xdc00).contains(value) {
        guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") else {
          throw malformed("the second half of a surrogate pair", found)
        }
        at += 2
        let low = try hexadecimal()
        guard (0xdc00..<0xe000).contains(low) else { throw malformed("a surrogate pair", "half of one") }
        value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(value) else { throw malformed("a Unicode scalar", "half a surrogate pair") }
      return Array(String(Character(scalar)).utf8)
    default: throw malformed("an escape that JSON knows", "another")
    }
  }

  private mutating func hexadecimal() throws(EngineError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard at < bytes.count, bytes[at] < 128, let digit = Character(Unicode.Scalar(bytes[at])).hexDigitValue else {
        throw malformed("four hexadecimal digits", found)
      }
      value = value << 4 | UInt32(digit)
      at += 1
    }
    return value
  }
}
