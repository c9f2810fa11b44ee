import ArgumentParser
#if canImport(EngineCommands)
  import EngineCommands
#endif

@main
struct ICLKernel: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "icl-kernel",
    abstract: "A Jupyter kernel for Swift, with an engine for in-context learning and instruction tuning.",
    version: Installation.version,
    subcommands: kernelCommands + engineCommands)

  private static let kernelCommands: [any ParsableCommand.Type] = [
    RunCommand.self, InstallCommand.self, VerifyCommand.self, DoctorCommand.self,
  ]

  private static var engineCommands: [any ParsableCommand.Type] {
    #if canImport(EngineCommands)
      EngineCommands.all
    #else
      []
    #endif
  }
}
