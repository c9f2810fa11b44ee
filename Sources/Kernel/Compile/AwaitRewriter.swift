import SwiftSyntax

/// Turns the asynchronous parts of a cell's top level into calls that block: see `__await` in CellSupport.
///
/// Left alone, one top-level `await` makes the compiler treat the whole script as asynchronous: its variables then
/// belong to the main actor, and later cells can't read them. So each statement that awaits becomes the body of an
/// asynchronous closure, whole, and each awaiting initializer of a variable too: inside, the compiler sees the code as
/// it would in an asynchronous script, on the main actor. Whether the user's text is right, and what is to be warned
/// of, is not told by the rewritten text but by the text itself: see ``CellCompiler``.
struct AwaitRewriter {
  private(set) var edits = SourceEdits()
  private(set) var asyncLets = AsyncLets()
  /// Whether the cell awaits anything.
  private(set) var isNeeded = false
  /// Types of the cell's variables that get their value later, by name. A closure can't be what gives it to them.
  private var deferred: [String: String?] = [:]

  init(_ tree: SourceFileSyntax) {
    for item in tree.statements {
      for binding in item.item.as(VariableDeclSyntax.self)?.bindings ?? [] where binding.initializer == nil {
        guard binding.accessorBlock == nil, let type = binding.typeAnnotation?.type else { continue }
        for name in names(in: binding.pattern) { deferred.updateValue(Self.annotation(type), forKey: name) }
      }
    }
  }

  /// Rewrites one top-level item in place.
  mutating func rewrite(_ item: CodeBlockItemSyntax) {
    if let variable = item.item.as(VariableDeclSyntax.self), variable.isAsyncLet {
      isNeeded = true
      asyncLets.start(variable, &edits)
    } else {
      asyncLets.rewriteReads(in: item, &edits)
      rewriteAny(item)
    }
  }

  private func awaits(_ node: some SyntaxProtocol) -> Bool {
    AwaitSearch.finds(in: node) || asyncLets.areRead(in: node)
  }

  private mutating func rewriteAny(_ item: CodeBlockItemSyntax) {
    guard awaits(item) else { return }
    isNeeded = true
    switch item.item {
    case .decl(let declaration):
      if let variable = declaration.as(VariableDeclSyntax.self) {
        for binding in variable.bindings {
          guard let value = binding.initializer?.value else { continue }
          wrapValue(value, type: binding.typeAnnotation.flatMap { Self.annotation($0.type) })
        }
      } else if let conditional = declaration.as(IfConfigDeclSyntax.self) {
        for case .statements(let items) in conditional.clauses.compactMap(\.elements) { rewriteAll(items) }
      }
    case .expr(let expression):
      if let (type, value) = deferredAssignment(expression) {
        wrapValue(value, type: type)
      } else {
        wrapStatement(Syntax(item.item))
      }
    case .stmt(let statement): rewrite(statement)
    }
  }

  private mutating func rewriteAll(_ items: CodeBlockItemListSyntax) {
    for item in items { rewriteAny(item) }
  }

  // MARK: Statements

  private mutating func rewrite(_ statement: StmtSyntax) {
    if let node = statement.as(GuardStmtSyntax.self) {
      // What it binds is for the statements behind it.
      rewrite(node.conditions)
      rewriteAll(node.body.statements)
    } else if let node = statement.as(ThrowStmtSyntax.self) {
      wrapValue(ExprSyntax(node.expression))
    } else if statement.is(DeferStmtSyntax.self) {
      // The compiler refuses it.
    } else if setsDeferred(statement) {
      rewriteParts(of: Syntax(statement))
    } else {
      wrapStatement(Syntax(statement), isFunction: CatchSearch.finds(in: statement))
    }
  }

  /// Rewrites the parts of a statement that gives a value to a variable which has none yet.
  private mutating func rewriteParts(of node: Syntax) {
    switch node.as(SyntaxEnum.self) {
    case .labeledStmt(let node): rewriteParts(of: Syntax(node.statement))
    case .expressionStmt(let node): rewriteParts(of: Syntax(node.expression))
    case .ifExpr(let node):
      rewrite(node.conditions)
      rewriteAll(node.body.statements)
      switch node.elseBody {
      case .ifExpr(let other): rewriteParts(of: Syntax(other))
      case .codeBlock(let block): rewriteAll(block.statements)
      case nil: break
      }
    case .switchExpr(let node):
      wrapValue(node.subject)
      for case .switchCase(let one) in node.cases { rewriteAll(one.statements) }
    case .doStmt(let node):
      rewriteAll(node.body.statements)
      for clause in node.catchClauses { rewriteAll(clause.body.statements) }
    case .whileStmt(let node):
      rewrite(node.conditions)
      rewriteAll(node.body.statements)
    case .repeatStmt(let node):
      rewriteAll(node.body.statements)
      wrapValue(node.condition, type: "Bool")
    case .forStmt(let node) where node.awaitKeyword == nil:
      wrapValue(node.sequence)
      rewriteAll(node.body.statements)
    default: wrapStatement(node)
    }
  }

  private mutating func rewrite(_ conditions: ConditionElementListSyntax) {
    for element in conditions {
      switch element.condition {
      case .expression(let expression): wrapValue(expression, type: "Bool")
      case .optionalBinding(let binding):
        guard let value = binding.initializer?.value else { continue }
        let type = binding.typeAnnotation.flatMap { Self.annotation($0.type) }
        wrapValue(value, type: type.map { "(\($0))?" })
      case .matchingPattern(let matching): wrapValue(matching.initializer.value)
      case .availability: break
      }
    }
  }

  /// `x = await f()` where `x` has no value yet: its type, where it is a single one, and the value's place.
  private func deferredAssignment(_ expression: ExprSyntax) -> (type: String?, value: Range<Int>)? {
    guard !deferred.isEmpty, let sequence = expression.as(SequenceExprSyntax.self), sequence.elements.count > 2 else {
      return nil
    }
    let elements = Array(sequence.elements)
    guard elements[1].is(AssignmentExprSyntax.self),
      elements[0].tokens(viewMode: .sourceAccurate).contains(where: { deferred[$0.plainName] != nil })
    else { return nil }
    let name = elements[0].as(DeclReferenceExprSyntax.self)?.baseName.plainName
    let type: String? = name.flatMap { deferred[$0] ?? nil }
    return (type, elements[2].trimmedUTF8Range.lowerBound..<sequence.trimmedUTF8Range.upperBound)
  }

  private func setsDeferred(_ statement: StmtSyntax) -> Bool {
    guard !deferred.isEmpty else { return false }
    var names: Set<String> = []
    for token in statement.tokens(viewMode: .sourceAccurate) {
      if token.tokenKind == .equal, !names.isDisjoint(with: deferred.keys) { return true }
      // What stands before the sign in its statement: `x`, or `(x, y)`.
      if token.leadingTrivia.contains(where: \.isNewline) || token.tokenKind == .semicolon { names = [] }
      names.insert(token.plainName)
    }
    return false
  }

  // MARK: Closures

  /// The code becomes the body of a closure that has no value. The empty assignment before it keeps the compiler from
  /// taking a single `if` for the closure's value.
  ///
  /// In a closure, `catch` knows nothing of the type of what was thrown: that takes a function.
  private mutating func wrapStatement(_ node: Syntax, isFunction: Bool = false) {
    let range = node.trimmedUTF8Range
    edits.append(ResumptionMarks.edits(for: node))
    let opening =
      isFunction
      ? "do { @MainActor func \(Self.function)() async throws { "
      : "try __await({ @MainActor () async throws -> Void in _ = (); "
    edits.insert(opening, at: range.lowerBound, .statementBefore)
    edits.insert(isFunction ? " }; try __await(\(Self.function)) }" : " })", at: range.upperBound, .statementAfter)
  }

  /// The name may be seen: `#function` of a default argument has it.
  static let function = "top_level"

  /// The value is made as a variable of the closure, of the type that it has outside.
  private mutating func wrapValue(_ value: ExprSyntax, type: String? = nil) {
    if awaits(value) { wrapValue(value.trimmedUTF8Range, type: type) }
  }

  private mutating func wrapValue(_ range: Range<Int>, type: String? = nil) {
    let annotation = type.map { ": \($0)" } ?? ""
    edits.insert("try __await({ @MainActor in let __v\(annotation) = ", at: range.lowerBound, .innerOpening)
    edits.insert("; return __v })", at: range.upperBound, .innerClosing)
  }

  /// A type in one line; `nil` for `some P`, which the closure's own variable can't stand for.
  static func annotation(_ type: TypeSyntax) -> String? {
    if type.tokens(viewMode: .sourceAccurate).contains(where: { $0.tokenKind == .keyword(.some) }) { return nil }
    return type.tokens(viewMode: .sourceAccurate).map { token in
      token.text
        + (token.trailingTrivia.isEmpty && token.nextToken(viewMode: .sourceAccurate)?.leadingTrivia.isEmpty == true
          ? "" : " ")
    }.joined()
  }
}

/// Whether a node holds an `await` that belongs to its own level of code, outside of closures and functions, which may
/// be asynchronous themselves.
final class AwaitSearch: SyntaxAnyVisitor {
  private var isFound = false

  static func finds(in node: some SyntaxProtocol) -> Bool {
    let search = AwaitSearch(viewMode: .sourceAccurate)
    search.walk(node)
    return search.isFound
  }

  override func visitAny(_ node: Syntax) -> SyntaxVisitorContinueKind {
    if isFound || node.isOtherCode { return .skipChildren }
    isFound =
      node.is(AwaitExprSyntax.self) || node.as(ForStmtSyntax.self)?.awaitKeyword != nil
      || node.as(VariableDeclSyntax.self)?.isAsyncLet == true
    return isFound ? .skipChildren : .visitChildren
  }
}

/// Whether a statement has a `catch` at its own level of code whose error's type is found by the compiler.
private final class CatchSearch: SyntaxAnyVisitor {
  private var isFound = false

  static func finds(in node: some SyntaxProtocol) -> Bool {
    let search = CatchSearch(viewMode: .sourceAccurate)
    search.walk(node)
    return search.isFound
  }

  override func visitAny(_ node: Syntax) -> SyntaxVisitorContinueKind {
    if isFound || node.isOtherCode { return .skipChildren }
    if let node = node.as(DoStmtSyntax.self), !node.catchClauses.isEmpty, node.throwsClause == nil { isFound = true }
    return .visitChildren
  }
}
