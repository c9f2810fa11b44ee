import SwiftSyntax

/// Where a cell uses names: in straight code, which has ended when the cell has, or in code that may run later.
///
/// A value that was declared again is released when nothing can reach it any more. What isn't certain counts as a use
/// that lasts.
package struct NameUses: Sendable, Equatable {
  /// In closures, types, extensions, accessors and local functions.
  package var lasting: Set<String> = []
  /// In closures that are called before their statement ends, by the name of the function they are given to: unless a
  /// cell has declared a function of that name.
  package var passing: [String: Set<String>] = [:]
  /// In the body of a top-level function, by its name.
  package var functions: [String: Set<String>] = [:]
  /// Functions used as values, and not only called.
  package var values: Set<String> = []
  /// Next to an `await`: when the cell was stopped there, a task may go on.
  package var awaited: Set<String> = []
  /// Where a pointer to the variable may have been kept.
  package var pointed: Set<String> = []
  /// Given with `&` to a function of this name: a pointer, if that is what the function takes.
  package var given: [String: Set<String>] = [:]
  /// All names of functions and types that the cell declares, at any depth.
  package var declared: Set<String> = []

  package init() {}

  mutating func add(_ item: CodeBlockItemSyntax) {
    switch item.item {
    case .decl(let declaration):
      if let node = declaration.as(FunctionDeclSyntax.self) {
        addFunction(node)
      } else if let node = declaration.as(VariableDeclSyntax.self), !node.isAsyncLet {
        addStraight(Syntax(node))
      } else if !declaration.is(ImportDeclSyntax.self) {
        addDeclaration(Syntax(declaration))
      }
    case .stmt(let node): addStraight(Syntax(node))
    case .expr(let node): addStraight(Syntax(node))
    }
  }

  private mutating func addFunction(_ node: FunctionDeclSyntax) {
    declared.insert(node.name.plainName)
    switch node.name.tokenKind {
    case .binaryOperator, .prefixOperator, .postfixOperator: return addDeclaration(Syntax(node))
    default: break
    }
    // What straight code of the body uses is used as long as somebody can call the function.
    var body = NameUses()
    body.addStraight(Syntax(node))
    // A parameter hides what has its name, except where its own default value is worked out.
    let parameters = node.signature.parameterClause.parameters
    var names = node.body.map { Self.identifiers(in: Syntax($0)) } ?? []
    names.subtract(parameters.map { ($0.secondName ?? $0.firstName).plainName })
    for parameter in parameters { names.formUnion(Self.identifiers(in: Syntax(parameter))) }
    functions[node.name.plainName, default: []].formUnion(names)
    lasting.formUnion(body.lasting)
    values.formUnion(body.values)
    pointed.formUnion(body.pointed)
    declared.formUnion(body.declared)
    for (callee, names) in body.passing { passing[callee, default: []].formUnion(names) }
    // What becomes of a result isn't followed through functions.
    for mapping in body.mappings { lasting.formUnion(mapping.names) }
    for (callee, names) in body.given { given[callee, default: []].formUnion(names) }
  }

  private mutating func addDeclaration(_ node: Syntax) {
    lasting.formUnion(Self.identifiers(in: node))
    let finder = DeclaredFinder(viewMode: .sourceAccurate)
    finder.walk(node)
    declared.formUnion(finder.names)
  }

  private mutating func addStraight(_ node: Syntax) {
    let finder = UseFinder(uses: self)
    finder.walkContents(of: node)
    self = finder.uses
    if finder.keepsPointer { pointed.formUnion(Self.identifiers(in: node)) }
  }

  /// The names that a node refers to: not those that it declares, nor members.
  static func identifiers(in node: Syntax) -> Set<String> {
    let finder = ReferenceFinder(viewMode: .sourceAccurate)
    finder.walk(node)
    return finder.names
  }

  /// A closure given to `map` and its like, whose result may be lazy and keep it.
  package struct Mapping: Sendable, Equatable {
    var callee: String
    var names: Set<String>
    /// Variables that got the result; their types tell whether it's lazy.
    var results: [String]
  }
  /// Closures whose value was shown at once or lies in variables.
  package var mappings: [Mapping] = []
}

private final class ReferenceFinder: SyntaxVisitor {
  var names: Set<String> = []
  override func visit(_ node: DeclReferenceExprSyntax) -> SyntaxVisitorContinueKind {
    let isMember = node.parent?.as(MemberAccessExprSyntax.self).map { $0.declName.id == node.id } ?? false
    if !isMember { names.insert(node.baseName.plainName) }
    return .visitChildren
  }
  // `[x]` and `if let x` name what they refer to once.
  override func visit(_ node: ClosureCaptureSyntax) -> SyntaxVisitorContinueKind {
    names.insert(node.name.plainName)
    return .visitChildren
  }
  override func visit(_ node: OptionalBindingConditionSyntax) -> SyntaxVisitorContinueKind {
    if node.initializer == nil { names.formUnion(Kernel.names(in: node.pattern)) }
    return .visitChildren
  }
}

/// Looks through a statement for code that outlives it.
private final class UseFinder: SyntaxVisitor {
  var uses: NameUses
  private var makesPointer = false
  private var assigns = false
  /// A pointer was made in the statement, and it may lie in a variable now.
  var keepsPointer: Bool { makesPointer && assigns }
  private var root: Syntax?

  init(uses: NameUses) {
    self.uses = uses
    super.init(viewMode: .sourceAccurate)
  }

  func walkContents(of node: Syntax) {
    root = node
    if node.is(VariableDeclSyntax.self) { assigns = true }
    walk(node)
  }

  private func last(_ node: some SyntaxProtocol) -> SyntaxVisitorContinueKind {
    uses.lasting.formUnion(NameUses.identifiers(in: Syntax(node)))
    return .skipChildren
  }

  override func visit(_ node: ClosureExprSyntax) -> SyntaxVisitorContinueKind {
    let inner = UseFinder(uses: NameUses())
    inner.walkContents(of: Syntax(node.statements))
    makesPointer = makesPointer || inner.makesPointer
    assigns = assigns || inner.assigns
    // `{ $0 }` hands on what it was given, a pointer too.
    if makesPointer, node.statements.count <= 1 { assigns = assigns || node.statements.trimmedDescription == "$0" }
    guard node.signature?.capture == nil, let callee = callee(of: node) else { return last(node) }
    if Self.mapping.contains(callee) {
      guard let results = results(of: node) else { return last(node) }
      let names = NameUses.identifiers(in: Syntax(node))
      uses.mappings.append(NameUses.Mapping(callee: callee, names: names, results: results))
      uses.lasting.formUnion(inner.uses.lasting)
    } else if callee.isEmpty {
      uses.lasting.formUnion(inner.uses.lasting)
    } else {
      uses.passing[callee, default: []].formUnion(NameUses.identifiers(in: Syntax(node)))
      uses.lasting.formUnion(inner.uses.lasting)
    }
    for mapping in inner.uses.mappings { uses.lasting.formUnion(mapping.names) }
    uses.values.formUnion(inner.uses.values)
    uses.pointed.formUnion(inner.uses.pointed)
    return .skipChildren
  }

  /// The function that a closure is given to, where it surely is one that doesn't keep it; empty for a closure that is
  /// called where it stands.
  private func callee(of node: ClosureExprSyntax) -> String? {
    let call: FunctionCallExprSyntax?
    if let parent = node.parent?.as(FunctionCallExprSyntax.self) {
      if parent.calledExpression.id == node.id { return "" }
      call = parent.trailingClosure?.id == node.id ? parent : nil
    } else if let argument = node.parent?.as(LabeledExprSyntax.self) {
      call = argument.parent?.parent?.as(FunctionCallExprSyntax.self)
    } else {
      call = nil
    }
    guard let name = call?.calledExpression.as(MemberAccessExprSyntax.self)?.declName.baseName.plainName else {
      return nil
    }
    return Self.immediate.contains(name) || Self.mapping.contains(name) ? name : nil
  }

  /// The variables that get a closure's result, none when it is only shown; `nil` when it may go elsewhere.
  private func results(of node: ClosureExprSyntax) -> [String]? {
    guard let root, root.parent?.parent?.parent?.is(SourceFileSyntax.self) == true else { return nil }
    if let variable = root.as(VariableDeclSyntax.self) {
      return variable.bindings.flatMap { Kernel.names(in: $0.pattern) }
    }
    var inner = Syntax(node)
    while inner != root {
      guard let outer = inner.parent else { return nil }
      if let call = outer.as(FunctionCallExprSyntax.self) {
        let name =
          call.calledExpression.as(MemberAccessExprSyntax.self)?.declName.baseName.plainName
          ?? call.calledExpression.as(DeclReferenceExprSyntax.self)?.baseName.plainName ?? ""
        guard Self.immediate.contains(name) || Self.mapping.contains(name) || Self.harmless.contains(name) else {
          return nil
        }
      } else if outer.is(CodeBlockItemSyntax.self) || outer.is(ClosureExprSyntax.self)
        || outer.is(SequenceExprSyntax.self)
      {
        return nil
      }
      inner = outer
    }
    return []
  }

  /// They keep nothing.
  private static let harmless: Set = [
    "Array", "Set", "String", "debugPrint", "dropFirst", "dropLast", "dump", "enumerated", "joined", "prefix", "print",
    "reversed", "suffix",
  ]
  private static let mapping: Set = [
    "compactMap", "compactMapValues", "drop", "filter", "flatMap", "map", "mapValues", "prefix",
  ]

  /// Members of the standard library that have called their closure when they return, also those of lazy and
  /// asynchronous sequences.
  private static let immediate: Set = [
    "allSatisfy", "contains", "first", "firstIndex", "forEach", "last", "lastIndex", "max", "min", "partition",
    "reduce",
    "removeAll", "sort", "sorted", "withLock", "withUnsafeBufferPointer", "withUnsafeBytes",
    "withUnsafeMutableBufferPointer", "withUnsafeMutableBytes",
  ]

  override func visit(_ node: AwaitExprSyntax) -> SyntaxVisitorContinueKind { awaiting(node) }
  override func visit(_ node: ForStmtSyntax) -> SyntaxVisitorContinueKind {
    node.awaitKeyword == nil ? .visitChildren : awaiting(node)
  }
  private func awaiting(_ node: some SyntaxProtocol) -> SyntaxVisitorContinueKind {
    uses.awaited.formUnion(NameUses.identifiers(in: Syntax(root ?? Syntax(node))))
    return .visitChildren
  }

  override func visit(_ node: InOutExprSyntax) -> SyntaxVisitorContinueKind {
    let names = NameUses.identifiers(in: Syntax(node))
    let call = node.parent?.parent?.parent?.as(FunctionCallExprSyntax.self)
    if let name = call?.calledExpression.as(DeclReferenceExprSyntax.self)?.baseName.plainName {
      uses.given[name, default: []].formUnion(names)
    } else {
      // A member's: of which type can't be told.
      uses.given["", default: []].formUnion(names)
    }
    return .visitChildren
  }

  override func visit(_ node: DeclReferenceExprSyntax) -> SyntaxVisitorContinueKind {
    let name = node.baseName.plainName
    let isCalled = node.parent?.as(FunctionCallExprSyntax.self)?.calledExpression.id == node.id
    if !isCalled { uses.values.insert(name) }
    if name.hasPrefix("Unsafe") || name.contains("unsafe") || name.hasPrefix("withUnsafe")
      || Self.pointers.contains(name)
    {
      makesPointer = true
      // Made by its initializer, or of a buffer that is named: it lasts longer than the call.
      if !name.hasPrefix("withUnsafe") { assigns = assigns || name.hasPrefix("Unsafe") || name == "baseAddress" }
    }
    return .visitChildren
  }
  private static let pointers: Set = ["OpaquePointer", "Unmanaged", "baseAddress", "passUnretained", "toOpaque"]

  override func visit(_ node: AssignmentExprSyntax) -> SyntaxVisitorContinueKind {
    assigns = true
    return .visitChildren
  }

  override func visit(_ node: VariableDeclSyntax) -> SyntaxVisitorContinueKind {
    if node.isAsyncLet { return last(node) }
    // Inside `if`, `for` and the like it ends with them, but a pointer's way can't be followed.
    if Syntax(node) != root { assigns = true }
    return .visitChildren
  }
  override func visit(_ node: AccessorBlockSyntax) -> SyntaxVisitorContinueKind { last(node) }
  override func visit(_ node: FunctionDeclSyntax) -> SyntaxVisitorContinueKind {
    if Syntax(node) == root { return .visitChildren }
    uses.declared.insert(node.name.plainName)
    return last(node)
  }
  override func visit(_ node: StructDeclSyntax) -> SyntaxVisitorContinueKind { last(node) }
  override func visit(_ node: ClassDeclSyntax) -> SyntaxVisitorContinueKind { last(node) }
  override func visit(_ node: EnumDeclSyntax) -> SyntaxVisitorContinueKind { last(node) }
  override func visit(_ node: ActorDeclSyntax) -> SyntaxVisitorContinueKind { last(node) }
  override func visit(_ node: ExtensionDeclSyntax) -> SyntaxVisitorContinueKind { last(node) }
  override func visit(_ node: MacroExpansionExprSyntax) -> SyntaxVisitorContinueKind { last(node) }
  override func visit(_ node: KeyPathExprSyntax) -> SyntaxVisitorContinueKind { last(node) }
}

/// Names of functions and types at any depth.
private final class DeclaredFinder: SyntaxVisitor {
  var names: Set<String> = []
  override func visit(_ node: FunctionDeclSyntax) -> SyntaxVisitorContinueKind {
    names.insert(node.name.plainName)
    return .visitChildren
  }
  override func visit(_ node: StructDeclSyntax) -> SyntaxVisitorContinueKind {
    names.insert(node.name.plainName)
    return .visitChildren
  }
  override func visit(_ node: ClassDeclSyntax) -> SyntaxVisitorContinueKind {
    names.insert(node.name.plainName)
    return .visitChildren
  }
}
