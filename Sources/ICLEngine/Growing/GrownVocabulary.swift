/// A SentencePiece-style vocabulary for generated text: `<unk>`, `<s>`, `</s>`, 256 byte tokens, characters, and
/// pieces made by byte-pair merges (Sennrich et al. 2016) until every word of the text is one token.
///
/// Its encoder works as llama.cpp's does for `tokenizer.ggml.model = llama`: begin with characters, and join the
/// neighbours whose union has the highest score, leftmost first, until none is in the vocabulary. A piece's score is
/// minus its rank, so merges happen in the order in which training found them. No piece crosses a word's edge, which
/// is why words may be encoded one by one.
package struct GrownVocabulary: Sendable, Equatable {
  package static let unknown = 0
  package static let begin = 1
  package static let end = 2
  package static let firstByte = 3
  package static let lineBreak = firstByte + 0x0a

  /// Token texts in id order, `▁` for a blank.
  package private(set) var pieces: [String]
  package private(set) var scores: [Float]
  private var idOf: [String: Int]
  private let mergedFrom: Int

  /// Learns merges from words with their counts.
  /// - Parameters:
  ///   - words: the word units of the text, as ``units(of:atStart:)`` cuts it. Each becomes a single token.
  ///   - limit: largest vocabulary.
  /// - Throws: `invalidArgument` when the words do not fit `limit`.
  package init(words: [String: Int], limit: Int = 4096) throws(EngineError) {
    pieces = ["<unk>", "<s>", "</s>"]
    pieces += (0..<256).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return "<0x" + (digits.count < 2 ? "0" : "") + digits + ">"
    }
    scores = [Float](repeating: 0, count: pieces.count)
    var characters = ["▁"]
    for scalar in UInt8(0x21)...0x7e { characters.append(String(UnicodeScalar(scalar))) }
    pieces += characters
    idOf = [:]
    mergedFrom = pieces.count
    for (id, piece) in pieces.enumerated() { idOf[piece] = id }
    // Single characters are never the result of a merge; SentencePiece gives them the lowest scores.
    scores += characters.indices.map { -Float(limit + $0) }
    try learn(words, limit: limit)
  }

  private mutating func learn(_ words: [String: Int], limit: Int) throws(EngineError) {
    // Sorted, because the order of a dictionary differs from run to run.
    let entries = words.sorted { $0.key < $1.key }
    var segmented = entries.map { segment($0.key) }
    while true {
      struct Pair: Hashable { let left: Int, right: Int }
      var counts: [Pair: Int] = [:]
      for (entry, symbols) in zip(entries, segmented) where symbols.count > 1 {
        // Every word counts, frequent ones somewhat more: rare words are to become whole as well.
        let weight = 1 + min(entry.value, 64).bitWidth - min(entry.value, 64).leadingZeroBitCount
        for (left, right) in zip(symbols, symbols.dropFirst()) {
          counts[Pair(left: left, right: right), default: 0] += weight
        }
      }
      let best = counts.max { a, b in
        a.value != b.value
          ? a.value < b.value : (pieces[a.key.left], pieces[a.key.right]) > (pieces[b.key.left], pieces[b.key.right])
      }
      guard let pair = best?.key else { return }
      guard pieces.count < limit else {
        throw EngineError(
          .invalidArgument, "the words do not fit the vocabulary", at: "vocabulary training",
          expected: "every word as one token within \(limit) tokens",
          found: "\(segmented.filter { $0.count > 1 }.count) words still in parts", nextStep: "raise the limit")
      }
      let piece = pieces[pair.left] + pieces[pair.right]
      idOf[piece] = pieces.count
      scores.append(-Float(pieces.count - mergedFrom))
      pieces.append(piece)
      for (index, entry) in entries.enumerated() where entry.key.contains(piece) {
        segmented[index] = segment(entry.key)
      }
    }
  }

  package func id(of piece: String) -> Int? { idOf[piece] }

  /// Tokens of one word unit.
  package func segment(_ unit: String) -> [Int] {
    var symbols = unit.map(String.init)
    while symbols.count > 1 {
      var best: (index: Int, score: Float)?
      for index in 0..<symbols.count - 1 {
        if let id = idOf[symbols[index] + symbols[index + 1]], best.map({ scores[id] > $0.score }) ?? true {
          best = (index, scores[id])
        }
      }
      guard let best else { break }
      symbols[best.index] += symbols.remove(at: best.index + 1)
    }
    return symbols.flatMap { symbol in
      idOf[symbol].map { [$0] } ?? symbol.utf8.map { Self.firstByte + Int($0) }
    }
  }

  /// The parts of a text that no piece crosses: `▁The`, `▁cat`, `.`, a line break, `Review`, `:`.
  /// - Parameter atStart: whether the text begins the prompt, where SentencePiece puts a blank before it.
  package static func units(of text: String, atStart: Bool) -> [String] {
    var units: [String] = []
    var current = ""
    var currentIsWord = false
    func isWord(_ character: Character) -> Bool { character.isASCII && character.isLetter }
    for character in (atStart ? "▁" : "") + text.replacing(" ", with: "▁") {
      let word = isWord(character)
      let joins = word && (currentIsWord || current == "▁")
      if !joins, !current.isEmpty {
        units.append(current)
        current = ""
      }
      current.append(character)
      currentIsWord = word
    }
    if !current.isEmpty { units.append(current) }
    return units
  }

  /// Tokens of a text, without `<s>`.
  package func encode(_ text: String, atStart: Bool) -> [Int] {
    Self.units(of: text, atStart: atStart).flatMap { unit in idOf[unit].map { [$0] } ?? segment(unit) }
  }

  /// Tokens that are a whole word with its blank before it, for sequences of random words.
  package var wholeWords: [Int] { pieces.indices.filter { $0 >= mergedFrom && pieces[$0].hasPrefix("▁") } }

  // MARK: As a file's metadata

  /// llama.cpp's token types: 1 normal, 2 unknown, 3 control, 6 byte.
  package var tokenTypes: [Int32] {
    pieces.indices.map { id in
      switch id {
      case Self.unknown: 2
      case Self.begin, Self.end: 3
      case Self.firstByte..<Self.firstByte + 256: 6
      default: 1
      }
    }
  }

  /// The keys of a GGUF file that describe this tokenizer.
  package var metadata: [(key: String, value: GGUFValue)] {
    [
      ("tokenizer.ggml.model", .string("llama")),
      ("tokenizer.ggml.pre", .string("default")),
      ("tokenizer.ggml.tokens", .strings(pieces)),
      ("tokenizer.ggml.scores", .float32s(scores)),
      ("tokenizer.ggml.token_type", .int32s(tokenTypes)),
      ("tokenizer.ggml.bos_token_id", .uint32(UInt32(Self.begin))),
      ("tokenizer.ggml.eos_token_id", .uint32(UInt32(Self.end))),
      ("tokenizer.ggml.unknown_token_id", .uint32(UInt32(Self.unknown))),
      ("tokenizer.ggml.add_bos_token", .bool(true)),
      ("tokenizer.ggml.add_eos_token", .bool(false)),
      ("tokenizer.ggml.add_space_prefix", .bool(true)),
    ]
  }
}

extension GrownVocabulary {
  /// The engine's tokenizer with this vocabulary.
  package func tokenizer() throws(EngineError) -> SentencePieceTokenizer {
    try SentencePieceTokenizer(
      pieces: pieces, scores: scores, kinds: tokenTypes.map { TokenKind(rawValue: Int($0)) ?? .normal },
      begin: Self.begin, end: Self.end, unknown: Self.unknown)
  }
}
