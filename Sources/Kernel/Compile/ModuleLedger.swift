/// What every cell that ran has left in the session, and which of it a new cell has to import.
///
/// A cell imports no more than it can need. The newest declaration of each name that it mentions is imported by
/// name, which also hides older ones; cells with extensions are imported whole where what they add may be used, which
/// needn't show in the text. A cell that was run again is no longer imported whole: a conformance may be stated only
/// once in what a module can see.
///
/// Imports are for a cell's own code alone (`@_implementationOnly`), so that who imports the cell doesn't load all that
/// it was made from, and all that that was made from: with every cell built on the one before, the thousandth would
/// load a thousand modules. What a cell's declarations are written with has to be loaded beside it, though. That is
/// found in the compiled module, and asked for by its anchor: a name that every cell's module has, so that nothing but
/// the loading comes of its import.
package struct ModuleLedger: Sendable {
  struct Entry: Sendable {
    let module: String
    let names: DeclaredNames
    /// Which notebook cell it came from: the client's id, or the text.
    let key: String
    /// Modules that this one re-exports whole.
    var reexports: Set<String>
    /// Where an older overload of a function is re-exported from.
    var overloads: [String: String]
    /// Every cell module that has to be loaded with this one.
    var loads: Set<String>
    /// Where the names came from that the cell mentions.
    var origins: [String: Name]
    var isSuperseded = false
    /// Variables without a value, because the cell ended before it reached them. No other cell may read them.
    let unreached: Set<String>
    let serial: Int
  }
  struct Name: Sendable {
    let module: String
    let kind: DeclaredNames.Declaration.Kind
  }

  private(set) var entries: [String: Entry] = [:]
  /// Modules that are imported whole, oldest first.
  private(set) var whole: [String] = []
  private(set) var names: [String: Name] = [:]
  /// Values of variables that were declared again, and what could still reach them.
  var held = HeldValues()
  /// Names that `%forget` took: a module that is imported whole doesn't bring them back.
  private var forgotten: Set<String> = []
  /// Import lines of the user and the prelude, which every later cell repeats.
  private(set) var imports: [String] = []

  package init(imports: [String] = []) { self.imports = imports }

  /// What a cell has to import, found before it is compiled and needed again to record it.
  package struct Plan: Sendable {
    package fileprivate(set) var header: [String] = []
    /// The imports are for the cell's own code alone.
    package fileprivate(set) var isHidden = false
    fileprivate var reexports: Set<String> = []
    fileprivate var overloads: [String: String] = [:]
    /// Modules that header lines name.
    fileprivate var direct: Set<String> = []
    /// Those of them that whoever imports the cell gets as well.
    fileprivate var exported: Set<String> = []
    fileprivate var loads: Set<String> = []
    fileprivate var origins: [String: Name] = [:]
    /// Older modules that state a conformance which this cell states anew.
    package fileprivate(set) var replaced: [String] = []
  }

  /// How much of the session a cell gets to see.
  package enum Reach: Sendable {
    /// What the cell seems to need.
    case chosen
    /// All cells. What they add and what no import by name brings is then found as in one file.
    case all
  }

  /// The name by which a module is loaded without any of its own names being imported.
  package static func anchor(of module: String) -> String { "__\(module)" }

  /// - Parameter isForOthers: whoever imports the cell gets its imports too.
  package func plan(
    for names: DeclaredNames, key: String, reach: Reach = .chosen, isForOthers: Bool = false
  ) -> Plan {
    var plan = Plan()
    plan.isHidden = !names.hasPublic && !isForOthers
    var lines: [(serial: Int, module: String, text: String, isExported: Bool)] = []
    func add(_ text: String, from module: String, isExported: Bool = false) {
      lines.append((entries[module]?.serial ?? 0, module, "import " + text, isExported))
      plan.direct.insert(module)
      if isExported { plan.exported.insert(module) }
      plan.load(module, entries)
    }
    let own = Dictionary(names.declarations.map { ($0.name, $0.kind) }, uniquingKeysWith: { first, _ in first })

    for name in names.mentioned.sorted() {
      guard let known = self.names[name] else { continue }
      if let kind = own[name] {
        guard kind == .func, known.kind == .func, let entry = entries[known.module] else { continue }
        // Overloads live on; those of this cell's own earlier run are replaced.
        let source = entry.key == key ? entry.overloads[name] : known.module
        guard let source else { continue }
        add("func \(source).\(quoted(name))", from: source, isExported: true)
        plan.overloads[name] = source
      } else {
        add("\(known.kind.rawValue) \(known.module).\(quoted(name))", from: known.module)
        plan.origins[name] = known
      }
    }

    var left = (reach == .all ? Array(entries.keys) : whole).filter { module in
      guard let entry = entries[module], !entry.isSuperseded, entry.key != key else { return false }
      // One that was imported whole and no longer is has its reasons.
      if entry.names.isImportedWhole, !whole.contains(module) { return false }
      return !entry.loads.union([module]).contains { conflicts(names, with: $0, key: key) }
    }
    var chosen: Set<String> = []
    // What one brings along may be what another one extends.
    while true {
      let found = left.filter { module in
        guard let entry = entries[module] else { return false }
        return reach == .all || mayBeUsed(entry, by: names, loads: plan.loads)
      }
      if found.isEmpty { break }
      left.removeAll(where: found.contains)
      chosen.formUnion(found)
      for module in found { plan.load(module, entries) }
    }
    // Names that no import by name shadows.
    let unknown = names.mentioned.filter { own[$0] == nil && self.names[$0] == nil }
    // Modules that a whole import brings into sight.
    var seen: Set<String> = []
    for module in chosen where !chosen.contains(where: { entries[$0]?.reexports.contains(module) == true }) {
      guard let entry = entries[module] else { continue }
      let all = entry.reexports.union([module])
      // Imported whole, it would show variables without a value. Its members are found all the same.
      if all.contains(where: { entries[$0]?.unreached.isDisjoint(with: unknown) == false }) { continue }
      let redefines = !entry.names.extensionMembers.isDisjoint(with: names.extensionMembers)
      add(module, from: module, isExported: redefines)
      if redefines { plan.reexports.formUnion(all) }
      seen.formUnion(all)
    }
    for module in plan.loads.subtracting(seen) {
      for name in operators(of: module, for: names, key: key) {
        lines.append((entries[module]?.serial ?? 0, module, operatorImport(name, from: module), false))
        plan.direct.insert(module)
      }
    }
    for module in plan.loads.subtracting(plan.direct) {
      lines.append((entries[module]?.serial ?? 0, module, anchorImport(module), false))
    }
    let texts = lines.sorted { ($1.serial, $0.text) < ($0.serial, $1.text) }.map { line in
      // Of one module, the compiler wants all imports alike.
      let isHidden = plan.isHidden && !plan.exported.contains(line.module)
      return (line.isExported ? "@_exported " : isHidden ? "@_implementationOnly " : "") + line.text
    }
    // Of two conformances that say the same, the compiler takes the one it loads first: the newest.
    plan.header = imports + texts + hidden(names.mentioned, own: Set(own.keys), by: plan.loads)
    plan.replaced = entries.values.filter { !$0.names.conformances.isDisjoint(with: names.conformances) }
      .map(\.module).sorted()
    return plan
  }

  func anchorImport(_ module: String) -> String {
    "import typealias \(module).\(Self.anchor(of: module))"
  }

  /// The compiler finds operator functions of types in this way, as if they stood at top level. The spaces tell the dot
  /// from the operator's name: `.+` would be an operator of its own.
  func operatorImport(_ name: String, from module: String) -> String { "import func \(module) . \(name)" }

  /// Whether a module states something that `names` states again.
  private func conflicts(_ names: DeclaredNames, with module: String, key: String) -> Bool {
    guard let entry = entries[module] else { return false }
    return !entry.names.conformances.isDisjoint(with: names.conformances)
      || !entry.names.operators.isDisjoint(with: names.operators)
  }

  /// Records a cell that ran.
  /// - Parameters:
  ///   - interface: the identifiers that the compiled module's declarations are written with; `nil` where they aren't
  ///     known, and all that was loaded for the cell counts.
  ///   - reached: steps of its top-level code that were done; variables after them have no value.
  ///   - serial: place among all cells in the order in which they were begun, where they may end in another one: of
  ///     two cells that declare the same name, the one begun later has it.
  package mutating func record(
    _ module: String, names: DeclaredNames, key: String, plan: Plan, interface: Set<String>? = nil,
    reached: Int = .max, serial: Int? = nil, isComplete: Bool = true
  ) {
    held.note(module, names, origins: plan.origins, isComplete: isComplete)
    let serial = serial ?? (entries.values.map(\.serial).max() ?? -1) + 1
    var isSuperseded = false
    for (name, entry) in entries where entry.key == key {
      if entry.serial > serial { isSuperseded = true; continue }
      entries[name]?.isSuperseded = true
      whole.removeAll { $0 == name }
    }
    // Stated anew elsewhere, a conformance or operator is found there.
    whole = whole.filter { !conflicts(names, with: $0, key: key) }
    var loads = plan.loads
    if plan.isHidden, let interface {
      let needed = plan.loads.filter { interface.contains($0) }.union(plan.exported)
      loads = needed.reduce(into: needed) { $0.formUnion(entries[$1]?.loads ?? []) }
    }
    entries[module] = Entry(
      module: module, names: names, key: key, reexports: plan.reexports, overloads: plan.overloads,
      loads: loads, origins: plan.origins, isSuperseded: isSuperseded,
      unreached: Set(names.declarations.filter { ($0.step ?? 0) > reached }.map(\.name)), serial: serial)
    if names.isImportedWhole, !isSuperseded {
      whole.append(module)
      whole.sort { (entries[$0]?.serial ?? 0) < (entries[$1]?.serial ?? 0) }
    }
    for declaration in names.declarations where (declaration.step ?? 0) <= reached {
      let known = self.names[declaration.name]
      if let known, let entry = entries[known.module], entry.serial > serial {
        if declaration.kind == .var { addOlder(declaration.name, of: module) }
        continue
      }
      if let known, known.kind == .var, known.module != module {
        addOlder(declaration.name, of: known.module)
      }
      forgotten.remove(declaration.name)
      self.names[declaration.name] = Name(module: module, kind: declaration.kind)
    }
    for line in names.imports where !imports.contains(line) { imports.append(line) }
  }

  /// Makes a name unknown to later cells.
  mutating func remove(_ name: String) -> Name? {
    guard let known = names.removeValue(forKey: name) else { return nil }
    forgotten.insert(name)
    return known
  }

  /// Declarations that keep forgotten names from coming back with a module that is imported whole.
  private func hidden(_ mentioned: Set<String>, own: Set<String>, by modules: Set<String>) -> [String] {
    guard !forgotten.isEmpty else { return [] }
    let brought = modules.reduce(into: Set<String>()) {
      $0.formUnion(entries[$1]?.names.declarations.map(\.name) ?? [])
    }
    return forgotten.intersection(mentioned).intersection(brought).subtracting(own).sorted().map {
      "@available(*, unavailable, message: \"it was taken away by %forget\") var \(quoted($0)): Never { fatalError() }"
    }
  }

  /// Names with their kinds, sorted, as `%who` lists them.
  package var declared: [(name: String, kind: String, module: String)] {
    names.sorted { $0.key < $1.key }.map { ($0.key, $0.value.kind.rawValue, $0.value.module) }
  }

  func quoted(_ name: String) -> String { "`\(name)`" }
}

extension ModuleLedger.Plan {
  fileprivate mutating func load(_ module: String, _ entries: [String: ModuleLedger.Entry]) {
    loads.insert(module)
    loads.formUnion(entries[module]?.loads ?? [])
  }
}
