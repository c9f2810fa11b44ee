/// SentencePiece's byte-pair encoding with byte fallback (Kudo and Richardson 2018, arXiv 1808.06226), with
/// llama.cpp's rules for spaces and special tokens: the tokenizer of Llama 2, TinyLlama and Mistral.
///
/// Text is cut into characters; of all neighbours whose joined text is a piece, the pair with the highest score is
/// joined (the leftmost of equals), until none is left. A character that is no piece becomes its UTF-8 bytes.
public final class SentencePieceTokenizer: Tokenizer {
  public let beginToken: Int?
  public let endToken: Int?
  public let stopTokens: [Int]
  public let unknownToken: Int?
  /// Whether encoding begins with BOS and ends with EOS when special tokens are added.
  public let addsBegin: Bool
  public let addsEnd: Bool
  /// Whether text gets a space in front, so that a first word looks like any other.
  public let addsSpacePrefix: Bool
  /// Who says where that space goes when user-defined tokens are about.
  public let prefixRule: PrefixRule

  public enum PrefixRule: Sendable {
    /// In front of each stretch of text that begins the prompt or follows a special token of any kind.
    case llamaCpp
    /// In front of the prompt, and of what follows a control token; user-defined tokens are text like any other.
    case sentencePiece
  }

  public let scores: [Float]
  public let kinds: [TokenKind]
  let pieces: PieceTable
  private let special: SpecialTokens
  /// The token of each byte value.
  private let byteTokens: [Int?]
  /// The byte value of each byte token.
  private let byteValues: [Int: UInt8]

  /// - Parameters:
  ///   - pieces: text of each token, spaces written `▁`
  ///   - scores: one per piece; higher is joined first
  ///   - kinds: one per piece
  /// - Throws: `malformedFile` when counts differ, a score is not a number, a special id is outside the vocabulary, or a
  ///   byte piece is not written `<0x00>` to `<0xFF>`.
  public init(
    pieces: [String], scores: [Float], kinds: [TokenKind], begin: Int? = 1, end: Int? = 2, unknown: Int? = 0,
    stops: [Int] = [], addsBegin: Bool = true, addsEnd: Bool = false, addsSpacePrefix: Bool = true,
    prefixRule: PrefixRule = .llamaCpp, location: String = "vocabulary"
  ) throws(EngineError) {
    guard scores.count == pieces.count, kinds.count == pieces.count else {
      throw EngineError(
        .malformedFile, "the vocabulary's lists have different lengths", at: location,
        expected: "\(pieces.count) scores and kinds", found: "\(scores.count) and \(kinds.count)",
        nextStep: "the file is damaged: fetch it again")
    }
    if let bad = scores.firstIndex(where: \.isNaN) {
      throw EngineError(
        .malformedFile, "a token's score is not a number", at: "\(location), token \(bad)", expected: "a number",
        found: "NaN", nextStep: "the file is damaged: fetch it again")
    }
    for (name, id) in [("BOS", begin), ("EOS", end), ("unknown", unknown)] {
      guard let id, !pieces.indices.contains(id) else { continue }
      throw EngineError(
        .malformedFile, "a special token is outside the vocabulary", at: "\(location), \(name) token",
        expected: "0 to \(pieces.count - 1)", found: "\(id)", nextStep: "the file is damaged: fetch it again")
    }
    var byteTokens = [Int?](repeating: nil, count: 256)
    var byteValues: [Int: UInt8] = [:]
    for (id, kind) in kinds.enumerated() where kind == .byte {
      guard let value = Self.byteValue(pieces[id]) else {
        throw EngineError(
          .malformedFile, "a byte token has no byte", at: "\(location), token \(id)", expected: "<0x00> to <0xFF>",
          found: pieces[id], nextStep: "the file is damaged: fetch it again")
      }
      byteTokens[Int(value)] = id
      byteValues[id] = value
    }
    self.beginToken = begin
    self.endToken = end
    stopTokens = StopTokens.list(end, stops, count: pieces.count)
    self.unknownToken = unknown
    self.addsBegin = addsBegin && begin != nil
    self.addsEnd = addsEnd && end != nil
    self.addsSpacePrefix = addsSpacePrefix
    self.prefixRule = prefixRule
    self.scores = scores
    self.kinds = kinds
    self.pieces = PieceTable(pieces)
    self.special = SpecialTokens(self.pieces, kinds: kinds)
    self.byteTokens = byteTokens
    self.byteValues = byteValues
  }

  /// Reads the vocabulary of a GGUF file.
  package convenience init(_ file: GGUFFile) throws(EngineError) {
    let (pieces, kinds) = try GGUFTokenizer.vocabulary(file)
    // As llama.cpp has it: a vocabulary without scores has zeros, absent ids are 0, 1 and 2 where these exist.
    let scores = try file.floats("tokenizer.ggml.scores") ?? Array(repeating: 0, count: pieces.count)
    func id(_ key: String, or standard: Int) throws(EngineError) -> Int? {
      try file.integer("tokenizer.ggml.\(key)_token_id") ?? (standard < pieces.count ? standard : nil)
    }
    try self.init(
      pieces: pieces, scores: scores, kinds: kinds, begin: try id("bos", or: 1), end: try id("eos", or: 2),
      unknown: try id("unknown", or: 0), stops: try StopTokens.find(file, pieces, kinds),
      addsBegin: try file.boolean("tokenizer.ggml.add_bos_token") ?? true,
      addsEnd: try file.boolean("tokenizer.ggml.add_eos_token") ?? false,
      addsSpacePrefix: try file.boolean("tokenizer.ggml.add_space_prefix") ?? true,
      location: "\(file.path), tokenizer")
  }

  public var vocabularySize: Int { pieces.count }

  public func piece(_ id: Int) -> String { (0..<pieces.count).contains(id) ? pieces.text(id) : "" }

  public func encode(_ segments: [PromptSegment], addSpecial: Bool) -> [Int] {
    var ids: [Int] = []
    if addSpecial, addsBegin, let beginToken { ids.append(beginToken) }
    let text = SegmentedText(segments)
    text.bytes.withUnsafeBufferPointer { prompt in
      var afterSpecial = true
      for fragment in special.split(prompt, parsesSpecial: text.parsesSpecial) {
        switch fragment {
        case .token(let id):
          let isText = prefixRule == .sentencePiece && kinds[id] == .userDefined
          if isText && addsSpacePrefix && afterSpecial { Self.space.withUnsafeBufferPointer { join($0, into: &ids) } }
          ids.append(id)
          afterSpecial = !isText
        case .text(let range):
          var escaped: [UInt8] = []
          escaped.reserveCapacity(range.count + 16)
          if addsSpacePrefix && afterSpecial { escaped += Self.space }
          for byte in prompt[range] {
            if byte == 0x20 { escaped += Self.space } else { escaped.append(byte) }
          }
          escaped.withUnsafeBufferPointer { join($0, into: &ids) }
          afterSpecial = false
        }
      }
    }
    if addSpecial, addsEnd, let endToken { ids.append(endToken) }
    return ids
  }

  public func decode(_ ids: [Int]) -> String { String(decoding: bytes(ids), as: UTF8.self) }

  public func bytes(_ ids: [Int]) -> [UInt8] {
    var ids = ids[...]
    if addsBegin, let first = ids.first, first == beginToken { ids = ids.dropFirst() }
    if let last = ids.last, last == endToken { ids = ids.dropLast() }
    var result: [UInt8] = []
    var dropsSpace = addsSpacePrefix
    for id in ids where (0..<pieces.count).contains(id) {
      if let byte = byteValues[id] {
        result.append(byte)
        dropsSpace = false
        continue
      }
      let isText = kinds[id] == .normal || kinds[id] == .unused
      var piece = pieces.bytes(id)
      if isText {
        if dropsSpace, piece.starts(with: Self.space) { piece = piece.dropFirst(3) }
        while let first = piece.first {
          if piece.starts(with: Self.space) {
            result.append(0x20)
            piece = piece.dropFirst(3)
          } else {
            result.append(first)
            piece = piece.dropFirst()
          }
        }
      } else {
        result += piece
      }
      dropsSpace = addsSpacePrefix && !isText && (prefixRule == .llamaCpp || kinds[id] != .userDefined)
    }
    return result
  }

  /// `▁`, U+2581.
  private static let space: [UInt8] = [0xe2, 0x96, 0x81]

  private static func byteValue(_ piece: String) -> UInt8? {
    let text = Array(piece.utf8)
    guard text.count == 6, piece.hasPrefix("<0x"), piece.hasSuffix(">") else { return nil }
    let digits = text[3..<5]
    guard digits.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x46).contains($0) || (0x61...0x66).contains($0) })
    else { return nil }
    return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
  }
}

extension SentencePieceTokenizer {
  /// Two neighbours whose joined text is a piece.
  private struct Pair: Comparable {
    let score: Float
    let left: Int
    let right: Int
    let byteCount: Int
    static func < (a: Pair, b: Pair) -> Bool { a.score < b.score || (a.score == b.score && a.left > b.left) }
    static func == (a: Pair, b: Pair) -> Bool { a.score == b.score && a.left == b.left }
  }

  /// A run of characters in a list linked by indices; `byteCount` 0 once it was joined to its left neighbour.
  private struct Symbol {
    let start: Int
    var byteCount: Int
    var previous: Int
    var next: Int
  }

  /// Appends the tokens of one stretch of escaped text. O(n log n).
  private func join(_ text: UnsafeBufferPointer<UInt8>, into ids: inout [Int]) {
    var symbols: [Symbol] = []
    var at = 0
    while at < text.count {
      let lead = text[at]
      let length = min(lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4, text.count - at)
      symbols.append(Symbol(start: at, byteCount: length, previous: symbols.count - 1, next: symbols.count + 1))
      at += length
    }
    guard !symbols.isEmpty else { return }
    symbols[symbols.count - 1].next = -1

    var queue = PriorityQueue<Pair>()
    func offer(_ left: Int, _ right: Int) {
      guard left >= 0, right >= 0 else { return }
      let start = symbols[left].start
      let byteCount = symbols[left].byteCount + symbols[right].byteCount
      guard let id = pieces.find(text[start..<start + byteCount]) else { return }
      queue.insert(Pair(score: scores[id], left: left, right: right, byteCount: byteCount))
    }
    for right in symbols.indices.dropFirst() { offer(right - 1, right) }
    while let pair = queue.popGreatest() {
      let (left, right) = (symbols[pair.left], symbols[pair.right])
      // One of the two may have been joined with another meanwhile.
      guard left.byteCount > 0, right.byteCount > 0, left.byteCount + right.byteCount == pair.byteCount else {
        continue
      }
      symbols[pair.left].byteCount = pair.byteCount
      symbols[pair.right].byteCount = 0
      symbols[pair.left].next = right.next
      if right.next >= 0 { symbols[right.next].previous = pair.left }
      offer(left.previous, pair.left)
      offer(pair.left, right.next)
    }

    var index = 0
    while index >= 0 {
      let symbol = symbols[index]
      let slice = text[symbol.start..<symbol.start + symbol.byteCount]
      if let id = pieces.find(slice) {
        ids.append(id)
      } else {
        for byte in slice {
          if let id = byteTokens[Int(byte)] ?? unknownToken { ids.append(id) }
        }
      }
      index = symbol.next
    }
  }
}
