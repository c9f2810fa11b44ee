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

  func validate() throws { try OptionCheck.notEmpty(("--svg", svg), ("--report", report)) }

  /// Options that say where a result goes, for commands that may have none.
  var given: [(option: String, isGiven: Bool)] {
    [("--json", json), ("--svg", svg != nil), ("--report", report != nil)]
  }

  /// Looks at every place before the work.
  func check() throws {
    try OutputPlace.checkDistinct([("--svg", svg), ("--report", report)])
    if let svg { try OutputPlace.checkFile(svg, option: "--svg") }
    if let report { try OutputPlace.checkFile(report, option: "--report") }
  }

  /// A file that can't be written does not cost the result: that is printed anyhow, and the failure told afterwards.
  func write(_ result: some Reportable) throws {
    var failures: [any Error] = []
    func attempt(_ body: () throws -> Void) { do { try body() } catch { failures.append(error) } }
    if let svg { attempt { try StagedFile.write(Data(result.picture.source.utf8), to: svg) } }
    if let report { attempt { try result.report(to: report) } }
    try StandardOutput.line(json ? result.json() : result.plainText)
    try StandardOutput.flush()
    if let failure = failures.first { throw failure }
  }
}
