import SwiftSyntax

/// `DispatchWorkItem { … }` as `DispatchWorkItem(qos: .unspecified) { … }`, which is what it means.
///
/// In cells, access is unchecked, in modules of the toolchain too. Dispatch has an internal initializer that fits this
/// spelling better than the public one, takes the closure without keeping what it captures, and isn't exported by the
/// library: the cell would not load. The public one's first argument, written out, tells them apart.
final class WorkItemRewriter: SyntaxVisitor {
  private var edits = SourceEdits()

  static func edits(for tree: SourceFileSyntax) -> SourceEdits {
    let rewriter = WorkItemRewriter(viewMode: .sourceAccurate)
    rewriter.walk(tree)
    return rewriter.edits
  }

  override func visit(_ node: FunctionCallExprSyntax) -> SyntaxVisitorContinueKind {
    let isWorkItem = ["DispatchWorkItem", "Dispatch.DispatchWorkItem"].contains(
      node.calledExpression.trimmedDescription)
    let isTold = node.arguments.contains { ["qos", "block", "noescapeBlock"].contains($0.label?.text) }
    if isWorkItem, !isTold, node.trailingClosure != nil {
      let argument = "qos: .unspecified"
      if let first = node.arguments.first {
        edits.insert("\(argument), ", at: first.trimmedUTF8Range.lowerBound, .innerOpening)
      } else if let bracket = node.leftParen {
        edits.insert(argument, at: bracket.trimmedUTF8Range.upperBound, .innerOpening)
      } else {
        edits.insert("(\(argument))", at: node.calledExpression.trimmedUTF8Range.upperBound, .after)
      }
    }
    return .visitChildren
  }
}
