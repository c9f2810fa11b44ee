/// One message of the compiler, at a place in the user's own text.
package struct Diagnostic: Sendable, Equatable {
  package enum Severity: String, Sendable { case error, warning, note, remark }
  package var severity: Severity
  package var message: String
  /// `In[3]`, or the path of another file.
  package var file: String
  /// 1-based; the column counts characters. 0 where the compiler gave none.
  package var line: Int
  package var column: Int
  /// The user's line, without its end; empty when the place isn't in the cell.
  package var sourceLine: String
  /// What the compiler proposes to write at the place, when it fits on the line.
  package var fixIt: String?
  /// Where it goes: the first column that it takes or replaces.
  package var fixItColumn = 0
  /// The place in bytes of the cell's text.
  var offset = 0
  /// The place is in text that the kernel put into the cell.
  var isGenerated = false
  /// The place is in an import that the user doesn't see.
  var isInHeader = false

  package init(
    severity: Severity, message: String, file: String, line: Int, column: Int, sourceLine: String = "",
    fixIt: String? = nil
  ) {
    self.severity = severity
    self.message = message
    self.file = file
    self.line = line
    self.column = column
    self.sourceLine = sourceLine
    self.fixIt = fixIt
  }

  /// What a cell that doesn't compile is told: errors with their notes. Warnings can wait until it compiles.
  static func errors(_ found: [Diagnostic]) -> [Diagnostic] {
    groups(found).filter { $0[0].severity != .warning && $0[0].severity != .remark }
      .flatMap { $0 + advice(on: $0[0]) }
  }

  /// What the compiler can't know: that its file is a cell.
  private static func advice(on error: Diagnostic) -> [Diagnostic] {
    func note(_ message: String) -> [Diagnostic] {
      [Diagnostic(severity: .note, message: message, file: error.file, line: 0, column: 0)]
    }
    if error.message.hasPrefix("'main' attribute cannot be used") {
      let type = error.sourceLine.firstMatch(of: /(?:struct|class|enum|actor)\s+(\w+)/)?.1
      return note(
        "a cell runs from its first line to its last: leave @main out and call \(type ?? "Type").main() "
          + "on the last line"
      )
    }
    if error.message.hasPrefix("'self' used before 'self.init' call or assignment to 'self'")
      || error.message.hasPrefix("'let' property") && error.message.contains("may not be initialized directly")
    {
      return note(
        "where the type was declared in an earlier cell, an initializer in an extension has to set all of it at once, by "
          + "self.init(...); or write the initializer in the cell of the type")
    }
    if error.message.hasPrefix("extension outside of file declaring") {
      return note("state the conformance in the cell that declares the type, or write out what it asks for")
    }
    return []
  }

  /// For a cell that only the kernel's rewriting of `await` keeps from compiling.
  static func ofRewriting(_ label: String) -> Diagnostic {
    let message =
      "a script may hold this; the kernel's own way to wait for it at a cell's top level doesn't fit here: put the code "
      + "with 'await' into an async function and await that"
    return Diagnostic(severity: .note, message: message, file: label, line: 0, column: 0)
  }

  /// What a cell that compiles is told: warnings about the user's own text, with their notes.
  static func warnings(_ found: [Diagnostic], in label: String) -> [Diagnostic] {
    groups(found).filter { group in
      let warning = group[0]
      return warning.severity == .warning && warning.file == label && warning.line > 0 && !warning.isGenerated
        && !noise.contains { warning.message.contains($0) }
    }.flatMap { $0 }
  }

  /// What is true of a script alone: that the value of the last expression is unused, and that variables belong to the
  /// main actor, be it for good or bad.
  private static func isOfScript(_ found: Diagnostic, _ source: CellSource) -> Bool {
    found.message == "top-level code variables cannot have a global actor"
      || found.message.contains("unused") && source.resultRange.contains(found.offset)
      || found.message.contains("in the Swift 6 language mode")
        && found.message.contains(/^main actor-isolated (?:let|var) '/)
  }

  /// Of what the compiler says of a cell as a script, that which holds in a notebook.
  static func withoutScript(_ found: [Diagnostic], _ source: CellSource) -> [Diagnostic] {
    groups(found).filter { !isOfScript($0[0], source) }.flatMap { $0 }
  }

  /// Each error or warning with the notes that follow it.
  static func groups(_ found: [Diagnostic]) -> [[Diagnostic]] {
    var groups: [[Diagnostic]] = []
    for diagnostic in found {
      if diagnostic.severity == .note, !groups.isEmpty {
        groups[groups.count - 1].append(diagnostic)
      } else {
        groups.append([diagnostic])
      }
    }
    return groups
  }

  /// Warnings that are true of a module and mean nothing in a notebook.
  private static let noise = [
    // About names that the kernel made up.
    "__",
    // Every type of an earlier cell comes from another module.
    "extension declares a conformance of imported type",
    // Calling a function for what it does, in the middle of a cell, is what cells are for.
    "result of call to",
    // A cell may use a name of an older cell that a module of the toolchain also has.
    "' was imported as", "was not compiled with library evolution",
  ]

  /// Reads what `swift-frontend -diagnostic-style llvm` printed, and maps places back to the user's text.
  /// - Parameters:
  ///   - edited: what was compiled, where it isn't the cell's edited text.
  ///   - file: the file that was compiled; the end of the cell belongs to it rather than to the label.
  ///   - lead: lines in it before the user's first.
  package static func parse(
    _ output: String, label: String, source: CellSource, edited: EditedSource? = nil, file: String = "", lead: Int = 0
  ) -> [Diagnostic] {
    let edited = edited ?? source.edited
    let lines = output.split(separator: "\n", omittingEmptySubsequences: false)
    let userLines = source.original.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    var found: [Diagnostic] = []
    for (index, line) in lines.enumerated() {
      guard var diagnostic = header(line) else { continue }
      if diagnostic.file == file, diagnostic.line > lead {
        diagnostic.file = label
        diagnostic.line -= lead
      } else if diagnostic.file == file {
        diagnostic.isInHeader = true
      }
      if diagnostic.file == label {
        diagnostic.offset = edited.original(line: diagnostic.line, column: diagnostic.column)
        let place = Place(offset: diagnostic.offset, in: source.original)
        diagnostic.isGenerated = edited.isInserted(line: diagnostic.line, column: diagnostic.column)
        let row = diagnostic.line
        diagnostic.line = place.line
        diagnostic.column = place.column
        if userLines.indices.contains(place.line - 1) { diagnostic.sourceLine = userLines[place.line - 1] }
        if let (text, column) = fixIt(below: index, in: lines) {
          diagnostic.fixIt = text
          // The compiler writes tabs as several spaces.
          let isPlain = !diagnostic.sourceLine.contains("\t")
          let own = Place(offset: edited.original(line: row, column: column), in: source.original)
          diagnostic.fixItColumn = isPlain && own.line == place.line ? own.column : place.column
        }
      }
      if !found.contains(diagnostic) { found.append(diagnostic) }
    }
    return found
  }

  /// `In[3]:2:5: error: cannot find 'x' in scope`
  private static func header(_ line: Substring) -> Diagnostic? {
    for severity in [Severity.error, .warning, .note, .remark] {
      guard let range = line.firstRange(of: ": \(severity.rawValue): ") else { continue }
      let place = line[..<range.lowerBound]
      let message = String(line[range.upperBound...])
      let parts = place.split(separator: ":", omittingEmptySubsequences: false)
      if parts.count >= 3, let row = Int(parts[parts.count - 2]), let column = Int(parts[parts.count - 1]) {
        let file = parts.dropLast(2).joined(separator: ":")
        return Diagnostic(severity: severity, message: message, file: file, line: row, column: column)
      }
      return Diagnostic(severity: severity, message: message, file: String(place), line: 0, column: 0)
    }
    return nil
  }

  /// Below the caret line the compiler writes the text of a fix-it where it would go.
  private static func fixIt(below index: Int, in lines: [Substring]) -> (text: String, column: Int)? {
    guard index + 3 < lines.count, header(lines[index + 1]) == nil else { return nil }
    let marks = lines[index + 2]
    let text = lines[index + 3]
    guard marks.contains("^"), marks.allSatisfy({ " ^~\t".contains($0) }), header(text) == nil else { return nil }
    let proposed = text.trimmingSpaces
    guard !proposed.isEmpty, text.hasPrefix(" ") else { return nil }
    return (proposed, text.prefix { $0 == " " }.count + 1)
  }

  /// As the compiler prints it: place, message, source line, caret and fix-it.
  package func rendered(color: Bool = true) -> [String] {
    let paint = Paint(on: color)
    var place = file
    if line > 0 { place += ":\(line):\(column)" }
    let word =
      switch severity {
      case .error: paint.red("error:")
      case .warning, .remark: paint.magenta("\(severity.rawValue):")
      case .note: paint.gray("note:")
      }
    var lines = ["\(paint.cyan(place)): \(word) \(paint.bold(message))"]
    guard line > 0, !sourceLine.isEmpty else { return lines }
    let number = String(line)
    let margin = String(repeating: " ", count: number.count)
    // Tabs stay tabs so that the caret stands under its character.
    func lead(_ column: Int) -> String {
      sourceLine.prefix(max(column - 1, 0)).map { $0 == "\t" ? "\t" : " " }.joined()
    }
    lines.append("\(paint.gray("\(number) |")) \(sourceLine)")
    lines.append("\(paint.gray("\(margin) |")) \(lead(column))\(paint.green("^"))")
    if let fixIt { lines.append("\(paint.gray("\(margin) |")) \(lead(fixItColumn))\(paint.green(fixIt))") }
    return lines
  }
}

/// A place in a text, counted as people count.
package struct Place: Sendable, Equatable {
  /// 1-based.
  package var line: Int
  /// 1-based, in characters.
  package var column: Int

  package init(offset: Int, in text: String) {
    let bytes = text.utf8
    let end = bytes.index(bytes.startIndex, offsetBy: min(max(offset, 0), bytes.count))
    let before = text[..<end]
    let start = before.utf8.lastIndex(of: UInt8(ascii: "\n")).map { bytes.index(after: $0) } ?? text.startIndex
    line = before.utf8.reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
    column = text[start..<end].count + 1
  }
}

/// ANSI colours, or none.
struct Paint {
  let on: Bool
  private func wrap(_ code: String, _ text: String) -> String { on ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text }
  func red(_ text: String) -> String { wrap("1;31", text) }
  func magenta(_ text: String) -> String { wrap("1;35", text) }
  func green(_ text: String) -> String { wrap("32", text) }
  func cyan(_ text: String) -> String { wrap("36", text) }
  /// Faint, where a terminal can: the palette's own gray can't be read in JupyterLab's dark theme.
  func gray(_ text: String) -> String { wrap("2", text) }
  func bold(_ text: String) -> String { wrap("1", text) }
}

extension Substring {
  var trimmingSpaces: String {
    var text = self
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
