import ICLEngine

/// Wrong files from valid ones. The same number gives the same file.
struct Mutation {
  /// Values at which readers err: signs, powers of two and their neighbours, sizes of nothing and of everything.
  static let boundaries: [UInt64] = {
    var values: [UInt64] = [0, 1, 2, 3, 5, 7, 13, 100, 255, 1000, 65_535, 1_000_000]
    for bit in [7, 8, 15, 16, 17, 20, 28, 30, 31, 32, 33, 40, 47, 48, 61, 62, 63] {
      values += [1 << bit - 1, 1 << bit, 1 << bit + 1]
    }
    // −1, −2, −32, the largest multiple of 32; NaN, infinities and a subnormal of F32 and of F64.
    values += [.max, .max - 1, .max - 31, .max << 5, 0x7fc0_0000, 0x7f80_0000, 0xff80_0000, 0x8000_0000, 0x0000_0001]
    values += [0x7ff8 << 48, 0x7ff0 << 48, 0xfff0 << 48]
    return values
  }()

  /// What JSON, CSV and vocabularies are made of, and what breaks them.
  private static let words: [[UInt8]] =
    [
      "{", "}", "[", "]", "\"", ":", ",", "\\", "\\u0000", "\\ud800", "\\udc00\\ud800", "null", "true", "NaN", "1e999",
      "-1", "-0", "1e-999", "0x10", "\n", "\r", "\t", "\"\"", "data_offsets", "dtype", "shape", "__metadata__", "F32",
      "I64", "BOOL", "<0x-1>", "<0xZZ>", "<0x100>", "general.alignment", "llama.block_count", "Ġ", "▁", "\u{feff}",
    ].map { Array($0.utf8) } + [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0]]

  private var generator: SeededGenerator

  init(seed: UInt64, number: Int) {
    generator = SeededGenerator(seed: seed &+ UInt64(number) &* 0xd134_2543_de82_ef95)
    _ = generator.next()
  }

  /// Some small damage, or several: never more than twice as long as before.
  /// - Parameter other: bytes to splice with, of a file of the same kind
  mutating func apply(to file: FieldedBytes, splicing other: FieldedBytes) -> [UInt8] {
    var bytes = file.bytes
    let rounds = [1, 1, 1, 2, 3, 6][generator.index(below: 6)]
    for round in 0..<rounds where !bytes.isEmpty {
      // The known fields stand where they stood only until something was inserted or taken away.
      if round == 0, !file.fields.isEmpty, generator.index(below: 3) == 0 {
        let field = file.fields[generator.index(below: file.fields.count)]
        Self.write(boundary(), width: field.width, at: field.offset, to: &bytes)
        continue
      }
      change(&bytes, splicing: other)
    }
    return bytes.count <= 2 * file.bytes.count + 256 ? bytes : Array(bytes.prefix(2 * file.bytes.count + 256))
  }

  private mutating func change(_ bytes: inout [UInt8], splicing other: FieldedBytes) {
    switch generator.index(below: 12) {
    case 0: bytes[place(bytes)] ^= 1 << UInt8(generator.index(below: 8))
    case 1: bytes[place(bytes)] = UInt8(truncatingIfNeeded: generator.next())
    case 2: Self.write(boundary(), width: 1 << generator.index(below: 4), at: place(bytes), to: &bytes)
    case 3: bytes.removeLast(bytes.count - place(bytes))
    case 4: insert(Self.words[generator.index(below: Self.words.count)], into: &bytes)
    case 5:
      insert((0...generator.index(below: 16)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }, into: &bytes)
    case 6: insert(Array(bytes[chunk(bytes)]), into: &bytes)
    case 7: bytes.removeSubrange(chunk(bytes))
    case 8:
      let (a, b) = (chunk(bytes), chunk(bytes))
      let (from, to) = (Array(bytes[a]), Array(bytes[b]))
      for (offset, byte) in from.enumerated() where b.lowerBound + offset < bytes.count {
        bytes[b.lowerBound + offset] = byte
      }
      for (offset, byte) in to.enumerated() where a.lowerBound + offset < bytes.count {
        bytes[a.lowerBound + offset] = byte
      }
    case 9:
      let cut = generator.index(below: bytes.count)
      bytes = Array(bytes[..<cut] + other.bytes.dropFirst(min(cut, other.bytes.count)))
    case 10:
      let value: UInt8 = generator.index(below: 2) == 0 ? 0 : 0xff
      for index in chunk(bytes) { bytes[index] = value }
    default: number(&bytes)
    }
  }

  /// Puts a boundary in place of a run of digits, if there is one; brackets without end otherwise.
  private mutating func number(_ bytes: inout [UInt8]) {
    let start = place(bytes)
    if let first = bytes[start...].firstIndex(where: { (48...57).contains($0) }) {
      let end = bytes[first...].firstIndex { !(48...57).contains($0) } ?? bytes.count
      let text = generator.index(below: 4) == 0 ? "-\(boundary() >> 1)" : "\(boundary())"
      bytes.replaceSubrange(first..<end, with: Array(text.utf8))
    } else {
      let bracket: UInt8 = generator.index(below: 2) == 0 ? UInt8(ascii: "[") : UInt8(ascii: "{")
      insert([UInt8](repeating: bracket, count: 200), into: &bytes)
    }
  }

  private mutating func boundary() -> UInt64 { Self.boundaries[generator.index(below: Self.boundaries.count)] }

  /// Half of the places are among the first 512 bytes, where headers stand.
  private mutating func place(_ bytes: [UInt8]) -> Int {
    generator.index(below: generator.index(below: 2) == 0 ? min(512, bytes.count) : bytes.count)
  }

  private mutating func chunk(_ bytes: [UInt8]) -> Range<Int> {
    let start = place(bytes)
    let longest = min(bytes.count - start, generator.index(below: 4) == 0 ? 4096 : 40)
    return start..<start + 1 + generator.index(below: longest)
  }

  private mutating func insert(_ new: [UInt8], into bytes: inout [UInt8]) {
    bytes.insert(contentsOf: new, at: place(bytes))
  }

  static func write(_ value: UInt64, width: Int, at offset: Int, to bytes: inout [UInt8]) {
    for index in 0..<width where offset + index < bytes.count {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))
    }
  }
}
