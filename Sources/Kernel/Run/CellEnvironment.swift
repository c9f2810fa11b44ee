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
  /// Where sessions and caches lie.
  package var folders: UserFolders
  package var linkerFlags: [String]
  /// `%`-commands beyond the kernel's own.
  package var commands: [SwiftCommand] = []

  package init(
    toolchain: Toolchain, host: String, moduleFolders: [String], hiddenClangModules: [String] = [],
    prelude: String = "", folders: UserFolders? = nil, linkerFlags: [String] = []
  ) {
    self.toolchain = toolchain
    self.host = host
    self.moduleFolders = moduleFolders
    self.hiddenClangModules = hiddenClangModules
    self.prelude = prelude
    self.folders = folders ?? UserFolders()
    self.linkerFlags = linkerFlags
  }
}
