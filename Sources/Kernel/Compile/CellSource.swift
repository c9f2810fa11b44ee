import SwiftParser
import SwiftSyntax

/// A cell's text made ready for the compiler: what it declares, and the text with the kernel's own additions.
package struct CellSource: Sendable {
  /// The user's text, with `\n` line ends.
  package let original: String
  package let names: DeclaredNames
  package let edited: EditedSource
  /// Whether the last expression's value is sent as a result.
  package let hasResult: Bool
  /// Steps of top-level code, one after each variable declaration.
  package let stepCount: Int
  /// Whether the parser found errors; the compiler then gets the text as it is.
  package let hasErrors: Bool
  /// Nothing but comments and space.
  package let isEmpty: Bool

  package init(_ text: String) {
    let text = text.replacing("\r\n", with: "\n").replacing("\r", with: "\n")
    original = text
    let tree = Parser.parse(source: text)
    hasErrors = tree.hasError
    isEmpty = tree.statements.isEmpty && !tree.hasError
    var names = DeclaredNames()
    names.mentioned = Self.mentioned(in: tree)
    guard !hasErrors else {
      self.names = names
      edited = SourceEdits().apply(to: text)
      hasResult = false
      stepCount = 0
      return
    }

    var rewriter = AwaitRewriter()
    var edits = SourceEdits()
    // Bound by `async let`: their values come last.
    var late: [String] = []
    var steps = 0
    var result: ExprSyntax?
    for (index, item) in tree.statements.enumerated() {
      rewriter.rewrite(item)
      let end = item.item.trimmedUTF8Range.upperBound
      switch item.item {
      case .decl(let declaration):
        guard let variable = declaration.as(VariableDeclSyntax.self) else {
          names.add(declaration, step: nil)
          break
        }
        if variable.isAsyncLet {
          late += variable.bindings.flatMap { Kernel.names(in: $0.pattern) }
          break
        }
        steps += 1
        names.add(declaration, step: steps)
        edits.insert("; __reached(\(steps))", at: end, .after)
      case .stmt(let statement):
        guard let bound = (statement.as(GuardStmtSyntax.self)?.conditions).map(Self.bound), !bound.isEmpty else {
          break
        }
        steps += 1
        names.add(bound, step: steps)
        edits.insert("; __reached(\(steps))", at: end, .after)
      case .expr(let expression):
        if index == tree.statements.count - 1, Self.hasValue(expression) { result = expression }
      }
    }
    let last = tree.statements.trimmedUTF8Range.upperBound
    if !late.isEmpty {
      steps += 1
      names.add(late, step: steps)
      edits.insert(rewriter.remaining() + "; __reached(\(steps))", at: last, .after)
    }
    Self.liftPrivate(in: tree, &edits)
    if let result {
      edits.insert("__result(", at: result.trimmedUTF8Range.lowerBound, .outerOpening)
      edits.insert(")", at: result.trimmedUTF8Range.upperBound, .outerClosing)
    }
    edits.append(rewriter.edits)
    self.names = names
    edited = edits.apply(to: text)
    hasResult = result != nil
    stepCount = steps
  }

  private static func mentioned(in tree: SourceFileSyntax) -> Set<String> {
    var names: Set<String> = []
    for token in tree.tokens(viewMode: .sourceAccurate) {
      switch token.tokenKind {
      case .identifier(let name): names.insert(name.trimmingBackticks)
      case .binaryOperator(let name), .prefixOperator(let name), .postfixOperator(let name): names.insert(name)
      // `$x` is the projection of a property wrapper on `x`.
      case .dollarIdentifier(let name): names.insert(String(name.dropFirst()))
      default: break
      }
    }
    return names
  }

  /// Names that `guard let a = …, case .some(let b) = …` adds to the top level.
  private static func bound(by conditions: ConditionElementListSyntax) -> [String] {
    conditions.flatMap { element -> [String] in
      switch element.condition {
      case .optionalBinding(let binding): Kernel.names(in: binding.pattern)
      case .matchingPattern(let pattern): Kernel.names(in: pattern.pattern)
      default: []
      }
    }
  }

  /// Assignments and compiler directives are expressions to the parser, but show nothing.
  private static func hasValue(_ expression: ExprSyntax) -> Bool {
    if let sequence = expression.as(SequenceExprSyntax.self) {
      return !sequence.elements.contains { $0.is(AssignmentExprSyntax.self) }
    }
    if let macro = expression.as(MacroExpansionExprSyntax.self) {
      return !["warning", "error", "sourceLocation"].contains(macro.macroName.text)
    }
    return !expression.is(DiscardAssignmentExprSyntax.self)
  }

  /// Access is unchecked in cells, and a later cell that uses a private declaration crashes the compiler: the words
  /// `private` and `fileprivate` become spaces.
  private static func liftPrivate(in tree: SourceFileSyntax, _ edits: inout SourceEdits) {
    for token in tree.tokens(viewMode: .sourceAccurate) {
      guard token.tokenKind == .keyword(.private) || token.tokenKind == .keyword(.fileprivate),
        let modifier = token.parent?.as(DeclModifierSyntax.self)
      else { continue }
      let range = modifier.trimmedUTF8Range
      edits.replace(range, with: String(repeating: " ", count: range.count))
    }
  }
}
