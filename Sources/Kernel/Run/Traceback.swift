import Foundation
import Glibc
import HostProtocol

/// Makes what the client shows of a cell that failed: names, values and lines of the user's own code.
struct Traceback: Sendable {
  /// A module that ran, as messages name it.
  struct Origin: Sendable {
    var label: String
    var source: String
  }
  /// By module name.
  var origins: [String: Origin]
  var environment: CellEnvironment

  // MARK: Compile errors

  static func error(for failure: any Error) -> CellError {
    let paint = Paint(on: true)
    switch failure as? CompileFailure {
    case .diagnostics(let diagnostics):
      let errors = diagnostics.filter { $0.severity == .error }
      let value =
        errors.first.map { "\($0.message) (\($0.file):\($0.line):\($0.column))" } ?? "the cell doesn't compile"
      let more = errors.count > 1 ? ", and \(errors.count - 1) more" : ""
      return CellError(
        name: "CompileError", value: value + more, traceback: diagnostics.flatMap { $0.rendered() })
    case .tool(let what):
      return CellError(
        name: "CompilerFailure", value: "the compiler itself failed; every variable is as it was",
        traceback: [paint.red("CompilerFailure:") + " the compiler itself failed; every variable is as it was"]
          + what.split(separator: "\n").map(String.init))
    case .system(let what): return plain("SystemError", what)
    case .interrupted: return interrupted([])
    case nil: return plain("KernelError", "\(failure)")
    }
  }

  /// Warnings, as they are printed.
  static func text(_ warnings: [Diagnostic]) -> String {
    warnings.flatMap { $0.rendered() }.joined(separator: "\n") + "\n"
  }

  static func plain(_ name: String, _ value: String, lines: [String] = []) -> CellError {
    CellError(name: name, value: value, traceback: ["\(Paint(on: true).red(name + ":")) \(value)"] + lines)
  }

  static func interrupted(_ lines: [String]) -> CellError {
    plain("Interrupted", "the cell was stopped; its variables keep the values they had", lines: lines)
  }

  // MARK: Failures of a run

  /// `nil` when the cell ended well.
  func error(for outcome: RunOutcome, wasInterrupted: Bool) -> CellError? {
    switch outcome {
    // However an interrupted cell came to its end, its queue is not to go on.
    case .completed where wasInterrupted, .left where wasInterrupted, .exited where wasInterrupted,
      .inputRefused where wasInterrupted:
      Self.interrupted([])
    case .completed, .left: nil
    case .trapped(let trap) where wasInterrupted && !trap.isFatalToHost:
      Self.interrupted(error(for: trap).traceback)
    case .threw(_, let description, _, _) where wasInterrupted:
      Self.interrupted(description.split(separator: "\n").map { "  " + $0 })
    case .threw(let type, let description, let frames, _):
      Self.plain(Self.shortened(type), Self.shortened(description), lines: rendered(frames))
    case .trapped(let trap): error(for: trap)
    case .interrupted(let frames, _): Self.interrupted(rendered(frames))
    case .exited(0, _): nil
    case .exited(let status, _):
      Self.plain("Exit", "the cell called exit(\(status)); the session and its variables live on")
    case .notLoaded(let why):
      Self.plain(
        "LoadError", "the compiled cell could not be loaded: \(why)",
        lines: why.contains("failed to map segment")
          ? ["Its folder is mounted noexec: set TMPDIR to one that isn't, in the kernel's environment, and restart."]
          : [])
    case .inputRefused:
      Self.plain(
        "InputNotSupported", "readLine() asks for input, but this client doesn't take any (allow_stdin is off)")
    }
  }

  func error(for trap: Trap) -> CellError {
    let symbols = symbolize(trap.frames)
    let failure = symbols.lazy.flatMap { $0 }.map(\.function).first { $0.hasPrefix(Self.failurePrefix) }
      .map { String($0.dropFirst(Self.failurePrefix.count)) }
    let (name, value) = Self.describe(trap, failure: failure)
    var lines = render(symbols)
    if trap.isAsynchronous { lines.append("  in asynchronous code") }
    return Self.plain(name, value, lines: lines)
  }

  /// The compiler marks the place of a check it made itself by a frame of this name.
  private static let failurePrefix = "Swift runtime failure: "

  private static func describe(_ trap: Trap, failure: String?) -> (String, String) {
    if trap.isStackOverflow {
      return ("StackOverflow", "functions called one another too deeply; 512 MiB of stack are used up")
    }
    if let limit = trap.memoryLimit {
      let gigabytes = String(format: "%.1f", Double(limit) / 1e9)
      return (
        "OutOfMemory",
        "cells may use \(gigabytes) GB of memory, and more was asked for; let go of what earlier cells hold "
          + "(`x = []`), or set ICL_CELL_MEMORY, in GB, before Jupyter starts"
      )
    }
    let text = trap.message.components(separatedBy: "Current stack trace:")[0].split(separator: "\n").map(String.init)
      .filter { !$0.isEmpty }
    // "Module/file.swift:12: Fatal error: Index out of range"
    for line in text {
      guard let range = line.firstRange(of: "Fatal error") else { continue }
      let value = line[range.upperBound...].drop { $0 == ":" || $0 == " " }
      let rest = text.drop { $0 != line }.dropFirst()
      let whole = ([String(value)] + rest).joined(separator: "\n")
      return ("FatalError", whole.isEmpty ? "fatalError() was called" : whole)
    }
    // "In3/In[3]:1: Precondition failed: …": the place stands below.
    if !text.isEmpty {
      let said = text.map { String($0.trimmingPrefix(#/In\d+(?:_\d+)?/In\[\d+\]:\d+: /#)) }
      return (signalName(trap.signal), said.joined(separator: "\n"))
    }
    if let failure { return ("FatalError", failure) }
    let address = "0x" + String(trap.faultAddress, radix: 16)
    switch Int32(trap.signal) {
    case SIGSEGV, SIGBUS: return (signalName(trap.signal), "memory at \(address) can't be accessed")
    case SIGFPE: return (signalName(trap.signal), "an arithmetic operation of C code has no result")
    case SIGABRT: return (signalName(trap.signal), "abort() was called")
    default: return ("FatalError", "the program stopped at a failed check")
    }
  }

  static func signalName(_ signal: Int) -> String {
    switch Int32(signal) {
    case SIGSEGV: "SegmentationFault"
    case SIGBUS: "BusError"
    case SIGFPE: "ArithmeticException"
    case SIGABRT: "Abort"
    case SIGILL, SIGTRAP: "Trap"
    default: SignalName.of(Int32(signal))
    }
  }

  /// `In3.MyError` is `MyError` to the user.
  static func shortened(_ name: String) -> String {
    let bytes = Array(name.utf8)
    guard bytes.contains(UInt8(ascii: ".")) else { return name }
    var kept: [UInt8] = []
    kept.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      if let end = endOfHiddenModule(bytes, index) { index = end; continue }
      // To the end of the word, or of what stands between words.
      let isWord = isOfWord(bytes[index])
      repeat {
        kept.append(bytes[index])
        index += 1
      } while index < bytes.count && isWord && isOfWord(bytes[index])
    }
    return String(decoding: kept, as: UTF8.self)
  }

  /// Where `In3.` or `Swift.` ends that begins at a place between words.
  private static func endOfHiddenModule(_ bytes: [UInt8], _ start: Int) -> Int? {
    let rest = bytes[start...]
    if rest.starts(with: "Swift.".utf8) { return start + 6 }
    let end = rest.firstIndex { !isOfWord($0) } ?? rest.endIndex
    guard end < bytes.count, bytes[end] == UInt8(ascii: "."),
      CellModule.isName(String(decoding: rest[..<end], as: UTF8.self))
    else { return nil }
    return end + 1
  }

  private static func isOfWord(_ byte: UInt8) -> Bool {
    byte >= 0x80 || Word.belongs(Unicode.Scalar(byte))
  }

  // MARK: Frames

  private struct Symbol {
    var function: String
    var file: String
    var line: Int
  }

  private func rendered(_ frames: [Frame]) -> [String] { render(symbolize(frames)) }

  /// Functions of cells by name and line; runs of the same call are counted, everything else is left out.
  private func render(_ symbols: [[Symbol]]) -> [String] {
    let paint = Paint(on: true)
    var lines: [String] = []
    var last = ""
    var repeats = 0
    func closeRepeats() {
      if repeats > 0 { lines.append(paint.gray("     … \(repeats) more calls like this")) }
      repeats = 0
    }
    for symbol in symbols.lazy.flatMap({ $0 }) where symbol.file.hasPrefix("In[") && symbol.line > 0 {
      if symbol.function.hasPrefix(Self.failurePrefix) { continue }
      let name = Self.readable(symbol.function)
      let place = "\(symbol.file):\(symbol.line)"
      if "\(name) \(place)" == last {
        repeats += 1
        continue
      }
      closeRepeats()
      last = "\(name) \(place)"
      lines.append("  at \(paint.bold(name)) \(paint.cyan(place))")
      if let text = sourceLine(symbol.file, symbol.line) {
        lines.append("     \(paint.gray("\(symbol.line) |")) \(text)")
      }
      if lines.count > 60 { break }
    }
    closeRepeats()
    return lines
  }

  private func sourceLine(_ label: String, _ line: Int) -> String? {
    guard let origin = origins.values.first(where: { $0.label == label }) else { return nil }
    let lines = origin.source.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.indices.contains(line - 1) ? String(lines[line - 1]) : nil
  }

  private static func readable(_ function: String) -> String {
    function.hasSuffix("_main") ? "top level" : readable(demangled: shortened(demangled(function)))
  }

  /// `closure #1 in f(_:)` of `(2) await resume partial function for closure #1 () async -> Int in f(Int) -> Int`.
  ///
  /// What the kernel puts around top-level code that awaits is the top level: see ``AwaitRewriter``.
  static func readable(demangled name: String) -> String {
    let whole = name.trimmingPrefix(#/\(\d+\) (?:await|suspend) resume partial function for /#)
    var parts = whole.split(separator: " in ").map(String.init)
    if let module = parts.last, parts.count > 1, CellModule.isName(module) {
      parts.removeLast()
      if let outer = parts.last,
        outer.hasPrefix("\(AwaitRewriter.function) #") || outer.contains(/^closure #\d+ \(\) async/)
      {
        parts.removeLast()
      }
    }
    guard let first = parts.first else { return "top level" }
    guard let closure = first.firstMatch(of: /^closure #\d+/) else { return signature(of: first) }
    let function = parts.dropFirst().first { !$0.hasPrefix("closure #") }
    return closure.0 + (function.map { " in " + signature(of: $0) } ?? "")
  }

  /// `inner(_:with:)` of `inner(Array<Int>, with: (String) -> Bool) -> Int`: names and labels without types.
  static func signature(of demangled: String) -> String {
    var name = ""
    var depth = 0
    var argument = ""
    var hasArguments = false
    func close() {
      let label = argument.firstIndex(of: ":").map { String(argument[..<$0]) } ?? "_"
      let isLabel = label.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
      name += (isLabel ? Substring(label).trimmingSpaces : "_") + ":"
      argument = ""
    }
    for character in demangled.replacing(" -> ", with: "\u{0}") {
      if hasArguments && depth == 0 { break }
      switch character {
      case "(":
        depth += 1
        if depth == 1 { name += "(" } else { argument += "(" }
        hasArguments = true
      case ")":
        depth -= 1
        if depth == 0 {
          if !argument.isEmpty { close() }
          name += ")"
        } else {
          argument += ")"
        }
      case "," where depth == 1: close()
      case " " where depth == 1 && argument.isEmpty: break
      case _ where depth == 0: name.append(character)
      default: argument.append(character)
      }
    }
    return name.replacing("\u{0}", with: " -> ")
  }

  /// Asks `llvm-symbolizer` for functions and lines: only when something failed, so its time doesn't matter.
  private func symbolize(_ frames: [Frame]) -> [[Symbol]] {
    let inCells = frames.filter { frame in
      let name = (frame.image as NSString).lastPathComponent
      return name.hasPrefix("lib") && CellModule.isName(String(name.dropFirst(3).prefix { $0 != "." }))
    }.prefix(64)
    guard !inCells.isEmpty else { return [] }
    let queries = inCells.map { "\"\($0.image)\" 0x\(String($0.offset, radix: 16))" }
    let arguments = [
      environment.toolchain.symbolizer, "--output-style=LLVM", "--inlining", "--no-demangle", "--relativenames",
    ]
    guard let result = try? ToolRunner(guardian: environment.guardian).run(arguments + queries, limit: 10),
      result.succeeded
    else { return [] }
    return result.output.components(separatedBy: "\n\n").map { group in
      let lines = group.split(separator: "\n").map(String.init)
      return stride(from: 0, to: lines.count - 1, by: 2).map { index in
        let parts = lines[index + 1].split(separator: ":", omittingEmptySubsequences: false)
        let path = parts.dropLast(2).joined(separator: ":")
        return Symbol(
          function: lines[index], file: (path as NSString).lastPathComponent,
          line: parts.count >= 3 ? Int(parts[parts.count - 2]) ?? 0 : 0)
      }
    }
  }

  /// The runtime's own demangler; the name itself when it isn't a mangled one.
  private static func demangled(_ name: String) -> String {
    typealias Demangle =
      @convention(c) (
        UnsafePointer<CChar>?, Int, UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Int>?, UInt32
      ) -> UnsafeMutablePointer<CChar>?
    guard let symbol = dlsym(nil, "swift_demangle") else { return name }
    let demangle = unsafeBitCast(symbol, to: Demangle.self)
    guard let text = demangle(name, name.utf8.count, nil, nil, 0) else { return name }
    defer { free(text) }
    return String(cString: text)
  }
}
