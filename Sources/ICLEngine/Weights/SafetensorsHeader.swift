/// The JSON at the front of a safetensors file, read strictly: an object of tensors and one of text, no deeper, no
/// name twice. What it says of offsets is checked by ``SafetensorsFile``.
struct SafetensorsHeader {
  var tensors: [(name: String, type: String, shape: [Int], offsets: (Int, Int))] = []
  var metadata: [String: String] = [:]

  private let bytes: UnsafeRawBufferPointer
  private var at = 0
  private let path: String

  /// - Parameter bytes: the header alone, which may end with spaces
  init(_ bytes: UnsafeRawBufferPointer, path: String) throws(EngineError) {
    self.bytes = bytes
    self.path = path
    var names: Set<String> = []
    try object { reader, name throws(EngineError) in
      guard names.insert(name).inserted else {
        throw reader.malformed("a name that is new", "\(name.prefix(80)) again")
      }
      if name == "__metadata__" {
        try reader.object { reader, key throws(EngineError) in
          reader.metadata[key] = try reader.string()
        }
      } else {
        try reader.tensor(name)
      }
    }
    skipSpace()
    guard at == bytes.count else { throw malformed("the end of the header", "more text") }
  }

  private mutating func tensor(_ name: String) throws(EngineError) {
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    try object { reader, key throws(EngineError) in
      switch key {
      case "dtype" where type == nil: type = try reader.string()
      case "shape" where shape == nil: shape = try reader.integers(atMost: 16)
      case "data_offsets" where offsets == nil: offsets = try reader.integers(atMost: 2)
      default: throw reader.malformed("dtype, shape and data_offsets, each once", "\(key.prefix(80))")
      }
    }
    guard let type, let shape, let offsets, offsets.count == 2 else {
      throw malformed("dtype, shape and two data_offsets of \(name.prefix(80))", "less")
    }
    tensors.append((name, type, shape, (offsets[0], offsets[1])))
  }

  private mutating func object(
    _ member: (inout SafetensorsHeader, String) throws(EngineError) -> Void
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

  private mutating func integers(atMost limit: Int) throws(EngineError) -> [Int] {
    var values: [Int] = []
    try expect("[")
    if take("]") { return values }
    repeat {
      skipSpace()
      let start = at
      var value = 0
      while at < bytes.count, (48...57).contains(bytes[at]) {
        let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
        let (sum, tooLargeToo) = product.addingReportingOverflow(Int(bytes[at]) - 48)
        guard !tooLarge, !tooLargeToo else { throw malformed("an integer below 2⁶³", "a larger one") }
        value = sum
        at += 1
      }
      guard at > start else { throw malformed("an integer from 0 on", found) }
      guard values.count < limit else { throw malformed("at most \(limit) integers", "more") }
      values.append(value)
    } while take(",")
    try expect("]")
    return values
  }

  private mutating func string() throws(EngineError) -> String {
    try expect("\"")
    var units: [UInt8] = []
    while true {
      guard at < bytes.count else { throw malformed("the end of a string", "the end of the header") }
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
    guard at < bytes.count else { throw malformed("an escape", "the end of the header") }
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
      guard let scalar = UnicodeScalar(value) else { throw malformed("a Unicode scalar", "half a surrogate pair") }
      return Array(String(Character(scalar)).utf8)
    default: throw malformed("an escape that JSON knows", "another")
    }
  }

  private mutating func hexadecimal() throws(EngineError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard at < bytes.count, let digit = Character(UnicodeScalar(bytes[at])).hexDigitValue, bytes[at] < 128 else {
        throw malformed("four hexadecimal digits", found)
      }
      value = value << 4 | UInt32(digit)
      at += 1
    }
    return value
  }

  private mutating func skipSpace() {
    while at < bytes.count, [32, 9, 10, 13].contains(bytes[at]) { at += 1 }
  }

  private mutating func take(_ character: Character) -> Bool {
    skipSpace()
    guard at < bytes.count, character.asciiValue == bytes[at] else { return false }
    at += 1
    return true
  }

  private mutating func expect(_ character: Character) throws(EngineError) {
    guard take(character) else { throw malformed("\(character)", found) }
  }

  private var found: String {
    at < bytes.count ? "the byte \(bytes[at])" : "the end of the header"
  }

  private func malformed(_ expected: String, _ found: String) -> EngineError {
    EngineError(
      .malformedFile, "the safetensors header is not what the format says", at: "\(path), byte \(8 + at)",
      expected: expected, found: found,
      nextStep: "the file is damaged or hostile: fetch it again from a source you trust")
  }
}
