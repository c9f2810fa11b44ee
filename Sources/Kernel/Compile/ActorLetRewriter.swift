import SwiftSyntax

/// Constants of actors can be read from anywhere in the file that declares the actor, and from nowhere else without
/// `await`. Later cells are files of their own, so the constants become `nonisolated`, which is what they are in one file.
enum ActorLetRewriter {
  static func edits(for tree: SourceFileSyntax) -> SourceEdits {
    let finder = Finder(viewMode: .sourceAccurate)
    finder.walk(tree)
    return finder.edits
  }

  private final class Finder: SyntaxVisitor {
    var edits = SourceEdits()

    override func visit(_ node: ActorDeclSyntax) -> SyntaxVisitorContinueKind {
      for member in node.memberBlock.members {
        guard let constant = member.decl.as(VariableDeclSyntax.self), isIsolatedConstant(constant) else { continue }
        edits.insert("nonisolated ", at: constant.bindingSpecifier.trimmedUTF8Range.lowerBound, .outerOpening)
      }
      return .visitChildren
    }

    // What functions declare is out of the reach of other cells.
    override func visit(_ node: CodeBlockSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
    override func visit(_ node: ClosureExprSyntax) -> SyntaxVisitorContinueKind { .skipChildren }

    private func isIsolatedConstant(_ node: VariableDeclSyntax) -> Bool {
      let others: Set = ["static", "nonisolated", "weak", "unowned", "lazy", "override"]
      return node.bindingSpecifier.tokenKind == .keyword(.let) && node.attributes.isEmpty
        && !node.modifiers.contains { others.contains($0.name.text) }
    }
  }
}
