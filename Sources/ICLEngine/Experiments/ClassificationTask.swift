/// A task in which every example has one of a few labels: what is shown to the model, and how it is worded.
///
///     let task = try ClassificationTask(
///       name: "weather", template: "Report: {text}\nOutlook: {label}\n",
///       instructions: ["Say whether the outlook is fair or foul."], labels: ["fair", "foul"],
///       examples: [.init("sun all day", label: 0), .init("storm from the west", label: 1), …])
public struct ClassificationTask: Sendable, Equatable, Codable {
  /// One labelled example.
  public struct Example: Sendable, Hashable, Codable {
    /// The text of each placeholder of the template.
    public var fields: [String: String]
    /// Index into the task's labels.
    public var label: Int

    public init(fields: [String: String], label: Int) {
      self.fields = fields
      self.label = label
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
  /// The meaningful label words; an example's label is an index into them.
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

  /// Checks everything that `init` promises; called again before an experiment, since the members are variables.
  public func validate() throws(EngineError) {
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
        for field in template.fieldNames where example.fields[field, default: ""].isEmpty {
          throw EngineError(
            .invalidArgument, "an example has no text for the template's {\(field)}",
            at: "task \(name), \(list)[\(index)]", expected: "fields \(template.fieldNames.joined(separator: ", "))",
            found: example.fields.keys.sorted().joined(separator: ", "),
            nextStep: "name the column in the template as it is named in the example")
        }
      }
    }
  }
}
