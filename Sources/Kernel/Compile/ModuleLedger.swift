/// What every cell that ran has left in the session, and which of it a new cell has to import.
///
/// A cell imports no more than it can need. The newest declaration of each name that it mentions is imported by
/// name, which also hides older ones; cells with extensions are imported whole, since an extension's use doesn't
/// show in the text. A cell that was run again is no longer imported whole: a conformance may be stated only once
/// in what a module can see.
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
    /// Every cell module that is loaded with this one.
    var loads: Set<String>
    var isSuperseded = false
    let serial: Int
  }
  struct Name: Sendable {
    let module: String
    let kind: DeclaredNames.Declaration.Kind
  }

  private var entries: [String: Entry] = [:]
  /// Modules that are imported whole, oldest first.
  private var whole: [String] = []
  private var names: [String: Name] = [:]
  /// Import lines of the user and the prelude, which every later cell repeats.
  private var imports: [String] = []

  package init(imports: [String] = []) { self.imports = imports }

  /// What a cell has to import, found before it is compiled and needed again to record it.
  package struct Plan: Sendable {
    package fileprivate(set) var header: [String] = []
    fileprivate var reexports: Set<String> = []
    fileprivate var overloads: [String: String] = [:]
    fileprivate var loads: Set<String> = []
    /// Older modules that state a conformance which this cell states anew.
    package fileprivate(set) var replaced: [String] = []
  }

  package func plan(for names: DeclaredNames, key: String) -> Plan {
    var plan = Plan()
    var lines: [(serial: Int, text: String)] = []
    func add(_ text: String, from module: String) {
      lines.append((entries[module]?.serial ?? 0, text))
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
        add("@_exported import func \(source).\(quoted(name))", from: source)
        plan.overloads[name] = source
      } else {
        add("import \(known.kind.rawValue) \(known.module).\(quoted(name))", from: known.module)
      }
    }

    var chosen: [String] = []
    for module in whole {
      guard let entry = entries[module], !entry.isSuperseded, entry.key != key else { continue }
      let loaded = entry.loads.union([module])
      if loaded.contains(where: { conflicts(names, with: $0, key: key) }) { continue }
      chosen.append(module)
    }
    for module in chosen where !chosen.contains(where: { entries[$0]?.reexports.contains(module) == true }) {
      guard let entry = entries[module] else { continue }
      let redefines = !entry.names.extensionMembers.isDisjoint(with: names.extensionMembers)
      add((redefines ? "@_exported import " : "import ") + module, from: module)
      if redefines { plan.reexports.formUnion(entry.reexports.union([module])) }
    }
    // Of two conformances that say the same, the compiler takes the one it loads first: the newest.
    plan.header = imports + lines.sorted { ($1.serial, $0.text) < ($0.serial, $1.text) }.map(\.text)
    plan.replaced = entries.values.filter { !$0.names.conformances.isDisjoint(with: names.conformances) }
      .map(\.module).sorted()
    return plan
  }

  /// Whether a module states something that `names` states again.
  private func conflicts(_ names: DeclaredNames, with module: String, key: String) -> Bool {
    guard let entry = entries[module] else { return false }
    return !entry.names.conformances.isDisjoint(with: names.conformances)
      || !entry.names.operators.isDisjoint(with: names.operators)
  }

  /// Records a cell that ran.
  /// - Parameters:
  ///   - reached: steps of its top-level code that were done; variables after them have no value.
  ///   - serial: place among all cells in the order in which they were begun, where they may end in another one: of
  ///     two cells that declare the same name, the one begun later has it.
  package mutating func record(
    _ module: String, names: DeclaredNames, key: String, plan: Plan, reached: Int = .max, serial: Int? = nil
  ) {
    let serial = serial ?? (entries.values.map(\.serial).max() ?? -1) + 1
    var isSuperseded = false
    for (name, entry) in entries where entry.key == key {
      if entry.serial > serial { isSuperseded = true; continue }
      entries[name]?.isSuperseded = true
      whole.removeAll { $0 == name }
    }
    // Stated anew elsewhere, a conformance or operator is found there.
    whole = whole.filter { !conflicts(names, with: $0, key: key) }
    entries[module] = Entry(
      module: module, names: names, key: key, reexports: plan.reexports, overloads: plan.overloads,
      loads: plan.loads, isSuperseded: isSuperseded, serial: serial)
    if names.isImportedWhole, !isSuperseded {
      whole.append(module)
      whole.sort { (entries[$0]?.serial ?? 0) < (entries[$1]?.serial ?? 0) }
    }
    for declaration in names.declarations where (declaration.step ?? 0) <= reached {
      if let known = self.names[declaration.name], let entry = entries[known.module], entry.serial > serial { continue }
      self.names[declaration.name] = Name(module: module, kind: declaration.kind)
    }
    for line in names.imports where !imports.contains(line) { imports.append(line) }
  }

  /// What `code` may go on to mention, for completion. In a session with very many names only those that begin like
  /// a word of the code are there.
  package func completionHeader(for code: String) -> [String] {
    var wanted = names
    if names.count > Self.completionLimit {
      let words = code.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.map { $0.prefix(2).lowercased() }
      let beginnings = Set(words)
      wanted = names.filter { beginnings.contains($0.key.prefix(2).lowercased()) }
    }
    return imports + wanted.sorted { $0.key < $1.key }.map { "import \($1.kind.rawValue) \($1.module).\(quoted($0))" }
      + whole.reversed().map { "import \($0)" }
  }

  private static let completionLimit = 400

  /// Names with their kinds, sorted, as `%who` lists them.
  package var declared: [(name: String, kind: String, module: String)] {
    names.sorted { $0.key < $1.key }.map { ($0.key, $0.value.kind.rawValue, $0.value.module) }
  }

  /// Imports of these names, where they are declared, and nothing else of the cells.
  package func header(naming wanted: [String]) -> [String] {
    imports
      + wanted.compactMap { name in
        names[name].map { "import \($0.kind.rawValue) \($0.module).\(quoted(name))" }
      }
  }

  private func quoted(_ name: String) -> String {
    name.first.map { $0.isLetter || $0 == "_" || !$0.isASCII } == true ? "`\(name)`" : name
  }
}

extension ModuleLedger.Plan {
  fileprivate mutating func load(_ module: String, _ entries: [String: ModuleLedger.Entry]) {
    loads.insert(module)
    loads.formUnion(entries[module]?.loads ?? [])
  }
}
