/// Byte-level byte-pair encoding (Radford et al. 2019): the tokenizer of GPT-2 and, with another way to cut words, of
/// Llama 3. Text is cut into words; a word's bytes are joined by the merges, the earliest in the list first.
public final class ByteLevelTokenizer: Tokenizer {
  public let beginToken: Int?
  public let endToken: Int?
  public let addsBegin: Bool
  public let addsEnd: Bool
  public let wordRule: WordSplitter
  public let kinds: [TokenKind]
  private let pieces: PieceTable
  private let special: SpecialTokens
  /// The token of each byte value.
  private let byteTokens: [Int?]
  /// For a pair of tokens: its place in the list of merges, and the token that it becomes.
  private let merges: [UInt64: (rank: Int, token: Int)]

  /// - Parameters:
  ///   - pieces: text of each token, bytes written as GPT-2 does (space is `Ġ`)
  ///   - merges: `"left right"`, in the order in which they were learnt
  /// - Throws: `malformedFile` when a merge names no token or a special id is outside the vocabulary.
  public init(
    pieces: [String], merges: [String], kinds: [TokenKind], wordRule: WordSplitter, begin: Int?, end: Int?,
    addsBegin: Bool = false, addsEnd: Bool = false, location: String = "vocabulary"
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
    var pairs: [UInt64: (rank: Int, token: Int)] = [:]
    pairs.reserveCapacity(merges.count)
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
      let key = Self.key(left, right)
      if pairs[key] == nil { pairs[key] = (rank, joined) }
    }
    self.merges = pairs
    self.pieces = table
    self.kinds = kinds
    self.wordRule = wordRule
    self.beginToken = begin
    self.endToken = end
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
      addsBegin: try file.boolean("tokenizer.ggml.add_bos_token") ?? (rule == .llama3),
      addsEnd: try file.boolean("tokenizer.ggml.add_eos_token") ?? false, location: "\(file.path), tokenizer")
  }

  public var vocabularySize: Int { pieces.count }

  public func piece(_ id: Int) -> String { (0..<pieces.count).contains(id) ? pieces.text(id) : "" }

  public func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int] {
    var ids: [Int] = []
    if addSpecial, addsBegin, let beginToken { ids.append(beginToken) }
    var text = text
    text.withUTF8 { prompt in
      for fragment in special.split(prompt, parseSpecial: parseSpecial) {
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

  private static func key(_ left: Int, _ right: Int) -> UInt64 { UInt64(left) << 32 | UInt64(right) }

  private struct Pair: Comparable {
    let rank: Int
    let left: Int
    let right: Int
    let tokens: UInt64
    let joined: Int
    static func < (a: Pair, b: Pair) -> Bool { (b.rank, b.left) < (a.rank, a.left) }
    static func == (a: Pair, b: Pair) -> Bool { (a.rank, a.left) == (b.rank, b.left) }
  }

  private struct Symbol {
    /// The token of this stretch; `nil` for a byte without one, and -1 once joined to the left.
    var token: Int?
    var previous: Int
    var next: Int
  }

  /// Appends the tokens of one word. O(n log n).
  private func join(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int]) {
    var symbols: [Symbol] = []
    for byte in String(String.UnicodeScalarView(word)).utf8 {
      symbols.append(Symbol(token: byteTokens[Int(byte)], previous: symbols.count - 1, next: symbols.count + 1))
    }
    guard !symbols.isEmpty else { return }
    symbols[symbols.count - 1].next = -1
    // Llama 3 takes a word that is a token as it is, whatever the merges would make of it.
    if wordRule == .llama3 {
      let letters = String(
        String.UnicodeScalarView(
          String(String.UnicodeScalarView(word)).utf8.map { ByteLetters.letters[Int($0)] }))
      if let whole = pieces.find(letters) { return ids.append(whole) }
    }
    var queue = PriorityQueue<Pair>()
    func offer(_ left: Int, _ right: Int) {
      guard left >= 0, right >= 0, let a = symbols[left].token, let b = symbols[right].token, a >= 0, b >= 0 else {
        return
      }
      let key = Self.key(a, b)
      if let merge = merges[key] {
        queue.insert(Pair(rank: merge.rank, left: left, right: right, tokens: key, joined: merge.token))
      }
    }
    for right in symbols.indices.dropFirst() { offer(right - 1, right) }
    while let pair = queue.popGreatest() {
      guard let a = symbols[pair.left].token, let b = symbols[pair.right].token, a >= 0, b >= 0,
        symbols[pair.left].next == pair.right, Self.key(a, b) == pair.tokens
      else { continue }
      symbols[pair.left].token = pair.joined
      symbols[pair.right].token = -1
      let next = symbols[pair.right].next
      symbols[pair.left].next = next
      if next >= 0 { symbols[next].previous = pair.left }
      offer(symbols[pair.left].previous, pair.left)
      offer(pair.left, next)
    }
    var index = 0
    while index >= 0 {
      if let token = symbols[index].token { ids.append(token) }
      index = symbols[index].next
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
