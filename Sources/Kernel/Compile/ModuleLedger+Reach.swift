/// What an import by name doesn't bring: members that extensions add, conformances, operators.
extension ModuleLedger {
  /// Whether what a cell with extensions adds may be used by a cell that has `loads` in reach.
  func mayBeUsed(_ entry: Entry, by user: DeclaredNames, loads: Set<String>) -> Bool {
    let names = entry.names
    if names.hasConditional || names.operators.contains(where: { isOfUse($0, to: user) }) { return true }
    if !names.extensionMembers.isDisjoint(with: user.extensionMembers) { return true }
    if loads.contains(entry.module), !names.conditionalOperators.isDisjoint(with: user.mentioned) { return true }
    // A type or protocol of the session is of no consequence where its module isn't loaded.
    func isInReach(_ type: String) -> Bool {
      if let origin = entry.origins[type] {
        // What an alias stands for may be in reach without it.
        return origin.kind == .typealias || loads.contains(origin.module)
      }
      guard let own = names.declarations.first(where: { $0.name == type }) else { return true }
      return own.kind == .typealias || loads.contains(entry.module)
    }
    /// A conformance to a protocol is one to those that it inherits from.
    func isInReach(protocol name: String) -> Bool {
      isInReach(name) || entry.origins[name].flatMap { entries[$0.module] }?.names.hasInheritance == true
        || names.hasInheritance && names.declarations.contains { $0.name == name }
    }
    let isConforming = names.conformances.contains { text in
      let parts = text.split(separator: ":", maxSplits: 1).map { String($0).leadingName }
      guard let type = parts.first, let stated = parts.last else { return false }
      return isInReach(type) && isInReach(protocol: stated)
    }
    if isConforming { return true }
    lazy var mentionsAlias = user.mentioned.contains { self.names[$0]?.kind == .typealias }
    return names.additions.contains { addition in
      guard isInReach(addition.type) else { return false }
      guard let member = addition.member else { return true }
      if user.mentioned.contains(member) { return true }
      // It may be what a protocol asks for, of a type that conforms only now.
      let kind = entry.origins[addition.type]?.kind
      let isFinal = kind == .struct || kind == .enum || Self.finalTypes.contains(addition.type)
      return user.hasInheritance && (!isFinal || user.mentioned.contains(addition.type) || mentionsAlias)
    }
  }

  /// - Parameter declaration: `operator +++`, `precedencegroup Tight`, `macro stringify`.
  private func isOfUse(_ declaration: String, to user: DeclaredNames) -> Bool {
    // A macro may be what another macro expands to.
    guard !declaration.hasPrefix("macro "), let name = declaration.split(separator: " ").last else { return true }
    return user.mentioned.contains(String(name))
  }

  /// Types outside of the session that no other type inherits from or conforms to.
  private static let finalTypes: Set = [
    "Array", "Bool", "Character", "Data", "Date", "Dictionary", "Double", "Duration", "Float", "Int", "Int32", "Int64",
    "Optional", "Range", "Result", "Set", "String", "Substring", "UInt8", "URL",
  ]

  /// The operator functions of a loaded module that have to be imported by name, because it isn't imported whole.
  ///
  /// An operator in the body of a type takes a value of that type: where the type's module isn't loaded, there is none.
  func operators(of module: String, for user: DeclaredNames, key: String) -> Set<String> {
    guard let entry = entries[module] else { return [] }
    var found = entry.names.memberOperators
    // Of an earlier run, those that the new run declares again for the same types would be in their way.
    if !entry.isSuperseded, entry.key != key {
      for added in entry.names.addedOperators where !isDeclaredAgain(added.member, after: entry, or: user) {
        found.insert(added.name)
      }
    }
    // A conformance takes what its protocol asks for without naming it.
    return user.hasInheritance ? found : found.intersection(user.mentioned)
  }

  private func isDeclaredAgain(_ member: String, after entry: Entry, or user: DeclaredNames) -> Bool {
    user.extensionMembers.contains(member)
      || entries.values.contains { $0.serial > entry.serial && $0.names.extensionMembers.contains(member) }
  }
}
