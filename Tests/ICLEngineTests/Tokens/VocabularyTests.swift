import Fixtures
import Foundation
import ICLEngine
import Testing

/// Ids against llama.cpp's own cases and against the libraries that train and run these tokenizers: token for token.
@Suite(.enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"))
struct VocabularyTests {
  static let folder = Fixtures.sharedData.appending(path: "vocab")

  static func tokenizer(_ name: String) throws -> any Tokenizer {
    try GGUFTokenizer.read(contentsOf: folder.appending(path: "ggml-vocab-\(name).gguf").path)
  }

  static func cases(_ name: String) throws -> [(text: String, ids: [Int])] {
    let texts = try String(contentsOf: folder.appending(path: "ggml-vocab-\(name).gguf.inp"), encoding: .utf8)
      .components(separatedBy: "\n__ggml_vocab_test__\n")
    let lines = try String(contentsOf: folder.appending(path: "ggml-vocab-\(name).gguf.out"), encoding: .utf8)
      .components(separatedBy: "\n")
    return zip(texts, lines).map { text, line in (text, line.split(separator: " ").compactMap { Int($0) }) }
  }

  @Test(arguments: ["llama-spm", "gpt-2"]) func `every case of llama.cpp's vocabulary tests`(_ name: String) throws {
    let tokenizer = try Self.tokenizer(name)
    let cases = try Self.cases(name)
    #expect(cases.count >= 46)
    for (text, ids) in cases {
      #expect(tokenizer.encode(text, addSpecial: false, parseSpecial: false) == ids, "\(text.debugDescription)")
      #expect(tokenizer.decode(ids) == text, "\(text.debugDescription)")
    }
  }

  @Test func `BOS stands where the file's rules put it`() throws {
    let spm = try Self.tokenizer("llama-spm")
    #expect(spm.encode("Hello") == [1, 15043])
    #expect(spm.encode("") == [1])
    #expect(spm.encode("Hello", addSpecial: false, parseSpecial: false) == [15043])
    let gpt2 = try Self.tokenizer("gpt-2")
    #expect(gpt2.encode("Hello") == [15496], "GPT-2 has a BOS and doesn't begin with it")
  }

  @Test func `special tokens are read only when asked for`() throws {
    let spm = try Self.tokenizer("llama-spm")
    #expect(spm.encode("a</s>b", addSpecial: false, parseSpecial: true) == [263, 2, 289])
    #expect(!spm.encode("a</s>b", addSpecial: false, parseSpecial: false).contains(2))
    #expect(spm.decode([1, 263, 2, 289]) == "a</s>b", "what was parsed comes back as it was written")
    #expect(spm.decode([1, 263, 2]) == "a", "BOS at the beginning and EOS at the end stand for nothing")
    let gpt2 = try Self.tokenizer("gpt-2")
    #expect(gpt2.encode("a<|endoftext|>b", addSpecial: false, parseSpecial: true) == [64, 50256, 65])
  }

  @Test func `ids outside the vocabulary stand for nothing`() throws {
    for name in ["llama-spm", "gpt-2"] {
      let tokenizer = try Self.tokenizer(name)
      #expect(tokenizer.decode([-1, tokenizer.vocabularySize, .max]) == "")
      #expect(tokenizer.piece(-1) == "" && tokenizer.piece(tokenizer.vocabularySize) == "")
    }
  }

  struct Reference: Decodable {
    let texts: [String]
    let sentencePiece: [[Int]]
    let gpt2: [[Int]]
    let llama3: [[Int]]
  }

  @Test(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
  func `random Unicode texts get the ids that SentencePiece and tokenizers give them`() throws {
    let output = try Fixtures.temporaryFolder("tokenizers")
    defer { try? FileManager.default.removeItem(at: output) }
    try Fixtures.runPython("tokenizer_reference.py", [output.path, Self.folder.path, "10000"])
    let reference = try JSONDecoder().decode(
      Reference.self, from: Data(contentsOf: output.appending(path: "texts.json")))
    let spm = try Self.tokenizer("llama-spm")
    let gpt2 = try Self.tokenizer("gpt-2")
    let file = try GGUFFile(path: Self.folder.appending(path: "ggml-vocab-gpt-2.gguf").path)
    let pieces = try #require(try file.strings("tokenizer.ggml.tokens"))
    let llama3 = try ByteLevelTokenizer(
      pieces: pieces, merges: try #require(try file.strings("tokenizer.ggml.merges")),
      kinds: Array(repeating: .normal, count: pieces.count), wordRule: .llama3, begin: nil, end: nil)
    #expect(reference.texts.count == 10000)
    for (index, text) in reference.texts.enumerated() {
      func check(_ tokenizer: any Tokenizer, _ ids: [Int]) {
        #expect(
          tokenizer.encode(text, addSpecial: false, parseSpecial: false) == ids, "\(text.debugDescription)")
        // U+2581 is how SentencePiece writes a space: the one character that doesn't come back. Bytes are compared:
        // Swift takes canonically equivalent strings for equal.
        let back =
          tokenizer is SentencePieceTokenizer
          ? text.unicodeScalars.map { $0 == "▁" ? " " : $0 } : Array(text.unicodeScalars)
        #expect(tokenizer.decode(ids).unicodeScalars.elementsEqual(back), "\(text.debugDescription)")
      }
      check(spm, reference.sentencePiece[index])
      check(gpt2, reference.gpt2[index])
      check(llama3, reference.llama3[index])
    }
  }
}
