import Foundation

/// Where cells are compiled and what they see. The composition root fills this in; the kernel itself knows nothing
/// of the engine.
package struct CellEnvironment: Sendable {
  package var toolchain: Toolchain
  /// The `icl-cell-host` executable.
  package var host: String
  /// The `icl-cell-guard` executable, which lies beside it.
  package var guardian: String { (host as NSString).deletingLastPathComponent + "/icl-cell-guard" }
  /// Folders with the `.swiftmodule` files that cells may import.
  package var moduleFolders: [String]
  /// C modules that those modules import internally, and that cells never see.
  package var hiddenClangModules: [String]
  /// Swift source that runs before the first cell; its imports and names are visible in every cell.
  package var prelude: String
  /// Session folders are made in here.
  package var sessions: String
  /// Where the compiler keeps what it made of C modules, from session to session.
  package var moduleCache: String
  package var linkerFlags: [String]
  /// `%`-commands beyond the kernel's own.
  package var commands: [SwiftCommand] = []
  /// Where `%package` keeps what it built.
  package var packageCache = PackageBuilder.defaultCache

  package init(
    toolchain: Toolchain, host: String, moduleFolders: [String], hiddenClangModules: [String] = [],
    prelude: String = "", sessions: String = NSTemporaryDirectory(), moduleCache: String? = nil,
    linkerFlags: [String] = []
  ) {
    self.toolchain = toolchain
    self.host = host
    self.moduleFolders = moduleFolders
    self.hiddenClangModules = hiddenClangModules
    self.prelude = prelude
    self.sessions = sessions
    self.moduleCache = moduleCache ?? Self.defaultModuleCache
    self.linkerFlags = linkerFlags
  }

  private static var defaultModuleCache: String {
    let base = FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask).first
    return (base?.path ?? NSTemporaryDirectory()) + "/icl-kernel/modules"
  }
}
