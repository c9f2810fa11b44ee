/// The tokens that end what a model writes.
enum StopTokens {
  /// Texts of tokens that end a turn in the chat formats that the engine knows.
  private static let endsOfTurn: Set<String> = ["<|eot_id|>", "<|im_end|>", "<|end_of_text|>", "<|eom_id|>"]

  /// EOS first, then others, each once.
  static func list(_ end: Int?, _ others: [Int], count: Int) -> [Int] {
    var result = end.map { [$0] } ?? []
    for id in others where (0..<count).contains(id) && !result.contains(id) { result.append(id) }
    return result
  }

  /// What a GGUF file names beside EOS, and the control tokens that end a turn by their text, as llama.cpp does.
  static func find(_ file: GGUFFile, _ pieces: [String], _ kinds: [TokenKind]) throws(EngineError) -> [Int] {
    var result: [Int] = []
    for key in ["eot", "eom"] {
      if let id = try file.integer("tokenizer.ggml.\(key)_token_id") { result.append(id) }
    }
    return result + find(pieces, kinds)
  }

  static func find(_ pieces: [String], _ kinds: [TokenKind]) -> [Int] {
    zip(pieces, kinds).enumerated().compactMap { id, token in
      token.1 == .control && endsOfTurn.contains(token.0) ? id : nil
    }
  }
}
