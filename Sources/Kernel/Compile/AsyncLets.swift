import SwiftSyntax

/// Top-level `async let`: each becomes a variable that holds the task, and each place that reads what it binds reads
/// the task's value instead. So a value is waited for where the user's text says so and nowhere else.
///
/// The compiler allows such reads only in the top-level code itself, never in a closure or function.
struct AsyncLets {
  private struct Started {
    let variable: String
    /// What the pattern binds, and where it is in the value: `.0` of `(a, b)`.
    let names: [(name: String, path: String)]
    var reading = Reading.none
  }
  /// How surely a cell that came to its end has waited for the value, surest first.
  private enum Reading: Int { case plain, guarded, none }

  private var started: [Started] = []

  /// Whether a node reads one of the names.
  func areRead(in node: some SyntaxProtocol) -> Bool { !started.isEmpty && !reads(in: Syntax(node)).isEmpty }

  mutating func start(_ node: VariableDeclSyntax, _ edits: inout SourceEdits) {
    for modifier in node.modifiers where modifier.name.tokenKind == .keyword(.async) {
      edits.replace(modifier.trimmedUTF8Range, with: "     ")
    }
    for binding in node.bindings {
      guard let value = binding.initializer?.value else { continue }
      let variable = "__async_\(started.count + 1)"
      edits.replace(binding.pattern.trimmedUTF8Range, with: variable)
      var type = ""
      if let annotation = binding.typeAnnotation {
        type = AwaitRewriter.annotation(annotation.type).map { ": \($0)" } ?? ""
        edits.replace(annotation.trimmedUTF8Range, with: annotation.trimmedDescription.blanked)
      }
      // Its own effects need no words in an `async let`; before an `if` they may not stand.
      let isBranching = value.is(IfExprSyntax.self) || value.is(SwitchExprSyntax.self)
      let effects = isBranching ? "" : "try await "
      edits.insert("__async({ let __v\(type) = \(effects)", at: value.trimmedUTF8Range.lowerBound, .innerOpening)
      edits.insert("; return __v })", at: value.trimmedUTF8Range.upperBound, .innerClosing)
      started.append(Started(variable: variable, names: Self.paths(in: binding.pattern)))
    }
  }

  /// Makes the reads in a top-level item reads of the tasks' values.
  mutating func rewriteReads(in item: CodeBlockItemSyntax, _ edits: inout SourceEdits) {
    guard !started.isEmpty else { return }
    for (node, name) in reads(in: Syntax(item)) {
      guard let index = started.lastIndex(where: { $0.names.contains { $0.name == name } }),
        let path = started[index].names.first(where: { $0.name == name })?.path
      else { continue }
      edits.replace(node.trimmedUTF8Range, with: "(try await \(started[index].variable).value\(path))")
      let reading = Self.reading(at: Syntax(node), in: Syntax(item))
      if reading.rawValue < started[index].reading.rawValue { started[index].reading = reading }
    }
  }

  /// Text for the end of the cell: what nobody waited for is cancelled, and then what has a value becomes a variable
  /// that later cells see. The first one without a value ends the cell, well.
  /// - Returns: groups of variables, each with the text that declares them, the surest first.
  func ending() -> [(names: [String], text: String)] {
    guard !started.isEmpty else { return [] }
    let ends = started.reversed().map { "; \($0.variable).end()" }.joined()
    let sorted = started.enumerated().sorted {
      ($0.element.reading.rawValue, $0.offset) < ($1.element.reading.rawValue, $1.offset)
    }
    return sorted.enumerated().map { index, started in
      let one = started.element
      let declared = one.names.map { "; let `\($0.name)` = try \(one.variable).kept()\($0.path)" }.joined()
      return (one.names.map(\.name), (index == 0 ? ends : "") + declared)
    }
  }

  // MARK: Names

  private static func paths(in pattern: PatternSyntax, _ path: String = "") -> [(name: String, path: String)] {
    if let node = pattern.as(IdentifierPatternSyntax.self) { return [(node.identifier.plainName, path)] }
    guard let tuple = pattern.as(TuplePatternSyntax.self) else { return [] }
    if tuple.elements.count == 1, let only = tuple.elements.first { return paths(in: only.pattern, path) }
    return tuple.elements.enumerated().flatMap { paths(in: $1.pattern, "\(path).\($0)") }
  }

  private func reads(in node: Syntax) -> [(node: DeclReferenceExprSyntax, name: String)] {
    let search = ReadSearch(names: Set(started.flatMap { $0.names.map(\.name) }), top: node)
    search.walk(node)
    return search.found
  }

  private static func reading(at node: Syntax, in item: Syntax) -> Reading {
    var current = node
    while current.id != item.id, let parent = current.parent {
      if parent.is(CodeBlockSyntax.self) || parent.is(SwitchCaseSyntax.self) { return .guarded }
      if parent.as(TryExprSyntax.self)?.questionOrExclamationMark != nil { return .guarded }
      current = parent
    }
    return .plain
  }
}

/// Finds where code of a level of its own reads certain variables, other ones of the same names left out.
private final class ReadSearch: SyntaxAnyVisitor {
  private let names: Set<String>
  private let top: Syntax
  private(set) var found: [(node: DeclReferenceExprSyntax, name: String)] = []

  init(names: Set<String>, top: Syntax) {
    self.names = names
    self.top = top
    super.init(viewMode: .sourceAccurate)
  }

  override func visitAny(_ node: Syntax) -> SyntaxVisitorContinueKind {
    if node.isOtherCode { return .skipChildren }
    guard let read = node.as(DeclReferenceExprSyntax.self) else { return .visitChildren }
    let name = read.baseName.plainName
    let isMember =
      node.parent?.as(MemberAccessExprSyntax.self)?.declName.id == read.id
      || node.parent?.is(KeyPathPropertyComponentSyntax.self) == true
    if names.contains(name), !isMember, !isHidden(name, at: node) { found.append((read, name)) }
    return .skipChildren
  }

  /// Whether a variable between the place and the top level has the name.
  private func isHidden(_ name: String, at node: Syntax) -> Bool {
    var current = node
    while current.id != top.id, let parent = current.parent {
      defer { current = parent }
      switch parent.as(SyntaxEnum.self) {
      case .codeBlockItemList(let items):
        for item in items {
          if item.id == current.id { break }
          if item.declares(name) { return true }
        }
      case .codeBlock:
        // What the head of a statement binds is there in its body.
        if let head = parent.parent, !head.is(GuardStmtSyntax.self), head.binds(name, before: parent) { return true }
      case .switchCase(let one) where !current.is(SwitchCaseLabelSyntax.self):
        if Syntax(one.label)?.binds(name, before: nil) == true { return true }
      case .conditionElementList(let conditions):
        for condition in conditions {
          if condition.id == current.id { break }
          if Syntax(condition).binds(name, before: nil) { return true }
        }
      default: break
      }
    }
    return false
  }
}

extension Syntax {
  /// Code that runs at another time than the code around it, or elsewhere.
  var isOtherCode: Bool {
    self.is(ClosureExprSyntax.self) || self.is(FunctionDeclSyntax.self) || self.is(AccessorBlockSyntax.self)
      || self.is(StructDeclSyntax.self) || self.is(ClassDeclSyntax.self) || self.is(EnumDeclSyntax.self)
      || self.is(ActorDeclSyntax.self) || self.is(ProtocolDeclSyntax.self) || self.is(ExtensionDeclSyntax.self)
      || self.is(MacroDeclSyntax.self)
  }

  /// Whether a pattern in the node binds a name; only as far as the child `end`.
  fileprivate func binds(_ name: String, before end: Syntax?) -> Bool {
    for token in tokens(viewMode: .sourceAccurate) {
      if let end, token.position >= end.position { return false }
      if token.plainName == name, token.parent?.is(IdentifierPatternSyntax.self) == true { return true }
    }
    return false
  }
}

extension CodeBlockItemSyntax {
  /// Whether it declares a name for the code behind it.
  fileprivate func declares(_ name: String) -> Bool {
    switch item {
    case .decl(let declaration):
      if let variable = declaration.as(VariableDeclSyntax.self) {
        return variable.bindings.contains { names(in: $0.pattern).contains(name) }
      }
      return declaration.asProtocol((any NamedDeclSyntax).self)?.name.plainName == name
    case .stmt(let statement):
      guard let node = statement.as(GuardStmtSyntax.self) else { return false }
      return Syntax(node).binds(name, before: Syntax(node.body))
    case .expr: return false
    }
  }
}

extension VariableDeclSyntax {
  var isAsyncLet: Bool { modifiers.contains { $0.name.tokenKind == .keyword(.async) } }
}

extension SyntaxProtocol {
  /// Bytes of the node without the trivia around it.
  var trimmedUTF8Range: Range<Int> {
    positionAfterSkippingLeadingTrivia.utf8Offset..<endPositionBeforeTrailingTrivia.utf8Offset
  }
}

extension String {
  /// Spaces and line ends in place of all bytes.
  fileprivate var blanked: String {
    String(decoding: utf8.map { $0 == UInt8(ascii: "\n") ? $0 : UInt8(ascii: " ") }, as: UTF8.self)
  }
}
