import SwiftSyntax

/// A cell taken apart: stretches of Swift, and `%`-commands at their places between them.
///
/// A line is a command when its first character is `%` and a letter follows, where a statement could begin: not in a
/// string, a comment or an open bracket. Every stretch keeps the lines that others have, empty, so that its line
/// numbers are the cell's.
struct CommandCell: Equatable, Sendable {
  enum Part: Equatable, Sendable {
    case swift(String)
    /// - line: 1-based.
    case command(name: String, argument: String, line: Int)
  }
  var parts: [Part] = []
  /// The command of the first line, `%%name`, and what follows its name; the cell's other lines are then its body.
  var whole: (name: String, argument: String)?

  static func == (a: CommandCell, b: CommandCell) -> Bool {
    a.parts == b.parts && a.whole?.name == b.whole?.name && a.whole?.argument == b.whole?.argument
  }

  /// `nil` for a cell without commands.
  init?(_ code: String) {
    guard code.contains("%"), let cell = onDeepStack(for: code, { CommandCell(read: $0) }) else { return nil }
    self = cell
  }

  private init?(read code: String) {
    let text = code.replacing("\r\n", with: "\n").replacing("\r", with: "\n")
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if let first = lines.firstIndex(where: { !$0.allSatisfy(\.isWhitespace) }), lines[first].hasPrefix("%%"),
      let found = Self.command(lines[first].dropFirst(2))
    {
      whole = found
      lines[first] = ""
      let body = lines.joined(separator: "\n")
      // Only a body of Swift may hold commands of its own.
      parts = found.name == Command.bash.name ? [.swift(body)] : CommandCell(read: body)?.parts ?? [.swift(body)]
      return
    }
    var found: [(index: Int, name: String, argument: String)] = []
    for index in lines.indices {
      let line = lines[index].drop { $0 == " " || $0 == "\t" }
      guard line.hasPrefix("%"), let command = Self.command(line.dropFirst()),
        Self.beginsStatement(after: lines[..<index])
      else { continue }
      found.append((index, command.name, command.argument))
      // What is read from here on must not stumble over it.
      lines[index] = ""
    }
    guard !found.isEmpty else { return nil }
    var start = 0
    func add(_ range: Range<Int>) {
      guard lines[range].contains(where: { !$0.allSatisfy(\.isWhitespace) }) else { return }
      let empty = [String](repeating: "", count: range.lowerBound)
      parts.append(.swift((empty + lines[range]).joined(separator: "\n")))
    }
    for command in found {
      add(start..<command.index)
      parts.append(.command(name: command.name, argument: command.argument, line: command.index + 1))
      start = command.index + 1
    }
    add(start..<lines.count)
  }

  /// `time f(x)` is the command `time` with the argument `f(x)`.
  private static func command(_ text: Substring) -> (name: String, argument: String)? {
    guard text.first?.isLetter == true else { return nil }
    let name = text.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
    let rest = text.dropFirst(name.count)
    guard rest.isEmpty || rest.first?.isWhitespace == true || rest.first == "?" else { return nil }
    return (String(name), String(rest.trimmingSpaces))
  }

  /// Whether Swift that begins with these lines could go on with another statement: everything is closed, strings
  /// and comments too.
  private static func beginsStatement(after lines: ArraySlice<String>) -> Bool {
    guard lines.contains(where: { !$0.isEmpty }) else { return true }
    let sign = "__command"
    guard let tree = parsed(lines.joined(separator: "\n") + "\n" + sign) else { return false }
    var depth = 0
    var last = ""
    for token in tree.tokens(viewMode: .sourceAccurate) {
      switch token.tokenKind {
      case .leftBrace, .leftParen, .leftSquare: depth += 1
      case .rightBrace, .rightParen, .rightSquare: depth -= 1
      case .identifier(let name): last = name
      case .endOfFile: continue
      default: last = ""
      }
    }
    return depth <= 0 && last == sign
  }
}
