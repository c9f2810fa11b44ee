import HostProtocol

/// What is known of the values of variables: which are still there although their name means another one by now, and
/// which cells' code could reach them.
struct HeldValues: Sendable {
  /// A variable of a cell.
  struct Variable: Hashable, Sendable {
    var module: String
    var name: String
  }

  /// Modules that mention what another module declares.
  private(set) var users: [Variable: Set<String>] = [:]
  /// Values without a name, oldest first.
  private(set) var older: [Variable] = []
  /// By module: types of the variables that have a value, by the variables' numbers.
  private var stored: [String: [Int: StoredVariable]] = [:]
  private var released: Set<Variable> = []
  /// Cells that didn't come to their end.
  private(set) var incomplete: Set<String> = []
  /// Functions and types that any cell declares, at any depth.
  private(set) var declared: Set<String> = []
  /// Some cell names a type of pointers.
  private(set) var hasPointers = false
  /// Some cell takes expressions as closures and may keep them: a use that looks straight may last.
  private(set) var keepsExpressions = false
  /// Modules whose values are never released: the prelude's.
  var permanent: Set<String> = []

  mutating func note(_ module: String, _ names: DeclaredNames, origins: [String: ModuleLedger.Name], isComplete: Bool) {
    for (name, origin) in origins { users[Variable(module: origin.module, name: name), default: []].insert(module) }
    if isComplete { incomplete.remove(module) } else { incomplete.insert(module) }
    declared.formUnion(names.uses.declared)
    hasPointers = hasPointers || names.mentioned.contains { $0.contains("Pointer") }
    keepsExpressions = keepsExpressions || names.mentioned.contains("autoclosure")
  }

  mutating func note(_ module: String, _ variables: [StoredVariable]) {
    stored[module] = Dictionary(variables.map { ($0.index, $0) }, uniquingKeysWith: { $1 })
  }

  /// The name means something else from now on.
  mutating func addOlder(_ variable: Variable) {
    if !permanent.contains(variable.module), !released.contains(variable), !older.contains(variable) {
      older.append(variable)
    }
  }

  mutating func note(released gone: [Release]) {
    guard !gone.isEmpty else { return }
    let gone = gone.map { Variable(module: $0.module, name: $0.name) }
    released.formUnion(gone)
    older.removeAll(where: gone.contains)
  }

  func stored(_ module: String, _ index: Int?) -> StoredVariable? { index.flatMap { stored[module]?[$0] } }
}

extension ModuleLedger {
  /// Why a value can't be released.
  package enum Holder: Sendable, Equatable {
    /// Code of a cell that may still run.
    case code(module: String)
    case function(String, module: String)
    /// A pointer to the variable may have been kept.
    case pointer(module: String)
    /// A cell was stopped while it waited: its task may go on.
    case task(module: String)
    /// The variable's declaration doesn't tell what it holds.
    case unknown(module: String)
  }

  /// A value whose name means another one by now.
  package struct OlderValue: Sendable {
    package var name: String
    package var module: String
    package var type: String
    package var holder: Holder?
  }

  /// A variable's name means something else from now on.
  mutating func addOlder(_ name: String, of module: String) {
    let variable = HeldValues.Variable(module: module, name: name)
    let index = index(of: variable)
    if index == nil, entries[module]?.names.unknownVariables.contains(name) != true { return }
    if held.stored(module, index)?.isTrivial == true { return }
    held.addOlder(variable)
  }

  private func index(of variable: HeldValues.Variable) -> Int? {
    entries[variable.module]?.names.variables.first { $0.name == variable.name }?.index
  }

  /// What can be released once a cell with these names has run.
  func releases(of names: DeclaredNames, after: ModuleLedger) -> [Release] {
    let successors = Dictionary(names.variables.map { ($0.name, $0.index) }, uniquingKeysWith: { $1 })
    // Of very many, the newest.
    return after.held.older.suffix(Self.lookedAt).compactMap { variable in
      let isReplaced = self.names[variable.name]?.module == variable.module
      return after.release(of: variable, successor: isReplaced ? successors[variable.name] : nil)
    }
  }
  private static let lookedAt = 200

  /// `nil` where there is nothing to release, or something may still use it.
  func release(of variable: HeldValues.Variable, successor: Int? = nil) -> Release? {
    guard let index = index(of: variable), let stored = held.stored(variable.module, index), !stored.isTrivial,
      holder(of: variable) == nil
    else { return nil }
    return Release(module: variable.module, name: variable.name, index: index, successor: successor)
  }

  /// What can be released now.
  var releases: [Release] { held.older.suffix(Self.lookedAt).compactMap { release(of: $0) } }

  /// Values that are still there although their names mean others.
  package var olderValues: [OlderValue] {
    held.older.compactMap { variable in
      let index = index(of: variable)
      let stored = held.stored(variable.module, index)
      // What its cell never came to.
      if stored == nil, index != nil { return nil }
      if stored?.isTrivial == true { return nil }
      let holder = holder(of: variable) ?? (index == nil ? .unknown(module: variable.module) : nil)
      return OlderValue(name: variable.name, module: variable.module, type: stored?.type ?? "", holder: holder)
    }
  }

  /// The first thing found that could still reach a variable.
  func holder(of variable: HeldValues.Variable) -> Holder? {
    let name = variable.name
    for module in [variable.module] + (held.users[variable] ?? []).sorted() {
      guard let entry = entries[module] else { continue }
      let uses = entry.names.uses
      if uses.lasting.contains(name) || held.keepsExpressions { return .code(module: module) }
      if uses.passing.contains(where: { $1.contains(name) && held.declared.contains($0) }) {
        return .code(module: module)
      }
      if uses.mappings.contains(where: { mayKeep($0, name, of: entry) }) { return .code(module: module) }
      if uses.pointed.contains(name) || uses.given.contains(where: { $1.contains(name) && mayTakePointer($0) }) {
        return .pointer(module: module)
      }
      if uses.awaited.contains(name), held.incomplete.contains(module) { return .task(module: module) }
      for (function, names) in uses.functions.sorted(by: { $0.key < $1.key }) where names.contains(name) {
        var seen: Set<HeldValues.Variable> = []
        if isAlive(HeldValues.Variable(module: module, name: function), &seen) {
          return .function(function, module: module)
        }
      }
    }
    return nil
  }

  /// Whether the result of `map` and its like, with a closure that uses `name`, may keep the closure.
  private func mayKeep(_ mapping: NameUses.Mapping, _ name: String, of entry: Entry) -> Bool {
    guard mapping.names.contains(name) else { return false }
    if held.declared.contains(mapping.callee) { return true }
    return mapping.results.contains { result in
      let index = entry.names.variables.first { $0.name == result }?.index
      guard let stored = held.stored(entry.module, index) else { return true }
      return !stored.type.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.allSatisfy {
        Self.plainTypes.contains(String($0))
      }
    }
  }
  /// Types of the standard library that hold values and no closures.
  private static let plainTypes: Set = [
    "Array", "Bool", "Character", "Dictionary", "Double", "Float", "Int", "Int32", "Int64", "Optional", "Set",
    "String", "Substring", "UInt", "UInt8",
  ]

  /// Whether a function given a variable by `&` may take a pointer to it.
  private func mayTakePointer(_ function: String) -> Bool {
    if Self.inoutFunctions.contains(function) { return false }
    if function.isEmpty || held.declared.contains(function) { return held.hasPointers }
    return true
  }
  private static let inoutFunctions: Set = ["swap", "print", "debugPrint", "dump"]

  /// Whether a function can still be called.
  private func isAlive(_ function: HeldValues.Variable, _ seen: inout Set<HeldValues.Variable>) -> Bool {
    guard seen.insert(function).inserted else { return false }
    if names[function.name]?.module == function.module { return true }
    // It lives on as an overload of a newer one.
    if entries.values.contains(where: { !$0.isSuperseded && $0.overloads[function.name] == function.module }) {
      return true
    }
    for module in [function.module] + (held.users[function] ?? []) {
      guard let uses = entries[module]?.names.uses else { continue }
      if uses.lasting.contains(function.name) || uses.values.contains(function.name) { return true }
      if uses.passing.contains(where: { $1.contains(function.name) && held.declared.contains($0) }) { return true }
      if uses.mappings.contains(where: { $0.names.contains(function.name) }) { return true }
      if uses.awaited.contains(function.name), held.incomplete.contains(module) { return true }
      for (caller, names) in uses.functions where names.contains(function.name) && caller != function.name {
        if isAlive(HeldValues.Variable(module: module, name: caller), &seen) { return true }
      }
    }
    return false
  }

  /// Makes a name unknown to later cells.
  /// - Returns: what it meant; `nil` when it meant nothing.
  mutating func forget(_ name: String) -> Name? {
    guard let known = remove(name) else { return nil }
    if known.kind == .var { addOlder(name, of: known.module) }
    return known
  }
}
