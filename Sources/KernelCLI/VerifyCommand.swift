import ArgumentParser
import EngineCommands
import Foundation
import Kernel
import Logging

/// `icl-kernel verify`: does a shared notebook show here what it showed its author?
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Run notebooks again and say which figures changed.",
    discussion: """
      Each notebook runs from top to bottom in a session of its own, in its own folder; the file is not changed. Every \
      output is compared with the one that it holds, to the last character. Left out are cells tagged "volatile" and \
      displays whose metadata says so. Ends with exit code 1 when anything changed, or a cell failed; with 2 when a \
      notebook has no cell that could be compared.

      A folder stands for all notebooks in it.
      """)

  @Argument(help: "Notebooks (.ipynb), or folders of them.") var notebooks: [String]
  @Flag(help: "Print JSON: a list of {path, outcome, cells: [{number, title, verdict, changes, changeCount}]}.")
  var json = false

  func validate() throws {
    if notebooks.contains(where: \.isEmpty) { throw ValidationError("A notebook's name is empty.") }
  }

  func run() throws {
    let files = try notebooks.flatMap(Self.files).map { try NotebookFile(contentsOf: $0) }
    guard !files.isEmpty else {
      throw CommandFailure(what: "no notebook was found", nextStep: "name a file that ends in .ipynb, or its folder")
    }
    let here = FileManager.default.currentDirectoryPath
    var comparisons: [NotebookComparison] = []
    for file in files {
      let folder = URL(filePath: file.path).deletingLastPathComponent().path
      guard FileManager.default.changeCurrentDirectoryPath(folder) else {
        throw CommandFailure(what: "\(folder) cannot be entered", nextStep: "check its permissions")
      }
      defer { _ = FileManager.default.changeCurrentDirectoryPath(here) }
      var log = Logger(label: "icl-kernel") { StreamLogHandler.standardError(label: $0) }
      log.logLevel = .error
      let runner = try Composition.runner(log: log)
      try runner.start()
      defer { runner.shutdown() }
      let name = URL(filePath: file.path).lastPathComponent
      let results = NotebookRun(runner: runner).results(of: file) { index, count in
        Self.showProgress("\(name): cell \(index + 1) of \(count)")
      }
      Self.showProgress("")
      let comparison = NotebookComparison(file, results)
      comparisons.append(comparison)
      if !json {
        try StandardOutput.line(comparison.report)
        try StandardOutput.flush()
      }
    }
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      try StandardOutput.line(String(decoding: try encoder.encode(comparisons), as: UTF8.self))
    }
    if comparisons.contains(where: { $0.outcome == .changed }) { throw ExitCode(ExitStatus.failure) }
    if comparisons.contains(where: { $0.outcome == .nothing }) { throw ExitCode(ExitStatus.nothingCompared) }
  }

  /// One line on a terminal, rewritten in place; nothing elsewhere.
  private static func showProgress(_ text: String) {
    if StandardError.isTerminal { StandardError.write("\r\u{1B}[K\(text)") }
  }

  private static func files(_ path: String) throws -> [String] {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw CommandFailure(what: "\(path) is not there", nextStep: "check the path")
    }
    // Named as they were given: what is printed is the same wherever the folder lies.
    guard isFolder.boolValue else { return [path] }
    do {
      return try FileManager.default.subpathsOfDirectory(atPath: path).sorted()
        .filter { $0.hasSuffix(".ipynb") && !$0.contains(".ipynb_checkpoints/") }
        .map { "\(path.hasSuffix("/") ? String(path.dropLast()) : path)/\($0)" }
    } catch {
      throw CommandFailure(
        what: "\(path) cannot be read: \(CommandEnd.line(error))", nextStep: "check its permissions")
    }
  }
}
