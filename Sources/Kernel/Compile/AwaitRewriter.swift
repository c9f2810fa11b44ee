import SwiftSyntax

/// Turns the asynchronous parts of a cell's top level into calls that block: see `__await` in CellSupport.
///
/// Left alone, one top-level `await` makes the compiler treat the whole script as asynchronous: its variables then
/// belong to the main actor, and later cells can't read them.
struct AwaitRewriter {
  private(set) var edits = SourceEdits()
  /// Names bound by `async let` whose value nobody has waited for yet.
  private var started: [(name: String, variable: String)] = []

  /// Rewrites one top-level item in place.
  mutating func rewrite(_ item: CodeBlockItemSyntax) {
    let waiting = started.filter { item.mentions($0.name) }
    if !waiting.isEmpty {
      edits.insert(collect(waiting), at: item.positionAfterSkippingLeadingTrivia.utf8Offset, .statementBefore)
      started.removeAll { pending in waiting.contains { $0.name == pending.name } }
    }
    if let variable = item.item.as(VariableDeclSyntax.self), variable.isAsyncLet {
      rewrite(asyncLet: variable)
      return
    }
    let finder = AsyncFinder(viewMode: .sourceAccurate)
    finder.walk(item)
    if finder.needsWholeStatement, let statement = Syntax(item.item).asControlFlow {
      wrap(statement, prefix: "try __await({ ", suffix: " })")
    } else {
      for node in finder.expressions { wrap(expression: node) }
    }
  }

  /// Declarations for every `async let` that no statement waited for.
  mutating func remaining() -> String {
    defer { started = [] }
    return started.isEmpty ? "" : "; " + collect(started).dropLast(2)
  }

  private func collect(_ waiting: [(name: String, variable: String)]) -> String {
    waiting.map { "let \($0.name) = try \($0.variable).value(); " }.joined()
  }

  private mutating func rewrite(asyncLet node: VariableDeclSyntax) {
    for modifier in node.modifiers where modifier.name.tokenKind == .keyword(.async) {
      edits.replace(modifier.trimmedUTF8Range, with: "     ")
    }
    for binding in node.bindings {
      guard let name = names(in: binding.pattern).first, let value = binding.initializer?.value else { continue }
      let variable = "__async_\(name)"
      edits.replace(binding.pattern.trimmedUTF8Range, with: variable)
      if let annotation = binding.typeAnnotation {
        edits.replace(annotation.trimmedUTF8Range, with: ": __Started<\(annotation.type.trimmedDescription)>")
      }
      edits.insert("__async({ try await ", at: value.trimmedUTF8Range.lowerBound, .innerOpening)
      edits.insert(" })", at: value.trimmedUTF8Range.upperBound, .innerClosing)
      started.append((name, variable))
    }
  }

  private mutating func wrap(expression node: ExprSyntax) {
    // `await` covers everything to its right in an operator sequence, which the parser leaves flat.
    var end = node.trimmedUTF8Range.upperBound
    if let list = node.parent?.as(ExprListSyntax.self), list.parent?.is(SequenceExprSyntax.self) == true {
      end = list.trimmedUTF8Range.upperBound
    }
    let tries = node.as(TryExprSyntax.self).map { $0.questionOrExclamationMark == nil } ?? false
    edits.insert((tries ? "try " : "") + "__await({ ", at: node.trimmedUTF8Range.lowerBound, .innerOpening)
    edits.insert(" })", at: end, .innerClosing)
  }

  private mutating func wrap(_ node: Syntax, prefix: String, suffix: String) {
    edits.insert(prefix, at: node.trimmedUTF8Range.lowerBound, .innerOpening)
    edits.insert(suffix, at: node.trimmedUTF8Range.upperBound, .innerClosing)
  }
}

/// Collects the outermost `try`/`await` expressions of a statement that hold an `await`, outside of closures and
/// functions, which may be asynchronous themselves.
private final class AsyncFinder: SyntaxVisitor {
  private(set) var expressions: [ExprSyntax] = []
  /// `for await` and nested `async let` have no expression that could be wrapped alone.
  private(set) var needsWholeStatement = false

  override func visit(_ node: AwaitExprSyntax) -> SyntaxVisitorContinueKind {
    expressions.append(ExprSyntax(node))
    return .skipChildren
  }

  override func visit(_ node: TryExprSyntax) -> SyntaxVisitorContinueKind {
    if AwaitSearch.finds(in: node.expression) { expressions.append(ExprSyntax(node)) }
    return .skipChildren
  }

  override func visit(_ node: SequenceExprSyntax) -> SyntaxVisitorContinueKind {
    for (index, element) in node.elements.enumerated() {
      // `try a() + await b()` is flat: the await is a neighbour, and `try` covers it.
      let isTaken =
        element.is(AwaitExprSyntax.self)
        || element.is(TryExprSyntax.self) && node.elements.dropFirst(index).contains { AwaitSearch.finds(in: $0) }
      if isTaken {
        // The wrap reaches to the sequence's end: there is nothing more to find.
        expressions.append(element)
        break
      }
      walk(element)
    }
    return .skipChildren
  }

  override func visit(_ node: ForStmtSyntax) -> SyntaxVisitorContinueKind {
    if node.awaitKeyword != nil { needsWholeStatement = true }
    return .visitChildren
  }

  override func visit(_ node: VariableDeclSyntax) -> SyntaxVisitorContinueKind {
    if node.isAsyncLet { needsWholeStatement = true }
    return .visitChildren
  }

  override func visit(_ node: AccessorBlockSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
  override func visit(_ node: ClosureExprSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
  override func visit(_ node: FunctionDeclSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
  override func visit(_ node: StructDeclSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
  override func visit(_ node: ClassDeclSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
  override func visit(_ node: EnumDeclSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
  override func visit(_ node: ActorDeclSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
  override func visit(_ node: ProtocolDeclSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
  override func visit(_ node: ExtensionDeclSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
}

/// Whether a node holds an `await` that belongs to its own level of code.
private final class AwaitSearch: SyntaxVisitor {
  private var isFound = false

  static func finds(in node: some SyntaxProtocol) -> Bool {
    let search = AwaitSearch(viewMode: .sourceAccurate)
    search.walk(node)
    return search.isFound
  }

  override func visit(_ node: AwaitExprSyntax) -> SyntaxVisitorContinueKind {
    isFound = true
    return .skipChildren
  }
  override func visit(_ node: ClosureExprSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
}

extension VariableDeclSyntax {
  var isAsyncLet: Bool { modifiers.contains { $0.name.tokenKind == .keyword(.async) } }
}

extension SyntaxProtocol {
  /// Bytes of the node without the trivia around it.
  var trimmedUTF8Range: Range<Int> {
    positionAfterSkippingLeadingTrivia.utf8Offset..<endPositionBeforeTrailingTrivia.utf8Offset
  }

  func mentions(_ name: String) -> Bool {
    tokens(viewMode: .sourceAccurate).contains { $0.plainName == name }
  }
}

extension Syntax {
  /// The node when it is a statement that declares nothing for what follows it.
  fileprivate var asControlFlow: Syntax? {
    if self.is(GuardStmtSyntax.self) || self.is(VariableDeclSyntax.self) { return nil }
    return self.isProtocol((any StmtSyntaxProtocol).self) || self.isProtocol((any ExprSyntaxProtocol).self)
      ? self : nil
  }
}
