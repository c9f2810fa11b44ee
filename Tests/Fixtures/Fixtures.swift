package import Foundation

/// Where tests find reference data, the built tools and the Python of the test environment.
package enum Fixtures {
  /// The checkout's top folder.
  package static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// The reference data that no one here wrote; beside the checkout, and not part of it.
  package static let sharedData = root.deletingLastPathComponent().appending(path: "shared/data")

  package static var hasSharedData: Bool { FileManager.default.fileExists(atPath: sharedData.path) }
  package static let noSharedData: String = "skipped: ../shared/data (reference data) is not beside this checkout"

  /// The Python with torch, transformers, peft, gguf …, made by `make test`.
  package static var python: URL? {
    let path = ProcessInfo.processInfo.environment["ICL_PYTHON"] ?? root.appending(path: ".venv/bin/python").path
    return FileManager.default.isExecutableFile(atPath: path) ? URL(filePath: path) : nil
  }
  package static let noPython: String = "skipped: no .venv with the test packages; run `make test`, which makes it"

  /// A folder of its own for one test; the caller removes it.
  package static func temporaryFolder(_ name: String) throws -> URL {
    let url = FileManager.default.temporaryDirectory.appending(path: "icl-\(name)-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    return url
  }

  /// Runs a script of `Tests/Fixtures/python`; throws with what it printed when it fails.
  @discardableResult
  package static func runPython(_ script: String, _ arguments: [String]) throws -> String {
    try runPython(root.appending(path: "Tests/Fixtures/python/\(script)"), arguments)
  }

  /// Runs a script that lies elsewhere in the checkout.
  @discardableResult
  package static func runPython(_ file: URL, _ arguments: [String]) throws -> String {
    let script = file.lastPathComponent
    guard let python else { throw ScriptFailure(script: script, status: -1, output: noPython) }
    let process = Process()
    process.executableURL = python
    process.arguments = [file.path] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw ScriptFailure(script: script, status: process.terminationStatus, output: output)
    }
    return output
  }

  package struct ScriptFailure: Error, CustomStringConvertible {
    package let script: String
    package let status: Int32
    package let output: String
    package var description: String { "\(script) ended with \(status):\n\(output)" }
  }
}
