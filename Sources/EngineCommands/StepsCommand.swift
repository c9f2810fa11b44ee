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

  func run() throws {
    let chosen = try options.experiment()
    try output.write(chosen.engine.stepsToICL(chosen.task, chosen.comparison, every: every))
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

  func run() throws {
    let chosen = try options.experiment()
    try output.write(chosen.engine.taskVectors(chosen.task, chosen.comparison, heads: heads))
  }
}
