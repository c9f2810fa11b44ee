/// The tokenizer that a `tokenizer.json` describes, step by step as Hugging Face's `tokenizers` takes them: added
/// tokens are found, the stretches between them normalized and cut into words, words merged, ids put around.
///
/// It serves both families: SentencePiece's BPE with byte fallback (Llama 2, TinyLlama, Mistral) and byte-level BPE
/// (Llama 3).
public final class PipelineTokenizer: Tokenizer {
  public let beginToken: Int?
  public let endToken: Int?
  public let stopTokens: [Int]
  /// Ids in front of and behind a text where special tokens are added.
  public let prefix: [Int]
  public let suffix: [Int]
  public let kinds: [TokenKind]
  let file: TokenizerFile
  let merges: RankedMerges
  let pieces: PieceTable
  let unknownToken: Int?
  /// The token of each byte value, where unknown characters become bytes.
  private let byteTokens: [Int?]
  /// Found in the text as it stands, and in the normalized text.
  private let plainTokens: AddedTokens
  private let normalizedTokens: AddedTokens

  init(
    _ file: TokenizerFile, begin: Int?, end: Int?, stops: [Int] = [], prefix: [Int]? = nil, suffix: [Int]? = nil
  ) throws(EngineError) {
    let table = PieceTable(file.pieces)
    for (name, id) in [("BOS", begin), ("EOS", end)] {
      guard let id, !file.pieces.indices.contains(id) else { continue }
      throw file.malformed(
        "the \(name) token is outside the vocabulary", expected: "0 to \(file.pieces.count - 1)", found: "\(id)")
    }
    var merges = RankedMerges(minimumCapacity: file.merges.count)
    for (rank, merge) in file.merges.enumerated() {
      guard let left = table.find(merge.left), let right = table.find(merge.right),
        let joined = table.find(merge.left + merge.right)
      else {
        throw file.malformed(
          "merge \(rank) names no token", expected: "two pieces whose joined text is a piece",
          found: "\(merge.left.prefix(40)) \(merge.right.prefix(40))")
      }
      merges.add(left, right, rank: rank, becomes: joined, duplicates: .last)
    }
    var kinds = Array(repeating: TokenKind.normal, count: file.pieces.count)
    var byteTokens = [Int?](repeating: nil, count: 256)
    if file.hasByteFallback {
      for byte in 0..<256 {
        let digits = String(byte, radix: 16, uppercase: true)
        guard let id = table.find("<0x" + (byte < 16 ? "0" : "") + digits + ">") else { continue }
        byteTokens[byte] = id
        kinds[id] = .byte
      }
    }
    for token in file.added { kinds[token.id] = token.isSpecial ? .control : .userDefined }
    unknownToken = file.unknownToken.flatMap(table.find)
    if let unknownToken { kinds[unknownToken] = .unknown }
    func tokens(normalized: Bool) -> AddedTokens {
      AddedTokens(
        file.added.filter { $0.isNormalized == normalized }.map { token in
          let text = normalized ? file.normalizers.reduce(token.text) { $1($0) } : token.text
          return AddedTokens.Token(
            id: token.id, text: Array(text.utf8), isSpecial: token.isSpecial, isSingleWord: token.isSingleWord,
            stripsLeft: token.stripsLeft, stripsRight: token.stripsRight)
        })
    }
    plainTokens = tokens(normalized: false)
    normalizedTokens = tokens(normalized: true)
    beginToken = begin
    endToken = end
    stopTokens = stops.filter(file.pieces.indices.contains)
    self.prefix = prefix ?? file.prefix
    self.suffix = suffix ?? file.suffix
    self.kinds = kinds
    self.merges = merges
    self.byteTokens = byteTokens
    pieces = table
    // The lists that the tables now hold would double the memory.
    var file = file
    file.merges = []
    file.pieces = []
    self.file = file
  }

  public var vocabularySize: Int { pieces.count }

  public func piece(_ id: Int) -> String { (0..<pieces.count).contains(id) ? pieces.text(id) : "" }

  public func encode(_ segments: [PromptSegment], addSpecial: Bool) -> [Int] {
    let prompt = SegmentedText(segments)
    var ids = addSpecial ? prefix : []
    for fragment in plainTokens.split(prompt.bytes, parsesSpecial: prompt.parsesSpecial) {
      switch fragment {
      case .token(let id): ids.append(id)
      case .text(let range):
        let stretch = String(decoding: prompt.bytes[range], as: UTF8.self)
        let text = Array(file.normalizers.reduce(stretch) { $1($0) }.utf8)
        // Where a normalized text came from is not known to the byte: special tokens in it need a whole stretch.
        let parses = prompt.parsesSpecial(range)
        for (index, part) in normalizedTokens.split(text, parsesSpecial: { _ in parses }).enumerated() {
          switch part {
          case .token(let id): ids.append(id)
          case .text(let inner):
            let isFirst = range.lowerBound == 0 && index == 0
            appendWords(String(decoding: text[inner], as: UTF8.self), isFirst: isFirst, to: &ids)
          }
        }
      }
    }
    return addSpecial ? ids + suffix : ids
  }

  private func appendWords(_ text: String, isFirst: Bool, to ids: inout [Int]) {
    var words: [WordCutter.Word] = [(text, isFirst)]
    for cutter in file.cutters { words = words.flatMap { cutter($0) } }
    for word in words where !word.text.isEmpty {
      if file.ignoresMerges, let whole = pieces.find(word.text) {
        ids.append(whole)
      } else {
        ids += merges.join(firstTokens(word.text))
      }
    }
  }

  /// A token for each character; a character that is no token becomes its bytes, or the unknown token.
  private func firstTokens(_ word: String) -> [Int] {
    var tokens: [Int] = []
    var hasUnknown = false
    var word = word
    word.withUTF8 { bytes in
      var at = 0
      while at < bytes.count {
        let lead = bytes[at]
        let end = min(at + (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4), bytes.count)
        let character = bytes[at..<end]
        at = end
        if let id = pieces.find(character) {
          if hasUnknown, let unknownToken { tokens.append(unknownToken) }
          hasUnknown = false
          tokens.append(id)
          continue
        }
        let fallback = character.compactMap { byteTokens[Int($0)] }
        if fallback.count == character.count {
          tokens += fallback
          continue
        }
        if hasUnknown, !file.fusesUnknown, let unknownToken { tokens.append(unknownToken) }
        hasUnknown = true
      }
    }
    if hasUnknown, let unknownToken { tokens.append(unknownToken) }
    return tokens
  }
}

// MARK: Decoding

extension PipelineTokenizer {
  public func decode(_ ids: [Int]) -> String { String(decoding: bytes(ids), as: UTF8.self) }

  public func bytes(_ ids: [Int]) -> [UInt8] {
    var ids = ids[...]
    if prefix.first != nil, prefix.first == beginToken, let first = ids.first, first == beginToken {
      ids = ids.dropFirst()
    }
    if let last = ids.last, last == endToken { ids = ids.dropLast() }
    var result: [UInt8] = []
    var dropsSpace = spacesInFront != .never
    for id in ids where (0..<pieces.count).contains(id) {
      let piece = pieces.bytes(id)
      switch kinds[id] {
      case .normal, .unused:
        var text = file.decodesLetters ? letterBytes(piece) : spaced(piece)
        if dropsSpace, text.first == 0x20 { text.removeFirst() }
        result += text
        dropsSpace = false
      case .byte:
        if let byte = UInt8(String(decoding: piece.dropFirst(3).prefix(2), as: UTF8.self), radix: 16) {
          result.append(byte)
        }
        dropsSpace = false
      case .unknown, .control, .userDefined:
        result += piece
        dropsSpace = spacesInFront == .always
      }
    }
    return result
  }

  /// Where a space is put in front of text when it is encoded, and so taken away again.
  var spacesInFront: WordCutter.SpacePrefix {
    for step in file.normalizers { if case .prepend = step { return .always } }
    for cutter in file.cutters {
      switch cutter {
      case .metaspace(_, let prefix, _): return prefix
      case .byteLevel(addsPrefixSpace: true, _): return .always
      default: break
      }
    }
    return .never
  }

  private func letterBytes(_ piece: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    for letter in String(decoding: piece, as: UTF8.self).unicodeScalars {
      if let byte = ByteLetters.bytes[letter] { result.append(byte) } else { result += Array(String(letter).utf8) }
    }
    return result
  }

  private func spaced(_ piece: ArraySlice<UInt8>) -> [UInt8] {
    guard let mark = file.spaceMark else { return Array(piece) }
    return Array(TextNormalizer.replacing(mark, with: " ", in: String(decoding: piece, as: UTF8.self)).utf8)
  }
}
