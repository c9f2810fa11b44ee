import SwiftSyntax

/// Marks where top-level code goes on after it waited: a cell that was interrupted meanwhile ends there, whatever the
/// cancelled code returned. See `__resumed` in CellSupport.
final class ResumptionMarks: SyntaxAnyVisitor {
  private(set) var edits = SourceEdits()

  static func edits(for node: some SyntaxProtocol) -> SourceEdits {
    let marks = ResumptionMarks(viewMode: .sourceAccurate)
    marks.walk(node)
    return marks.edits
  }

  override func visitAny(_ node: Syntax) -> SyntaxVisitorContinueKind {
    if node.isOtherCode { return .skipChildren }
    if let variable = node.as(VariableDeclSyntax.self), variable.isAsyncLet { return .skipChildren }
    if let expression = node.as(TryExprSyntax.self), AwaitSearch.finds(in: expression) {
      return mark(ExprSyntax(expression))
    }
    if let expression = node.as(AwaitExprSyntax.self) { return mark(ExprSyntax(expression)) }
    if let clause = node.as(CatchClauseSyntax.self) { begin(clause.body) }
    if let loop = node.as(ForStmtSyntax.self), loop.awaitKeyword != nil {
      begin(loop.body)
      edits.insert("; __resumed()", at: loop.trimmedUTF8Range.upperBound, .after)
    }
    return .visitChildren
  }

  private func begin(_ block: CodeBlockSyntax) {
    edits.insert(" __resumed(); ", at: block.leftBrace.trimmedUTF8Range.upperBound, .statementBefore)
  }

  /// `await` covers all that stands to its right in a sequence of operators, which the parser leaves flat.
  private func mark(_ node: ExprSyntax) -> SyntaxVisitorContinueKind {
    var end = node.trimmedUTF8Range.upperBound
    if let list = node.parent?.as(ExprListSyntax.self), list.parent?.is(SequenceExprSyntax.self) == true {
      let rest = list.drop { $0.id != node.id }
      // An assignment is no argument, and a cast would be of another value.
      let isOther = rest.contains {
        $0.is(AssignmentExprSyntax.self) || $0.is(UnresolvedAsExprSyntax.self) || $0.is(UnresolvedIsExprSyntax.self)
      }
      if isOther { return .skipChildren }
      end = list.trimmedUTF8Range.upperBound
    }
    edits.insert("__resumed(", at: node.trimmedUTF8Range.lowerBound, .innerOpening)
    edits.insert(")", at: end, .innerClosing)
    return .skipChildren
  }
}
