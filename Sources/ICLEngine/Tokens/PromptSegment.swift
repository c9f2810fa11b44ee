/// A stretch of a prompt that is put together of several: text of a template, in which special tokens are meant, or
/// text of someone else, in which `</s>` is five letters.
public struct PromptSegment: Sendable, Equatable, Codable {
  public var text: String
  /// Whether the text of special tokens stands for those tokens.
  public var parsesSpecial: Bool

  public init(_ text: String, parsesSpecial: Bool) {
    self.text = text
    self.parsesSpecial = parsesSpecial
  }
}

/// Segments as one text, which is tokenized as a whole: merges reach across the seams, special tokens don't.
struct SegmentedText {
  let bytes: [UInt8]
  /// Stretches in which special tokens count; neighbours are one.
  private let parsing: [Range<Int>]

  init(_ segments: [PromptSegment]) {
    var bytes: [UInt8] = []
    var parsing: [Range<Int>] = []
    for segment in segments {
      let start = bytes.count
      bytes += segment.text.utf8
      guard segment.parsesSpecial, bytes.count > start else { continue }
      if let last = parsing.last, last.upperBound == start {
        parsing[parsing.count - 1] = last.lowerBound..<bytes.count
      } else {
        parsing.append(start..<bytes.count)
      }
    }
    self.bytes = bytes
    self.parsing = parsing
  }

  /// Whether a special token may stand in this range. O(log segments).
  func parsesSpecial(_ range: Range<Int>) -> Bool {
    var (low, high) = (0, parsing.count)
    while low < high {
      let middle = (low + high) / 2
      if parsing[middle].upperBound < range.upperBound { low = middle + 1 } else { high = middle }
    }
    return low < parsing.count && parsing[low].lowerBound <= range.lowerBound
  }
}
