/// A task whose answers are texts that the model writes, such as translations: the name under which ``ExperimentTask``
/// is made from pairs. The model's answer is what it writes greedily up to the template's ``PromptTemplate/ending``; it
/// is right when it has the reference's words, and its share of them is ``Measures/wordOverlap(_:_:)``.
public typealias TranslationTask = ExperimentTask

extension ExperimentTask {
  /// A task from texts and the answers that the model has to write.
  ///
  ///     let task = try TranslationTask(
  ///       name: "to Czech", template: "English: {text}\nCzech: {label}\n", instructions: ["Translate into Czech."],
  ///       pairs: [("a man sleeping", "muž spí"), …])
  ///
  /// - Parameters:
  ///   - template: its placeholders are `{text}` and, for the answer, `{label}`
  ///   - pairs: where demonstrations come from, and queries too when `queries` is empty
  /// - Throws: `invalidArgument` when there is no pair, one has no text or no answer, or an answer holds what ends it
  public init(
    name: String, template: String, instructions: [String] = [], instructionSeparator: String = "\n",
    pairs: [(text: String, answer: String)], queries: [(text: String, answer: String)] = []
  ) throws(EngineError) {
    func examples(_ pairs: [(text: String, answer: String)]) -> [Example] {
      pairs.map { Example(fields: ["text": $0.text], answer: $0.answer) }
    }
    try self.init(
      translation: name, template: PromptTemplate(template), instructions: instructions,
      instructionSeparator: instructionSeparator, examples: examples(pairs), queries: examples(queries))
  }

  /// Reads pairs from a CSV, TSV or JSONL file, by its name's ending.
  ///
  ///     let task = try TranslationTask(
  ///       contentsOf: "pairs.tsv", template: "English: {en}\nCzech: {label}\n", answerColumn: "cs")
  ///
  /// - Parameters:
  ///   - template: its placeholders are names of columns (or keys); `{label}` is where the answer stands
  ///   - answerColumn: the column that holds the text which the model has to write
  /// - Throws: `unreadableFile`, `unsupported` (another ending), `malformedFile` (with its line), `invalidArgument`
  public init(
    contentsOf path: String, name: String? = nil, template: String, instructions: [String] = [], answerColumn: String
  ) throws(EngineError) {
    let file = try TaskText(contentsOf: path)
    try self.init(
      text: file.text, format: file.format, path: path, name: name ?? file.name, template: template,
      instructions: instructions, answerColumn: answerColumn)
  }

  package init(
    text: String, format: TextFormat, path: String, name: String, template: String, instructions: [String],
    answerColumn: String
  ) throws(EngineError) {
    let template = try PromptTemplate(template)
    let rows = try Self.rows(of: text, format, columns: template.fieldNames + [answerColumn], path)
    var examples: [Example] = []
    for (line, fields) in rows {
      let answer = Self.words(of: fields[answerColumn, default: ""]).joined(separator: " ")
      guard !answer.isEmpty else {
        throw EngineError(
          .malformedFile, "a line has no answer", at: "\(path), line \(line)",
          expected: "some text under \"\(answerColumn)\"", found: "nothing", nextStep: "mend or remove the line")
      }
      examples.append(Example(fields: fields.filter { template.fieldNames.contains($0.key) }, answer: answer))
    }
    try self.init(
      translation: name, template: template, instructions: instructions, instructionSeparator: "\n",
      examples: examples, queries: [])
  }

  private init(
    translation name: String, template: PromptTemplate, instructions: [String], instructionSeparator: String,
    examples: [Example], queries: [Example]
  ) throws(EngineError) {
    self.init(
      unchecked: name, template: template, instructions: instructions, instructionSeparator: instructionSeparator,
      labels: [], examples: examples, queries: queries)
    guard !examples.isEmpty else {
      throw EngineError(
        .invalidArgument, "a task needs examples", at: "task \(name)", expected: "at least one pair", found: "none",
        nextStep: "demonstrations are drawn from them")
    }
    try validateWrittenAnswers()
  }

  /// As ``validate()``, where answers are texts.
  func validateWrittenAnswers() throws(EngineError) {
    for instruction in instructions where instruction.contains("{labels}") {
      throw EngineError(
        .invalidArgument, "an instruction lists labels, and this task has none", at: "task \(name)",
        expected: "an instruction without {labels}", found: instruction)
    }
    for (list, all) in [("examples", examples), ("queries", queries)] {
      for (index, example) in all.enumerated() {
        let place = "task \(name), \(list)[\(index)]"
        guard let answer = example.answer, !Self.words(of: answer).isEmpty else {
          throw EngineError(
            .invalidArgument, "an example has no answer", at: place, expected: "a text, as the first example has",
            found: example.answer == nil ? "a label" : "only spaces")
        }
        guard !answer.contains(template.ending) else {
          throw EngineError(
            .invalidArgument, "an answer holds what ends an answer", at: place,
            expected: "none of \(template.ending.debugDescription), the template's text after {label}",
            found: answer.debugDescription, nextStep: "change the answer, or end the template in another way")
        }
        try validateFields(of: example, at: place)
      }
    }
  }

  /// What stands between spaces.
  static func words(of text: String) -> [String] { text.split(whereSeparator: \.isWhitespace).map(String.init) }

  /// Short English sentences into Lomi, the invented language of the model that ships, word for word: sentences that its
  /// training never showed.
  public static let translation: ExperimentTask = {
    var generator = SeededGenerator(seed: 0, stream: "task translation")
    var seen: Set<String> = []
    var examples: [Example] = []
    while examples.count < 240 {
      let (english, lomi) = InventedLanguage.sentence(heldOut: true, using: &generator)
      if seen.insert(english).inserted { examples.append(Example(fields: ["text": english], answer: lomi)) }
    }
    return ExperimentTask(
      unchecked: translationName, template: PromptTemplate(input: "English", output: InventedLanguage.name),
      instructions: ["Translate into \(InventedLanguage.name)."], labels: [],
      examples: Array(examples.prefix(120)), queries: Array(examples.dropFirst(120)))
  }()

  static let translationName = "translation"
}
