import ICLEngine
import Testing

/// Rules that need no real vocabulary.
struct TokenizerRulesTests {
  static let bytes = (0..<256).map { byte in
    "<0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) + ">"
  }
  static let head: [TokenKind] = [.unknown, .control, .control]

  static func make(
    _ words: [(String, Float)], begin: Int? = 1, end: Int? = 2, kinds: [TokenKind]? = nil, prefix: Bool = true
  ) throws -> SentencePieceTokenizer {
    let pieces = ["<unk>", "<s>", "</s>"] + bytes + words.map(\.0)
    return try SentencePieceTokenizer(
      pieces: pieces, scores: Array(repeating: 0, count: 259) + words.map(\.1),
      kinds: head + Array(repeating: .byte, count: 256) + (kinds ?? Array(repeating: .normal, count: words.count)),
      begin: begin, end: end, addsSpacePrefix: prefix)
  }

  static func pieces(_ tokenizer: SentencePieceTokenizer, _ text: String) -> [String] {
    tokenizer.encode(text, addSpecial: false, parseSpecial: false).map(tokenizer.piece)
  }

  @Test func `the pair with the highest score is joined first, the leftmost of equals`() throws {
    let tokenizer = try Self.make([("a", -9), ("b", -9), ("c", -9), ("ab", -2), ("bc", -1)], prefix: false)
    #expect(Self.pieces(tokenizer, "abc") == ["a", "bc"])
    let equal = try Self.make([("a", -9), ("aa", -1)], prefix: false)
    #expect(Self.pieces(equal, "aaa") == ["aa", "a"])
  }

  @Test func `what is no piece becomes bytes, and bytes become text again`() throws {
    let tokenizer = try Self.make([("▁", -1), ("a", -1)])
    #expect(Self.pieces(tokenizer, "aé") == ["▁", "a", "<0xC3>", "<0xA9>"])
    for text in ["", " ", "a", " a", "é🙂\n\t\0", "a  b ", "▁"] {
      let decoded = tokenizer.decode(tokenizer.encode(text))
      // U+2581 is how a space is written: the one character that can't be told from it.
      #expect(decoded == text.replacing("▁", with: " "))
    }
    #expect(tokenizer.decode([3 + 0xc3]) == "\u{fffd}", "half a character")
  }

  @Test func `user-defined tokens are found before anything else, the longest first`() throws {
    let tokenizer = try Self.make(
      [("<x>", 0), ("<x><y>", 0), ("a", -1)], kinds: [.userDefined, .userDefined, .normal], prefix: false)
    #expect(Self.pieces(tokenizer, "a<x><y><x>a") == ["a", "<x><y>", "<x>", "a"])
  }

  @Test(arguments: ["<0x-1>", "<0xZZ>", "<0x100>", "<0x1>", "0x0A", "<0x+A>", ""])
  func `a byte token without a byte is refused`(_ piece: String) {
    let error = #expect(throws: EngineError.self) {
      try SentencePieceTokenizer(
        pieces: ["<unk>", "<s>", "</s>", piece], scores: [0, 0, 0, 0], kinds: Self.head + [.byte])
    }
    #expect(error?.code == .malformedFile)
  }

  @Test func `lists of different lengths, scores that are no numbers and ids outside the vocabulary are refused`() {
    #expect(throws: EngineError.self) {
      try SentencePieceTokenizer(pieces: ["a", "b", "c"], scores: [0, 0], kinds: Self.head)
    }
    #expect(throws: EngineError.self) {
      try SentencePieceTokenizer(pieces: ["a", "b", "c"], scores: [0, .nan, 0], kinds: Self.head)
    }
    for id in [-1, 3, Int.max] {
      #expect(throws: EngineError.self) {
        try SentencePieceTokenizer(pieces: ["a", "b", "c"], scores: [0, 0, 0], kinds: Self.head, begin: id)
      }
    }
    #expect(throws: EngineError.self) {
      try ByteLevelTokenizer(
        pieces: ["a", "b"], merges: ["a b"], kinds: [.normal, .normal], wordRule: .gpt2, begin: nil, end: nil)
    }
  }

  @Test func `a long text takes time in proportion`() throws {
    let tokenizer = try Self.make([("a", -3), ("aa", -2), ("aaaa", -1)])
    #expect(tokenizer.encode(String(repeating: "a", count: 200_000)).count > 50_000)
  }
}
