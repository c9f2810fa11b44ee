import Fixtures
import Foundation

/// Cells kept as plain text in `Tests/Fixtures/cells`, so that they look as people write them.
///
///     == name of the kind
///     -- before         a cell that is run once, first; any number of these
///     -- cell           the cell under test
///     -- prints         what it prints, each time
///     -- edited         the same cell after an edit
///     -- use            a later cell that uses it
///     -- shows          what that one prints and results in
///     -- shows again    the same when only the later cell is run again, where that differs
///     -- shows then     the same after the edit
struct CellFile: Sendable, CustomStringConvertible {
  struct Kind: Sendable {
    var name: String
    var before: [String] = []
    var cell = ""
    var prints: String?
    var edited: String?
    var use: String?
    var shows: String?
    var showsAgain: String?
    var showsThen: String?
  }
  var description: String
  var kinds: [Kind]

  struct Malformed: Error { var line: String }

  init(_ url: URL) throws {
    description = url.deletingPathExtension().lastPathComponent
    kinds = []
    var section = ""
    var lines: [String] = []
    func close() throws {
      let text = lines.joined(separator: "\n")
      lines = []
      guard !section.isEmpty, !kinds.isEmpty else { return }
      let last = kinds.count - 1
      switch section {
      case "before": kinds[last].before.append(text)
      case "cell": kinds[last].cell = text
      case "prints": kinds[last].prints = text
      case "edited": kinds[last].edited = text
      case "use": kinds[last].use = text
      case "shows": kinds[last].shows = text
      case "shows again": kinds[last].showsAgain = text
      case "shows then": kinds[last].showsThen = text
      default: throw Malformed(line: section)
      }
      section = ""
    }
    for line in try String(contentsOf: url, encoding: .utf8).components(separatedBy: "\n") {
      if line.hasPrefix("== ") {
        try close()
        kinds.append(Kind(name: String(line.dropFirst(3))))
      } else if line.hasPrefix("-- ") {
        try close()
        section = String(line.dropFirst(3))
      } else {
        lines.append(line)
      }
    }
    try close()
  }

  static let folder = Fixtures.root.appending(path: "Tests/Fixtures/cells")

  static var all: [CellFile] {
    get throws {
      try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        .filter { $0.pathExtension == "cells" }.sorted { $0.path < $1.path }.map(CellFile.init)
    }
  }
}
