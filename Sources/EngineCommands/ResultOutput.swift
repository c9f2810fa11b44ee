import ArgumentParser
import Foundation
import ICLEngine

/// How an experiment's result leaves a command.
struct ResultOutput: ParsableArguments {
  @Flag(help: "Print the result as JSON instead of tables.") var json = false
  @Option(help: "Write the main plot to this file.") var svg: String?
  @Option(
    name: [.customLong("report"), .customLong("html")],
    help: ArgumentHelp("Write the whole report, one self-contained page, to this file.", valueName: "file.html"))
  var report: String?

  func write(_ result: some Reportable) throws(EngineError) {
    try writeFiles(of: result)
    print(json ? try result.json() : result.plainText)
  }

  func writeFiles(of result: some Reportable) throws(EngineError) {
    if let svg { try Self.write(result.picture.source, to: svg) }
    if let report { try result.report(to: report) }
  }

  private static func write(_ text: String, to path: String) throws(EngineError) {
    do {
      try Data(text.utf8).write(to: URL(filePath: path))
    } catch {
      throw EngineError(
        .unreadableFile, "the file cannot be written", at: path, nextStep: "check the folder and its permissions",
        underlying: error)
    }
  }
}
