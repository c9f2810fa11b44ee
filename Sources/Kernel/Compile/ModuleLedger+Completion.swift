/// What sourcekitd imports of the session.
///
/// A question imports no more than its answer can need: with all that 500 cells declared in front of every text, reading
/// the imports took most of an answer's time, and loading them a moment after every cell. sourcekitd keeps the modules
/// that it loaded between questions whose texts import different names of them.
extension ModuleLedger {
  /// Which modules there are to be imported. sourcekitd looks once, and has to be told when there are others.
  var moduleFingerprint: Int {
    var hasher = Hasher()
    hasher.combine(Set(entries.keys))
    hasher.combine(imports)
    return hasher.finalize()
  }

  /// Imports for completing a word of a cell.
  /// - Parameter typed: the word's beginning, which names of the session may continue; `nil` behind a dot, where only
  ///   members can follow.
  func header(completing typed: String?, in code: String) -> [String] {
    var wanted = mentioned(in: code)
    if let typed {
      let beginning = typed.lowercased()
      var matches = names.filter { $0.key.lowercased().hasPrefix(beginning) }
      // sourcekitd looks for the letters anywhere in a name where no name begins with them.
      if matches.isEmpty { matches = names.filter { $0.key.lowercased().hasLetters(of: beginning) } }
      let newest = matches.sorted { (entries[$0.value.module]?.serial ?? 0) > (entries[$1.value.module]?.serial ?? 0) }
      wanted.formUnion(newest.prefix(Self.completionLimit).map(\.key))
    }
    return header(naming: wanted, whole: whole, in: code)
  }

  /// As many names as an answer shows.
  private static let completionLimit = 200

  /// Imports for a question about names that stand in a cell.
  func header(reading code: String) -> [String] { header(naming: mentioned(in: code), whole: whole, in: code) }

  /// Imports of these names and of whole modules, and of what has to be loaded with them.
  /// - Parameter code: a text that may use operators of what is loaded.
  func header(naming wanted: Set<String>, whole: [String] = [], in code: String = "") -> [String] {
    let names = wanted.sorted().compactMap { name in self.names[name].map { (name, $0) } }
    let direct = Set(names.map(\.1.module)).union(whole)
    let loads = direct.reduce(into: Set()) { $0.formUnion(entries[$1]?.loads ?? []) }
    let operators = loads.subtracting(whole).sorted().flatMap { module in
      (entries[module]?.names.memberOperators ?? []).filter { $0 == "~=" ? code.contains("case") : code.contains($0) }
        .sorted().map { operatorImport($0, from: module) }
    }
    return imports + names.map { "import \($1.kind.rawValue) \($1.module).\(quoted($0))" } + operators
      + whole.reversed().map { "import \($0)" } + loads.subtracting(direct).sorted().map(anchorImport)
  }

  /// The session's names among the words of a text. It may be broken code: only its letters are looked at.
  private func mentioned(in code: String) -> Set<String> {
    var found: Set<String> = []
    for word in code.unicodeScalars.split(whereSeparator: { !Word.belongs($0) }) {
      let word = String(word)
      if names[word] != nil { found.insert(word) }
    }
    return found
  }
}

extension String {
  /// Whether these letters stand in the string in this order.
  fileprivate func hasLetters(of other: String) -> Bool {
    var rest = other[...]
    for letter in self where letter == rest.first { rest.removeFirst() }
    return rest.isEmpty
  }
}
