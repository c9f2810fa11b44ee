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

      With --export, nothing is run: prompts as text and token ids, the examples that are tuned on and the adapters that \
      tuning begins with are written to a folder, for another program to do the same on the same weights \
      (Benchmarks/engine/peer_comparison.py does it with transformers and PEFT).
      """)

  @OptionGroup var options: ExperimentOptions
  @OptionGroup var output: ResultOutput
  @Option(help: "Keep each finished repetition in this folder, and go on from what is there.") var keep: String?
  @Option(help: "Run one part of the experiment only, such as 2/4. Needs --keep.") var shard: String?
  @Option(help: "Run nothing; write prompts, token ids and initial adapters to this folder.") var export: String?
  @Option(
    help: ArgumentHelp("How products are computed; see `icl-kernel states --help`.", valueName: "f32|bf16|int8"),
    transform: ModelOptions.precision(named:))
  var precision = Precision.f32

  func validate() throws {
    try OptionCheck.notEmpty(("--keep", keep), ("--export", export))
    if let export {
      try OptionCheck.noEffect(
        output.given + [("--keep", keep != nil), ("--shard", shard != nil)],
        because: "--export \(export) runs nothing")
    }
    guard let shard else { return }
    do { _ = try Shard(shard) } catch {
      throw ValidationError("--shard takes a number and a count, 1/4 to 4/4, not '\(shard)'.")
    }
    if keep == nil { throw ValidationError("--shard needs --keep FOLDER: its repetitions must be kept somewhere.") }
    try OptionCheck.noEffect(
      output.given, because: "a shard has no result of its own; `icl-kernel merge` has the whole")
  }

  func run() throws {
    try output.check()
    if let keep { try OutputPlace.checkFolder(keep, option: "--keep") }
    if let export { try OutputPlace.checkFolder(export, option: "--export") }
    let chosen = try options.experiment()
    let model = try chosen.engine.with(precision).model
    let experiment = ExperimentRun(model: model, task: chosen.task, base: chosen.comparison, over: chosen.sweep)
    if let export {
      guard experiment.factor == nil else {
        throw EngineError(
          .invalidArgument, "one comparison is exported, not a sweep", at: "--export",
          expected: "a specification without \"sweep\"", found: "a sweep",
          nextStep: "export each value by itself")
      }
      try ComparisonScript(ComparisonRun(model: model, task: chosen.task, spec: chosen.comparison)).write(to: export)
      return
    }
    try experiment.checkChoices()
    TimeEstimate.announce(experiment, shards: try shard.map { try Shard($0).count } ?? 1)
    do {
      if let shard, let keep {
        let done = try experiment.shard(Shard(shard), in: keep)
        try StandardOutput.line(
          "shard \(shard): \(done.ofShard) of \(done.shardTotal.counted("repetition")); \(keep) keeps \(done.ofAll) of "
            + "\(done.total)")
      } else if experiment.factor != nil {
        let sweep = try experiment.sweep(in: keep)
        try output.write(sweep)
        if sweep.isPartial {
          throw stopped("after \(sweep.values.count.counted("value")) of \(sweep.factor)")
        }
      } else {
        let comparison = try experiment.comparison(in: keep)
        try output.write(comparison)
        if comparison.isPartial {
          throw stopped(
            "after \(comparison.repetitions.count) of \(comparison.spec.repetitions.counted("repetition"))")
        }
      }
    } catch let error as EngineError where error.code == .interrupted {
      throw stopped("before a part of it was whole")
    }
  }

  /// What an interrupted run says. It has printed what was finished.
  private func stopped(_ place: String) -> Stopped {
    if let keep {
      return Stopped(
        place: place, saved: "\(keep) keeps every finished repetition",
        next: "the same command goes on from there: \(GivenCommand.text)")
    }
    return Stopped(
      place: place, saved: "finished repetitions are printed, and kept nowhere",
      next: "with --keep FOLDER the same command goes on where it was stopped: \(GivenCommand.text) --keep kept")
  }
}
