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
  let environment: CellEnvironment
  let folder: String
  private let packages = Mutex<[BuiltPackage]>([])
  private let mode = Mutex(LanguageMode.standard)
  /// Cells of mode 6 that no cell of mode 5 can import yet; see ``makeReadable(_:)``.
  private let unreadable = Mutex<[String]>([])
  private let log: Logger
  private let stand: ToolStand
  private let caches: Mutex<CompilerCaches>
  private let notice = Mutex<String?>(nil)

  /// - Parameter folder: the session's own folder, which the caller creates and removes.
  package init(environment: CellEnvironment, folder: String, log: Logger) throws {
    self.environment = environment
    self.folder = folder
    self.log = log
    stand = ToolStand(folder: folder, guardian: environment.guardian)
    caches = Mutex(
      try CompilerCaches(
        shared: environment.folders.cache, session: folder + "/cache",
        hiddenModules: environment.hiddenClangModules + [Self.ownClangModule]))
  }

  /// What the user is to be told once, with a cell.
  func takeNotice() -> String? {
    notice.withLock { notice in
      defer { notice = nil }
      return notice
    }
  }

  /// Looks whether the caches still serve, after a cell didn't compile.
  /// - Returns: whether they didn't and now do, so that the cell is worth another try.
  private func mendCaches(isBlamed: Bool) -> Bool {
    switch caches.withLock({ $0.mend(isBlamed: isBlamed) }) {
    case .sound, .lost: return false
    case .restored: return true
    case .moved(let fault):
      let text = "\(fault): what the compiler makes of C modules is kept for this session alone from here on.\n"
      log.warning("\(text)")
      notice.withLock { $0 = text }
      return true
    }
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
  ///   - label: what the cell is called in messages: `In[3]`.
  ///   - header: imports that the user doesn't see, one per line.
  ///   - tools: runs the compiler and the linker, and ends them when it is cancelled. Cells of several shells are
  ///     compiled at the same time.
  package func compile(
    _ source: CellSource, module: String, label: String, header: [String], optimized: Bool = false,
    tools: ToolRunner
  ) throws -> CompiledCell {
    func attempt() throws -> CompiledCell {
      try compileAsWritten(source, module, label, header, optimized: optimized, tools: tools)
    }
    do { return try attempt() } catch {
      let failure = error as? BlamedCaches
      if !tools.isCancelled, mendCaches(isBlamed: failure != nil) {
        do { return try attempt() } catch { throw (error as? BlamedCaches)?.underlying ?? error }
      }
      throw failure?.underlying ?? error
    }
  }

  /// Compiles a cell with what the kernel adds to it, and tells of it what the compiler says of the user's own text.
  private func compileAsWritten(
    _ source: CellSource, _ module: String, _ label: String, _ header: [String], optimized: Bool, tools: ToolRunner
  ) throws -> CompiledCell {
    // What the compiler says of a cell that awaits, it has to say of the user's own text.
    let opinion = source.isAsynchronous ? Opinion { self.opinion(on: source, label, module, header, tools) } : nil
    var source = source
    var compiled: CompiledCell
    while true {
      do {
        compiled = try compileOnce(
          source, module: module, label: label, header: header, optimized: optimized, tools: tools)
        break
      } catch CompileFailure.diagnostics(let own) where source.edited.text != source.original {
        // In Swift 6, a constant that isn't Sendable can't be nonisolated.
        if source.opensActors, own.contains(where: { $0.isGenerated && $0.message.contains("'nonisolated'") }) {
          source = source.without(.openActors)
          continue
        }
        if source.isTentative {
          source = source.without(.controlFlowResult)
          continue
        }
        // Of errors in the edited text, only those count that the user's text has, and as it has them.
        let errors = Diagnostic.errors(opinion?.wait() ?? self.opinion(on: source, label, module, header, tools))
        if !errors.isEmpty { throw CompileFailure.diagnostics(errors) }
        // The last expression may have a value that can't be handed to anyone.
        guard source.hasResult else {
          throw CompileFailure.diagnostics(own + (source.isAsynchronous ? [Diagnostic.ofRewriting(label)] : []))
        }
        source = source.without([.result, .controlFlowResult])
      }
    }
    guard let found = opinion?.wait() else { return compiled }
    let errors = Diagnostic.errors(found)
    guard errors.isEmpty else { throw CompileFailure.diagnostics(errors) }
    compiled.warnings = Diagnostic.warnings(found, in: label)
    return compiled
  }

  /// Writes a cell's `main.swift`; the user's first line comes after the header and one line more.
  func write(_ text: String, _ header: [String], _ label: String, to place: String) throws {
    let lines = header + ["#sourceLocation(file: \"\(label)\", line: 1)", text]
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: place + "/main.swift"))
  }

  static let diagnosticFlags = ["-diagnostic-style", "llvm", "-no-color-diagnostics"]

  private func compileOnce(
    _ source: CellSource, module: String, label: String, header: [String], optimized: Bool, tools: ToolRunner
  ) throws -> CompiledCell {
    let cell = "\(folder)/\(module)"
    let header = header + ["typealias \(ModuleLedger.anchor(of: module)) = ()"]
    do {
      try FileManager.default.createDirectory(atPath: cell, withIntermediateDirectories: false)
      try write(source.edited.text, header, label, to: cell)
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
      ] + moduleFlags(mode) + ["-gline-tables-only"] + Self.diagnosticFlags
        + (source.isAsynchronous ? ["-suppress-warnings"] : []))
    let found = Diagnostic.parse(
      compiled.output, label: label, source: source, file: cell + "/main.swift", lead: header.count + 1)
    guard compiled.succeeded else {
      prepare()
      let isUsers = found.contains { $0.severity == .error && $0.file == label }
      let failure =
        isUsers ? CompileFailure.diagnostics(Diagnostic.errors(found)) : failure(of: "swift-frontend", compiled)
      if caches.withLock({ $0.isBlamed(in: compiled.output) }) { throw BlamedCaches(underlying: failure) }
      throw failure
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

  /// A failure for which the compiler names the caches.
  private struct BlamedCaches: Error { var underlying: CompileFailure }

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
  func moduleFlags(_ mode: LanguageMode) -> [String] {
    cellFolders(mode) + [
      "-module-cache-path", caches.withLock { $0.modules }, "-swift-version", mode.rawValue, "-enable-testing",
      "-disable-access-control", "-enable-bare-slash-regex", "-resource-dir",
      environment.toolchain.root + "/lib/swift", "-target", "\(Toolchain.architecture)-unknown-linux-gnu",
    ] + environment.toolchain.macroFlags + environment.moduleFolders.flatMap { ["-I", $0] } + stubFlags
      + packages.withLock { $0.flatMap { ["-I", $0.moduleFolder] + $0.flags } }
  }

  /// The same for sourcekitd, which takes the driver's options.
  package var completionFlags: [String] {
    cellFolders(languageMode) + [
      "-module-cache-path", caches.withLock { $0.modules }, "-swift-version", languageMode.rawValue,
      "-Xfrontend", "-disable-access-control", "-resource-dir", environment.toolchain.root + "/lib/swift", "-target",
      "\(Toolchain.architecture)-unknown-linux-gnu",
    ] + environment.toolchain.outsideMacroFlags + environment.moduleFolders.flatMap { ["-I", $0] } + stubFlags
      + packages.withLock { $0.flatMap { ["-I", $0.moduleFolder] + $0.flags } }
  }

  /// CellSupport has one of its own.
  private static let ownClangModule = "CHostSupport"

  private var stubFlags: [String] {
    caches.withLock { $0.stubFlags }
  }

  /// Why a tool failed that nothing in the cell explains.
  private func failure(of tool: String, _ result: ToolResult) -> CompileFailure {
    if let shortage = shortage(result.output) { return .system(shortage) }
    let how =
      result.isTimedOut
      ? "took too long and was stopped"
      : result.signal == 0 ? "ended with status \(result.status)" : "was killed by \(SignalName.of(result.signal))"
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
