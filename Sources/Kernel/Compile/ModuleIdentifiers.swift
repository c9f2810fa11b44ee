import Foundation

/// The identifiers that a compiled module's declarations are written with, read from its `.swiftmodule` file.
///
/// A reference to a declaration elsewhere names the module it lies in, and all names stand in one table: a module that
/// isn't in it has nothing that the declarations' types, conformances or inlined code need. What the cell's code does
/// with it behind those declarations is in the object file alone.
///
/// The file is an LLVM bitstream. Only what is needed to find that table is read: blocks, by their length.
package enum ModuleIdentifiers {
  private static let signature: [UInt8] = [0xE2, 0x9C, 0xA8, 0x0E]
  private static let moduleBlock: UInt64 = 8
  private static let identifierBlock: UInt64 = 12

  /// `nil` where the file has another form: then nothing is known of it.
  package static func read(_ path: String) -> Set<String>? {
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    return find(in: [UInt8](data))
  }

  package static func find(in bytes: [UInt8]) -> Set<String>? {
    guard bytes.starts(with: signature) else { return nil }
    var reader = Reader(bytes: bytes, position: signature.count * 8, end: bytes.count * 8)
    guard var module = reader.block(moduleBlock, width: 2),
      let table = module.block(identifierBlock, width: module.width)
    else { return nil }
    let words = bytes[table.position / 8..<table.end / 8].split(separator: 0)
    return Set(words.map { String(decoding: $0, as: UTF8.self) })
  }

  private struct Reader {
    let bytes: [UInt8]
    /// In bits.
    var position: Int
    let end: Int
    /// Bits of an abbreviation's number.
    var width = 2

    private mutating func bits(_ count: Int) -> UInt64? {
      guard position + count <= end else { return nil }
      var value: UInt64 = 0
      for bit in 0..<count {
        let at = position + bit
        value |= UInt64(bytes[at >> 3] >> UInt8(at & 7) & 1) << UInt64(bit)
      }
      position += count
      return value
    }

    private mutating func variable(_ chunk: Int) -> UInt64? {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while let part = bits(chunk), shift < 64 {
        value |= (part & (1 << UInt64(chunk - 1) - 1)) << shift
        if part >> UInt64(chunk - 1) == 0 { return value }
        shift += UInt64(chunk - 1)
      }
      return nil
    }

    /// The inside of the next block of that kind among those that follow one another here.
    mutating func block(_ wanted: UInt64, width: Int) -> Reader? {
      let enterBlock: UInt64 = 1
      while bits(width) == enterBlock, let kind = variable(8), let inner = variable(4), inner <= 32 {
        position = (position + 31) / 32 * 32
        guard let words = bits(32) else { return nil }
        let after = position + Int(words) * 32
        guard after <= end else { return nil }
        if kind == wanted { return Reader(bytes: bytes, position: position, end: after, width: Int(inner)) }
        position = after
      }
      return nil
    }
  }
}
