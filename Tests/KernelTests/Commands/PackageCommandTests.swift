import Fixtures
import Foundation
import Kernel
import Testing

/// `%package`, with packages that the test writes: nothing is fetched.
@Suite(.serialized) struct PackageCommandTests {
  private func write(_ files: [String: String], in folder: URL) throws {
    for (name, text) in files {
      let file = folder.appending(path: name)
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
  }

  private let manifest = """
    // swift-tools-version: 5.9
    import PackageDescription
    let package = Package(
      name: "Tiny", products: [.library(name: "Tiny", targets: ["Tiny", "CTiny"])],
      targets: [.target(name: "CTiny"), .target(name: "Tiny", dependencies: ["CTiny"])])
    """

  @Test func `a package on this machine is built, imported, and its errors are told`() throws {
    let folder = try Fixtures.temporaryFolder("package")
    defer { try? FileManager.default.removeItem(at: folder) }
    try write(
      [
        "Tiny/Package.swift": manifest,
        "Tiny/Sources/CTiny/include/tiny.h": "int tiny_add(int a, int b);",
        "Tiny/Sources/CTiny/tiny.c": "#include \"tiny.h\"\nint tiny_add(int a, int b) { return a + b; }",
        "Tiny/Sources/Tiny/Tiny.swift":
          "import CTiny\n/// Adds.\npublic func tiny(_ n: Int) -> Int { Int(tiny_add(Int32(n), 1)) }\n"
          + "public struct Box<T> { public var value: T; public init(_ v: T) { value = v } }",
      ], in: folder)
    let notebook = try Notebook { $0.folders.packages = folder.appending(path: "cache").path }
    let path = folder.appending(path: "Tiny").path
    let answer = notebook.run("%package \(path)\nprint(\"next\")")
    #expect(answer.error == nil, "\(answer.error?.traceback.joined(separator: "\n") ?? "")")
    #expect(answer.stdout.contains("Cells can now import CTiny, Tiny") || answer.stdout.contains("import Tiny"))
    #expect(notebook.run("import Tiny\nprint(tiny(4), Box(\"b\").value)").stdout == "5 b\n")
    #expect(notebook.run("import CTiny\ntiny_add(2, 3)").result == "5")
    #expect(notebook.run("tiny(1) + 1").result == "3")
    #expect(notebook.runner.inspect(code: "tiny(1)", cursor: 2, detailLevel: 0)?.plainText.contains("Adds.") == true)

    // Changed, it is built again; the old build is in use until a reset.
    try write(["Tiny/Sources/Tiny/Tiny.swift": "public func tiny(_ n: Int) -> Int { n * 100 }"], in: folder)
    #expect(notebook.run("%package \(path)").stdout.contains("%reset"))
    #expect(notebook.run("%reset\nimport Tiny\ntiny(2)").result == "200")

    try write(["Tiny/Sources/Tiny/Tiny.swift": "public func tiny() -> Int { \"no\" }"], in: folder)
    let broken = try #require(notebook.run("%package \(path)").error)
    #expect(broken.name == "PackageFailed")
    #expect(broken.traceback.joined().contains("cannot convert return expression"), "\(broken.traceback)")
  }

  @Test(arguments: [
    ("\"PATH/My Tiny\"", "import Tiny"), ("'PATH/My Tiny' Tiny", "import Tiny"), ("PATH/My\\ Tiny", "import Tiny"),
    ("PATH/My Tiny", "import Tiny"), ("PATH/My Tiny Tiny", "import Tiny"), ("My Tiny", "import Tiny"),
    ("./\"My Tiny\"/ Tiny", "import Tiny"), ("~/My Tiny", "import Tiny"),
  ])
  func `the path of a package may hold spaces, and begins where cells work`(_ argument: String, _ use: String) throws {
    let folder = try Fixtures.temporaryFolder("package")
    defer { try? FileManager.default.removeItem(at: folder) }
    try write(
      [
        "My Tiny/Package.swift": manifest.replacing("\"Tiny\", \"CTiny\"", with: "\"Tiny\"")
          .replacing(".target(name: \"CTiny\"), ", with: "").replacing(", dependencies: [\"CTiny\"]", with: ""),
        "My Tiny/Sources/Tiny/Tiny.swift": "public func tiny() -> Int { 4 }",
      ], in: folder)
    let temporary = folder.appending(path: "tmp").path
    let notebook = try Notebook {
      $0.folders = UserFolders(
        sessions: temporary, cache: $0.folders.cache, packages: folder.appending(path: "a cache").path)
    }
    let home = swiftLiteral(folder.path)
    notebook.run(
      "import Foundation\n_ = FileManager.default.changeCurrentDirectoryPath(\(home))\nsetenv(\"HOME\", \(home), 1)")
    let answer = notebook.run("%package \(argument.replacing("PATH", with: folder.path))")
    #expect(answer.error == nil, "\(answer.error?.traceback.joined(separator: "\n") ?? "")")
    #expect(notebook.run("\(use)\ntiny()").result == "4")
    // SwiftPM leaves its temporary folders behind; they go with the build.
    let left = try FileManager.default.subpathsOfDirectory(atPath: temporary)
    #expect(!left.contains { $0.contains("TemporaryDirectory") || $0.contains("tools") }, "\(left)")
  }

  @Test func `a package that isn't there is answered with what is wrong`() throws {
    let notebook = try Notebook()
    #expect(notebook.run("%package /nowhere/at/all").error?.value == "there is no Package.swift in /nowhere/at/all")
    #expect(notebook.run("%package").error?.name == "UsageError")
    #expect(notebook.run("%package file:///nowhere/x.git").error?.name == "PackageNotFound")
  }
}
