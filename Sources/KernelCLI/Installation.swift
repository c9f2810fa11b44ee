import EngineCommands
import Foundation

/// Where the parts of this installation lie, found from the running executable.
enum Installation {
  static let version = EngineCommands.version
  static let defaultKernelName = "swift-icl"

  /// The real file that runs, links followed.
  static let executable = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
  static let folder = executable.deletingLastPathComponent()

  static var cellHost: String { folder.appending(path: "icl-cell-host").path }
  static var cellGuard: String { folder.appending(path: "icl-cell-guard").path }
  /// Modules that cells may import: SwiftPM puts them beside the executables.
  static var modules: String { folder.appending(path: "Modules").path }

  /// The GGUF file that `Engine()` loads in a cell.
  static var model: String {
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["ICL_MODEL"], !path.isEmpty { return path }
    let named = environment["ICL_RESOURCES"].flatMap { $0.isEmpty ? nil : $0 }
    let resources = named ?? folder.appending(path: "swift-icl-kernel_ICLEngine.resources/Resources").path
    return resources + "/tour.gguf"
  }

  /// The template of kernel.json and the logos: beside the executable, or in the checkout that it was built in.
  static var kernelspec: URL? {
    var place = folder
    while place.path.count > 1 {
      let candidate = place.appending(path: "kernelspec")
      if FileManager.default.fileExists(atPath: candidate.appending(path: "kernel.json").path) { return candidate }
      place.deleteLastPathComponent()
    }
    return nil
  }

  /// `JUPYTER_DATA_DIR`, else the XDG data folder: where Jupyter looks for a user's kernels.
  static var jupyterUserData: URL {
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["JUPYTER_DATA_DIR"], !path.isEmpty { return URL(filePath: path) }
    return dataHome.appending(path: "jupyter")
  }

  private static var dataHome: URL {
    if let path = ProcessInfo.processInfo.environment["XDG_DATA_HOME"], path.hasPrefix("/") {
      return URL(filePath: path)
    }
    return FileManager.default.homeDirectoryForCurrentUser.appending(path: ".local/share")
  }
}

/// An error of the command line: what is wrong and what to do about it.
struct CommandFailure: Error, CustomStringConvertible {
  var what: String
  var nextStep: String
  var description: String { "\(what)\n  next:     \(nextStep)" }
}
