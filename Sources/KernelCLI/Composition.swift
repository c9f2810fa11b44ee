import Foundation
import Kernel
import Logging

/// The one place that knows both the kernel and the engine: what cells see, and where things lie.
enum Composition {
  /// C modules that the engine imports internally; cells need no more than their names.
  private static let hiddenClangModules = ["CQuantKernels", "COpenBLAS", "COpenSSL"]

  /// The runner of a notebook's cells.
  /// - Throws: ``CommandFailure`` when the toolchain or a part of the installation is missing.
  static func runner(log: Logger, folders: UserFolders = UserFolders()) throws -> any CellRunner {
    CommandRunner(try CompilingCellRunner(configuration: cellEnvironment(log, folders), log: log))
  }

  static func cellEnvironment(_ log: Logger, _ folders: UserFolders) throws -> CellEnvironment {
    guard let toolchain = Toolchain.find() else {
      if let named = ProcessInfo.processInfo.environment["ICL_TOOLCHAIN"], !named.isEmpty {
        let missing = Toolchain(root: named).missing.first ?? named
        throw CommandFailure(
          what: "ICL_TOOLCHAIN names no whole Swift toolchain: \(named) (\(missing) is not there)",
          nextStep: "set it to the folder that holds bin/swift-frontend, or leave it out: unset ICL_TOOLCHAIN")
      }
      throw CommandFailure(
        what: "no Swift toolchain was found",
        nextStep: "put swiftc on the PATH, or set ICL_TOOLCHAIN to the folder that holds bin/swift-frontend")
    }
    for path in [Installation.cellHost, Installation.cellGuard, Installation.modules]
    where !FileManager.default.isReadableFile(atPath: path) {
      throw CommandFailure(what: "\(path) is missing", nextStep: "build everything again: swift build -c release")
    }
    var environment = CellEnvironment(
      toolchain: toolchain, host: Installation.cellHost, moduleFolders: [Installation.modules],
      hiddenClangModules: hiddenClangModules, prelude: prelude(log), folders: folders)
    environment.commands = [modelCommand]
    return environment
  }

  private static let modelCommand = CellEnvironment.SwiftCommand(
    name: "model", arguments: "[path]", summary: "which model `engine` is, or another one in its place",
    details: """
      %model                      what `engine` is
      %model ~/models/base.gguf   loads that file, and calls it `engine` from here on

      The same as `let engine = try Engine(model: "…")`: other names keep the models they have.
      """
  ) { path in
    guard !path.isEmpty else { return "engine" }
    let file = (path as NSString).expandingTildeInPath
    return "let engine = try Engine(model: \(swiftLiteral(file))); engine"
  }

  private static let imports = "import ICLEngine\nimport NotebookCharts"

  /// Visible in every cell: the engine, charts and, where its model is there, `engine` itself.
  private static func prelude(_ log: Logger) -> String {
    guard FileManager.default.fileExists(atPath: Installation.model) else {
      log.warning("the model \(Installation.model) is not there: cells have no `engine`; icl-kernel doctor says more")
      return imports
    }
    return """
      \(imports)
      let engine = try Engine()
      """
  }

  static var description: Session.Description {
    Session.Description(
      implementationVersion: Installation.version, languageVersion: languageVersion,
      banner: """
        Swift \(languageVersion) with the in-context-learning engine \(Installation.version)
        ?name explains a name; %help says what else there is.
        """,
      helpLinks: [
        (
          "Exploring the Relationship between In-Context Learning and Instruction Tuning",
          "https://arxiv.org/abs/2311.10367"
        )
      ])
  }

  /// Cells are compiled by the toolchain that built this program: no other reads its modules.
  private static var languageVersion: String {
    #if compiler(>=6.4)
      "6.4"
    #elseif compiler(>=6.3)
      "6.3"
    #else
      "6.2"
    #endif
  }
}
