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
  /// What `%package` was given.
  struct Wish: Equatable, Sendable {
    var location: String
    /// A version or a branch, for a URL.
    var version: String?
    var products: [String]

    init?(_ argument: String) {
      let words = argument.split(whereSeparator: \.isWhitespace).map(String.init)
      guard let first = words.first else { return nil }
      products = Array(words.dropFirst())
      // A user's name may stand before an @ as well: git@host:path.
      let parts = first.split(separator: "@", omittingEmptySubsequences: false).map(String.init)
      if let last = parts.last, parts.count > 1, !last.contains("/"), !last.contains(":") {
        location = parts.dropLast().joined(separator: "@")
        version = last
      } else {
        location = first
        version = nil
      }
    }

    var isRemote: Bool { location.contains("://") || location.hasPrefix("git@") }

    /// The name by which other packages refer to it: the last part of its place.
    var identity: String {
      let name = location.split(separator: "/").last.map(String.init) ?? location
      return name.hasSuffix(".git") ? String(name.dropLast(4)) : name
    }
  }

  struct Failure: Error { var name: String, value: String, lines: [String] = [] }

  private let toolchain: Toolchain
  private let cache: String

  init(toolchain: Toolchain, cache: String) {
    self.toolchain = toolchain
    self.cache = cache
  }

  static var defaultCache: String {
    let base = FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask).first
    return (base?.path ?? NSTemporaryDirectory()) + "/icl-kernel/packages"
  }

  /// - Throws: ``Failure`` with what the user can do about it, or ``CompileFailure``.
  func build(
    _ wish: Wish, child: CommandChild, output: @escaping (StreamName, String) -> Void
  ) throws -> BuiltPackage {
    var wish = wish
    if !wish.isRemote { wish.location = try localFolder(wish.location) }
    if wish.isRemote, wish.version == nil { wish.version = try newestVersion(of: wish.location, child) }
    let key = [wish.location, wish.version ?? "", toolchain.root, toolchainStamp] + wish.products
    let name = "NotebookPackage_\(stableHash(key.joined(separator: "\n")))"
    let folder = "\(cache)/\(wish.identity)-\(name.dropFirst(16))"
    if wish.products.isEmpty { wish.products = try products(of: wish, folder: folder, child, output) }
    try write(manifest(name, wish, products: wish.products), name: name, in: folder)
    let log = try swift(["build", "-c", "release", "--product", name], folder, child, output)
    guard log.status == 0 else {
      throw Failure(name: "PackageFailed", value: "\(wish.location) could not be built", lines: Self.errors(log.text))
    }
    return try collect(wish, name: name, folder: folder)
  }

  // MARK: What is asked for

  private func localFolder(_ text: String) throws -> String {
    let expanded = (text as NSString).expandingTildeInPath
    let folder = URL(filePath: expanded).standardizedFileURL.path
    guard FileManager.default.fileExists(atPath: folder + "/Package.swift") else {
      throw Failure(
        name: "PackageNotFound", value: "there is no Package.swift in \(folder)",
        lines: ["%package takes the folder of a package, or the URL of its repository."])
    }
    return folder
  }

  /// The highest `1.2.3` or `v1.2.3` among the repository's tags; `nil` without one, and its main branch is taken.
  private func newestVersion(of url: String, _ child: CommandChild) throws -> String? {
    var text = ""
    var complaint = ""
    var environment = ProcessInfo.processInfo.environment
    // Nobody is there to be asked for a password.
    environment["GIT_TERMINAL_PROMPT"] = "0"
    let status = try child.run(
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
    of wish: Wish, folder: String, _ child: CommandChild, _ output: @escaping (StreamName, String) -> Void
  ) throws -> [String] {
    var source = wish.location
    if wish.isRemote {
      try write(manifest("NotebookPackage", wish, products: []), name: "NotebookPackage", in: folder)
      let resolved = try swift(["package", "resolve"], folder, child, output)
      guard resolved.status == 0 else {
        throw Failure(
          name: "PackageNotFound", value: "\(wish.location) could not be fetched", lines: Self.errors(resolved.text))
      }
      source = "\(folder)/.build/checkouts/\(wish.identity)"
    }
    var text = ""
    var complaint = ""
    let status = try child.run(
      [
        toolchain.root + "/bin/swift", "package", "--package-path", source, "--scratch-path", folder + "/.build",
        "dump-package",
      ], in: "/"
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
    _ arguments: [String], _ folder: String, _ child: CommandChild,
    _ output: @escaping (StreamName, String) -> Void
  ) throws -> (status: Int32, text: String) {
    var text = ""
    let status = try child.run(
      [toolchain.root + "/bin/swift"] + arguments + ["--package-path", folder, "--scratch-path", folder + "/.build"],
      in: folder
    ) {
      text += $1
      output(.stdout, $1)
    }
    if child.isCancelled { throw CompileFailure.interrupted }
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
