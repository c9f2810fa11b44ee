import Foundation

/// The Swift toolchain that compiles cells.
package struct Toolchain: Sendable, Equatable {
  /// The folder that holds `bin`, `lib` and `include`: `/opt/swift/usr`.
  package let root: String

  package var frontend: String { root + "/bin/swift-frontend" }
  package var linker: String { root + "/bin/ld.lld" }
  package var symbolizer: String { root + "/bin/llvm-symbolizer" }
  package var libraries: String { root + "/lib/swift/linux" }
  package var sourceKit: String { root + "/lib/libsourcekitdInProc.so" }

  private var plugins: String { root + "/lib/swift/host/plugins" }

  /// Where the compiler finds the macros of the toolchain's own modules.
  var macroFlags: [String] {
    [
      "-in-process-plugin-server-path", root + "/lib/swift/host/libSwiftInProcPluginServer.so",
      "-plugin-path", plugins,
    ]
  }

  /// The same for sourcekitd, with the macros in a process of their own: it runs in the kernel's process, which has a
  /// swift-syntax already.
  var outsideMacroFlags: [String] {
    ["-external-plugin-path", "\(plugins)#\(root)/bin/swift-plugin-server"]
  }

  package static var architecture: String {
    #if arch(arm64)
      "aarch64"
    #else
      "x86_64"
    #endif
  }

  /// Registers a shared object's metadata with the Swift runtime.
  package var runtimeObject: String { "\(libraries)/\(Self.architecture)/swiftrt.o" }

  package init(root: String) { self.root = root }

  /// The toolchain that `ICL_TOOLCHAIN` names (its `usr` folder or the one above) and no other; without the variable the
  /// first of the `swift` or `swiftc` of `PATH`, and `/opt/swift`.
  package static func find(environment: [String: String] = ProcessInfo.processInfo.environment) -> Toolchain? {
    // Who names a toolchain means that one: another one in its place would be a surprise.
    if let named = environment["ICL_TOOLCHAIN"], !named.isEmpty {
      return [named, named + "/usr"].lazy.map(Toolchain.init(root:)).first { $0.missing.isEmpty }
    }
    var candidates: [String] = []
    for folder in (environment["PATH"] ?? "").split(separator: ":") {
      for tool in ["swiftc", "swift"] {
        // A link in /usr/bin leads to the toolchain.
        let path = URL(fileURLWithPath: "\(folder)/\(tool)").resolvingSymlinksInPath()
        candidates.append(path.deletingLastPathComponent().deletingLastPathComponent().path)
      }
    }
    candidates += ["/opt/swift/usr", "/usr"]
    return candidates.lazy.map(Toolchain.init(root:)).first { $0.missing.isEmpty }
  }

  /// Files that compiling a cell needs and that aren't there.
  package var missing: [String] {
    [frontend, linker, runtimeObject].filter { !FileManager.default.isReadableFile(atPath: $0) }
  }
}
