import Fixtures
import Foundation
import ICLEngine
import Testing

/// Tokenizer files that are small, valid JSON, and would fill the memory when they are used.
struct HostileTokenizerTests {
  let folder: URL
  init() throws { folder = try Fixtures.temporaryFolder("tokenizer") }

  private func read(normalizer: String = "null", preTokenizer: String = "null") throws -> any Tokenizer {
    let text = """
      {"added_tokens":[],"normalizer":\(normalizer),"pre_tokenizer":\(preTokenizer),"decoder":null,
      "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}
      """
    try Data(text.utf8).write(to: folder.appending(path: "tokenizer.json"))
    return try ModelTokenizer.read(contentsOf: folder.path)
  }

  private func sequence(_ name: String, _ step: String, _ count: Int) -> String {
    "{\"type\":\"Sequence\",\"\(name)\":[\(Array(repeating: step, count: count).joined(separator: ","))]}"
  }

  @Test func `steps that each double the text are refused together`() throws {
    let double = #"{"type":"Replace","pattern":{"String":"a"},"content":"aa"}"#
    #expect(try read(normalizer: sequence("normalizers", double, 2)).encode("a") == [0, 0, 0, 0])
    for count in [11, 60, 1000] {
      let error = #expect(throws: EngineError.self) { try read(normalizer: sequence("normalizers", double, count)) }
      #expect(error?.code == .unsupported && error?.location?.contains("normalizer") == true)
    }
    let long = #"{"type":"Prepend","prepend":"\#(String(repeating: "a", count: 5000))"}"#
    #expect(throws: EngineError.self) { try read(normalizer: long) }
  }

  @Test func `letters of letters are refused`() throws {
    let letters = #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}"#
    #expect(try read(preTokenizer: sequence("pretokenizers", letters, 1)).encode("ab") == [2])
    for count in [2, 40] {
      let error = #expect(throws: EngineError.self) {
        try read(preTokenizer: sequence("pretokenizers", letters, count))
      }
      #expect(error?.code == .unsupported && error?.location?.contains("pre_tokenizer") == true)
    }
  }
}
