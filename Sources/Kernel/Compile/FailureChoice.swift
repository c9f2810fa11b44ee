/// Which errors a cell is told that compiled neither with the imports chosen for it nor with those of the whole session:
/// the ones that the cells would get as one file.
extension CompileFailure {
  /// - Parameters:
  ///   - chosen: how the cell failed with what it seems to need.
  ///   - all: how it failed with everything in sight. The compiler then sees what it would see in one file, and old
  ///     declarations too that newer ones have replaced. What it finds ambiguous among those is no fault of the cell.
  package static func ofOneFile(_ chosen: CompileFailure, _ all: CompileFailure) -> CompileFailure {
    switch (chosen, all) {
    case (_, .interrupted), (_, .system): all
    case (.diagnostics(let few), .diagnostics(let many)):
      many.contains { isAmbiguity($0) && !few.contains($0) } ? chosen : all
    case (_, .diagnostics): all
    default: chosen
    }
  }

  /// Without errors about the kernel's own imports, where there are others.
  package var withoutImports: CompileFailure {
    guard case .diagnostics(let found) = self else { return self }
    let own = Diagnostic.groups(found).filter { !$0[0].isAboutImports }.flatMap { $0 }
    return own.isEmpty ? self : .diagnostics(own)
  }

  /// The compiler wants whoever imports the cell to get its imports too.
  var asksForVisibleImports: Bool {
    guard case .diagnostics(let found) = self else { return false }
    return found.contains { $0.message.contains(Diagnostic.hiddenImport) }
  }

  private static func isAmbiguity(_ diagnostic: Diagnostic) -> Bool {
    diagnostic.severity == .error
      && ["ambiguous", "redundant conformance", "invalid redeclaration"].contains { diagnostic.message.contains($0) }
  }
}

extension Diagnostic {
  fileprivate static let hiddenImport = "implementation-only"
  fileprivate var isAboutImports: Bool { isInHeader || message.contains(Self.hiddenImport) }
}

extension ModuleLedger {
  /// Whether a cell that failed could compile with more of the session in sight.
  package func mayMend(_ failure: CompileFailure) -> Bool {
    switch failure {
    case .interrupted, .system: return false
    // The compiler crashed, or refused an import that isn't the user's.
    case .tool: return true
    case .diagnostics(let found):
      let errors = found.filter { $0.severity == .error }
      // One error that no import mends is enough; but there are others to be told beside it only where all are such.
      return !errors.allSatisfy { error in error.missingName.map { !mayDeclare($0) } ?? false }
    }
  }

  /// Whether a cell may have declared a name.
  private func mayDeclare(_ name: String) -> Bool {
    entries.values.contains { entry in
      entry.names.hasConditional || entry.names.operators.contains { $0.hasPrefix("macro ") }
        || entry.names.declarations.contains { $0.name == name }
    }
  }
}

extension Diagnostic {
  /// `x` of `cannot find 'x' in scope`.
  fileprivate var missingName: String? {
    message.firstMatch(of: /^cannot find (?:type )?'([^']+)' in scope/).map { String($0.1) }
  }
}
