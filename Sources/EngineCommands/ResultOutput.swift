import ArgumentParser
import Foundation
import ICLEngine

/// How an experiment's result leaves a command.
struct ResultOutput: ParsableArguments {
  @Flag(help: "Print the result as JSON instead of tables.") var json = false
  @Option(help: "Write the main plot to this file.") var svg: String?
  @Option(help: "Write the whole report, one self-contained page, to this file.") var html: String?

  func write(_ result: Comparison) throws(EngineError) {
    if let svg { try Self.write(result.plot(.layers).source, to: svg) }
    if let html { try Self.write(result.page, to: html) }
    print(json ? try result.json() : result.plainText)
  }

  func write(_ result: Sweep) throws(EngineError) {
    if let svg { try Self.write(result.plot(.similarity).source, to: svg) }
    if let html { try Self.write(result.page, to: html) }
    print(json ? try result.json() : result.plainText)
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
