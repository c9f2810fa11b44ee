/// Changes to a cell's text, and the way back from a place in the changed text to the user's own.
///
/// All offsets are in UTF-8 bytes. No change adds or removes a line.
package struct SourceEdits: Sendable {
  private struct Edit: Sendable {
    var offset: Int
    var removed: Int
    var inserted: String
    var order: Int
  }
  private var edits: [Edit] = []

  package init() {}

  package var isEmpty: Bool { edits.isEmpty }

  /// Which of several insertions at one place comes first.
  package enum Rank: Int, Sendable {
    case statementBefore, outerOpening, innerOpening, innerClosing, outerClosing, statementAfter, after
  }

  package mutating func insert(_ text: String, at offset: Int, _ rank: Rank) {
    edits.append(Edit(offset: offset, removed: 0, inserted: text, order: rank.rawValue << 32 + edits.count))
  }

  package mutating func replace(_ range: Range<Int>, with text: String) {
    edits.append(
      Edit(
        offset: range.lowerBound, removed: range.count, inserted: text, order: Rank.after.rawValue << 32 + edits.count))
  }

  /// Adds another's changes after these.
  package mutating func append(_ other: SourceEdits) {
    edits += other.edits
  }

  /// The changed text, and for every byte of it the byte of the original it stands for.
  package func apply(to source: String) -> EditedSource {
    let original = Array(source.utf8)
    var bytes: [UInt8] = []
    var origins: [Int] = []
    bytes.reserveCapacity(original.count + edits.count * 32)
    var position = 0
    func copy(to end: Int) {
      guard end > position else { return }
      bytes.append(contentsOf: original[position..<end])
      origins.append(contentsOf: position..<end)
      position = end
    }
    for edit in edits.sorted(by: { ($0.offset, $0.order) < ($1.offset, $1.order) }) {
      copy(to: edit.offset)
      let inserted = Array(edit.inserted.utf8)
      bytes.append(contentsOf: inserted)
      origins.append(contentsOf: repeatElement(edit.offset, count: inserted.count))
      position = max(position, edit.offset + edit.removed)
    }
    copy(to: original.count)
    origins.append(original.count)
    return EditedSource(text: String(decoding: bytes, as: UTF8.self), origins: origins)
  }
}

/// A changed text that knows where each of its bytes came from.
package struct EditedSource: Sendable {
  package let text: String
  /// One entry for every byte of `text`, and one for its end.
  private let origins: [Int]

  init(text: String, origins: [Int]) {
    self.text = text
    self.origins = origins
  }

  /// Whether the text at a place isn't the user's.
  func isInserted(line: Int, column: Int) -> Bool {
    let index = index(line: line, column: column)
    return index + 1 < origins.count && origins[index] == origins[index + 1]
  }

  /// Offset in the original of a 1-based line and byte column of the changed text.
  package func original(line: Int, column: Int) -> Int { origins[index(line: line, column: column)] }

  private func index(line: Int, column: Int) -> Int {
    var start = 0
    var current = 1
    let bytes = text.utf8
    if line > 1 {
      for (offset, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
        current += 1
        if current == line {
          start = offset + 1
          break
        }
      }
      if current < line { return origins.count - 1 }
    }
    return min(max(start + column - 1, 0), origins.count - 1)
  }
}
