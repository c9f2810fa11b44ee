import Foundation
import Kernel
import Testing

/// Every kind of cell in `Tests/Fixtures/cells`: run, used, run again three times, used, edited, used.
@Suite struct CellKindTests {
  @Test(arguments: try CellFile.all)
  func `cells run, run again, and are edited`(_ file: CellFile) throws {
    let notebook = try Notebook()
    let wanted = ProcessInfo.processInfo.environment["ICL_CELLS"] ?? ""
    for kind in file.kinds where wanted.isEmpty || kind.name.contains(wanted) { check(kind, in: notebook) }
  }

  private func check(_ kind: CellFile.Kind, in notebook: Notebook) {
    var isSpoilt = false
    func run(_ code: String, as id: String, _ step: String, shows expected: String? = nil) {
      // What follows a failure fails of it.
      guard !isSpoilt else { return }
      let answer = notebook.run(code, id: "\(kind.name): \(id)")
      let found = Self.trimmed(answer.stdout + (answer.result ?? ""))
      if let error = answer.error {
        isSpoilt = true
        Issue.record("\(kind.name), \(step):\n\(Self.plain(error))")
      } else if let expected, found != Self.trimmed(expected) {
        isSpoilt = true
        Issue.record("\(kind.name), \(step): expected\n\(expected)\nfound\n\(found)")
      }
      if answer.stderr.contains("__") { Issue.record("\(kind.name), \(step): \(answer.stderr)") }
    }
    func use(_ step: String, shows expected: String?) {
      if let code = kind.use { run(code, as: "use", step, shows: expected) }
    }
    for (index, code) in kind.before.enumerated() { run(code, as: "before \(index)", "before") }
    let own = kind.prints ?? (kind.use == nil ? kind.shows : nil)
    run(kind.cell, as: "cell", "the first run", shows: own)
    use("used", shows: kind.shows)
    use("used again", shows: kind.showsAgain ?? kind.shows)
    for time in 1...3 { run(kind.cell, as: "cell", "run again, time \(time)", shows: own) }
    use("used after it ran again", shows: kind.shows)
    guard let edited = kind.edited else { return }
    run(edited, as: "cell", "edited", shows: kind.use == nil ? kind.showsThen : nil)
    use("used after the edit", shows: kind.showsThen)
  }

  private static func trimmed(_ text: String) -> String {
    text.hasSuffix("\n") ? String(text.dropLast()) : text
  }

  private static func plain(_ error: CellError) -> String {
    error.traceback.joined(separator: "\n").replacing(/\u{1b}\[[0-9;]*m/, with: "")
  }
}
