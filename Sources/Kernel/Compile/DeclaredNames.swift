import SwiftSyntax

/// What a cell adds to the session, and which names it mentions. Found in the syntax tree alone: types aren't known.
package struct DeclaredNames: Sendable, Equatable {
  /// A declaration that a later cell can import by name.
  package struct Declaration: Sendable, Equatable {
    /// As Swift's scoped imports spell it: `import struct M.name`.
    package enum Kind: String, Sendable { case `var`, `func`, `struct`, `class`, `enum`, `protocol`, `typealias` }
    package var name: String
    package var kind: Kind
    /// For variables: the step of top-level code after which it has its value.
    package var step: Int?
  }

  package var declarations: [Declaration] = []
  /// Modules that the cell imports, as written: `import Foundation`, `@testable import Numerics`.
  package var imports: [String] = []
  /// Every identifier and operator in the cell.
  package var mentioned: Set<String> = []
  /// `Type:Protocol` for conformances stated in extensions: the program may hold each only once.
  package var conformances: Set<String> = []
  /// `Type.member` for members added by extensions.
  package var extensionMembers: Set<String> = []
  /// Operators, precedence groups and macros, which can't be imported by name.
  package var operators: Set<String> = []
  /// Names of the operator functions in the bodies of types, nested types included: `+`. A scoped import of the type
  /// hides them. They have a scoped import of their own.
  package var memberOperators: Set<String> = []
  /// Operator functions at top level and directly in extensions. Two cells may declare the same one.
  package var addedOperators: Set<AddedOperator> = []
  /// Operator functions behind `#if` in the body of a type. Only the compiler can tell whether they are there.
  package var conditionalOperators: Set<String> = []
  /// Declarations whose presence only the compiler can tell (`#if`), so that the module is imported whole.
  package var hasConditional = false
  /// What extensions add, each by the first name of the extended type.
  package var additions: Set<Addition> = []
  /// Types or extensions state conformances or superclasses: members of other extensions may serve them unnamed.
  package var hasInheritance = false
  /// Variables whose values can be released.
  package var variables: [HeldVariable] = []
  /// Variables of which it can't be told what they hold.
  package var unknownVariables: Set<String> = []
  /// Where names are used.
  package var uses = NameUses()
  /// Declares for others than its own module: then the modules behind such a declaration have to be for others too.
  package var hasPublic = false
  /// Declares an actor, as far as its words tell.
  package var hasActors = false

  /// A member that an extension adds to a type.
  package struct Addition: Hashable, Sendable {
    /// `Array` of `Array<P>`; empty where the type has no name in front: `[P]`.
    package var type: String
    /// `nil` for what is used without being named: initializers, subscripts, operators, requirements of the language.
    package var member: String?

    init(type: String, member: String?) {
      self.type = type
      let isNamed = member?.unicodeScalars.first.map { $0 == "_" || $0.properties.isXIDStart } ?? false
      self.member = member.flatMap { isNamed && !Self.unnamed.contains($0) && !$0.hasPrefix("build") ? $0 : nil }
    }

    private static let unnamed: Set = [
      "appendInterpolation", "appendLiteral", "callAsFunction", "dynamicallyCall", "init", "makeAsyncIterator",
      "makeIterator", "next", "projectedValue", "subscript", "wrappedValue",
    ]
  }

  package struct AddedOperator: Hashable, Sendable {
    package var name: String
    /// As ``DeclaredNames/extensionMembers`` has it: `V.+`, or `func +` at top level.
    package var member: String
  }

  /// Whether later cells need the whole module rather than names from it.
  package var isImportedWhole: Bool {
    !conformances.isEmpty || !extensionMembers.isEmpty || !operators.isEmpty || !conditionalOperators.isEmpty
      || hasConditional
  }

  package init() {}

  /// Reads one top-level declaration.
  mutating func add(_ declaration: DeclSyntax, step: Int?) {
    func named(_ token: TokenSyntax, _ kind: Declaration.Kind) {
      declarations.append(Declaration(name: token.plainName, kind: kind, step: nil))
    }
    switch declaration.as(DeclSyntaxEnum.self) {
    case .importDecl(let node): imports.append(node.trimmedDescription.replacing("\n", with: " "))
    case .variableDecl(let node):
      for binding in node.bindings { add(names(in: binding.pattern), step: step) }
    case .functionDecl(let node):
      guard node.isOperator else { return named(node.name, .func) }
      let member = "func \(node.name.text)"
      extensionMembers.insert(member)
      addedOperators.insert(AddedOperator(name: node.name.text, member: member))
      additions.insert(Addition(type: "", member: nil))
    case .structDecl(let node): named(node.name, .struct)
    case .classDecl(let node): named(node.name, .class)
    case .actorDecl(let node): named(node.name, .class)
    case .enumDecl(let node): named(node.name, .enum)
    case .protocolDecl(let node): named(node.name, .protocol)
    case .typeAliasDecl(let node): named(node.name, .typealias)
    case .extensionDecl(let node): add(node)
    case .operatorDecl(let node): operators.insert("operator \(node.name.text)")
    case .precedenceGroupDecl(let node): operators.insert("precedencegroup \(node.name.text)")
    case .macroDecl(let node): operators.insert("macro \(node.name.text)")
    case .ifConfigDecl: hasConditional = true
    default: break
    }
    if let type = declaration.asProtocol((any DeclGroupSyntax).self), !declaration.is(ExtensionDeclSyntax.self) {
      addOperators(in: type.memberBlock.members)
    }
  }

  /// Reads the members of a type.
  private mutating func addOperators(in members: MemberBlockItemListSyntax, isConditional: Bool = false) {
    for member in members { addOperators(of: member.decl, isConditional: isConditional) }
  }

  private mutating func addOperators(of member: DeclSyntax, isConditional: Bool = false) {
    if let function = member.as(FunctionDeclSyntax.self) {
      guard function.isOperator else { return }
      if isConditional {
        conditionalOperators.insert(function.name.text)
      } else {
        memberOperators.insert(function.name.text)
      }
    } else if let type = member.asProtocol((any DeclGroupSyntax).self) {
      addOperators(in: type.memberBlock.members, isConditional: isConditional)
    } else if let condition = member.as(IfConfigDeclSyntax.self) {
      for clause in condition.clauses {
        if case .decls(let members) = clause.elements { addOperators(in: members, isConditional: true) }
      }
    }
  }

  mutating func add(_ names: [String], step: Int?) {
    declarations += names.map { Declaration(name: $0, kind: .var, step: step) }
  }

  private mutating func add(_ node: ExtensionDeclSyntax) {
    let type = node.extendedType.trimmedDescription
    let root = type.leadingName
    for inherited in node.inheritanceClause?.inheritedTypes ?? [] {
      for part in inherited.type.trimmedDescription.split(separator: "&") {
        conformances.insert("\(type):\(part.split(separator: " ").last ?? part)")
      }
    }
    // An extension without members (a conformance that asks for nothing) still has to be found.
    if node.inheritanceClause == nil { extensionMembers.insert("\(type).") }
    if node.memberBlock.members.isEmpty { additions.insert(Addition(type: root, member: nil)) }
    for member in node.memberBlock.members {
      let named = member.decl.asProtocol((any NamedDeclSyntax).self)?.name.plainName
      if let variable = member.decl.as(VariableDeclSyntax.self) {
        for name in variable.bindings.flatMap({ names(in: $0.pattern) }) {
          additions.insert(Addition(type: root, member: name))
        }
      } else {
        additions.insert(Addition(type: root, member: named))
      }
      switch member.decl.as(DeclSyntaxEnum.self) {
      case .functionDecl(let node):
        let member = "\(type).\(node.name.plainName)"
        extensionMembers.insert(member)
        if node.isOperator { addedOperators.insert(AddedOperator(name: node.name.text, member: member)) }
      case .variableDecl(let node):
        for binding in node.bindings {
          for name in names(in: binding.pattern) { extensionMembers.insert("\(type).\(name)") }
        }
      case .initializerDecl(let node):
        extensionMembers.insert("\(type).init\(node.signature.parameterClause.trimmedDescription)")
      case .subscriptDecl(let node):
        extensionMembers.insert("\(type).subscript\(node.parameterClause.trimmedDescription)")
      default:
        if let named = member.decl.asProtocol((any NamedDeclSyntax).self) {
          extensionMembers.insert("\(type).\(named.name.plainName)")
        }
        addOperators(of: member.decl)
      }
    }
  }
}

extension FunctionDeclSyntax {
  fileprivate var isOperator: Bool {
    switch name.tokenKind {
    case .binaryOperator, .prefixOperator, .postfixOperator: true
    default: false
    }
  }
}

/// The variables that a pattern binds: `a` and `b` of `(a, b)`.
func names(in pattern: some PatternSyntaxProtocol) -> [String] {
  pattern.tokens(viewMode: .sourceAccurate).compactMap { token in
    token.parent?.is(IdentifierPatternSyntax.self) == true ? token.plainName : nil
  }
}

extension TokenSyntax {
  /// Without the backticks of `` `default` ``.
  var plainName: String { text.trimmingBackticks }
}

extension String {
  var trimmingBackticks: String {
    count > 2 && hasPrefix("`") && hasSuffix("`") ? String(dropFirst().dropLast()) : self
  }

  /// The name that a type's spelling begins with: `Outer` of `Outer.Inner<P>`; empty for `[P]`.
  var leadingName: String {
    let text = hasPrefix("`") ? dropFirst() : self[...]
    return String(text.unicodeScalars.prefix { $0 == "_" || $0.properties.isXIDContinue })
  }
}
