import Fixtures
import Foundation
import ICLEngine
import Testing

/// Tokenizers of Hugging Face folders, against the libraries that made them: token for token.
@Suite(
  .enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"),
  .enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
struct HuggingFaceTokenizerTests {
  struct Reference: Decodable {
    let texts: [String]
    let plain: [[Int]]
    let parsed: [[Int]]?
    let special: [[Int]]
  }

  static let count = 1500
  static let folder = Result {
    let folder = try Fixtures.temporaryFolder("hugging-face-tokenizers")
    let text = Fixtures.sharedData.appending(path: "text/multi30k.val.en").path
    try Fixtures.runPython("hugging_face_tokenizers.py", [folder.path, text, "\(count)"])
    return folder
  }

  static func read(_ name: String) throws -> (any Tokenizer, Reference) {
    let folder = try Self.folder.get()
    let data = try Data(contentsOf: folder.appending(path: "\(name).json"))
    return (
      try HuggingFaceTokenizer.read(folder: folder.appending(path: name).path),
      try JSONDecoder().decode(Reference.self, from: data)
    )
  }

  @Test(
    arguments: [
      "llama2", "llama2_normalized", "mistral", "metaspace_split", "llama3", "digits", "prefix_space", "sentencepiece",
    ])
  func `random texts get the ids that their own libraries give them`(_ name: String) throws {
    let (tokenizer, reference) = try Self.read(name)
    #expect(reference.texts.count > Self.count / 2)
    for (index, text) in reference.texts.enumerated() {
      func check(_ wanted: [Int]?, addSpecial: Bool, parseSpecial: Bool) {
        guard let wanted else { return }
        let found = tokenizer.encode(text, addSpecial: addSpecial, parseSpecial: parseSpecial)
        #expect(found == wanted, "\(text.debugDescription), special: \(addSpecial), parsed: \(parseSpecial)")
      }
      check(reference.plain[index], addSpecial: false, parseSpecial: false)
      check(reference.parsed?[index], addSpecial: false, parseSpecial: true)
      check(reference.special[index], addSpecial: true, parseSpecial: reference.parsed != nil)
    }
  }

  @Test(arguments: ["llama2", "llama3", "digits", "sentencepiece"])
  func `decoding gives the text back`(_ name: String) throws {
    let (tokenizer, reference) = try Self.read(name)
    for text in reference.texts {
      let decoded = tokenizer.decode(tokenizer.encode(text))
      // U+2581 is how SentencePiece writes a space: the one character that can't be told from it.
      let wanted =
        ["llama3", "digits"].contains(name)
        ? text
        : String(
          String.UnicodeScalarView(text.unicodeScalars.map { $0 == "▁" ? " " : $0 }))
      #expect(decoded.utf8.elementsEqual(wanted.utf8), "\(text.debugDescription)")
    }
  }

  @Test func `settings say what is put around a text, and what ends one`() throws {
    let (llama3, _) = try Self.read("llama3")
    let begin = try #require(llama3.beginToken)
    #expect(llama3.piece(begin) == "<|begin_of_text|>")
    #expect(llama3.encode("").map(llama3.piece) == ["<|begin_of_text|>"])
    #expect(llama3.stopTokens.map(llama3.piece).sorted() == ["<|end_of_text|>", "<|eot_id|>"])
    let (both, _) = try Self.read("llama2_normalized")
    #expect(both.encode("").map(both.piece) == ["<s>", "</s>"])
    let (none, _) = try Self.read("metaspace_split")
    #expect(none.encode("").isEmpty && none.beginToken == 1 && none.endToken == 2)
  }

  @Test func `special tokens count in the segments that ask for it, and merges cross the seams`() throws {
    for name in ["llama2", "mistral", "llama3", "sentencepiece"] {
      let (tokenizer, _) = try Self.read(name)
      let mark = tokenizer.piece(try #require(tokenizer.endToken))
      let ids = tokenizer.encode(
        [
          PromptSegment("A man in a b", parsesSpecial: true), PromptSegment("lue \(mark) shirt", parsesSpecial: false),
          PromptSegment("\(mark)", parsesSpecial: true),
        ], addSpecial: false)
      let end = tokenizer.endToken
      #expect(ids.filter { $0 == end }.count == 1 && ids.last == end, "\(name)")
      let plain = tokenizer.encode("A man in a blue \(mark) shirt", addSpecial: false, parseSpecial: false)
      #expect(Array(ids.dropLast()) == plain, "\(name)")
    }
  }
}
