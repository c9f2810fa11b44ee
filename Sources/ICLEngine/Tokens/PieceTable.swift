/// A vocabulary's texts in one run of bytes, found by their bytes: a hash table without an object per token.
struct PieceTable: Sendable {
  private var bytes: [UInt8] = []
  private var starts: [Int] = [0]
  /// Token id + 1 by hash, open addressing; 0 is free.
  private var slots: [Int32]
  private let mask: Int

  /// Of pieces with the same text the last one is found.
  init(_ pieces: [String]) {
    var size = 16
    while size < pieces.count * 2 { size *= 2 }
    slots = Array(repeating: 0, count: size)
    mask = size - 1
    starts.reserveCapacity(pieces.count + 1)
    for piece in pieces {
      bytes.append(contentsOf: piece.utf8)
      starts.append(bytes.count)
    }
    for id in pieces.indices {
      var slot = bytes.withUnsafeBufferPointer { Self.hash($0[starts[id]..<starts[id + 1]]) } & mask
      while slots[slot] != 0, !same(Int(slots[slot]) - 1, id) { slot = (slot + 1) & mask }
      slots[slot] = Int32(id + 1)
    }
  }

  var count: Int { starts.count - 1 }

  /// The bytes of a piece.
  func bytes(_ id: Int) -> ArraySlice<UInt8> { bytes[starts[id]..<starts[id + 1]] }

  func text(_ id: Int) -> String { String(decoding: bytes(id), as: UTF8.self) }

  /// The token whose text is `text`.
  func find(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Int? {
    var slot = Self.hash(text) & mask
    while slots[slot] != 0 {
      let id = Int(slots[slot]) - 1
      let range = starts[id]..<starts[id + 1]
      if range.count == text.count, bytes.withUnsafeBufferPointer({ $0[range].elementsEqual(text) }) { return id }
      slot = (slot + 1) & mask
    }
    return nil
  }

  func find(_ text: String) -> Int? {
    var text = text
    return text.withUTF8 { find($0[...]) }
  }

  private func same(_ a: Int, _ b: Int) -> Bool {
    bytes[starts[a]..<starts[a + 1]] == bytes[starts[b]..<starts[b + 1]]
  }

  /// FNV-1a, its high half mixed in.
  private static func hash(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    return Int(truncatingIfNeeded: hash ^ (hash >> 29)) & Int.max
  }
}
