import ArgumentParser
import Foundation
import ICLEngine

/// What is compared: the options that every experiment's command has.
struct ExperimentOptions: ParsableArguments {
  @Option(help: "A GGUF file or a Hugging Face folder. Default: the model that ships.") var model: String?
  @Option(help: "A task's name, or a .csv, .tsv or .jsonl file. Default: sentiment.") var task: String?
  @Option(help: #"How an example of a file is written, such as "Review: {text}\nMood: {label}\n"."#)
  var template: String?
  @Option(help: "The file's column with the label. Default: label.") var labelColumn: String?
  @Option(help: "The file's column with the text that the model has to write, in place of a label.")
  var answerColumn: String?
  @Option(help: "Examples shown before the query, and tuned on. Default: 8.") var demonstrations: Int?
  @Option(help: "Queries, the same in every repetition. Default: 50.") var queries: Int?
  @Option(help: "Repetitions, each with other demonstrations. Default: 8.") var repetitions: Int?
  @Option(help: "Share of the demonstrations with a wrong label, 0 to 1. Default: 0.") var wrongLabels: Double?
  @Option(help: "meaningful, arbitrary, swapped, or your own words with commas between. Default: arbitrary.")
  var labelWords: String?
  @Option(help: "Optimizer steps of the tuned conditions. Default: 60.") var steps: Int?
  @Option(help: "What is tuned: lora, keyValue or full. Default: lora.") var tuning: String?
  @Option(help: "Which predictions tuning learns from: answer or all. Default: answer.") var loss: String?
  @Option(
    help: ArgumentHelp(
      "What is measured beside cosine and accuracy: standard, all, none, or names with commas between.",
      discussion: "Names: \(Measure.allCases.map(\.rawValue).joined(separator: ", ")). Default: standard."))
  var measures: String?
  @Option(
    help: ArgumentHelp(
      "The token whose states are compared: last, queryMean, firstOfLabel, lastOfLabel, after:TEXT, or -3 from the end. Default: last.",
      valueName: "position"))
  var positions: String?
  @Option(
    help:
      "Where in the model: \(StatePoint.allCases.map(\.rawValue).joined(separator: ", ")). Default: residual.")
  var point: String?
  @Option(help: "What decides everything that chance decides, 0 or more. Default: 0.", transform: OptionCheck.seed)
  var seed: UInt64?
  @Option(help: "A JSON file with all of this.") var spec: String?

  /// What `--spec` and the options beside it, which win, make together.
  struct Experiment {
    var engine: Engine
    var task: ExperimentTask
    var comparison: ComparisonSpec
    var sweep: SweepFactor?
  }

  func validate() throws {
    try OptionCheck.notEmpty(
      ("--model", model), ("--task", task), ("--spec", spec), ("--measures", measures), ("--positions", positions),
      ("--label-words", labelWords), ("--label-column", labelColumn), ("--answer-column", answerColumn),
      ("--template", template))
    try OptionCheck.atLeast(
      1, ("--demonstrations", demonstrations), ("--queries", queries), ("--repetitions", repetitions))
    try OptionCheck.atLeast(0, ("--steps", steps))
    try OptionCheck.number("--wrong-labels", wrongLabels, "a share from 0 to 1") { (0...1).contains($0) }
    let isFile = task?.contains(".") ?? false
    try OptionCheck.noEffect(
      [
        ("--template", template != nil), ("--label-column", labelColumn != nil),
        ("--answer-column", answerColumn != nil),
      ].filter { _ in !isFile },
      because: "it belongs to a task from a file, --task FILE.csv; a specification's task has its own")
    if isFile, template == nil {
      throw ValidationError(
        #"--task \#(task ?? "") needs --template: how an example is written, such as "Text: {text}\nLabel: {label}\n", with your columns' names."#
      )
    }
    if answerColumn != nil, labelColumn != nil {
      throw ValidationError("--answer-column and --label-column exclude each other: a task has answers or labels.")
    }
    if answerColumn != nil, labelWords != nil {
      throw ValidationError("--label-words has no effect on a task whose answers are texts (--answer-column).")
    }
    if let task, !isFile, !ClassificationTask.shippedNames.contains(task) {
      throw ValidationError(
        "--task takes \(ClassificationTask.shippedNames.joined(separator: ", ")) or a .csv, .tsv or .jsonl file, not "
          + "'\(task)'."
          + (Suggestion.nearest(to: task, among: ClassificationTask.shippedNames).map { " Perhaps \($0)?" } ?? ""))
    }
    _ = try overlaid(ComparisonSpec())
  }

  /// Refuses what a command's experiment does not read.
  func refuse(measures: Bool = false, places: Bool = false, because reason: String) throws {
    var useless: [(String, Bool)] = []
    if measures { useless.append(("--measures", self.measures != nil)) }
    if places { useless += [("--positions", positions != nil), ("--point", point != nil)] }
    try OptionCheck.noEffect(useless, because: reason)
  }

  /// A specification with the options in place of what it says.
  private func overlaid(_ base: ComparisonSpec) throws -> ComparisonSpec {
    var comparison = base
    if let demonstrations { comparison.demonstrations = demonstrations }
    if let queries { comparison.queries = queries }
    if let repetitions { comparison.repetitions = repetitions }
    if let wrongLabels { comparison.wrongLabelShare = wrongLabels }
    if let labelWords { comparison.labelWords = try Self.words(labelWords) }
    if let steps { comparison.tuning.steps = steps }
    if let tuning { comparison.tuning.method = try OptionCheck.choice("--tuning", tuning) }
    if let loss { comparison.tuning.loss = try OptionCheck.choice("--loss", loss) }
    if let measures { comparison.measures = try Self.measures(measures) }
    if let positions { comparison.positions = try Self.position(positions) }
    if let point { comparison.point = try OptionCheck.choice("--point", point) }
    if let seed { comparison.seed = seed }
    return comparison
  }

  func experiment() throws -> Experiment {
    let file = try spec.map { try ExperimentFile(contentsOf: $0) } ?? ExperimentFile()
    let comparison = try overlaid(file.comparison())
    let chosen = try task.map(named) ?? file.experimentTask()
    let sweep = try file.sweep()
    return Experiment(
      engine: try ModelOptions.engine(model ?? file.modelPath), task: chosen, comparison: comparison, sweep: sweep)
  }

  private static func measures(_ text: String) throws -> Set<Measure> {
    switch text {
    case "standard": return Measure.standard
    case "all": return Set(Measure.allCases)
    case "none": return []
    default:
      return Set(
        try text.split(separator: ",", omittingEmptySubsequences: false).map {
          try OptionCheck.choice("--measures", $0.trimmingCharacters(in: .whitespaces))
        })
    }
  }

  /// As in a specification, without the quotes.
  private static func position(_ text: String) throws -> StatePosition {
    if text.hasPrefix("after:"), text.count > 6 { return .after(String(text.dropFirst(6))) }
    let json = Int(text) == nil ? "\"\(text)\"" : text
    if Int(text).map({ $0 < 0 }) ?? true,
      let position = try? JSONDecoder().decode(StatePosition.self, from: Data(json.utf8))
    {
      return position
    }
    throw ValidationError(
      "--positions takes last, queryMean, firstOfLabel, lastOfLabel, after:TEXT, or an index from the end such as -3, "
        + "not '\(text)'.")
  }

  private static func words(_ text: String) throws -> LabelWords {
    switch text {
    case "meaningful": return .meaningful
    case "arbitrary": return .arbitrary
    case "swapped": return .swapped
    default:
      let words = text.split(separator: ",", omittingEmptySubsequences: false).map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      guard words.count > 1, !words.contains(""), Set(words).count == words.count else {
        throw ValidationError(
          "--label-words takes meaningful, arbitrary, swapped, or a different word for each class with commas between, "
            + "not '\(text)'.")
      }
      return .custom(words)
    }
  }

  private func named(_ name: String) throws(EngineError) -> ExperimentTask {
    guard name.contains("."), let template else { return try .shipped(named: name) }
    return try TaskFilePart(
      file: name, template: template.replacing("\\n", with: "\n"), labelColumn: labelColumn,
      answerColumn: answerColumn
    ).task(in: nil)
  }
}
