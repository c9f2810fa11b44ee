import ArgumentParser
import Foundation
import ICLEngine

/// `icl-kernel compare`: what `engine.compare` does in a notebook.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Compare hidden states after demonstrations and after tuning on them.",
    discussion: """
      The task is one that comes with the engine (\(ClassificationTask.shipped.map(\.name).joined(separator: ", "))) or \
      a .csv, .tsv or .jsonl file, with --template.

      A specification (--spec) is JSON. All keys may be absent:
        {"model": "m.gguf", "task": "sentiment", "comparison": {"demonstrations": 8, "seed": 1}}
      or, for a task of your own:
        {"task": {"file": "reviews.csv", "template": "Review: {text}\\nMood: {label}\\n"}}
      Paths in it are relative to its folder. Options given beside it win.
      """)

  @Option(help: "A GGUF file. Default: the model that ships.") var model: String?
  @Option(help: "A task's name, or a .csv, .tsv or .jsonl file. Default: sentiment.") var task: String?
  @Option(help: #"How an example of a file is written, such as "Review: {text}\nMood: {label}\n"."#)
  var template: String?
  @Option(help: "The file's column with the label. Default: label.") var labelColumn: String?
  @Option(help: "Examples shown before the query, and tuned on. Default: 8.") var demonstrations: Int?
  @Option(help: "Queries, the same in every repetition. Default: 50.") var queries: Int?
  @Option(help: "Repetitions, each with other demonstrations. Default: 8.") var repetitions: Int?
  @Option(help: "Share of the demonstrations with a wrong label, 0 to 1. Default: 0.") var wrongLabels: Double?
  @Option(help: "meaningful, arbitrary, swapped, or your own words with commas between. Default: arbitrary.")
  var labelWords: String?
  @Option(help: "Optimizer steps of the tuned conditions. Default: 60.") var steps: Int?
  @Option(help: "What decides everything that chance decides. Default: 0.") var seed: UInt64?
  @Option(help: "A JSON file with all of this.") var spec: String?
  @Flag(help: "Print the result as JSON instead of tables.") var json = false
  @Option(help: "Write the plot by layer to this file.") var svg: String?
  @Option(help: "Write the whole report, one self-contained page, to this file.") var html: String?

  func run() throws {
    let file = try spec.map { try ExperimentFile(contentsOf: $0) } ?? ExperimentFile()
    var comparison = try file.comparison()
    if let demonstrations { comparison.demonstrations = demonstrations }
    if let queries { comparison.queries = queries }
    if let repetitions { comparison.repetitions = repetitions }
    if let wrongLabels { comparison.wrongLabelShare = wrongLabels }
    if let labelWords { comparison.labelWords = Self.words(labelWords) }
    if let steps { comparison.tuning.steps = steps }
    if let seed { comparison.seed = seed }
    let task =
      try task.map { try Self.task($0, template: template, labelColumn: labelColumn) } ?? file.classificationTask()
    let path = model ?? file.modelPath
    let engine = try path.map { try Engine(model: $0) } ?? Engine()
    let result = try engine.compare(task, comparison)
    if let svg { try Self.write(result.plot(.layers).source, to: svg) }
    if let html { try Self.write(result.page, to: html) }
    print(json ? try result.json() : result.plainText)
  }

  private static func words(_ text: String) -> LabelWords {
    switch text {
    case "meaningful": .meaningful
    case "arbitrary": .arbitrary
    case "swapped": .swapped
    default: .custom(text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) })
    }
  }

  private static func task(
    _ name: String, template: String?, labelColumn: String?
  ) throws(EngineError) -> ClassificationTask {
    guard name.contains(".") else { return try .shipped(named: name) }
    guard let template else {
      throw EngineError(
        .invalidArgument, "a task from a file needs a template", at: name, expected: "--template",
        found: "none", nextStep: #"add --template "Text: {text}\nLabel: {label}\n", with your columns' names"#)
    }
    return try ClassificationTask(
      contentsOf: name, template: template.replacing("\\n", with: "\n"), labelColumn: labelColumn ?? "label")
  }

  private static func write(_ text: String, to path: String) throws(EngineError) {
    do {
      try Data(text.utf8).write(to: URL(filePath: path))
    } catch {
      throw EngineError(
        .unreadableFile, "the file cannot be written", at: path, nextStep: "check the folder and its permissions",
        underlying: error)
    }
  }
}
