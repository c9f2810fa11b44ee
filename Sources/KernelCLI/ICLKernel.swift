import ArgumentParser
import EngineCommands

@main
struct ICLKernel: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "icl-kernel",
    abstract: "A Jupyter kernel for Swift, with an engine for in-context learning and instruction tuning.",
    version: "0.1.0",
    subcommands: EngineCommands.all)
}
