/// What a `tokenizer.json` says: the vocabulary and merges of its BPE model, and the steps around it.
struct TokenizerFile {
  var path: String
  /// Text of each token; empty where an id names none.
  var pieces: [String] = []
  var merges: [(left: String, right: String)] = []
  var unknownToken: String?
  var fusesUnknown = false
  var hasByteFallback = false
  /// Whether a word that is a token is taken whole, whatever the merges make of it.
  var ignoresMerges = false
  var added: [Added] = []
  var normalizers: [TextNormalizer] = []
  var cutters: [WordCutter] = []
  /// Ids that are put in front and behind where special tokens are added.
  var prefix: [Int] = []
  var suffix: [Int] = []
  /// Text of decoded pieces that stands for spaces; `nil` for byte-level letters.
  var spaceMark: String?
  var decodesLetters = false

  struct Added {
    var id: Int
    var text: String
    var isSpecial: Bool
    var isNormalized: Bool
    var isSingleWord: Bool
    var stripsLeft: Bool
    var stripsRight: Bool
  }

  /// - Throws: `unreadableFile`, `malformedFile`; `unsupported` for a model or a step that the engine doesn't know
  init(path: String) throws(EngineError) {
    self.path = path
    let file = try MappedFile(path: path)
    // The bytes end with the object, and the optimizer ends it at its last use.
    defer { withExtendedLifetime(file) {} }
    var cursor = JSONCursor(file.bytes, path: path, name: "tokenizer.json")
    var seen: Set<String> = []
    try cursor.object { cursor, name throws(EngineError) in
      guard seen.insert(name).inserted else { throw cursor.malformed("a name that is new", "\(name.prefix(80)) again") }
      switch name {
      case "model": try readModel(&cursor)
      case "added_tokens": try readAddedTokens(&cursor)
      case "normalizer": try TokenizerSteps.normalizers(JSONTree(&cursor), path: path, into: &normalizers)
      case "pre_tokenizer": try TokenizerSteps.cutters(JSONTree(&cursor), path: path, into: &cutters)
      case "post_processor": try TokenizerSteps.template(JSONTree(&cursor), path: path, into: &self)
      case "decoder": try TokenizerSteps.decoder(JSONTree(&cursor), path: path, into: &self)
      default: try cursor.skip()
      }
    }
    try cursor.end()
    guard seen.contains("model") else {
      throw EngineError(
        .malformedFile, "the tokenizer has no model", at: path, expected: "a BPE model", found: "no key model",
        nextStep: "fetch tokenizer.json again")
    }
    try place()
  }

  // MARK: The model

  /// Ids above this many times the number of pieces name nothing that a text could need.
  private static let sparsest = 4

  private var vocabulary: [(text: String, id: Int)] = []

  private mutating func readModel(_ cursor: inout JSONCursor) throws(EngineError) {
    try cursor.object { cursor, name throws(EngineError) in
      switch name {
      case "type":
        let type = try cursor.string()
        guard type == "BPE" else { throw unsupported("model.type", expected: "BPE", found: type) }
      case "vocab":
        guard try cursor.kind() == .object else {
          throw unsupported("model.vocab", expected: "an object, as BPE has", found: "another value")
        }
        try cursor.object { cursor, piece throws(EngineError) in vocabulary.append((piece, try cursor.count())) }
      case "merges": try cursor.array { cursor, _ throws(EngineError) in merges.append(try Self.merge(&cursor)) }
      case "unk_token": unknownToken = try Self.optionalText(&cursor)
      case "fuse_unk": fusesUnknown = try Self.optionalFlag(&cursor)
      case "byte_fallback": hasByteFallback = try Self.optionalFlag(&cursor)
      case "ignore_merges": ignoresMerges = try Self.optionalFlag(&cursor)
      case "continuing_subword_prefix", "end_of_word_suffix":
        if let text = try Self.optionalText(&cursor), !text.isEmpty {
          throw unsupported("model.\(name)", expected: "null or empty", found: text)
        }
      case "dropout":
        if try cursor.kind() == .null {
          try cursor.null()
        } else {
          let value = try cursor.number()
          guard value == 0 else { throw unsupported("model.dropout", expected: "null or 0", found: "\(value)") }
        }
      default: try cursor.skip()
      }
    }
  }

  /// `"left right"` in older files, `["left", "right"]` in newer ones.
  private static func merge(_ cursor: inout JSONCursor) throws(EngineError) -> (left: String, right: String) {
    if try cursor.kind() == .array {
      var parts: [String] = []
      try cursor.array { cursor, index throws(EngineError) in
        guard index < 2 else { throw cursor.malformed("two pieces", "more") }
        parts.append(try cursor.string())
      }
      guard parts.count == 2 else { throw cursor.malformed("two pieces", "\(parts.count)") }
      return (parts[0], parts[1])
    }
    let text = try cursor.string()
    guard let space = text.utf8.firstIndex(of: 0x20) else {
      throw cursor.malformed("two pieces with a space between", String(text.prefix(80)))
    }
    return (String(text[..<space]), String(text[text.utf8.index(after: space)...]))
  }

  private static func optionalText(_ cursor: inout JSONCursor) throws(EngineError) -> String? {
    if try cursor.kind() == .string { return try cursor.string() }
    try cursor.null()
    return nil
  }

  private static func optionalFlag(_ cursor: inout JSONCursor) throws(EngineError) -> Bool {
    if try cursor.kind() == .boolean { return try cursor.boolean() }
    try cursor.null()
    return false
  }

  // MARK: Added tokens

  private mutating func readAddedTokens(_ cursor: inout JSONCursor) throws(EngineError) {
    try cursor.array { cursor, _ throws(EngineError) in
      let tree = try JSONTree(&cursor)
      guard let id = tree["id"]?.integer, id >= 0, let text = tree["content"]?.text else {
        throw cursor.malformed("an added token with id and content", tree.summary)
      }
      let isSpecial = tree["special"]?.boolean ?? false
      added.append(
        Added(
          id: id, text: text, isSpecial: isSpecial, isNormalized: tree["normalized"]?.boolean ?? !isSpecial,
          isSingleWord: tree["single_word"]?.boolean ?? false, stripsLeft: tree["lstrip"]?.boolean ?? false,
          stripsRight: tree["rstrip"]?.boolean ?? false))
    }
  }

  /// Puts every piece at its id.
  private mutating func place() throws(EngineError) {
    let highest = max(vocabulary.map(\.id).max() ?? -1, added.map(\.id).max() ?? -1)
    let count = vocabulary.count + added.count
    guard highest >= 0, highest < Self.sparsest * count + 1024 else {
      throw malformed(
        "the vocabulary's ids make no sense", expected: "ids up to about the number of pieces, \(count)",
        found: "\(highest)")
    }
    pieces = Array(repeating: "", count: highest + 1)
    var isTaken = Array(repeating: false, count: highest + 1)
    for (text, id) in vocabulary {
      guard !isTaken[id] else {
        throw malformed("two pieces have one id", expected: "each id once", found: "\(id), \(text.prefix(40))")
      }
      isTaken[id] = true
      pieces[id] = text
    }
    for token in added {
      guard !isTaken[token.id] || pieces[token.id].utf8.elementsEqual(token.text.utf8) else {
        throw malformed(
          "an added token has the id of another piece", expected: "\(pieces[token.id].prefix(40)) at id \(token.id)",
          found: String(token.text.prefix(40)))
      }
      isTaken[token.id] = true
      pieces[token.id] = token.text
    }
    vocabulary = []
    for id in prefix + suffix where !pieces.indices.contains(id) {
      throw malformed(
        "a special token is outside the vocabulary", expected: "0 to \(pieces.count - 1)", found: "\(id)")
    }
  }

  func malformed(_ what: String, expected: String, found: String) -> EngineError {
    EngineError(
      .malformedFile, what, at: path, expected: expected, found: found, nextStep: "fetch tokenizer.json again")
  }

  func unsupported(_ key: String, expected: String, found: String) -> EngineError {
    TokenizerSteps.unsupported(path, key, expected: expected, found: found)
  }
}
