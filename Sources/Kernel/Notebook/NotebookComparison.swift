internal import Foundation

/// A shared notebook beside the same notebook run again: which figures changed.
package struct NotebookComparison: Sendable, Equatable, Encodable {
  package enum Verdict: String, Sendable, Encodable {
    /// Every output is equal, to the last character.
    case same
    case changed
    /// It failed now; its author saw it succeed, or fail otherwise.
    case failed
    /// An earlier cell failed.
    case notRun
    /// Tagged `volatile`: not compared.
    case skipped
  }

  /// What is not the same in one cell.
  package struct Change: Sendable, Equatable, Encodable {
    /// Which output and which line.
    package let place: String
    package let committed: String
    package let now: String

    package init(place: String, committed: String, now: String) {
      self.place = place
      self.committed = committed
      self.now = now
    }
  }

  package struct Cell: Sendable, Equatable, Encodable {
    package let number: Int
    /// The cell's first line.
    package let title: String
    package let verdict: Verdict
    /// At most a dozen; `changeCount` has them all.
    package let changes: [Change]
    package let changeCount: Int
  }

  /// What became of the whole notebook.
  package enum Outcome: String, Sendable, Encodable {
    case same
    case changed
    /// No cell could be compared: there is none, or all are tagged `volatile`.
    case nothing
  }

  package let path: String
  package let outcome: Outcome
  package let cells: [Cell]

  static let shownChanges = 12

  /// - Parameter results: one for each code cell, in order
  package init(_ notebook: NotebookFile, _ results: [NotebookRun.CellResult]) {
    path = notebook.path
    let cells = zip(notebook.cells.filter(\.isCode), results).map { cell, result in
      let title = cell.source.split(whereSeparator: \.isNewline).first.map { String($0.prefix(72)) } ?? "(empty)"
      func verdict(_ verdict: Verdict, _ changes: [Change] = []) -> Cell {
        Cell(
          number: cell.number, title: title, verdict: verdict, changes: Array(changes.prefix(Self.shownChanges)),
          changeCount: changes.count)
      }
      guard case .outputs(let now) = result else { return verdict(.notRun) }
      let hasError = now.contains { if case .error = $0 { true } else { false } }
      if cell.isVolatile, !hasError { return verdict(.skipped) }
      let changes = Self.changes(Self.parts(cell.outputs), Self.parts(now))
      if hasError, !cell.raisesException || !changes.isEmpty { return verdict(.failed, changes) }
      return verdict(changes.isEmpty ? .same : .changed, changes)
    }
    self.cells = cells
    outcome =
      cells.contains { $0.verdict != .same && $0.verdict != .skipped }
      ? .changed : cells.contains { $0.verdict == .same } ? .same : .nothing
  }

  /// What a reader sees, as named texts: every form of every display.
  private static func parts(_ outputs: [NotebookOutput]) -> [(name: String, text: String)] {
    var result: [(name: String, text: String)] = []
    for output in outputs {
      switch output {
      case .stream(let name, let text): result.append((name, text))
      case .error(let name, let value): result.append(("error", "\(name): \(value)"))
      case .data(_, isVolatile: true): continue
      case .data(let data, isVolatile: false):
        for (type, value) in data.sorted(by: { $0.key < $1.key }) { result.append((type, text(of: value))) }
      }
    }
    return result
  }

  private static func text(of value: JSONValue) -> String {
    if let text = value.string { return text }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "\(value)"
  }

  private static func changes(
    _ committed: [(name: String, text: String)], _ now: [(name: String, text: String)]
  ) -> [Change] {
    var result: [Change] = []
    for index in 0..<max(committed.count, now.count) {
      let old = committed.indices.contains(index) ? committed[index] : nil
      let new = now.indices.contains(index) ? now[index] : nil
      guard let old, let new, old.name == new.name else {
        result.append(
          Change(
            place: "output \(index + 1)", committed: old.map(brief) ?? "nothing", now: new.map(brief) ?? "nothing"))
        continue
      }
      if old.text == new.text { continue }
      let place = "output \(index + 1) (\(old.name))"
      let isText = old.name == "text/plain" || !old.name.contains("/")
      let lines = lineChanges(old.text, new.text, place: place)
      // Of a picture or a page, its text twin says which figures changed.
      result += isText ? lines : [Change(place: place, committed: "\(lines.count) other places", now: "")]
    }
    return result
  }

  private static func brief(_ part: (name: String, text: String)) -> String {
    "\(part.name): \(part.text.prefix(60).replacing("\n", with: " "))"
  }

  /// Word by word where two lines have as many words: then a figure is named alone.
  private static func lineChanges(_ old: String, _ new: String, place: String) -> [Change] {
    func lines(_ text: String) -> [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    let (before, after) = (lines(old), lines(new))
    var result: [Change] = []
    for index in 0..<max(before.count, after.count) {
      let a = before.indices.contains(index) ? before[index] : ""
      let b = after.indices.contains(index) ? after[index] : ""
      if a == b { continue }
      let line = "\(place), line \(index + 1)"
      let (wordsA, wordsB) = (a.split(separator: " "), b.split(separator: " "))
      if wordsA.count == wordsB.count, wordsA.count > 1 {
        for (x, y) in zip(wordsA, wordsB) where x != y {
          result.append(Change(place: line, committed: String(x.prefix(80)), now: String(y.prefix(80))))
        }
        if wordsA == wordsB { result.append(Change(place: line, committed: "other spacing", now: "")) }
      } else {
        result.append(Change(place: line, committed: String(a.prefix(80)), now: String(b.prefix(80))))
      }
    }
    return result
  }

  /// For a terminal.
  package var report: String {
    var text = ""
    for cell in cells where cell.verdict != .same && cell.verdict != .skipped {
      text += "  cell \(cell.number), \(cell.verdict.rawValue): \(cell.title)\n"
      for change in cell.changes {
        text += "    \(change.place): \(change.committed)" + (change.now.isEmpty ? "\n" : " → \(change.now)\n")
      }
      if cell.changeCount > cell.changes.count { text += "    … and \(cell.changeCount - cell.changes.count) more\n" }
    }
    let counts = { (verdict: Verdict) in cells.count { $0.verdict == verdict } }
    let skipped = counts(.skipped) > 0 ? ", \(counts(.skipped)) volatile and not compared" : ""
    let same = "\(counts(.same)) cell\(counts(.same) == 1 ? "" : "s")"
    switch outcome {
    case .same: return "same     \(path): \(same), every output to the last character\(skipped)"
    case .nothing:
      return "NOTHING  \(path): no cell to compare"
        + (cells.isEmpty ? "" : ", all \(cells.count) volatile")
    case .changed: break
    }
    let parts = [(Verdict.changed, "changed"), (.failed, "failed"), (.notRun, "not run")]
      .filter { counts($0.0) > 0 }.map { "\(counts($0.0)) \($0.1)" }
    return "CHANGED  \(path): \(same) the same, \(parts.joined(separator: ", "))\(skipped)\n"
      + text
      .trimmingCharacters(in: .newlines)
  }
}
