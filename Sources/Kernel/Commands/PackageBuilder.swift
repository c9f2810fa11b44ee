import Foundation
import Synchronization

/// A Swift package built for cells: where the compiler finds its modules and the linker its code.
struct BuiltPackage: Sendable, Equatable {
  /// As the user wrote it.
  var location: String
  var moduleFolder: String
  /// Modules that cells may import.
  var modules: [String]
  /// Shared objects with the package's code.
  var libraries: [String]
  /// Further options that its modules need: module maps of its C targets, macros.
  var flags: [String]
  /// When the code was linked, to tell a new build from the one in use.
  var linked: Date?
}

/// Builds Swift packages beside the session, in release mode, in the user's cache folder.
///
/// A package's libraries are linked together into one shared object by a package of our own that depends on them.
final class PackageBuilder: Sendable {
  struct Failure: Error { var name: String, value: String, lines: [String] = [] }

  private let toolchain: Toolchain
  private let cache: String
  private let temporary: String
  private let variables: [String: String]

  /// - Parameters:
  ///   - temporary: a folder that is made and removed with each build. SwiftPM leaves folders in its TMPDIR, and runs
  ///     what it compiled there.
  ///   - variables: what SwiftPM finds in its environment besides.
  init(toolchain: Toolchain, cache: String, temporary: String, variables: [String: String]) {
    self.toolchain = toolchain
    self.cache = cache
    self.temporary = temporary
    self.variables = variables
  }

  /// - Throws: ``Failure`` with what the user can do about it, or ``CompileFailure``.
  func build(
    _ wish: Wish, environment: [String: String], child: CommandChild, output: @escaping (StreamName, String) -> Void
  ) throws -> BuiltPackage {
    var wish = wish
    let scratch = "\(temporary)-\(UUID().uuidString.prefix(8))"
    let tools = Tools(
      child: child, output: output,
      environment: environment.merging(variables) { $1 }.merging(["TMPDIR": scratch]) { $1 })
    try makeFolder(scratch)
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    if !wish.isRemote { wish.location = try localFolder(wish.location) }
    if wish.isRemote, wish.version == nil { wish.version = try newestVersion(of: wish.location, tools) }
    let key = [wish.location, wish.version ?? "", toolchain.root, toolchainStamp] + wish.products
    let name = "NotebookPackage_\(stableHash(key.joined(separator: "\n")))"
    let title = wish.identity.replacing(/[^A-Za-z0-9._-]/, with: "_")
    let folder = "\(cache)/\(title)-\(name.dropFirst(16))"
    try makeFolder(folder)
    let lock = try waitForOthers(folder, tools)
    defer { close(lock) }
    if wish.products.isEmpty { wish.products = try products(of: wish, folder: folder, tools) }
    try write(manifest(name, wish, products: wish.products), name: name, in: folder)
    let log = try swift(["build", "-c", "release", "--product", name], folder, tools)
    guard log.status == 0 else {
      throw Failure(name: "PackageFailed", value: "\(wish.location) could not be built", lines: Self.errors(log.text))
    }
    return try collect(wish, name: name, folder: folder)
  }

  /// What a build's programs are run with.
  private struct Tools {
    var child: CommandChild
    var output: (StreamName, String) -> Void
    var environment: [String: String]
  }

  private func makeFolder(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw CompileFailure.system("the folder \(path) can't be written: \(error.localizedDescription)")
    }
  }

  /// Holds off other kernels that build in the same folder. SwiftPM's own lock lies in TMPDIR, of which each has one.
  /// - Returns: a descriptor whose closing lets others go on.
  private func waitForOthers(_ folder: String, _ tools: Tools) throws -> Int32 {
    let file = open(folder + "/build.lock", O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw posixError("open \(folder)/build.lock") }
    var isTold = false
    // A file system without locks lets everybody go on.
    while flock(file, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
      if tools.child.isCancelled {
        close(file)
        throw CompileFailure.interrupted
      }
      if !isTold { tools.output(.stdout, "Another notebook builds this package; waiting for it.\n") }
      isTold = true
      Thread.sleep(forTimeInterval: 0.1)
    }
    return file
  }

  // MARK: What is asked for

  private func localFolder(_ text: String) throws -> String {
    let folder = URL(filePath: text).standardizedFileURL.path
    guard FileManager.default.fileExists(atPath: folder + "/Package.swift") else {
      throw Failure(
        name: "PackageNotFound", value: "there is no Package.swift in \(folder)",
        lines: [
          "%package takes the folder of a package, or the URL of its repository. A path with spaces may stand in quotes."
        ])
    }
    return folder
  }

  /// The highest `1.2.3` or `v1.2.3` among the repository's tags; `nil` without one, and its main branch is taken.
  private func newestVersion(of url: String, _ tools: Tools) throws -> String? {
    var text = ""
    var complaint = ""
    var environment = tools.environment
    // Nobody is there to be asked for a password.
    environment["GIT_TERMINAL_PROMPT"] = "0"
    let status = try tools.child.run(
      ["/usr/bin/env", "git", "ls-remote", "--symref", url, "HEAD", "refs/tags/*"], in: "/", environment: environment
    ) { if $0 == .stdout { text += $1 } else { complaint += $1 } }
    guard status == 0 else {
      throw Failure(
        name: "PackageNotFound", value: "\(url) can't be read", lines: complaint.split(separator: "\n").map(String.init)
      )
    }
    let versions = text.matches(of: /refs\/tags\/v?(\d+)\.(\d+)\.(\d+)\n/).map {
      [$0.1, $0.2, $0.3].map { Int($0) ?? 0 }
    }
    if let newest = versions.max(by: { $0.lexicographicallyPrecedes($1) }) {
      return newest.map(String.init).joined(separator: ".")
    }
    return text.firstMatch(of: /ref: refs\/heads\/(\S+)\s+HEAD/).map { String($0.1) }
  }

  /// The libraries that the package offers.
  private func products(
    of wish: Wish, folder: String, _ tools: Tools
  ) throws -> [String] {
    var source = wish.location
    if wish.isRemote {
      try write(manifest("NotebookPackage", wish, products: []), name: "NotebookPackage", in: folder)
      let resolved = try swift(["package", "resolve"], folder, tools)
      guard resolved.status == 0 else {
        throw Failure(
          name: "PackageNotFound", value: "\(wish.location) could not be fetched", lines: Self.errors(resolved.text))
      }
      source = "\(folder)/.build/checkouts/\(wish.identity)"
    }
    var text = ""
    var complaint = ""
    let status = try tools.child.run(
      [
        toolchain.root + "/bin/swift", "package", "--package-path", source, "--scratch-path", folder + "/.build",
        "dump-package",
      ], in: "/", environment: tools.environment
    ) { if $0 == .stdout { text += $1 } else { complaint += $1 } }
    struct Manifest: Decodable {
      struct Product: Decodable {
        struct Kind: Decodable { var library: [String]? }
        var name: String
        var type: Kind
      }
      var products: [Product]
    }
    guard status == 0, let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(text.utf8)) else {
      throw Failure(
        name: "PackageFailed", value: "the manifest of \(wish.location) can't be read", lines: Self.errors(complaint))
    }
    let names = manifest.products.filter { $0.type.library != nil }.map(\.name)
    guard !names.isEmpty else {
      throw Failure(
        name: "PackageFailed",
        value: "\(wish.location) has no library product: there is nothing that a cell could import")
    }
    return names
  }

  // MARK: Our own package

  private func manifest(_ name: String, _ wish: Wish, products: [String]) -> String {
    let requirement: String
    if !wish.isRemote {
      requirement = ".package(name: \(swiftLiteral(wish.identity)), path: \(swiftLiteral(wish.location)))"
    } else if let version = wish.version, version.wholeMatch(of: /\d+\.\d+\.\d+\S*/) != nil {
      requirement = ".package(url: \(swiftLiteral(wish.location)), exact: \(swiftLiteral(version)))"
    } else {
      requirement =
        ".package(url: \(swiftLiteral(wish.location)), branch: \(swiftLiteral(wish.version ?? "main")))"
    }
    let uses = products.map {
      "      .product(name: \(swiftLiteral($0)), package: \(swiftLiteral(wish.identity))),\n"
    }
    return """
      // swift-tools-version: 5.9
      import PackageDescription

      let package = Package(
        name: \(swiftLiteral(name)),
        products: [.library(name: \(swiftLiteral(name)), type: .dynamic, targets: [\(swiftLiteral(name))])],
        dependencies: [\(requirement)],
        targets: [
          .target(name: \(swiftLiteral(name)), dependencies: [
      \(uses.joined())    ])
        ]
      )

      """
  }

  /// Written only when it is new: a build then finds nothing to do.
  private func write(_ manifest: String, name: String, in folder: String) throws {
    let sources = "\(folder)/Sources/\(name)"
    do {
      try FileManager.default.createDirectory(atPath: sources, withIntermediateDirectories: true)
      for (path, text) in [
        (folder + "/Package.swift", manifest),
        (sources + "/Empty.swift", "// Cells import the package's own modules.\n"),
      ] where (try? String(contentsOfFile: path, encoding: .utf8)) != text {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
      }
    } catch {
      throw CompileFailure.system("the cache folder \(folder) can't be written: \(error.localizedDescription)")
    }
  }

  private func swift(
    _ arguments: [String], _ folder: String, _ tools: Tools
  ) throws -> (status: Int32, text: String) {
    var text = ""
    let status = try tools.child.run(
      [toolchain.root + "/bin/swift"] + arguments + ["--package-path", folder, "--scratch-path", folder + "/.build"],
      in: folder, environment: tools.environment
    ) {
      text += $1
      tools.output(.stdout, $1)
    }
    if tools.child.isCancelled { throw CompileFailure.interrupted }
    return (status, text)
  }

  /// What matters of a build's output: its errors, or its end when none is named.
  private static func errors(_ text: String) -> [String] {
    let lines = text.split(separator: "\n").map(String.init)
    let errors = lines.filter { $0.contains("error:") }
    var seen: Set<String> = []
    return (errors.isEmpty ? Array(lines.suffix(12)) : errors).filter { seen.insert($0).inserted }
  }

  // MARK: What came of it

  private func collect(_ wish: Wish, name: String, folder: String) throws -> BuiltPackage {
    let release = URL(filePath: folder + "/.build/release").resolvingSymlinksInPath().path
    let files = (try? FileManager.default.contentsOfDirectory(atPath: release)) ?? []
    let libraries = files.filter { $0.hasPrefix("lib") && $0.hasSuffix(".so") }.sorted().map { "\(release)/\($0)" }
    let modules = ((try? FileManager.default.contentsOfDirectory(atPath: release + "/Modules")) ?? [])
      .filter { $0.hasSuffix(".swiftmodule") }.map { String($0.dropLast(12)) }.filter { $0 != name }.sorted()
    let library = "\(release)/lib\(name).so"
    guard libraries.contains(library) else {
      throw Failure(name: "PackageFailed", value: "the build of \(wish.location) left no \(library)")
    }
    let attributes = try? FileManager.default.attributesOfItem(atPath: library)
    return BuiltPackage(
      location: wish.location, moduleFolder: release + "/Modules", modules: modules, libraries: libraries,
      flags: moduleMapFlags(folder), linked: attributes?[.modificationDate] as? Date)
  }

  /// The options with which SwiftPM compiled modules that import the package's C targets and macros.
  private func moduleMapFlags(_ folder: String) -> [String] {
    let plan = (try? String(contentsOfFile: folder + "/.build/release.yaml", encoding: .utf8)) ?? ""
    var flags: [String] = []
    var seen: Set<Substring> = []
    for match in plan.matches(of: /"(-fmodule-map-file=[^"]+)"/) where seen.insert(match.1).inserted {
      flags += ["-Xcc", String(match.1)]
    }
    for match in plan.matches(of: /"-load-plugin-executable","([^"]+)"/) where seen.insert(match.1).inserted {
      flags += ["-load-plugin-executable", String(match.1)]
    }
    return flags
  }

  /// Modules of one compiler can't be read by another.
  private var toolchainStamp: String {
    let attributes = try? FileManager.default.attributesOfItem(atPath: toolchain.frontend)
    return "\((attributes?[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0)"
  }
}

/// FNV-1a: the same in every process, unlike `hashValue`.
private func stableHash(_ text: String) -> String {
  let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  return String(hash, radix: 36)
}
