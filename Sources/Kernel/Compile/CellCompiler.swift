import Foundation
package import Logging
import Synchronization

/// A cell compiled and linked, not yet run.
package struct CompiledCell: Sendable {
  package let module: String
  package let library: String
  package let entry: String
  /// The identifiers that its declarations are written with, where they could be found.
  package var interface: Set<String>?
  package var catchesErrors = true
  /// What the compiler remarked on the user's code, in the order of the text.
  package var warnings: [Diagnostic] = []
}

package enum CompileFailure: Error, Sendable {
  /// The user's code is wrong: what the compiler said, at the user's own lines.
  case diagnostics([Diagnostic])
  /// The compiler or linker itself failed.
  case tool(String)
  /// The system refused something: a process, a file.
  case system(String)
  case interrupted
}

/// Turns a cell's text into a shared object by calling `swift-frontend` and `ld.lld` directly: the `swiftc` driver
/// alone would cost more than both.
package final class CellCompiler: Sendable {
  private let environment: CellEnvironment
  private let folder: String
  private let packages = Mutex<[BuiltPackage]>([])
  private let mode = Mutex(LanguageMode.standard)
  /// Cells of mode 6 that no cell of mode 5 can import yet; see ``makeReadable(_:)``.
  private let unreadable = Mutex<[String]>([])
  private let log: Logger
  private let stand: ToolStand
  private let stubs: String

  /// - Parameter folder: the session's own folder, which the caller creates and removes.
  package init(environment: CellEnvironment, folder: String, log: Logger) throws {
    self.environment = environment
    self.folder = folder
    self.log = log
    stand = ToolStand(folder: folder, guardian: environment.guardian)
    stubs = try Self.writeStubModules(
      environment.hiddenClangModules + [Self.ownClangModule], [environment.moduleCache + "/stubs", folder + "/stubs"])
  }

  /// Ends the tools that wait for a next cell.
  package func close() { stand.close() }

  /// Has the next cell's tools loaded while this one runs.
  private func prepare() {
    stand.prepare(environment.toolchain.frontend)
    stand.prepare(environment.toolchain.linker)
  }

  /// Lets later cells import a package.
  /// - Returns: whether it takes the place of an older build that may be loaded already.
  func use(_ package: BuiltPackage) -> Bool {
    packages.withLock { packages in
      let old = packages.first { $0.location == package.location }
      packages.removeAll { $0.location == package.location }
      packages.append(package)
      return old != nil && old != package
    }
  }

  /// The mode of the cells that are compiled from now on.
  package var languageMode: LanguageMode {
    get { mode.withLock { $0 } }
    set { mode.withLock { $0 = newValue } }
  }

  /// - Parameters:
  ///   - module: name of the module to make, unique in the session.
  ///   - label: what the cell is called in messages: `Cell[3]`.
  ///   - header: imports that the user doesn't see, one per line.
  ///   - tools: runs the compiler and the linker, and ends them when it is cancelled. Cells of several shells are
  ///     compiled at the same time.
  package func compile(
    _ source: CellSource, module: String, label: String, header: [String], optimized: Bool = false,
    tools: ToolRunner
  ) throws -> CompiledCell {
    do {
      return try compileOnce(
        source, module: module, label: label, header: header, optimized: optimized, tools: tools)
    } catch CompileFailure.diagnostics where source.isTentative {
      return try compileOnce(
        source.asStatements, module: module, label: label, header: header, optimized: optimized, tools: tools)
    }
  }

  private func compileOnce(
    _ source: CellSource, module: String, label: String, header: [String], optimized: Bool, tools: ToolRunner
  ) throws -> CompiledCell {
    let cell = "\(folder)/\(module)"
    let header = header + ["typealias \(ModuleLedger.anchor(of: module)) = ()"]
    let text = (header + ["#sourceLocation(file: \"\(label)\", line: 1)"]).joined(separator: "\n") + "\n"
    do {
      try FileManager.default.createDirectory(atPath: cell, withIntermediateDirectories: false)
      try Data((text + source.edited.text + "\n").utf8).write(to: URL(fileURLWithPath: cell + "/main.swift"))
    } catch {
      throw CompileFailure.system(shortage() ?? "the session folder \(folder) can't be written: \(error)")
    }
    var isDone = false
    // What a failure leaves behind takes room that may be scarce.
    defer {
      if !isDone {
        for path in [cell, "\(folder)/\(module).swiftmodule", "\(folder)/\(module).swiftdoc"] {
          try? FileManager.default.removeItem(atPath: path)
        }
      }
    }

    let mode = languageMode
    if mode == .five { try makeReadable(tools) }
    let entry = "\(module)_main"
    let clock = ContinuousClock()
    let started = clock.now
    let compiled = try run(
      tools,
      [
        environment.toolchain.frontend, "-c", "-primary-file", "\(cell)/main.swift", "-module-name", module,
        "-o", "\(cell)/main.o", "-emit-module-path", "\(folder)/\(module).swiftmodule",
        "-emit-module-doc-path", "\(folder)/\(module).swiftdoc",
        "-entry-point-function-name", entry, optimized ? "-O" : "-Onone",
      ] + moduleFlags(mode) + ["-gline-tables-only", "-diagnostic-style", "llvm", "-no-color-diagnostics"])
    let found = Diagnostic.parse(
      compiled.output, label: label, source: source, file: cell + "/main.swift", lead: header.count + 1)
    guard compiled.succeeded else {
      prepare()
      if found.contains(where: { $0.severity == .error && $0.file == label }) {
        throw CompileFailure.diagnostics(Diagnostic.errors(found))
      }
      throw failure(of: "swift-frontend", compiled)
    }
    let middle = clock.now
    let library = "\(cell)/lib\(module).so"
    let linked = try run(
      tools,
      [
        environment.toolchain.linker, "-shared", "\(cell)/main.o", "-o", library, environment.toolchain.runtimeObject,
        "-L\(environment.toolchain.libraries)", "-rpath", environment.toolchain.libraries, "-lswiftCore",
        "-lswiftSwiftOnoneSupport", "-lswift_Concurrency",
        "-lswift_StringProcessing", "--wrap=exit", "--wrap=swift_errorInMain", "-Bsymbolic-functions",
        "--build-id=none",
        "--hash-style=both", "--eh-frame-hdr",
      ] + source.names.linkedLibraries(in: environment.toolchain.libraries) + environment.linkerFlags
        + packages.withLock { $0.flatMap(\.libraries) })
    guard linked.succeeded else { throw failure(of: "ld.lld", linked) }
    isDone = true
    if mode == .six { unreadable.withLock { $0.append(module) } }
    prepare()
    log.debug(
      "compiled",
      metadata: [
        "module": "\(module)", "frontend": "\(middle - started)", "link": "\(clock.now - middle)",
      ])
    try? FileManager.default.removeItem(atPath: cell + "/main.o")
    return CompiledCell(
      module: module, library: library, entry: entry,
      interface: ModuleIdentifiers.read("\(folder)/\(module).swiftmodule"), catchesErrors: source.catchesErrors,
      warnings: Diagnostic.warnings(found, in: label))
  }

  /// Lets cells of mode 5 read the variables of those of mode 6.
  ///
  /// In mode 6 the compiler gives a script's variables to the main actor and writes that into the module; in mode 5 a
  /// script's own code belongs to no actor, and couldn't name them. So what declares them is compiled once more, as a
  /// module of mode 5 without code, whose bodies may be wrong: only the declarations are looked at.
  private func makeReadable(_ tools: ToolRunner) throws {
    let modules = unreadable.withLock { modules in
      defer { modules = [] }
      return modules
    }
    guard !modules.isEmpty else { return }
    try? FileManager.default.createDirectory(atPath: readableFolder, withIntermediateDirectories: true)
    for module in modules where FileManager.default.fileExists(atPath: "\(folder)/\(module)/main.swift") {
      let result = try run(
        tools,
        [
          environment.toolchain.frontend, "-emit-module", "\(folder)/\(module)/main.swift", "-module-name", module,
          "-o", "\(readableFolder)/\(module).swiftmodule", "-experimental-allow-module-with-compiler-errors",
          "-suppress-warnings",
        ] + moduleFlags(.five))
      if !result.succeeded || result.output.contains("error:") {
        log.debug("a module of mode 6 in mode 5", metadata: ["module": "\(module)", "output": "\(result.output)"])
      }
    }
  }

  private var readableFolder: String { folder + "/mode5" }

  /// Where modules of cells are looked for.
  private func cellFolders(_ mode: LanguageMode) -> [String] {
    (mode == .five ? ["-I", readableFolder] : []) + ["-I", folder]
  }

  /// What the compiler and completion need to find modules and treat cells alike.
  private func moduleFlags(_ mode: LanguageMode) -> [String] {
    cellFolders(mode) + [
      "-module-cache-path", environment.moduleCache, "-swift-version", mode.rawValue, "-enable-testing",
      "-disable-access-control", "-enable-bare-slash-regex", "-resource-dir",
      environment.toolchain.root + "/lib/swift", "-target", "\(Toolchain.architecture)-unknown-linux-gnu",
    ] + environment.toolchain.macroFlags + environment.moduleFolders.flatMap { ["-I", $0] } + stubFlags
      + packages.withLock { $0.flatMap { ["-I", $0.moduleFolder] + $0.flags } }
  }

  /// The same for sourcekitd, which takes the driver's options.
  package var completionFlags: [String] {
    cellFolders(languageMode) + [
      "-module-cache-path", environment.moduleCache, "-swift-version", languageMode.rawValue,
      "-Xfrontend", "-disable-access-control", "-resource-dir", environment.toolchain.root + "/lib/swift", "-target",
      "\(Toolchain.architecture)-unknown-linux-gnu",
    ] + environment.toolchain.outsideMacroFlags + environment.moduleFolders.flatMap { ["-I", $0] } + stubFlags
      + packages.withLock { $0.flatMap { ["-I", $0.moduleFolder] + $0.flags } }
  }

  /// CellSupport has one of its own.
  private static let ownClangModule = "CHostSupport"
  private var hiddenClangModules: [String] { environment.hiddenClangModules + [Self.ownClangModule] }

  private var stubFlags: [String] {
    hiddenClangModules.flatMap { ["-Xcc", "-fmodule-map-file=\(stubs)/\($0).modulemap"] }
  }

  /// The engine's own C modules are imported internally: the compiler asks that they exist and looks no further, so
  /// empty ones do. They lie beside the module cache: what the compiler makes of them is kept there by their path, and
  /// would be made anew, and kept for ever, for every session's own.
  private static func writeStubModules(_ names: [String], _ places: [String]) throws -> String {
    var failure: (any Error)?
    for place in places {
      do {
        try FileManager.default.createDirectory(
          atPath: place, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for name in names {
          let path = "\(place)/\(name).modulemap"
          let text = Data("module \(name) {}\n".utf8)
          if FileManager.default.contents(atPath: path) != text {
            try text.write(to: URL(fileURLWithPath: path), options: .atomic)
          }
        }
        return place
      } catch { failure = error }
    }
    throw CompileFailure.system(
      "the session folder \(places.last ?? "") can't be written: \(failure?.localizedDescription ?? "")")
  }

  /// Why a tool failed that nothing in the cell explains.
  private func failure(of tool: String, _ result: ToolResult) -> CompileFailure {
    if let shortage = shortage(result.output) { return .system(shortage) }
    let how =
      result.isTimedOut
      ? "took too long and was stopped"
      : result.signal == 0 ? "ended with status \(result.status)" : "died of signal \(result.signal)"
    return .tool("\(tool) \(how):\n\(result.output.suffix(4000))")
  }

  /// What is wrong with the disk on which cells are compiled; `nil` when it isn't the disk.
  private func shortage(_ said: String = "") -> String? {
    var disk = statvfs()
    let after = "; every variable is as it was, and the cell can be run again when that is mended"
    guard statvfs(folder, &disk) == 0, FileManager.default.fileExists(atPath: folder) else {
      return "the session folder \(folder) is gone: restart the kernel"
    }
    if disk.f_flag & UInt(ST_RDONLY) != 0 || said.contains("Read-only file system") {
      return "the session folder \(folder) can't be written: its file system is read-only\(after)"
    }
    let free = UInt64(disk.f_bavail) * UInt64(disk.f_frsize)
    guard free < 256 << 10 || said.contains("No space left on device") else { return nil }
    return "the disk that holds the session folder \(folder) is full: \(free >> 10) KB are free\(after)"
  }

  private func run(_ tools: ToolRunner, _ arguments: [String]) throws -> ToolResult {
    let ready = arguments.first.flatMap(stand.take)
    var result = try tools.run(arguments, ready: ready)
    // One that waited may have been killed just before it was taken: another is started, whose end counts.
    if ready != nil, result.signal == SIGKILL, !result.isTimedOut, !tools.isCancelled {
      result = try tools.run(arguments)
    }
    if result.signal == SIGKILL, tools.isCancelled { throw CompileFailure.interrupted }
    return result
  }
}

extension DeclaredNames {
  /// Libraries of the toolchain for the modules that the cell imports: `-lFoundation`.
  func linkedLibraries(in folder: String) -> [String] {
    importedModules.flatMap { module in
      ["\(module)", "swift\(module)"].filter { FileManager.default.fileExists(atPath: "\(folder)/lib\($0).so") }
        .map { "-l\($0)" }
    }
  }

  /// `Foundation` of `import struct Foundation.Data`.
  var importedModules: [String] {
    imports.compactMap { text in
      let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
      guard let at = words.firstIndex(of: "import"), at + 1 < words.count else { return nil }
      let kinds: Set = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]
      let path = kinds.contains(words[at + 1]) && at + 2 < words.count ? words[at + 2] : words[at + 1]
      return path.split(separator: ".").first.map(String.init)
    }
  }
}
