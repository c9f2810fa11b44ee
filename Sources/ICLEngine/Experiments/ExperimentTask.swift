/// What is asked of a model: examples with their right answers, and how they are worded. The answer is one of a few
/// labels, or a text of its own, such as a translation.
///
///     let task = try ClassificationTask(
///       name: "weather", template: "Report: {text}\nOutlook: {label}\n",
///       instructions: ["Say whether the outlook is fair or foul."], labels: ["fair", "foul"],
///       examples: [.init("sun all day", label: 0), .init("storm from the west", label: 1), …])
///
///     let task = try TranslationTask(
///       name: "to Czech", template: "English: {text}\nCzech: {label}\n", instructions: ["Translate into Czech."],
///       pairs: [("a man sleeping", "muž spí"), …])
public struct ExperimentTask: Sendable, Equatable, Codable {
  /// One example and its answer.
  public struct Example: Sendable, Hashable, Codable {
    /// The text of each placeholder of the template.
    public var fields: [String: String]
    /// Index into the task's labels; 0 where the answer is a text of its own.
    public var label: Int
    /// The answer, where it is a text of its own; `nil` where it is the label.
    public var answer: String?

    public init(fields: [String: String], label: Int) {
      self.fields = fields
      self.label = label
    }

    /// An example whose answer is a text.
    public init(fields: [String: String], answer: String) {
      self.fields = fields
      label = 0
      self.answer = answer
    }

    /// An example for a template whose one placeholder is `{text}`.
    public init(_ text: String, label: Int) { self.init(fields: ["text": text], label: label) }
  }

  public var name: String
  public var template: PromptTemplate
  /// Wordings of the instruction that stands before everything else. The first is used unless an experiment
  /// chooses another; empty when the task has none.
  public var instructions: [String]
  /// Between the instruction and what follows it.
  public var instructionSeparator: String
  /// The meaningful label words; an example's label is an index into them. Empty where answers are texts.
  public var labels: [String]
  /// Words without a meaning in this task, for experiments with arbitrary labels.
  public var arbitraryLabels: [String]
  /// Where demonstrations come from, and queries too when `queries` is empty.
  public var examples: [Example]
  /// Where queries come from; empty: from `examples`, never one that is also a demonstration.
  public var queries: [Example]

  /// - Throws: `invalidArgument` when there are fewer than two labels, two are the same, an example's label is out
  ///   of range or one of its placeholders has no text, or there is no example.
  public init(
    name: String, template: PromptTemplate, instructions: [String] = [], instructionSeparator: String = "\n",
    labels: [String], arbitraryLabels: [String] = [], examples: [Example], queries: [Example] = []
  ) throws(EngineError) {
    self.init(
      unchecked: name, template: template, instructions: instructions, instructionSeparator: instructionSeparator,
      labels: labels, arbitraryLabels: arbitraryLabels, examples: examples, queries: queries)
    try validate()
  }

  /// The same with the template as text.
  public init(
    name: String, template: String, instructions: [String] = [], instructionSeparator: String = "\n",
    labels: [String], arbitraryLabels: [String] = [], examples: [Example], queries: [Example] = []
  ) throws(EngineError) {
    try self.init(
      name: name, template: PromptTemplate(template), instructions: instructions,
      instructionSeparator: instructionSeparator, labels: labels, arbitraryLabels: arbitraryLabels,
      examples: examples, queries: queries)
  }

  /// For tasks that come with the engine, whose validity a test holds.
  package init(
    unchecked name: String, template: PromptTemplate, instructions: [String] = [],
    instructionSeparator: String = "\n", labels: [String], arbitraryLabels: [String] = [], examples: [Example],
    queries: [Example] = []
  ) {
    self.name = name
    self.template = template
    self.instructions = instructions
    self.instructionSeparator = instructionSeparator
    self.labels = labels
    self.arbitraryLabels = arbitraryLabels
    self.examples = examples
    self.queries = queries
  }

  /// Whether answers are texts that the model has to write, word by word, rather than labels to choose from.
  public var hasWrittenAnswers: Bool { labels.isEmpty && examples.first?.answer != nil }

  /// Checks everything that `init` promises; called again before an experiment, since the members are variables.
  public func validate() throws(EngineError) {
    if hasWrittenAnswers { return try validateWrittenAnswers() }
    guard labels.count >= 2, Set(labels).count == labels.count, !labels.contains("") else {
      throw EngineError(
        .invalidArgument, "a task needs at least two different, non-empty label words", at: "task \(name)",
        expected: "two or more", found: labels.isEmpty ? "none" : labels.joined(separator: ", "))
    }
    guard !examples.isEmpty else {
      throw EngineError(
        .invalidArgument, "a task needs examples", at: "task \(name)", expected: "at least one", found: "none",
        nextStep: "demonstrations are drawn from `examples`")
    }
    for (list, all) in [("examples", examples), ("queries", queries)] {
      for (index, example) in all.enumerated() {
        guard labels.indices.contains(example.label) else {
          throw EngineError(
            .invalidArgument, "an example's label is out of range", at: "task \(name), \(list)[\(index)]",
            expected: "0…\(labels.count - 1), an index into \(labels.joined(separator: ", "))",
            found: "\(example.label)")
        }
        try validateFields(of: example, at: "task \(name), \(list)[\(index)]")
      }
    }
  }

  func validateFields(of example: Example, at place: String) throws(EngineError) {
    for field in template.fieldNames where example.fields[field, default: ""].isEmpty {
      throw EngineError(
        .invalidArgument, "an example has no text for the template's {\(field)}", at: place,
        expected: "fields \(template.fieldNames.joined(separator: ", "))",
        found: example.fields.keys.sorted().joined(separator: ", "),
        nextStep: "name the column in the template as it is named in the example")
    }
  }
}

/// A task whose answers are labels: the name under which ``ExperimentTask`` is made from labelled examples.
public typealias ClassificationTask = ExperimentTask
