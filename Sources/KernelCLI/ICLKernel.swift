import ArgumentParser
import EngineCommands
import Foundation

@main
struct ICLKernel: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "icl-kernel",
    abstract: "A Jupyter kernel for Swift, with an engine for in-context learning and instruction tuning.",
    discussion: ExitStatus.help,
    version: Installation.version,
    subcommands: kernelCommands + EngineCommands.all)

  private static let kernelCommands: [any ParsableCommand.Type] = [
    RunCommand.self, InstallCommand.self, VerifyCommand.self, DoctorCommand.self,
  ]

  /// In place of ArgumentParser's own: everything that is printed is checked, and every end has its exit code.
  static func main() async {
    StandardOutput.prepare()
    let status = await status()
    Foundation.exit(status)
  }

  private static func status() async -> Int32 {
    do {
      var command = try parseAsRoot(GivenArguments.joined(Array(CommandLine.arguments.dropFirst())))
      let isOfKernel = kernelCommands.contains { $0 == type(of: command) }
      // Jupyter starts a kernel with whatever it has for standard output; nothing is written to it.
      if !(command is RunCommand) { try StandardOutput.check() }
      if !isOfKernel { StopSignals.install() }
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
      try StandardOutput.finish()
      return 0
    } catch {
      return CommandEnd.report(error, of: Self.self)
    }
  }
}
