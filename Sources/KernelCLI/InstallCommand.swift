import ArgumentParser
import EngineCommands
import Foundation

/// `icl-kernel install`: tells Jupyter about this kernel.
struct InstallCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "install",
    abstract: "Tell Jupyter about this kernel.",
    discussion: """
      Writes a kernelspec (kernel.json and logos) that starts this very executable. Without a place it is installed \
      for the current user.
      """)

  @Flag(help: "Install for the current user (the default).")
  var user = false
  @Flag(help: "Install into the Python environment that is active (virtual environment, conda).")
  var sysPrefix = false
  @Option(help: ArgumentHelp("Install under PREFIX/share/jupyter/kernels.", valueName: "prefix"))
  var prefix: String?
  @Option(help: "The kernel's name for Jupyter: letters, digits, '-', '_' and '.'.")
  var name = Installation.defaultKernelName
  @Option(help: "What Jupyter shows in its menus.")
  var displayName = "Swift (ICL)"

  func validate() throws {
    guard [user, sysPrefix, prefix != nil].filter({ $0 }).count <= 1 else {
      throw ValidationError("Choose one of --user, --sys-prefix and --prefix.")
    }
    guard name.wholeMatch(of: /[A-Za-z0-9._-]+/) != nil, name != ".", name != ".." else {
      throw ValidationError(
        "The name '\(name)' is not one that Jupyter accepts: use letters, digits, '-', '_' and '.'.")
    }
    guard !displayName.allSatisfy(\.isWhitespace) else { throw ValidationError("--display-name is empty.") }
    if prefix?.isEmpty == true { throw ValidationError("--prefix is empty; name a folder.") }
  }

  func run() throws {
    let target = try dataFolder().appending(path: "kernels").appending(path: name.lowercased())
    guard let source = Installation.kernelspec else {
      throw CommandFailure(
        what: "the folder kernelspec/ (template and logos) is neither beside \(Installation.executable.path) nor above",
        nextStep: "run the executable in its checkout, or copy kernelspec/ beside it")
    }
    do {
      try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
      try kernelJSON(from: source.appending(path: "kernel.json"))
        .write(to: target.appending(path: "kernel.json"), options: .atomic)
      for logo in ["logo-svg.svg", "logo-32x32.png", "logo-64x64.png"] {
        try Data(contentsOf: source.appending(path: logo)).write(to: target.appending(path: logo), options: .atomic)
      }
    } catch {
      throw CommandFailure(
        what: "the kernelspec cannot be written to \(target.path): \(CommandEnd.line(error))",
        nextStep: "install for yourself with --user, or choose a folder you may write to with --prefix")
    }
    try StandardOutput.line("Installed the kernel \"\(displayName)\" as \(name.lowercased()) in \(target.path)")
  }

  /// The template with this executable and the chosen name in it.
  private func kernelJSON(from template: URL) throws -> Data {
    var spec = try JSONDecoder().decode(KernelSpec.self, from: Data(contentsOf: template))
    if !spec.argv.isEmpty { spec.argv[0] = Installation.executable.path }
    spec.display_name = displayName
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(spec) + Data("\n".utf8)
  }

  private func dataFolder() throws -> URL {
    if let prefix { return URL(filePath: prefix).absoluteURL.appending(path: "share/jupyter") }
    guard sysPrefix else { return Installation.jupyterUserData }
    let environment = ProcessInfo.processInfo.environment
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
      if let path = environment[variable], !path.isEmpty { return URL(filePath: path).appending(path: "share/jupyter") }
    }
    let asked = try? Subprocess.run("python3", ["-c", "import sys; print(sys.prefix)"])
    guard let asked, asked.status == 0, asked.output.hasPrefix("/") else {
      throw CommandFailure(
        what:
          "no Python environment is active: neither VIRTUAL_ENV nor CONDA_PREFIX is set and python3 does not answer",
        nextStep: "activate the environment that holds Jupyter, or name it with --prefix")
    }
    return URL(filePath: asked.output).appending(path: "share/jupyter")
  }
}

/// A kernel.json, as Jupyter defines it.
struct KernelSpec: Codable {
  struct Metadata: Codable {
    var debugger: Bool
    /// What jupyter_client makes keys for: "curve".
    var supported_encryption: String?
  }
  var argv: [String]
  var display_name: String
  var language: String
  var interrupt_mode: String
  var kernel_protocol_version: String?
  var metadata: Metadata
}
