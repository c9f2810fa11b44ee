/// The tokens whose text is found in a prompt before ordinary tokenizing begins.
struct SpecialTokens: Sendable {
  /// A piece of a prompt: a special token, or text between special tokens (a range of its UTF-8).
  enum Fragment {
    case token(Int)
    case text(Range<Int>)
  }

  /// Longest first, so that a long one isn't cut by a short one within it.
  private var tokens: [(id: Int, text: [UInt8], always: Bool)] = []

  init(_ pieces: PieceTable, kinds: [TokenKind]) {
    for (id, kind) in kinds.enumerated() where kind == .control || kind == .userDefined || kind == .unknown {
      let text = Array(pieces.bytes(id))
      if !text.isEmpty { tokens.append((id, text, kind == .userDefined)) }
    }
    tokens.sort { ($0.text.count, $1.id) > ($1.text.count, $0.id) }
  }

  /// Cuts a prompt. User-defined tokens are always found, control tokens only in ranges that `parsesSpecial` allows.
  func split(_ prompt: UnsafeBufferPointer<UInt8>, parsesSpecial: (Range<Int>) -> Bool) -> [Fragment] {
    var fragments: [Fragment] = prompt.isEmpty ? [] : [.text(0..<prompt.count)]
    for token in tokens {
      var next: [Fragment] = []
      for fragment in fragments {
        guard case .text(let range) = fragment else {
          next.append(fragment)
          continue
        }
        var (start, from) = (range.lowerBound, range.lowerBound)
        while let found = Self.find(token.text, in: prompt, from..<range.upperBound) {
          from = found + token.text.count
          guard token.always || parsesSpecial(found..<from) else {
            from = found + 1
            continue
          }
          if found > start { next.append(.text(start..<found)) }
          next.append(.token(token.id))
          start = from
        }
        if start < range.upperBound { next.append(.text(start..<range.upperBound)) }
      }
      fragments = next
    }
    return fragments
  }

  private static func find(_ text: [UInt8], in prompt: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int? {
    guard text.count <= range.count else { return nil }
    let last = range.upperBound - text.count
    var at = range.lowerBound
    while at <= last {
      if prompt[at] == text[0], prompt[at..<at + text.count].elementsEqual(text) { return at }
      at += 1
    }
    return nil
  }
}
