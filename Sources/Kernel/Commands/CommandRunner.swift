import Foundation
package import NotebookDisplay
import Synchronization

/// Runs cells that hold `%`-commands: takes a cell apart, answers the commands, and gives the stretches of Swift to
/// the runner behind it. A cell without commands goes straight through.
package final class CommandRunner: CellRunner {
  let cells: CompilingCellRunner
  let packages: PackageBuilder
  private let swiftCommands: [CellEnvironment.SwiftCommand]
  private let running = Mutex<[CommandRun]>([])

  package init(_ cells: CompilingCellRunner) {
    self.cells = cells
    swiftCommands = cells.environment.commands
    let folders = cells.environment.folders
    packages = PackageBuilder(
      toolchain: cells.environment.toolchain, cache: folders.packages ?? cells.sessionFolder + "/packages",
      temporary: cells.sessionFolder + "/tools", variables: folders.toolVariables)
  }

  var commands: [Command] { Command.builtIn + swiftCommands.map(\.command) }

  package func start() throws { try cells.start() }

  package func shutdown() {
    for run in running.withLock({ $0 }) { run.child.cancel() }
    cells.shutdown()
  }

  package var comms: [String: String] { cells.comms }
  package func receive(_ message: CommMessage, events: @escaping @Sendable (CellEvent) -> Void) -> CellOutcome {
    cells.receive(message, events: events)
  }

  package func interrupt() {
    for run in running.withLock({ $0 }) { run.child.cancel() }
    cells.interrupt()
  }

  package func execute(_ request: CellRequest, events: @escaping @Sendable (CellEvent) -> Void) -> CellOutcome {
    guard let cell = CommandCell(request.code) else { return cells.execute(request, events: events) }
    let run = CommandRun(cell: cell, request: request, runner: self, events: events)
    running.withLock { $0.append(run) }
    defer { running.withLock { runs in runs.removeAll { $0 === run } } }
    if let error = unknown(in: cell, request) ?? run.execute() { return .error(error) }
    // What is asked about the state afterwards is the other runner's.
    var rest = request
    rest.code = ""
    return cells.execute(rest, events: events)
  }

  func swiftCommand(_ name: String) -> CellEnvironment.SwiftCommand? { swiftCommands.first { $0.name == name } }

  // MARK: Commands that aren't there

  /// Found before anything of the cell runs.
  private func unknown(in cell: CommandCell, _ request: CellRequest) -> CellError? {
    if let whole = cell.whole, let error = complaint("%%" + whole.name, isCell: true) { return error }
    for case .command(let name, _, let line) in cell.parts {
      if let error = complaint("%" + name, isCell: false) {
        return Traceback.plain(error.name, error.value, lines: ["  at In[\(request.executionCount)]:\(line)"])
      }
    }
    return nil
  }

  private func complaint(_ written: String, isCell: Bool) -> CellError? {
    let name = String(written.drop { $0 == "%" })
    if let known = commands.first(where: { $0.name == name }) {
      if isCell, known.form == .line {
        return Traceback.plain("UnknownCommand", "%\(name) is written with one %, on a line of its own")
      }
      if !isCell, known.form == .cell {
        return Traceback.plain("UnknownCommand", "%%\(name) is written with two %, on the first line of a cell")
      }
      return nil
    }
    let nearest = commands.map { ($0, Self.distance($0.name, name)) }.min { $0.1 < $1.1 }
    let hint = nearest.flatMap { $0.1 <= max(2, name.count / 2) ? "; did you mean \($0.0.usage[0])?" : nil } ?? ""
    return Traceback.plain("UnknownCommand", "there is no \(written)\(hint) %help lists what there is")
  }

  /// Letters to insert, to leave out or to change to come from one word to the other.
  static func distance(_ a: String, _ b: String) -> Int {
    let b = Array(b.lowercased())
    var row = Array(0...b.count)
    for (i, letter) in a.lowercased().enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let change = diagonal + (letter == b[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(change, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[b.count]
  }

  // MARK: Help while typing

  package func complete(code: String, cursor: Int) -> CompletionAnswer {
    if let answer = completeCommand(code: code, cursor: cursor) { return answer }
    return cells.complete(code: Self.blanked(code), cursor: cursor)
  }

  private func completeCommand(code: String, cursor: Int) -> CompletionAnswer? {
    let scalars = Array(code.unicodeScalars.prefix(max(cursor, 0)))
    let lineStart = scalars.lastIndex { $0 == "\n" || $0 == "\r" }.map { $0 + 1 } ?? 0
    let line = String(String.UnicodeScalarView(scalars[lineStart...]))
    guard let match = line.wholeMatch(of: /([ \t]*)(%{1,2})(\w*)/) else { return nil }
    let isFirst = scalars[..<lineStart].allSatisfy { $0.properties.isWhitespace }
    let fitting = commands.filter { $0.name.hasPrefix(match.3.lowercased()) }
    let matches = fitting.flatMap { command -> [CompletionAnswer.Match] in
      let forms = (command.form != .cell ? ["%"] : []) + (command.form != .line && isFirst ? ["%%"] : [])
      return forms.filter { $0.hasPrefix(match.2) }.map {
        .init(text: $0 + command.name, type: "magic", signature: command.summary)
      }
    }
    return CompletionAnswer(
      matches: matches, cursorStart: lineStart + match.1.unicodeScalars.count, cursorEnd: scalars.count)
  }

  package func inspect(code: String, cursor: Int, detailLevel: Int) -> MIMEBundle? {
    let word = Word(around: cursor, in: code)
    if word.start > 0, Array(code.unicodeScalars)[word.start - 1] == "%",
      let command = commands.first(where: { $0.name == word.text })
    {
      return MIMEBundle(plainText: Self.help(for: command))
    }
    return cells.inspect(code: Self.blanked(code), cursor: cursor, detailLevel: detailLevel)
  }

  package func completeness(of code: String) -> Completeness {
    guard let cell = CommandCell(code) else { return cells.completeness(of: code) }
    if cell.whole != nil {
      // As in other consoles: the cell ends with an empty line.
      let lines = code.split(separator: "\n", omittingEmptySubsequences: false)
      guard lines.count > 1, lines.last?.allSatisfy(\.isWhitespace) == true else { return .incomplete(indent: "") }
      if cell.whole?.name == Command.bash.name { return .complete }
    }
    let swift = cell.parts.compactMap { if case .swift(let text) = $0 { text } else { nil } }
    return swift.map(cells.completeness).first { $0 != .complete } ?? .complete
  }

  /// The code with its command lines as spaces, one for each code point, so that places stay where they are.
  private static func blanked(_ code: String) -> String {
    guard code.contains("%"), let cell = CommandCell(code) else { return code }
    var lines = Set(cell.parts.compactMap { if case .command(_, _, let line) = $0 { line } else { nil } })
    let texts = code.replacing("\r\n", with: " \n").split(separator: "\n", omittingEmptySubsequences: false)
    if cell.whole != nil, let first = texts.firstIndex(where: { $0.hasPrefix("%%") }) { lines.insert(first + 1) }
    return texts.enumerated().map { index, text in
      guard lines.contains(index + 1) else { return String(text) }
      // `%time f(x)` still has Swift behind the word.
      let head = text.prefix { $0 == " " || $0 == "\t" || $0 == "%" }
      let word = text.dropFirst(head.count).prefix { $0.isLetter }
      let rest = word == Command.time.name && !head.hasSuffix("%%") ? text.dropFirst(head.count + word.count) : ""
      return String(repeating: " ", count: text.unicodeScalars.count - rest.unicodeScalars.count) + rest
    }.joined(separator: "\n")
  }

  // MARK: Texts

  func help(for name: String) -> String {
    let name = String(name.drop { $0 == "%" })
    return commands.first { $0.name == name }.map(Self.help) ?? help
  }

  package var help: String { Question.plainHelp + "\n\n" + Self.listed(commands) }

  private static func help(for command: Command) -> String {
    command.usage.joined(separator: "\n") + "\n\n" + command.details
  }

  /// One line each, as the help page has them.
  private static func listed(_ commands: [Command]) -> String {
    let lines = commands.map { ($0.usage[0], $0.summary) }
    let width = min(lines.map(\.0.count).max() ?? 0, 24)
    return lines.map { usage, summary in
      usage.count > width
        ? "  \(usage)\n  \(String(repeating: " ", count: width))  \(summary)"
        : "  \(usage.padding(toLength: width, withPad: " ", startingAt: 0))  \(summary)"
    }.joined(separator: "\n")
  }
}
