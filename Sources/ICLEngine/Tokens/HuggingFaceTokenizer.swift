import Foundation

/// The tokenizer of a Hugging Face folder: `tokenizer.json`, or else SentencePiece's `tokenizer.model`, with the
/// choices that `tokenizer_config.json` and the other settings make.
public enum HuggingFaceTokenizer {
  /// - Throws: `unreadableFile`, `malformedFile`, `unsupported`
  public static func read(folder: String) throws(EngineError) -> any Tokenizer {
    let settings = try Settings(folder: folder)
    let json = folder + "/tokenizer.json"
    if FileManager.default.fileExists(atPath: json) { return try pipeline(TokenizerFile(path: json), settings) }
    let model = folder + "/tokenizer.model"
    guard FileManager.default.fileExists(atPath: model) else {
      throw EngineError(
        .unreadableFile, "the folder holds no tokenizer that the engine reads", at: folder,
        expected: "tokenizer.json or tokenizer.model", found: "neither",
        nextStep: "fetch the tokenizer's files into the model's folder")
    }
    return try SentencePieceModel(path: model).tokenizer(
      addsBegin: settings.addsBegin ?? true, addsEnd: settings.addsEnd ?? false, stops: settings.endTokens)
  }

  private static func pipeline(_ file: TokenizerFile, _ settings: Settings) throws(EngineError) -> PipelineTokenizer {
    func id(_ text: String?, _ name: String) throws(EngineError) -> Int? {
      guard let text else { return nil }
      if let id = file.pieces.lastIndex(where: { $0.utf8.elementsEqual(text.utf8) }) { return id }
      throw file.malformed(
        "the \(name) token is no piece of the vocabulary", expected: "its text among the pieces",
        found: String(text.prefix(80)))
    }
    let begin = try id(settings.begin, "BOS") ?? file.prefix.first ?? settings.beginToken
    let end = try id(settings.end, "EOS") ?? settings.endTokens.first
    var prefix = file.prefix
    var suffix = file.suffix
    // Where the settings say it, they overrule the template, as they do in `transformers`.
    if settings.addsBegin != nil || settings.addsEnd != nil {
      prefix = settings.addsBegin == true ? [begin].compactMap(\.self) : []
      suffix = settings.addsEnd == true ? [end].compactMap(\.self) : []
    }
    let special = file.added.filter(\.isSpecial)
    let turns = StopTokens.find(special.map(\.text), special.map { _ in .control }).map { special[$0].id }
    return try PipelineTokenizer(
      file, begin: begin, end: end, stops: StopTokens.list(end, settings.endTokens + turns, count: file.pieces.count),
      prefix: prefix, suffix: suffix)
  }

  /// What the small JSON files beside a tokenizer say. All of them may be absent.
  struct Settings {
    var begin: String?
    var end: String?
    var addsBegin: Bool?
    var addsEnd: Bool?
    /// By id, from `generation_config.json` and `config.json`.
    var beginToken: Int?
    var endTokens: [Int] = []

    init(folder: String) throws(EngineError) {
      func tree(_ name: String) throws(EngineError) -> JSONTree? {
        let path = folder + "/" + name
        return FileManager.default.fileExists(atPath: path) ? try JSONTree.read(path, limit: 64 << 20) : nil
      }
      let config = try tree("tokenizer_config.json")
      let map = try tree("special_tokens_map.json")
      begin = Self.token(config?["bos_token"]) ?? Self.token(map?["bos_token"])
      end = Self.token(config?["eos_token"]) ?? Self.token(map?["eos_token"])
      addsBegin = config?["add_bos_token"]?.boolean
      addsEnd = config?["add_eos_token"]?.boolean
      for name in ["generation_config.json", "config.json"] {
        let tree = try tree(name)
        beginToken = beginToken ?? tree?["bos_token_id"]?.integer
        guard endTokens.isEmpty, let ids = tree?["eos_token_id"] else { continue }
        endTokens = ids.elements?.compactMap(\.integer) ?? [ids.integer].compactMap(\.self)
      }
    }

    /// A token as text, or as an object with its content.
    private static func token(_ tree: JSONTree?) -> String? { tree?.text ?? tree?["content"]?.text }
  }
}
