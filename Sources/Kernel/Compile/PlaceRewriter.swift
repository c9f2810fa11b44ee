import SwiftSyntax

/// `#function` of top-level code as the cell's name.
///
/// The compiler would take the name of the module there, which can't be `In[3]`.
final class PlaceRewriter: SyntaxAnyVisitor {
  private var edits = SourceEdits()

  static func edits(for tree: SourceFileSyntax) -> SourceEdits {
    let rewriter = PlaceRewriter(viewMode: .sourceAccurate)
    rewriter.walk(tree)
    return rewriter.edits
  }

  override func visitAny(_ node: Syntax) -> SyntaxVisitorContinueKind {
    // A closure of the top level is called after the module too.
    if node.isOtherCode, !node.is(ClosureExprSyntax.self) { return .skipChildren }
    if let macro = node.as(MacroExpansionExprSyntax.self), macro.macroName.text == "function" {
      // The cell's name is what it is compiled as a file of.
      edits.replace(macro.trimmedUTF8Range, with: "#filePath")
    }
    return .visitChildren
  }
}
