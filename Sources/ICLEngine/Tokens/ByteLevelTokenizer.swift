/// Byte-level byte-pair encoding (Radford et al. 2019): the tokenizer of GPT-2 and, with another way to cut words, of
/// Llama 3. Text is cut into words; a word's bytes are joined by the merges, the earliest in the list first.
public final class ByteLevelTokenizer: Tokenizer {
  public let beginToken: Int?
  public let endToken: Int?
  public let stopTokens: [Int]
  public let addsBegin: Bool
  public let addsEnd: Bool
  public let wordRule: WordSplitter
  public let kinds: [TokenKind]
  let pieces: PieceTable
  private let special: SpecialTokens
  /// The token of each byte value.
  private let byteTokens: [Int?]
  let merges: RankedMerges

  /// - Parameters:
  ///   - pieces: text of each token, bytes written as GPT-2 does (space is `Ġ`)
  ///   - merges: `"left right"`, in the order in which they were learnt
  /// - Throws: `malformedFile` when a merge names no token or a special id is outside the vocabulary.
  public init(
    pieces: [String], merges: [String], kinds: [TokenKind], wordRule: WordSplitter, begin: Int?, end: Int?,
    stops: [Int] = [], addsBegin: Bool = false, addsEnd: Bool = false, location: String = "vocabulary"
  ) throws(EngineError) {
    guard kinds.count == pieces.count else {
      throw EngineError(
        .malformedFile, "the vocabulary's lists have different lengths", at: location,
        expected: "\(pieces.count) kinds",
        found: "\(kinds.count)", nextStep: "the file is damaged: fetch it again")
    }
    for (name, id) in [("BOS", begin), ("EOS", end)] {
      guard let id, !pieces.indices.contains(id) else { continue }
      throw EngineError(
        .malformedFile, "a special token is outside the vocabulary", at: "\(location), \(name) token",
        expected: "0 to \(pieces.count - 1)", found: "\(id)", nextStep: "the file is damaged: fetch it again")
    }
    let table = PieceTable(pieces)
    var pairs = RankedMerges(minimumCapacity: merges.count)
    for (rank, merge) in merges.enumerated() {
      // The first space after the first character: a piece never holds one.
      let parts = merge.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, let left = table.find(String(parts[0])), let right = table.find(String(parts[1])),
        let joined = table.find(String(parts[0]) + String(parts[1]))
      else {
        throw EngineError(
          .malformedFile, "a merge names no token", at: "\(location), merge \(rank)",
          expected: "two pieces whose joined text is a piece", found: merge,
          nextStep: "the file is damaged: fetch it again")
      }
      pairs.add(left, right, rank: rank, becomes: joined, duplicates: .first)
    }
    self.merges = pairs
    self.pieces = table
    self.kinds = kinds
    self.wordRule = wordRule
    self.beginToken = begin
    self.endToken = end
    stopTokens = StopTokens.list(end, stops, count: pieces.count)
    self.addsBegin = addsBegin && begin != nil
    self.addsEnd = addsEnd && end != nil
    special = SpecialTokens(table, kinds: kinds)
    byteTokens = ByteLetters.letters.map { table.find(String($0)) }
  }

  /// Reads the vocabulary of a GGUF file.
  package convenience init(_ file: GGUFFile) throws(EngineError) {
    let (pieces, kinds) = try GGUFTokenizer.vocabulary(file)
    guard let merges = try file.strings("tokenizer.ggml.merges") else {
      throw EngineError(
        .malformedFile, "the vocabulary has no merges", at: "\(file.path), key tokenizer.ggml.merges",
        expected: "an array of strings", found: "no such key", nextStep: "get a file made by llama.cpp's converter")
    }
    let name = try file.text("tokenizer.ggml.pre") ?? "no such key"
    guard let rule = WordSplitter(ggufName: name) else {
      throw EngineError(
        .unsupported, "the engine doesn't know this way to cut words", at: "\(file.path), key tokenizer.ggml.pre",
        expected: "gpt-2 or llama-bpe", found: name, nextStep: "use a model with a Llama 2, Llama 3 or GPT-2 tokenizer")
    }
    func id(_ key: String) throws(EngineError) -> Int? {
      let standard = 11 < pieces.count ? 11 : nil
      return try file.integer("tokenizer.ggml.\(key)_token_id") ?? standard
    }
    try self.init(
      pieces: pieces, merges: merges, kinds: kinds, wordRule: rule, begin: try id("bos"), end: try id("eos"),
      stops: try StopTokens.find(file, pieces, kinds),
      addsBegin: try file.boolean("tokenizer.ggml.add_bos_token") ?? (rule == .llama3),
      addsEnd: try file.boolean("tokenizer.ggml.add_eos_token") ?? false, location: "\(file.path), tokenizer")
  }

  public var vocabularySize: Int { pieces.count }

  public func piece(_ id: Int) -> String { (0..<pieces.count).contains(id) ? pieces.text(id) : "" }

  public func encode(_ segments: [PromptSegment], addSpecial: Bool) -> [Int] {
    var ids: [Int] = []
    if addSpecial, addsBegin, let beginToken { ids.append(beginToken) }
    let text = SegmentedText(segments)
    text.bytes.withUnsafeBufferPointer { prompt in
      for fragment in special.split(prompt, parsesSpecial: text.parsesSpecial) {
        switch fragment {
        case .token(let id): ids.append(id)
        case .text(let range):
          for word in wordRule.words(Array(String(decoding: prompt[range], as: UTF8.self).unicodeScalars)) {
            join(word, into: &ids)
          }
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
    for id in ids where (0..<pieces.count).contains(id) {
      if kinds[id] == .normal || kinds[id] == .unused {
        for letter in pieces.text(id).unicodeScalars {
          if let byte = ByteLetters.bytes[letter] { result.append(byte) } else { result += Array(String(letter).utf8) }
        }
      } else {
        result += pieces.bytes(id)
      }
    }
    return result
  }

  /// Appends the tokens of one word. O(n log n).
  private func join(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int]) {
    let bytes = Array(String(String.UnicodeScalarView(word)).utf8)
    // Llama 3 takes a word that is a token as it is, whatever the merges would make of it.
    if wordRule == .llama3 {
      let letters = String(String.UnicodeScalarView(bytes.map { ByteLetters.letters[Int($0)] }))
      if let whole = pieces.find(letters) { return ids.append(whole) }
    }
    // A byte without a token is left out; nothing merges across it.
    for run in bytes.split(whereSeparator: { byteTokens[Int($0)] == nil }) {
      ids += merges.join(run.compactMap { byteTokens[Int($0)] })
    }
  }
}

/// GPT-2's printable letters for bytes: printable Latin-1 stands for itself, the others for U+0100 and on.
enum ByteLetters {
  static let letters: [Unicode.Scalar] = {
    var next: UInt32 = 256
    return (0..<256).map { byte in
      let printable = (0x21...0x7e).contains(byte) || (0xa1...0xac).contains(byte) || (0xae...0xff).contains(byte)
      if printable { return Unicode.Scalar(UInt8(byte)) }
      defer { next += 1 }
      return Unicode.Scalar(next) ?? "\u{fffd}"
    }
  }()

  static let bytes: [Unicode.Scalar: UInt8] = Dictionary(
    zip(letters, UInt8.min...UInt8.max), uniquingKeysWith: { first, _ in first })
}
