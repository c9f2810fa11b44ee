import ArgumentParser
import ICLEngine

/// `icl-kernel steps`: what `engine.stepsToICL` does in a notebook.
struct StepsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "steps",
    abstract: "Follow tuning step by step, beside the state after demonstrations.",
    discussion: """
      How many steps of tuning is a prompt of k demonstrations worth? Tasks and specifications are those of \
      `icl-kernel compare`; a sweep in them has no part here.
      """)

  @OptionGroup var options: ExperimentOptions
  @Option(help: "Steps between two looks at the states.") var every = 5
  @OptionGroup var output: ResultOutput

  func validate() throws {
    try OptionCheck.atLeast(1, ("--every", every), ("--steps", options.steps))
    try options.refuse(measures: true, because: "steps measures cosine and accuracy alone")
  }

  func run() throws {
    try output.check()
    let chosen = try options.experiment()
    if chosen.sweep != nil { StandardError.line("note: the specification's sweep has no part in steps") }
    let result = try chosen.engine.stepsToICL(chosen.task, chosen.comparison, every: every)
    try output.write(result)
    if result.isPartial { throw Stopped(result.repetitions.count, of: result.spec.repetitions) }
  }
}

/// `icl-kernel vectors`: what `engine.taskVectors` does in a notebook.
struct VectorsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vectors",
    abstract: "Put task vectors and function vectors into prompts without demonstrations.",
    discussion: """
      What do a state or a few attention heads carry of the task? Tasks and specifications are those of \
      `icl-kernel compare`; a sweep in them has no part here.
      """)

  @OptionGroup var options: ExperimentOptions
  @Option(help: "How many heads are summed into the function vector.") var heads = 3
  @OptionGroup var output: ResultOutput

  func validate() throws {
    try OptionCheck.atLeast(1, ("--heads", heads))
    try options.refuse(
      measures: true, places: true, because: "vectors are states of the last token, judged by accuracy alone")
  }

  func run() throws {
    try output.check()
    let chosen = try options.experiment()
    if chosen.sweep != nil { StandardError.line("note: the specification's sweep has no part in vectors") }
    let result = try chosen.engine.taskVectors(chosen.task, chosen.comparison, heads: heads)
    try output.write(result)
    if result.isPartial { throw Stopped(result.repetitions.count, of: result.spec.repetitions) }
  }
}

extension Stopped {
  /// Of an experiment that keeps nothing on the way.
  fileprivate init(_ done: Int, of all: Int) {
    self.init(
      place: "after \(done) of \(all.counted("repetition"))", saved: "those are printed",
      next: "the whole again: \(GivenCommand.text)")
  }
}
