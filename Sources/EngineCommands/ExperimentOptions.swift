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
  @Option(help: "What decides everything that chance decides. Default: 0.") var seed: UInt64?
  @Option(help: "A JSON file with all of this.") var spec: String?

  /// What `--spec` and the options beside it, which win, make together.
  struct Experiment {
    var engine: Engine
    var task: ExperimentTask
    var comparison: ComparisonSpec
    var sweep: SweepFactor?
  }

  func experiment() throws -> Experiment {
    let file = try spec.map { try ExperimentFile(contentsOf: $0) } ?? ExperimentFile()
    var comparison = try file.comparison()
    if let demonstrations { comparison.demonstrations = demonstrations }
    if let queries { comparison.queries = queries }
    if let repetitions { comparison.repetitions = repetitions }
    if let wrongLabels { comparison.wrongLabelShare = wrongLabels }
    if let labelWords { comparison.labelWords = Self.words(labelWords) }
    if let steps { comparison.tuning.steps = steps }
    if let tuning { comparison.tuning.method = try Self.choice(tuning, "--tuning") }
    if let loss { comparison.tuning.loss = try Self.choice(loss, "--loss") }
    if let measures { comparison.measures = try Self.measures(measures) }
    if let positions { comparison.positions = try Self.position(positions) }
    if let point { comparison.point = try Self.choice(point, "--point") }
    if let seed { comparison.seed = seed }
    let chosen = try task.map(named) ?? file.experimentTask()
    let sweep = try file.sweep()
    let path = model ?? file.modelPath
    return Experiment(
      engine: try path.map { try Engine(model: $0) } ?? Engine(), task: chosen, comparison: comparison, sweep: sweep)
  }

  private static func choice<T: RawRepresentable & CaseIterable>(
    _ text: String, _ option: String
  ) throws(EngineError) -> T where T.RawValue == String {
    guard let value = T(rawValue: text) else {
      throw EngineError(
        .invalidArgument, "the option has no such value", at: option,
        expected: T.allCases.map(\.rawValue).joined(separator: ", "), found: text)
    }
    return value
  }

  private static func measures(_ text: String) throws(EngineError) -> Set<Measure> {
    switch text {
    case "standard": return Measure.standard
    case "all": return Set(Measure.allCases)
    case "none": return []
    default:
      var result: Set<Measure> = []
      for name in text.split(separator: ",") {
        result.insert(try choice(name.trimmingCharacters(in: .whitespaces), "--measures"))
      }
      return result
    }
  }

  /// As in a specification, without the quotes.
  private static func position(_ text: String) throws(EngineError) -> StatePosition {
    if text.hasPrefix("after:") { return .after(String(text.dropFirst(6))) }
    let json = Int(text) == nil ? "\"\(text)\"" : text
    guard let position = try? JSONDecoder().decode(StatePosition.self, from: Data(json.utf8)) else {
      throw EngineError(
        .invalidArgument, "the option has no such value", at: "--positions",
        expected: "last, queryMean, firstOfLabel, lastOfLabel, after:TEXT, or a negative index such as -3", found: text)
    }
    return position
  }

  private static func words(_ text: String) -> LabelWords {
    switch text {
    case "meaningful": .meaningful
    case "arbitrary": .arbitrary
    case "swapped": .swapped
    default: .custom(text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) })
    }
  }

  private func named(_ name: String) throws(EngineError) -> ExperimentTask {
    guard name.contains(".") else { return try .shipped(named: name) }
    guard let template else {
      throw EngineError(
        .invalidArgument, "a task from a file needs a template", at: name, expected: "--template",
        found: "none", nextStep: #"add --template "Text: {text}\nLabel: {label}\n", with your columns' names"#)
    }
    return try TaskFilePart(
      file: name, template: template.replacing("\\n", with: "\n"), labelColumn: labelColumn,
      answerColumn: answerColumn
    ).task(in: nil)
  }
}
