/// Turns the bytes of one pipe into text that never splits a character.
package struct OutputDecoder: Sendable {
  private var pending: [UInt8] = []

  package init() {}

  /// The complete characters so far; the bytes of an unfinished one wait for the next call. Bytes that are no UTF-8
  /// become U+FFFD.
  package mutating func decode(_ bytes: some Collection<UInt8>) -> String {
    pending.append(contentsOf: bytes)
    let keep = Self.unfinished(pending)
    let text = String(decoding: pending[..<(pending.count - keep)], as: UTF8.self)
    pending.removeFirst(pending.count - keep)
    return text
  }

  /// What is left at the end of the stream.
  package mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  /// How many bytes at the end begin a sequence that isn't complete.
  private static func unfinished(_ bytes: [UInt8]) -> Int {
    for back in 1...3 where back <= bytes.count {
      let byte = bytes[bytes.count - back]
      if byte & 0b1100_0000 == 0b1000_0000 { continue }
      let length =
        byte & 0b1110_0000 == 0b1100_0000
        ? 2 : byte & 0b1111_0000 == 0b1110_0000 ? 3 : byte & 0b1111_1000 == 0b1111_0000 ? 4 : 1
      return length > back ? back : 0
    }
    return 0
  }
}
