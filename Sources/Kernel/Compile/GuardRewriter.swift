import SwiftSyntax

/// What a top-level `guard let x = …` binds stays inside the script's own code: later cells couldn't see it. The
/// binding gets another name, and a global of the user's name is declared behind the statement.
enum GuardRewriter {
  /// - Returns: the names that are bound, and the declarations to write behind the statement.
  static func rewrite(_ node: GuardStmtSyntax, _ edits: inout SourceEdits) -> (names: [String], text: String) {
    var bound: [String] = []
    var text = ""
    for element in node.conditions {
      // What earlier conditions bound is used under its new name.
      for token in element.tokens(viewMode: .sourceAccurate)
      where token.parent?.is(DeclReferenceExprSyntax.self) == true && bound.contains(token.plainName) {
        edits.replace(token.trimmedUTF8Range, with: renamed(token.plainName))
      }
      let pattern: PatternSyntax
      var keyword = "let"
      switch element.condition {
      case .optionalBinding(let binding):
        pattern = binding.pattern
        keyword = binding.bindingSpecifier.text
        if binding.initializer == nil {
          edits.insert(
            " = \(binding.pattern.trimmedDescription)", at: binding.pattern.trimmedUTF8Range.upperBound, .innerClosing)
        }
      case .matchingPattern(let matching): pattern = matching.pattern
      default: continue
      }
      for token in pattern.tokens(viewMode: .sourceAccurate)
      where token.parent?.is(IdentifierPatternSyntax.self) == true {
        edits.replace(token.trimmedUTF8Range, with: renamed(token.plainName))
        bound.append(token.plainName)
        text += "; \(keyword) `\(token.plainName)` = \(renamed(token.plainName))"
      }
    }
    return (bound, text)
  }

  private static func renamed(_ name: String) -> String { "__guard_\(name)" }
}
