/// The tokenizer that a GGUF file describes.
public enum GGUFTokenizer {
  /// Reads the tokenizer alone; the file may hold a vocabulary and no weights.
  /// - Throws: `unreadableFile`, `malformedFile`, `unsupported`
  public static func read(contentsOf path: String) throws(EngineError) -> any Tokenizer {
    try read(GGUFFile(path: path))
  }

  package static func read(_ file: GGUFFile) throws(EngineError) -> any Tokenizer {
    switch try file.text("tokenizer.ggml.model") {
    case "llama": return try SentencePieceTokenizer(file)
    case "gpt2": return try ByteLevelTokenizer(file)
    case let other:
      throw EngineError(
        .unsupported, "the engine doesn't read this tokenizer", at: "\(file.path), key tokenizer.ggml.model",
        expected: "llama or gpt2", found: other ?? "no such key", nextStep: "get a file made by llama.cpp's converter")
    }
  }
}

extension GGUFTokenizer {
  /// The pieces of a vocabulary and what each is for.
  static func vocabulary(_ file: GGUFFile) throws(EngineError) -> (pieces: [String], kinds: [TokenKind]) {
    guard let pieces = try file.strings("tokenizer.ggml.tokens"), !pieces.isEmpty else {
      throw EngineError(
        .malformedFile, "the file has no vocabulary", at: "\(file.path), key tokenizer.ggml.tokens",
        expected: "an array of strings", found: "nothing", nextStep: "get a file made by llama.cpp's converter")
    }
    guard let types = try file.integers("tokenizer.ggml.token_type") else {
      return (pieces, Array(repeating: .normal, count: pieces.count))
    }
    var kinds: [TokenKind] = []
    kinds.reserveCapacity(types.count)
    for (id, type) in types.enumerated() {
      // 0 is "undefined" in old files.
      guard let kind = type == 0 ? .normal : TokenKind(rawValue: type) else {
        throw EngineError(
          .malformedFile, "a token has a type that GGUF doesn't know",
          at: "\(file.path), key tokenizer.ggml.token_type, token \(id)", expected: "0 to 6", found: "\(type)",
          nextStep: "the file is damaged: fetch it again")
      }
      kinds.append(kind)
    }
    return (pieces, kinds)
  }
}
