import SwiftSyntax

/// A top-level variable whose value may be released when it's declared again: the cell tells the host its type, once it
/// has its value.
package struct HeldVariable: Sendable, Equatable {
  package var name: String
  /// Its number among those of its cell.
  package var index: Int
  /// A type, for a variable that gets its value later than it's declared.
  fileprivate var type: String?

  /// The calls that mark a step and tell the host of variables: see CellSupport. One statement costs the compiler about as
  /// much as another, whatever it does, so the mark takes the first of the variables along.
  static func calls(marking step: Int, _ variables: [HeldVariable]) -> String {
    let first = variables.first { $0.type == nil }
    let mark = first.map { "__reachedHolding(\(step), \($0.index), `\($0.name)`)" } ?? "__reached(\(step))"
    let rest = variables.filter { $0.index != first?.index }.map { variable in
      variable.type.map { "__holdsType(\(variable.index), (\($0)).self)" }
        ?? "__holds(\(variable.index), `\(variable.name)`)"
    }
    return ([mark] + rest).joined(separator: "; ")
  }

  init(name: String, index: Int, type: String? = nil) {
    self.name = name
    self.index = index
    self.type = type
  }

  /// Those of a declaration, without the ones that hold nothing worth a release (a number) and those of which it can't be
  /// told what they hold (`weak`, attributes).
  static func found(in node: VariableDeclSyntax, _ names: inout DeclaredNames) -> [HeldVariable] {
    let first = names.variables.count
    let refers = node.modifiers.contains {
      [.keyword(.weak), .keyword(.unowned)].contains($0.name.tokenKind)
    }
    guard node.attributes.isEmpty, !refers else {
      names.unknownVariables.formUnion(node.bindings.flatMap { Kernel.names(in: $0.pattern) })
      return []
    }
    let isConstant = node.bindingSpecifier.tokenKind == .keyword(.let)
    var found: [HeldVariable] = []
    for binding in node.bindings where !binding.isComputed {
      guard let value = binding.initializer?.value else {
        if let type = binding.typeAnnotation?.type, let name = Kernel.names(in: binding.pattern).first {
          let unwrapped = type.as(ImplicitlyUnwrappedOptionalTypeSyntax.self).map {
            "\($0.wrappedType.trimmedDescription)?"
          }
          found.append(
            HeldVariable(name: name, index: first + found.count, type: unwrapped ?? type.trimmedDescription))
        }
        continue
      }
      if Self.isPlain(value, type: binding.typeAnnotation?.type, isConstant: isConstant) { continue }
      for name in Kernel.names(in: binding.pattern) {
        found.append(HeldVariable(name: name, index: first + found.count))
      }
    }
    return found
  }

  /// Whether the value surely takes no memory beside the variable's own.
  private static func isPlain(_ value: ExprSyntax, type: TypeSyntax?, isConstant: Bool) -> Bool {
    if let type, !numbers.contains(type.trimmedDescription) { return false }
    if value.is(IntegerLiteralExprSyntax.self) || value.is(FloatLiteralExprSyntax.self)
      || value.is(BooleanLiteralExprSyntax.self)
    {
      return true
    }
    // `Int(x)`
    if type == nil, let call = value.as(FunctionCallExprSyntax.self),
      let name = call.calledExpression.as(DeclReferenceExprSyntax.self)?.baseName.text, numbers.contains(name)
    {
      return true
    }
    guard isConstant else { return false }
    if let text = value.as(StringLiteralExprSyntax.self) {
      return text.segments.allSatisfy { $0.is(StringSegmentSyntax.self) }
    }
    return value.as(ClosureExprSyntax.self).map { $0.signature?.capture == nil } ?? false
  }

  private static let numbers: Set = ["Bool", "Double", "Float", "Int", "Int32", "Int64", "UInt", "UInt8"]
}

extension PatternBindingSyntax {
  /// Without storage of its own.
  fileprivate var isComputed: Bool {
    switch accessorBlock?.accessors {
    case nil: false
    case .getter: true
    case .accessors(let list):
      !list.allSatisfy {
        [.keyword(.willSet), .keyword(.didSet)].contains($0.accessorSpecifier.tokenKind)
      }
    }
  }
}
