import Foundation
import Kernel

/// The one place that knows both the kernel and the engine: what cells see, and where things lie.
enum Composition {
  /// Visible in every cell without an import.
  static let prelude = """
    import ICLEngine
    """

  /// C modules that the engine imports internally; cells need no more than their names.
  static let hiddenClangModules = ["CQuantKernels", "COpenBLAS", "COpenSSL"]

  /// - Throws: `CompositionError` when the toolchain or a part of the installation is missing.
  static func cellEnvironment() throws -> CellEnvironment {
    guard let toolchain = Toolchain.find() else {
      throw CompositionError(
        what: "no Swift toolchain was found",
        nextStep: "put swiftc on the PATH, or set ICL_TOOLCHAIN to the folder that holds usr/bin/swift-frontend")
    }
    // The installed executable may be a link; what belongs to it lies beside the real file.
    let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
    let host = folder + "/icl-cell-host"
    let modules = folder + "/Modules"
    for path in [host, modules] where !FileManager.default.isReadableFile(atPath: path) {
      throw CompositionError(
        what: "\(path) is missing", nextStep: "build everything again: swift build -c release")
    }
    return CellEnvironment(
      toolchain: toolchain, host: host, moduleFolders: [modules], hiddenClangModules: hiddenClangModules,
      prelude: prelude)
  }
}

struct CompositionError: Error, CustomStringConvertible {
  var what: String
  var nextStep: String
  var description: String { "\(what)\n  next: \(nextStep)" }
}
