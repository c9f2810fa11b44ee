import Foundation

/// A tokenizer as the files of a Hugging Face folder, made from its vocabulary.
enum TokenizerJSON {
  /// `tokenizer.json`, `tokenizer_config.json` and, where the model has one, `chat_template.jinja`.
  /// - Throws: `unsupported` for a tokenizer that these files can't describe
  static func files(_ model: LlamaModel) throws(EngineError) -> [(String, Data)] {
    let tokenizer = model.tokenizer
    func text(_ id: Int?) -> String? { id.map(tokenizer.piece) }
    var settings: [String: Any] = ["tokenizer_class": "PreTrainedTokenizerFast"]
    settings["bos_token"] = text(tokenizer.beginToken)
    settings["eos_token"] = text(tokenizer.endToken)
    var files: [(String, Data)] = []
    switch tokenizer {
    case let tokenizer as SentencePieceTokenizer:
      settings["unk_token"] = text(tokenizer.unknownToken)
      files.append(("tokenizer.json", try HuggingFaceSettings.json(tree(tokenizer))))
    case let tokenizer as ByteLevelTokenizer:
      files.append(("tokenizer.json", try HuggingFaceSettings.json(tree(tokenizer))))
    default:
      throw EngineError(
        .unsupported, "this tokenizer can't be written as tokenizer.json", at: model.name,
        expected: "one that was read from a file", found: "\(type(of: tokenizer))",
        nextStep: "write the model as GGUF, or copy the tokenizer's own files")
    }
    files.append(("tokenizer_config.json", try HuggingFaceSettings.json(settings)))
    if let template = model.chatTemplate { files.append(("chat_template.jinja", Data(template.utf8))) }
    return files
  }

  /// SentencePiece's merges as ranked pairs: every pair that makes a piece, the piece with the highest score first.
  private static func tree(_ t: SentencePieceTokenizer) -> [String: Any] {
    let pieces = (0..<t.vocabularySize).map(t.piece)
    var merges: [(score: Float, left: String, right: String)] = []
    for (id, piece) in pieces.enumerated() where t.kinds[id] == .normal {
      let scalars = piece.unicodeScalars
      for cut in scalars.indices.dropFirst() {
        let (left, right) = (String(scalars[..<cut]), String(scalars[cut...]))
        if t.pieces.find(left) != nil, t.pieces.find(right) != nil { merges.append((t.scores[id], left, right)) }
      }
    }
    // Of equals the longer left part first, as converters do it; the sort keeps the order of the vocabulary.
    let order = merges.indices.sorted { a, b in
      let (x, y) = (merges[a], merges[b])
      if x.score != y.score { return x.score > y.score }
      if x.left.utf8.count != y.left.utf8.count { return x.left.utf8.count > y.left.utf8.count }
      return a < b
    }
    var model = base(pieces, merges: order.map { [merges[$0].left, merges[$0].right] })
    model["byte_fallback"] = true
    model["fuse_unk"] = true
    model["unk_token"] = t.unknownToken.map(t.piece) ?? NSNull()
    let mark = "▁"
    let replace: [String: Any] = ["type": "Replace", "pattern": ["String": " "], "content": mark]
    var normalizers: [[String: Any]] = [replace]
    var decoders: [[String: Any]] = [
      ["type": "Replace", "pattern": ["String": mark], "content": " "], ["type": "ByteFallback"], ["type": "Fuse"],
    ]
    if t.addsSpacePrefix {
      normalizers.insert(["type": "Prepend", "prepend": mark], at: 0)
      decoders.append(["type": "Strip", "content": " ", "start": 1, "stop": 0])
    }
    return whole(
      t, model, kinds: t.kinds, addsBegin: t.addsBegin, addsEnd: t.addsEnd,
      steps: [
        "normalizer": ["type": "Sequence", "normalizers": normalizers], "pre_tokenizer": NSNull(),
        "decoder": ["type": "Sequence", "decoders": decoders],
      ])
  }

  private static func tree(_ t: ByteLevelTokenizer) -> [String: Any] {
    let pieces = (0..<t.vocabularySize).map(t.piece)
    var model = base(pieces, merges: t.merges.list.map { [t.piece($0.left), t.piece($0.right)] })
    model["ignore_merges"] = t.wordRule == .llama3
    var steps: [[String: Any]] = []
    if t.wordRule == .llama3 {
      steps.append([
        "type": "Split", "pattern": ["Regex": WordSplitter.llama3.pattern], "behavior": "Isolated", "invert": false,
      ])
    }
    let letters: [String: Any] = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": t.wordRule == .gpt2,
    ]
    return whole(
      t, model, kinds: t.kinds, addsBegin: t.addsBegin, addsEnd: t.addsEnd,
      steps: [
        "normalizer": NSNull(), "pre_tokenizer": ["type": "Sequence", "pretokenizers": steps + [letters]],
        "decoder": letters,
      ])
  }

  private static func base(_ pieces: [String], merges: [[String]]) -> [String: Any] {
    [
      "type": "BPE", "vocab": Dictionary(zip(pieces, 0...), uniquingKeysWith: { $1 }), "merges": merges,
      "dropout": NSNull(), "continuing_subword_prefix": NSNull(), "end_of_word_suffix": NSNull(),
      "fuse_unk": false, "byte_fallback": false, "unk_token": NSNull(), "ignore_merges": false,
    ]
  }

  private static func whole(
    _ t: any Tokenizer, _ model: [String: Any], kinds: [TokenKind], addsBegin: Bool, addsEnd: Bool,
    steps: [String: Any]
  ) -> [String: Any] {
    var added: [[String: Any]] = []
    for (id, kind) in kinds.enumerated() where kind == .control || kind == .userDefined || kind == .unknown {
      added.append([
        "id": id, "content": t.piece(id), "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": kind != .userDefined,
      ])
    }
    var single: [[String: Any]] = [["Sequence": ["id": "A", "type_id": 0]]]
    var special: [String: Any] = [:]
    func put(_ id: Int?, at index: Int) {
      guard let id else { return }
      let text = t.piece(id)
      single.insert(["SpecialToken": ["id": text, "type_id": 0]], at: index)
      special[text] = ["id": text, "ids": [id], "tokens": [text]]
    }
    if addsEnd { put(t.endToken, at: 1) }
    if addsBegin { put(t.beginToken, at: 0) }
    let pair = single + [["Sequence": ["id": "B", "type_id": 1]]]
    return steps.merging([
      "version": "1.0", "truncation": NSNull(), "padding": NSNull(), "added_tokens": added, "model": model,
      "post_processor": ["type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special],
    ]) { $1 }
  }
}
