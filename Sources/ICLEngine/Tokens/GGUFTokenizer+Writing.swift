/// A tokenizer as the metadata keys of a GGUF file, under the names that llama.cpp reads.
extension GGUFTokenizer {
  /// - Parameter count: rows of the embedding: ids above the vocabulary get texts that no one writes
  /// - Throws: `unsupported` for a tokenizer that GGUF can't describe
  static func metadata(
    _ tokenizer: any Tokenizer, count: Int
  ) throws(EngineError) -> [(key: String, value: GGUFValue)] {
    guard tokenizer.vocabularySize <= count else {
      throw EngineError(
        .unsupported, "the vocabulary is larger than the embedding, which llama.cpp doesn't read", at: "tokenizer",
        expected: "at most \(count) tokens", found: "\(tokenizer.vocabularySize)",
        nextStep: "resize the model's embedding to the tokenizer")
    }
    var description: Description
    switch tokenizer {
    case let tokenizer as SentencePieceTokenizer: description = Description(tokenizer)
    case let tokenizer as ByteLevelTokenizer: description = Description(tokenizer)
    case let tokenizer as PipelineTokenizer: description = try Description(tokenizer)
    default:
      throw EngineError(
        .unsupported, "this tokenizer can't be written to a GGUF file", at: "tokenizer",
        expected: "one that was read from a file", found: "\(type(of: tokenizer))")
    }
    description.pad(to: count)
    return description.metadata(tokenizer)
  }

  private struct Description {
    var model = "llama"
    var splitting = "default"
    var pieces: [String]
    var kinds: [TokenKind]
    var scores: [Float]?
    var merges: [String]?
    var unknown: Int?
    var addsBegin: Bool
    var addsEnd: Bool
    var addsSpacePrefix: Bool?

    init(_ t: SentencePieceTokenizer) {
      pieces = (0..<t.vocabularySize).map(t.piece)
      kinds = t.kinds
      scores = t.scores
      unknown = t.unknownToken
      (addsBegin, addsEnd, addsSpacePrefix) = (t.addsBegin, t.addsEnd, t.addsSpacePrefix)
    }

    init(_ t: ByteLevelTokenizer) {
      model = "gpt2"
      splitting = t.wordRule.ggufName
      pieces = (0..<t.vocabularySize).map(t.piece)
      kinds = t.kinds
      merges = t.merges.list.map { "\(t.piece($0.left)) \(t.piece($0.right))" }
      (addsBegin, addsEnd) = (t.addsBegin, t.addsEnd)
    }

    init(_ t: PipelineTokenizer) throws(EngineError) {
      pieces = (0..<t.vocabularySize).map(t.piece)
      kinds = t.kinds
      unknown = t.unknownToken
      addsBegin = t.beginToken != nil && t.prefix == [t.beginToken]
      addsEnd = t.endToken != nil && t.suffix == [t.endToken]
      if t.file.decodesLetters {
        model = "gpt2"
        splitting = try Self.splitting(t)
        merges = t.merges.list.map { "\(t.piece($0.left)) \(t.piece($0.right))" }
      } else {
        addsSpacePrefix = t.spacesInFront != .never
        scores = Self.scores(t)
      }
    }

    /// Scores that join in the order of the merges: minus the rank of the earliest merge that makes a piece; all
    /// others lie below.
    private static func scores(_ t: PipelineTokenizer) -> [Float] {
      let list = t.merges.list
      var scores = (0..<t.vocabularySize).map { Float(-list.count - $0) }
      for merge in list.reversed() { scores[merge.token] = Float(-merge.rank) }
      for (id, kind) in t.kinds.enumerated() where kind != .normal { scores[id] = 0 }
      return scores
    }

    private static func splitting(_ t: PipelineTokenizer) throws(EngineError) -> String {
      switch t.file.cutters {
      case [.pattern(.llama3), .byteLevel(addsPrefixSpace: false, splits: false)] where t.file.ignoresMerges:
        return WordSplitter.llama3.ggufName
      case [.byteLevel(addsPrefixSpace: false, splits: true)] where !t.file.ignoresMerges:
        return WordSplitter.gpt2.ggufName
      default:
        throw EngineError(
          .unsupported, "GGUF has no name for the way in which this tokenizer cuts words", at: t.file.path,
          expected: "that of GPT-2 or of Llama 3", found: "\(t.file.cutters)")
      }
    }

    mutating func pad(to count: Int) {
      var number = 0
      while pieces.count < count {
        pieces.append("[PAD\(number)]")
        kinds.append(.unused)
        scores?.append(-10_000)
        number += 1
      }
      // An id without a piece, which a file may leave open.
      for id in pieces.indices where pieces[id].isEmpty {
        pieces[id] = "[UNUSED\(id)]"
        kinds[id] = .unused
      }
    }

    func metadata(_ tokenizer: any Tokenizer) -> [(key: String, value: GGUFValue)] {
      let prefix = "tokenizer.ggml."
      var result: [(key: String, value: GGUFValue)] = [
        (prefix + "model", .string(model)), (prefix + "pre", .string(splitting)),
        (prefix + "tokens", .strings(pieces)),
        (prefix + "token_type", .int32s(kinds.map { Int32($0.rawValue) })),
      ]
      if let scores { result.append((prefix + "scores", .float32s(scores))) }
      if let merges { result.append((prefix + "merges", .strings(merges))) }
      let ids = [("bos", tokenizer.beginToken), ("eos", tokenizer.endToken), ("unknown", unknown)]
      for (name, id) in ids {
        if let id { result.append(("\(prefix)\(name)_token_id", .uint32(UInt32(id)))) }
      }
      // The token that ends a turn, where it isn't EOS.
      if let turn = tokenizer.stopTokens.first(where: { $0 != tokenizer.endToken }) {
        result.append((prefix + "eot_token_id", .uint32(UInt32(turn))))
      }
      result.append((prefix + "add_bos_token", .bool(addsBegin)))
      result.append((prefix + "add_eos_token", .bool(addsEnd)))
      if let addsSpacePrefix { result.append((prefix + "add_space_prefix", .bool(addsSpacePrefix))) }
      return result
    }
  }
}

extension WordSplitter {
  /// What GGUF files call it.
  var ggufName: String {
    switch self {
    case .gpt2: "gpt-2"
    case .llama3: "llama-bpe"
    }
  }
}
