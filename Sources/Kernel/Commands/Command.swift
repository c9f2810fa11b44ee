/// The `%`-commands: what a cell can ask of the kernel that isn't Swift.
package struct Command: Sendable {
  enum Form: Sendable {
    /// `%name …` on a line of its own.
    case line
    /// `%%name …` on a cell's first line, and the rest of the cell is its body.
    case cell
    case both
  }
  let name: String
  let form: Form
  /// What may follow the name.
  let arguments: String
  /// One line, as `%help` lists it.
  let summary: String
  /// All there is to say, as `%help name` shows it.
  let details: String

  static let help = Command(
    name: "help", form: .line, arguments: "[command]", summary: "this page, or one command's",
    details: "Says what a cell can do, or what one command does.")
  static let who = Command(
    name: "who", form: .line, arguments: "[name…]", summary: "what the cells have declared",
    details: """
      Lists names with their kind, their type and the cell that declared them: all, or those that begin so. Values of
      variables that were declared again and are still held come after them, with what may still use them.
      """)
  static let forget = Command(
    name: "forget", form: .line, arguments: "name…", summary: "forgets names and releases their values",
    details: """
      Later cells don't know the names any more. A variable's value is released unless code of a cell may still use it:
      then this says which. A variable that is declared again releases its old value by itself, under the same condition.
      """)
  static let time = Command(
    name: "time", form: .both, arguments: "statement",
    summary: "how long a statement takes, or with %%time the cell",
    details: """
      %time statement   runs the statement; %%time on the first line runs the whole cell.
      Compiling and running are told apart. CPU time is that of all threads of the process that runs cells; it is more
      than the time on the clock where several cores worked.
      """)
  static let opt = Command(
    name: "opt", form: .cell, arguments: "", summary: "compiles this cell with optimization",
    details: """
      Loops over numbers run many times faster; compiling takes about three times as long. What the cell declares stays
      optimized wherever it is used. Without %%opt, cells are compiled as they are written, which is quicker to start.
      """)
  static let reset = Command(
    name: "reset", form: .line, arguments: "", summary: "forgets everything that cells declared",
    details: """
      Ends the process that runs cells and starts a new one, in the language mode that a session begins with; the history
      and the packages in use stay.
      """)
  static let swift = Command(
    name: "swift", form: .line, arguments: "[5|6]", summary: "the Swift language mode of the cells that follow",
    details: """
      %swift 6   later cells, and what follows in this one, are compiled in the Swift 6 language mode: as in a script
                 (`swiftc -swift-version 6`), top-level variables belong to the main actor, and data races are errors.
      %swift 5   the mode of a script for which nothing is said, in Swift 6.3 too; a session begins in it.
      %swift     tells the mode.

      Variables, functions and types of earlier cells stay as they are, and can be used from either mode. %reset goes
      back to mode 5.
      """)
  static let package = Command(
    name: "package", form: .line, arguments: "path-or-URL[@version] [product…]",
    summary: "builds a Swift package, whose products later cells can import",
    details: """
      %package ../MyPackage                            every library of a package on this machine
      %package "../My Package"                         a path with a space
      %package https://github.com/apple/swift-numerics@1.0.0 Numerics
      %package https://github.com/apple/swift-numerics@main

      Built in release mode, once: what was built is kept in the user's cache folder, and a package on this machine is
      built again when its sources have changed. Without a version, the newest tagged one is taken.
      """)
  static let bash = Command(
    name: "bash", form: .cell, arguments: "", summary: "runs the cell's other lines in bash",
    details: """
      The lines run in a process of their own, with the working directory and the environment that cells have at that
      moment; an interrupt ends it with all that it started, and so does its own end. Variables of the shell are gone afterwards. There is nothing to read on standard input.
      """)

  static let builtIn = [help, who, forget, time, opt, reset, swift, package, bash]

  /// `%time statement`, `%%time`: how it is written.
  var usage: [String] {
    let tail = arguments.isEmpty ? "" : " " + arguments
    switch form {
    case .line: return ["%\(name)\(tail)"]
    case .cell: return ["%%\(name)\(tail)"]
    case .both: return ["%\(name)\(tail)", "%%\(name)"]
    }
  }
}

extension CellEnvironment {
  /// A `%`-command that is Swift: what the user writes behind its name becomes code that runs like a cell.
  package struct SwiftCommand: Sendable {
    package var name: String
    package var arguments: String
    package var summary: String
    package var details: String
    /// Makes the code of the argument, which is empty when nothing was written.
    package var code: @Sendable (String) -> String

    package init(
      name: String, arguments: String, summary: String, details: String, code: @escaping @Sendable (String) -> String
    ) {
      self.name = name
      self.arguments = arguments
      self.summary = summary
      self.details = details
      self.code = code
    }

    /// As one line of Swift, so that the lines of the cell keep their numbers.
    func line(_ argument: String) -> String { code(argument).replacing("\n", with: "; ") }

    var command: Command {
      Command(name: name, form: .line, arguments: arguments, summary: summary, details: details)
    }
  }
}

/// A text as Swift writes it between quotes: for arguments that become code.
package func swiftLiteral(_ text: String) -> String {
  var literal = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": literal += "\\\""
    case "\\": literal += "\\\\"
    case _ where scalar.value < 0x20: literal += "\\u{\(String(scalar.value, radix: 16))}"
    default: literal.unicodeScalars.append(scalar)
    }
  }
  return literal + "\""
}
