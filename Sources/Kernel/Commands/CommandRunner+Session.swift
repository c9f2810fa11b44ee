import Foundation
import NotebookDisplay

/// Commands that look at the session or change it.
extension CommandRunner {
  /// A table of the names that cells declared.
  func who(_ argument: String, _ events: @Sendable (CellEvent) -> Void) {
    let wanted = argument.split(whereSeparator: \.isWhitespace)
    let declared = cells.declared.filter { item in
      wanted.isEmpty || wanted.contains { item.name.lowercased().hasPrefix($0.lowercased()) }
    }
    let older = cells.olderValues.filter { item in
      wanted.isEmpty || wanted.contains { item.name.lowercased().hasPrefix($0.lowercased()) }
    }
    defer {
      if !older.isEmpty {
        events(.stream(.stdout, "Older values that are still held:\n"))
        let rows = older.map { [$0.name, $0.type, $0.cell, $0.reason] }
        events(.display(Table(["name", "type", "cell", "why"], rows).mimeBundle, id: nil, update: false))
      }
    }
    guard !declared.isEmpty else {
      let text = wanted.isEmpty ? "No cell has declared anything." : "Nothing that is declared begins so."
      return events(.stream(.stdout, text + "\n"))
    }
    let types = cells.types(of: declared.filter { ["var", "func"].contains($0.kind) }.map(\.name))
    let rows = declared.map { [$0.name, $0.kind, types[$0.name] ?? "", $0.cell] }
    events(.display(Table(["name", "kind", "type", "cell"], rows).mimeBundle, id: nil, update: false))
  }

  func forget(
    _ argument: String, _ request: CellRequest, _ events: @escaping @Sendable (CellEvent) -> Void
  ) -> CellError? {
    let names = argument.split { $0.isWhitespace || $0 == "," }.map { String($0).trimmingBackticks }
    guard !names.isEmpty else {
      return Traceback.plain("UsageError", "%forget takes the names of variables, functions or types; %who lists them")
    }
    switch cells.forget(names, request: request, events: events) {
    case .success(let lines): events(.stream(.stdout, lines.joined(separator: "\n") + "\n"))
    case .failure(let error): return error
    }
    return nil
  }

  func reset() -> String {
    let lost = cells.reset()
    guard !lost.isEmpty else { return "A new process for cells is started; nothing had been declared." }
    let names = lost.prefix(20).joined(separator: ", ") + (lost.count > 20 ? ", … (\(lost.count) names)" : "")
    return "A new process for cells is started. Forgotten: \(names)."
  }

  /// Tells the language mode, or chooses another.
  func languageMode(_ argument: String, output: (StreamName, String) -> Void) -> CellError? {
    let compiler = cells.compiler
    if argument.isEmpty {
      output(.stdout, "Cells are compiled in the Swift \(compiler.languageMode.rawValue) language mode.\n")
      return nil
    }
    guard let mode = LanguageMode(rawValue: argument) else {
      let known = LanguageMode.allCases.map(\.rawValue).joined(separator: " or ")
      return Traceback.plain(
        "UsageError",
        "%swift takes the language mode \(known), and was given \"\(argument)\"; the mode is still "
          + compiler.languageMode.rawValue)
    }
    compiler.languageMode = mode
    return nil
  }

  func usePackage(
    _ argument: String, child: CommandChild, _ events: @escaping @Sendable (CellEvent) -> Void
  ) -> CellError? {
    let output: (StreamName, String) -> Void = { events(.stream($0, $1)) }
    do {
      let place = try cells.place(events)
      guard let wish = try PackageBuilder.Wish(argument, in: place) else {
        return Traceback.plain(
          "UsageError", "%package takes the folder or the URL of a package; %help package says more")
      }
      let package = try packages.build(wish, environment: place.environment, child: child, output: output)
      let isChanged = cells.compiler.use(package)
      let modules = package.modules.joined(separator: ", ")
      output(.stdout, "Cells can now import \(modules).\n")
      if isChanged {
        output(.stdout, "An older build may be loaded already: %reset starts a process without it.\n")
      }
      return nil
    } catch let failure as PackageBuilder.Failure {
      return Traceback.plain(failure.name, failure.value, lines: failure.lines)
    } catch let error as CellError { return error } catch { return Traceback.error(for: error) }
  }
}
