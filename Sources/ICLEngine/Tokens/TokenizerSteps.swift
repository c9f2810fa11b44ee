/// Reads the steps around the model of a `tokenizer.json`; a step that the engine doesn't know is an error that names
/// it, never left out.
enum TokenizerSteps {
  static func normalizers(_ tree: JSONTree, path: String, into steps: inout [TextNormalizer]) throws(EngineError) {
    for step in try flat(tree, "normalizers", path, "normalizer") {
      switch step["type"]?.text {
      case "Prepend": steps.append(.prepend(try text(step, "prepend", path)))
      case "Replace":
        steps.append(.replace(try pattern(step, path, "normalizer"), with: try text(step, "content", path)))
      case let type?:
        guard let form = TextNormalizer.UnicodeForm(rawValue: type) else {
          throw unsupported(
            path, "normalizer", expected: "Prepend, Replace, NFC, NFD, NFKC or NFKD", found: type)
        }
        steps.append(.form(form))
      case nil: throw unsupported(path, "normalizer", expected: "a step with a type", found: step.summary)
      }
    }
    // Ten steps that each double a text make a thousand of one: what steps do together is bounded.
    let growth = steps.reduce(1.0) { $0 * $1.growth }
    guard growth <= mostGrowth, steps.count <= mostSteps else {
      throw unsupported(
        path, "normalizer", expected: "at most \(mostSteps) steps that lengthen text \(mostGrowth) times",
        found: "\(steps.count) steps, \(growth) times")
    }
  }

  /// How many steps of a kind a tokenizer may have; real ones have up to four.
  private static let mostSteps = 16
  /// How many times as long a text may become, at worst: NFKC, a space in front and spaces as `▁` make 132.
  private static let mostGrowth = 1024.0

  static func cutters(_ tree: JSONTree, path: String, into steps: inout [WordCutter]) throws(EngineError) {
    for step in try flat(tree, "pretokenizers", path, "pre_tokenizer") {
      switch step["type"]?.text {
      case "Metaspace":
        let mark = try text(step, "replacement", path)
        let name = step["prepend_scheme"]?.text ?? (step["add_prefix_space"]?.boolean == false ? "never" : "always")
        guard let prefix = WordCutter.SpacePrefix(rawValue: name), mark.unicodeScalars.count == 1 else {
          throw unsupported(
            path, "pre_tokenizer.Metaspace", expected: "one character, and always, never or first",
            found: "\(mark.prefix(20)), \(name)")
        }
        steps.append(.metaspace(replacement: mark, prefix: prefix, splits: step["split"]?.boolean ?? true))
      case "ByteLevel":
        steps.append(
          .byteLevel(
            addsPrefixSpace: step["add_prefix_space"]?.boolean ?? true, splits: step["use_regex"]?.boolean ?? true))
      case "Digits": steps.append(.digits(each: step["individual_digits"]?.boolean ?? false))
      case "Split":
        let expression = step["pattern"]?["Regex"]?.text
        guard let expression, let splitter = WordSplitter(pattern: expression) else {
          throw unsupported(
            path, "pre_tokenizer.Split.pattern", expected: "the expression of GPT-2 or of Llama 3",
            found: expression ?? step["pattern"]?.summary ?? "none")
        }
        guard step["behavior"]?.text == "Isolated", step["invert"]?.boolean != true else {
          throw unsupported(
            path, "pre_tokenizer.Split.behavior", expected: "Isolated, not inverted",
            found: step["behavior"]?.summary ?? "none")
        }
        steps.append(.pattern(splitter))
      case let other:
        throw unsupported(
          path, "pre_tokenizer", expected: "Metaspace, ByteLevel, Split or Digits", found: other ?? step.summary)
      }
    }
    // Letters of letters of letters: a second step of bytes would double what the first one wrote.
    let letterSteps = steps.count { if case .byteLevel = $0 { true } else { false } }
    guard steps.count <= mostSteps, letterSteps <= 1 else {
      throw unsupported(
        path, "pre_tokenizer", expected: "at most \(mostSteps) steps, one of them ByteLevel",
        found: "\(steps.count), \(letterSteps) of them ByteLevel")
    }
  }

  /// What is put around a single text.
  static func template(_ tree: JSONTree, path: String, into file: inout TokenizerFile) throws(EngineError) {
    for step in try flat(tree, "processors", path, "post_processor") {
      switch step["type"]?.text {
      case "ByteLevel": break
      case "TemplateProcessing":
        var isBehind = false
        for part in step["single"]?.elements ?? [] {
          if part["Sequence"] != nil {
            isBehind = true
            continue
          }
          guard let name = part["SpecialToken"]?["id"]?.text,
            let ids = step["special_tokens"]?[name]?["ids"]?.elements?.map(\.integer), !ids.contains(nil)
          else {
            throw EngineError(
              .malformedFile, "the template of the tokenizer names a token that it doesn't describe", at: path,
              expected: "its ids in post_processor.special_tokens", found: part.summary,
              nextStep: "fetch tokenizer.json again")
          }
          if isBehind { file.suffix += ids.compactMap(\.self) } else { file.prefix += ids.compactMap(\.self) }
        }
      case let other:
        throw unsupported(
          path, "post_processor", expected: "TemplateProcessing or ByteLevel", found: other ?? step.summary)
      }
    }
  }

  static func decoder(_ tree: JSONTree, path: String, into file: inout TokenizerFile) throws(EngineError) {
    for step in try flat(tree, "decoders", path, "decoder") {
      switch step["type"]?.text {
      case "ByteLevel": file.decodesLetters = true
      case "Metaspace": file.spaceMark = try text(step, "replacement", path)
      case "Replace":
        let (mark, content) = (try pattern(step, path, "decoder"), try text(step, "content", path))
        guard content == " " else {
          throw unsupported(path, "decoder.Replace", expected: "a space for the mark", found: content)
        }
        file.spaceMark = mark
      // What these do follows from the rest: bytes join, and the space in front goes as it came.
      case "ByteFallback", "Fuse", "Strip": break
      case let other:
        throw unsupported(
          path, "decoder", expected: "ByteLevel, Metaspace, Replace, ByteFallback, Fuse or Strip",
          found: other ?? step.summary)
      }
    }
  }

  /// A step, or the steps of a sequence, sequences in it opened too.
  private static func flat(
    _ tree: JSONTree, _ name: String, _ path: String, _ key: String
  ) throws(EngineError) -> [JSONTree] {
    if tree == .null { return [] }
    guard tree["type"]?.text == "Sequence" else { return [tree] }
    var steps: [JSONTree] = []
    for step in tree[name]?.elements ?? [] { steps += try flat(step, name, path, key) }
    return steps
  }

  private static func pattern(_ step: JSONTree, _ path: String, _ key: String) throws(EngineError) -> String {
    guard let text = step["pattern"]?["String"]?.text, !text.isEmpty else {
      throw unsupported(
        path, "\(key).Replace.pattern", expected: "a text", found: step["pattern"]?.summary ?? "none")
    }
    return text
  }

  private static func text(_ step: JSONTree, _ key: String, _ path: String) throws(EngineError) -> String {
    guard let text = step[key]?.text else {
      throw EngineError(
        .malformedFile, "a step of the tokenizer lacks a text", at: "\(path), \(step["type"]?.text ?? "step").\(key)",
        expected: "a string", found: step[key]?.summary ?? "none", nextStep: "fetch tokenizer.json again")
    }
    return text
  }

  static func unsupported(_ path: String, _ key: String, expected: String, found: String) -> EngineError {
    EngineError(
      .unsupported, "the engine doesn't know this part of a tokenizer", at: "\(path), key \(key)", expected: expected,
      found: String(found.prefix(200)), nextStep: "use a model with the tokenizer of Llama 2, Llama 3 or Mistral")
  }
}
