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
      or one whose answers the model writes, such as translations:
        {"task": {"file": "pairs.tsv", "template": "English: {en}\\nCzech: {label}\\n", "answerColumn": "cs"}}
      Paths in it are relative to its folder. Options given beside it win. A sweep is one more key:
        {"sweep": {"factor": "demonstrations", "values": [1, 2, 4, 8]}}
      with a factor among \(SweepFactor.names.joined(separator: ", ")).

      With --keep, each finished repetition stays in a folder, and the same command goes on where it was stopped. \
      With --shard 2/4 as well, only every fourth repetition is run: run all four shards, anywhere, in any order; \
      copy what they kept into one folder if they had several, or name all of them to `icl-kernel merge`.
      """)

  @OptionGroup var options: ExperimentOptions
  @OptionGroup var output: ResultOutput
  @Option(help: "Keep each finished repetition in this folder, and go on from what is there.") var keep: String?
  @Option(help: "Run one part of the experiment only, such as 2/4. Needs --keep.") var shard: String?

  func run() throws {
    let chosen = try options.experiment()
    let experiment = ExperimentRun(
      model: chosen.engine.model, task: chosen.task, base: chosen.comparison, over: chosen.sweep)
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
}
