import ArgumentParser
import Foundation
import ICLEngine

/// `icl-kernel compare`: what `engine.compare` does in a notebook.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Compare hidden states after demonstrations and after tuning on them.",
    discussion: """
      The task is one that comes with the engine (\(ClassificationTask.shippedNames.joined(separator: ", "))) or \
      a .csv, .tsv or .jsonl file, with --template.

      A specification (--spec) is JSON. All keys may be absent:
        {"model": "m.gguf", "task": "sentiment", "comparison": {"demonstrations": 8, "seed": 1}}
      or, for a task of your own:
        {"task": {"file": "reviews.csv", "template": "Review: {text}\\nMood: {label}\\n"}}
      Paths in it are relative to its folder. Options given beside it win. A sweep is one more key:
        {"sweep": {"factor": "demonstrations", "values": [1, 2, 4, 8]}}
      with a factor among \(SweepFactor.names.joined(separator: ", ")).

      With --keep, each finished repetition stays in a folder, and the same command goes on where it was stopped. \
      With --shard 2/4 as well, only every fourth repetition is run: run all four shards, anywhere, in any order; \
      copy what they kept into one folder if they had several, or name all of them to `icl-kernel merge`.
      """)

  @Option(help: "A GGUF file or a Hugging Face folder. Default: the model that ships.") var model: String?
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
  @OptionGroup var output: ResultOutput
  @Option(help: "Keep each finished repetition in this folder, and go on from what is there.") var keep: String?
  @Option(help: "Run one part of the experiment only, such as 2/4. Needs --keep.") var shard: String?

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
    let experiment = ExperimentRun(model: engine.model, task: task, base: comparison, over: try file.sweep())
    if let shard {
      guard let keep else {
        throw EngineError(
          .invalidArgument, "a shard's repetitions must be kept somewhere", expected: "--keep FOLDER", found: "none")
      }
      let done = try experiment.shard(Shard(shard), in: keep)
      print(
        "shard \(shard): \(done.ofShard) of \(done.shardTotal) repetitions; \(keep) keeps \(done.ofAll) of \(done.total)"
      )
    } else if experiment.factor != nil {
      try output.write(experiment.sweep(in: keep))
    } else {
      try output.write(experiment.comparison(in: keep))
    }
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
}
