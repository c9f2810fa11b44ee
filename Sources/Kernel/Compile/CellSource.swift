import SwiftSyntax

/// A cell's text made ready for the compiler: what it declares, and the text with the kernel's own additions.
package struct CellSource: Sendable {
  /// The user's text, with `\n` line ends.
  package let original: String
  package let names: DeclaredNames
  package let edited: EditedSource
  /// Whether the last expression's value is sent as a result.
  package let hasResult: Bool
  /// Whether the cell ends in an `if` or `switch` that may be an expression: only the compiler can tell.
  package let isTentative: Bool
  /// Steps of top-level code, one after each variable declaration.
  package let stepCount: Int
  /// Whether the parser found errors; the compiler then gets the text as it is.
  package let hasErrors: Bool
  /// Whether top-level code may catch an error that is thrown in it.
  package let catchesErrors: Bool
  /// Nothing but comments and space.
  package let isEmpty: Bool
  /// Whether the top level awaits anything: `edited` then holds closures in place of that.
  let isAsynchronous: Bool
  /// Bytes of `original` whose value is the cell's result.
  let resultRange: Range<Int>

  /// Which additions the text was given.
  private let additions: Additions

  /// What the kernel adds so that a cell does in a notebook what people expect. Whether the compiler takes an addition
  /// can't always be told beforehand.
  package struct Additions: OptionSet, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    /// The value of the last expression is sent.
    package static let result = Additions(rawValue: 1)
    /// That of an `if` or `switch` too.
    package static let controlFlowResult = Additions(rawValue: 2)
    /// Later cells read the constants of an actor without `await`.
    package static let openActors = Additions(rawValue: 4)
    package static let all: Additions = [.result, .controlFlowResult, .openActors]
  }

  package init(_ text: String) { self = onDeepStack(for: text) { CellSource($0, .all) } }

  package var opensActors: Bool { names.hasActors && additions.contains(.openActors) }

  /// The same cell with fewer additions.
  package func without(_ left: Additions) -> CellSource {
    onDeepStack(for: original) { CellSource($0, additions.subtracting(left)) }
  }

  private init(_ text: String, _ additions: Additions) {
    self.additions = additions
    let text = Self.plain(text)
    original = text
    var names = DeclaredNames()
    let whole = parsed(text)
    if let whole { Self.look(through: whole, &names) }
    guard let tree = whole, !tree.hasError else {
      hasErrors = true
      isEmpty = false
      self.names = names
      edited = SourceEdits().apply(to: text)
      hasResult = false
      isTentative = false
      stepCount = 0
      isAsynchronous = false
      resultRange = 0..<0
      catchesErrors = true
      return
    }
    hasErrors = false
    isEmpty = tree.statements.isEmpty

    var rewriter = AwaitRewriter(tree)
    var edits = SourceEdits()
    var steps = Steps(itemCount: tree.statements.count)
    var result: ExprSyntax?
    var tentative: StmtSyntax?
    for (index, item) in tree.statements.enumerated() {
      rewriter.rewrite(item)
      names.uses.add(item)
      let end = item.item.trimmedUTF8Range.upperBound
      switch item.item {
      case .decl(let declaration):
        guard let variable = declaration.as(VariableDeclSyntax.self) else {
          names.add(declaration, step: nil)
          break
        }
        // Those are declared at the end.
        if variable.isAsyncLet { break }
        if !variable.isCertain { steps.close(&edits) }
        if variable.awaitsItsValue {
          edits.insert("__keep(); ", at: item.positionAfterSkippingLeadingTrivia.utf8Offset, .statementBefore)
        }
        names.add(declaration, step: steps.open(end: end))
        steps.hold(HeldVariable.found(in: variable, &names), &names)
        if !variable.isCertain { steps.close(&edits) }
      case .stmt(let statement):
        steps.close(&edits)
        if additions.contains(.controlFlowResult), index == tree.statements.count - 1, statement.mayBeValue {
          tentative = statement
        }
        guard let node = statement.as(GuardStmtSyntax.self) else { break }
        let (bound, declarations) = GuardRewriter.rewrite(node, &edits)
        guard !bound.isEmpty else { break }
        edits.insert(declarations, at: end, .outerClosing)
        names.add(bound, step: steps.open(end: end))
        steps.hold(bound, &names)
      case .expr(let expression):
        steps.close(&edits)
        if additions.contains(.result), index == tree.statements.count - 1, Self.hasValue(expression) {
          result = expression
        }
      }
    }
    steps.close(&edits, always: true)
    let last = tree.statements.trimmedUTF8Range.upperBound
    for (bound, text) in rewriter.asyncLets.ending() {
      names.add(bound, step: steps.open(end: last))
      steps.hold(bound, &names)
      edits.insert(text, at: last, .after)
      steps.close(&edits, always: true)
    }
    Self.liftPrivate(in: tree, &edits)
    let workItem = "DispatchWorkItem"
    if names.mentioned.contains(workItem), !names.declarations.contains(where: { $0.name == workItem }) {
      edits.append(WorkItemRewriter.edits(for: tree))
    }
    if text.contains("#function") { edits.append(PlaceRewriter.edits(for: tree)) }
    // Most cells have none, which is seen in their words.
    if additions.contains(.openActors), names.hasActors { edits.append(ActorLetRewriter.edits(for: tree)) }
    if let result {
      edits.insert("__result(", at: result.trimmedUTF8Range.lowerBound, .outerOpening)
      edits.insert(")", at: result.trimmedUTF8Range.upperBound, .outerClosing)
    }
    if let tentative {
      edits.insert("let __value = ", at: tentative.trimmedUTF8Range.lowerBound, .outerOpening)
      edits.insert("; __result(__value)", at: tentative.trimmedUTF8Range.upperBound, .outerClosing)
    }
    edits.append(rewriter.edits)
    self.names = names
    edited = edits.apply(to: text)
    hasResult = result != nil || tentative != nil
    isTentative = tentative != nil
    stepCount = steps.count
    isAsynchronous = rewriter.isNeeded
    resultRange = (result.map { Syntax($0) } ?? tentative.map { Syntax($0) })?.trimmedUTF8Range ?? 0..<0
    catchesErrors = Self.catchesErrors(in: tree)
  }

  /// Whether there is a `catch`, `try?` or `try!` anywhere: those of functions count as well, for nothing is lost by it.
  private static func catchesErrors(in tree: SourceFileSyntax) -> Bool {
    tree.tokens(viewMode: .sourceAccurate).contains { token in
      if token.tokenKind == .keyword(.catch) { return true }
      return token.parent?.as(TryExprSyntax.self)?.questionOrExclamationMark != nil
    }
  }

  /// The user's text, unchanged, as the compiler's judgement of it is read.
  var unedited: EditedSource { SourceEdits().apply(to: original) }

  /// One kind of line end, and neither a byte order mark nor the line that a script begins with.
  private static func plain(_ text: String) -> String {
    var text = text.replacing("\r\n", with: "\n").replacing("\r", with: "\n")
    if text.unicodeScalars.first == "\u{FEFF}" { text.unicodeScalars.removeFirst() }
    // Its place is kept, so that lines keep their numbers.
    return text.hasPrefix("#!") ? "//" + text.dropFirst(2) : text
  }

  /// Notes what is told by single words wherever they stand.
  private static func look(through tree: SourceFileSyntax, _ names: inout DeclaredNames) {
    for token in tree.tokens(viewMode: .sourceAccurate) {
      switch token.tokenKind {
      case .identifier(let name):
        names.mentioned.insert(name.trimmingBackticks)
        if ["inlinable", "usableFromInline", "frozen"].contains(name) { names.hasPublic = true }
      case .binaryOperator(let name), .prefixOperator(let name), .postfixOperator(let name):
        names.mentioned.insert(name)
      // The parser has kinds of their own for these where they could be something else.
      case .leftAngle, .rightAngle, .prefixAmpersand: names.mentioned.insert(token.text)
      // Patterns are matched by an operator that nobody writes.
      case .keyword(.case), .keyword(.catch): names.mentioned.insert("~=")
      // `$x` is the projection of a property wrapper on `x`.
      case .dollarIdentifier(let name): names.mentioned.insert(String(name.dropFirst()))
      case .keyword(.public), .keyword(.open): names.hasPublic = true
      case .keyword(.actor): names.hasActors = true
      case .colon where token.parent?.is(InheritanceClauseSyntax.self) == true: names.hasInheritance = true
      default: break
      }
    }
  }

  /// Assignments and compiler directives are expressions to the parser, but show nothing.
  fileprivate static func hasValue(_ expression: ExprSyntax) -> Bool {
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

/// Marks in a cell's top-level code that tell how far it came: variables behind the last one reached have no value.
///
/// The compiler's time grows with every statement of a script, so declarations that can't fail share a mark, and a
/// very long cell gets fewer: a failure in it may then forget some variables that had their value.
private struct Steps {
  private(set) var count = 0
  private let stride: Int
  private var pending = 0
  private var end: Int?
  /// Told to the host behind the next mark.
  private var held: [HeldVariable] = []

  init(itemCount: Int) { stride = max(1, itemCount / 200) }

  /// The step to which a declaration belongs that ends at `end`.
  mutating func open(end: Int) -> Int {
    self.end = end
    pending += 1
    return count + 1
  }

  mutating func hold(_ variables: [HeldVariable], _ names: inout DeclaredNames) {
    names.variables += variables
    held += variables
  }

  mutating func hold(_ bound: [String], _ names: inout DeclaredNames) {
    for name in bound { hold([HeldVariable(name: name, index: names.variables.count)], &names) }
  }

  /// Ends the step, with a mark behind the last declaration.
  mutating func close(_ edits: inout SourceEdits, always: Bool = false) {
    guard let end, always || pending >= stride else { return }
    count += 1
    edits.insert("; " + HeldVariable.calls(marking: count, held), at: end, .after)
    held = []
    self.end = nil
    pending = 0
  }
}

extension StmtSyntax {
  /// Whether every way through an `if` or `switch` is one expression.
  fileprivate var mayBeValue: Bool {
    self.as(ExpressionStmtSyntax.self).map { Self.mayBeValue($0.expression) } ?? false
  }

  private static func mayBeValue(_ expression: ExprSyntax) -> Bool {
    if let node = expression.as(IfExprSyntax.self) {
      switch node.elseBody {
      case .ifExpr(let other): return mayBeValue(node.body.statements) && mayBeValue(ExprSyntax(other))
      case .codeBlock(let block): return mayBeValue(node.body.statements) && mayBeValue(block.statements)
      case nil: return false
      }
    }
    guard let node = expression.as(SwitchExprSyntax.self) else { return false }
    return node.cases.allSatisfy { $0.as(SwitchCaseSyntax.self).map { mayBeValue($0.statements) } ?? false }
  }

  private static func mayBeValue(_ items: CodeBlockItemListSyntax) -> Bool {
    guard items.count == 1, let item = items.first?.item else { return false }
    switch item {
    case .expr(let expression): return CellSource.hasValue(expression)
    case .stmt(let statement): return statement.mayBeValue || statement.is(ThrowStmtSyntax.self)
    case .decl: return false
    }
  }
}

extension VariableDeclSyntax {
  /// Whether the variable's value is just what an `await` returns: `let x = try await f()`.
  fileprivate var awaitsItsValue: Bool {
    guard bindings.count == 1, let value = bindings.first?.initializer?.value else { return false }
    if value.is(AwaitExprSyntax.self) { return true }
    guard let attempt = value.as(TryExprSyntax.self), attempt.questionOrExclamationMark == nil else { return false }
    return attempt.expression.is(AwaitExprSyntax.self)
  }

  /// Whether it can be seen that nothing goes wrong in computing the value.
  fileprivate var isCertain: Bool {
    attributes.isEmpty
      && bindings.allSatisfy { binding in
        guard let value = binding.initializer?.value else { return true }
        if let text = value.as(StringLiteralExprSyntax.self) {
          return text.segments.allSatisfy { $0.is(StringSegmentSyntax.self) }
        }
        return value.is(IntegerLiteralExprSyntax.self) || value.is(FloatLiteralExprSyntax.self)
          || value.is(BooleanLiteralExprSyntax.self) || value.is(ClosureExprSyntax.self)
          || value.is(NilLiteralExprSyntax.self)
      }
  }
}
