/// A regular expression over names of modules, as PEFT's `rank_pattern` and `alpha_pattern` have them: literals, `.`,
/// classes, groups, `|`, `?`, `*`, `+`, `{m,n}`, `^`, `$`, `\d`, `\w`, `\s`.
///
/// Matching works on sets of positions instead of by trial and error, and with a limit, so that no pattern of a hostile
/// file takes long.
package struct NamePattern {
  private indirect enum Node {
    case one((UInt8) -> Bool)
    case sequence([Node])
    case either([Node])
    case repeated(Node, least: Int, most: Int)
    case start
    case end
  }

  private let root: Node
  private static let longest = 512
  private static let deepest = 2

  /// - Throws: `unsupported` for what isn't in the list above, or repeats nested more than twice
  package init(_ text: String, at place: String) throws(EngineError) {
    var parser = Parser(bytes: Array(text.utf8))
    guard text.utf8.count <= Self.longest, let node = parser.either(), parser.isAtEnd, parser.depth <= Self.deepest
    else {
      throw EngineError(
        .unsupported, "a pattern of module names that the engine doesn't read", at: place,
        expected: "a regular expression of literals, classes, groups, | ? * + {m,n} ^ $", found: "\(text.prefix(80))",
        nextStep: "write the names of the modules out")
    }
    root = node
  }

  /// Whether the pattern matches the whole name, or all of it after one of its dots: PEFT's `(.*\.)?(pattern)$`.
  /// - Parameter effort: what may still be spent, in positions looked at; less afterwards, and below 0 when it was too
  ///   little for an answer
  package func matches(_ name: String, effort: inout Int) -> Bool {
    let bytes = Array(name.utf8)
    var starts: Set<Int> = [0]
    for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: ".") { starts.insert(index + 1) }
    return Self.advance(root, starts, bytes, &effort).contains(bytes.count)
  }

  /// Where a match that begins at one of `positions` can end.
  private static func advance(
    _ node: Node, _ positions: Set<Int>, _ bytes: [UInt8], _ effort: inout Int
  ) -> Set<Int> {
    effort -= 1 + positions.count
    if effort < 0 { return [] }
    switch node {
    case .one(let accepts): return Set(positions.compactMap { $0 < bytes.count && accepts(bytes[$0]) ? $0 + 1 : nil })
    case .sequence(let nodes):
      var reached = positions
      for node in nodes where !reached.isEmpty { reached = advance(node, reached, bytes, &effort) }
      return reached
    case .either(let nodes):
      var reached: Set<Int> = []
      for node in nodes { reached.formUnion(advance(node, positions, bytes, &effort)) }
      return reached
    case .repeated(let node, let least, let most):
      var reached = positions
      for _ in 0..<least { reached = advance(node, reached, bytes, &effort) }
      var all = reached
      var count = least
      while count < most, !reached.isEmpty {
        reached = advance(node, reached, bytes, &effort).subtracting(all)
        all.formUnion(reached)
        count += 1
      }
      return all
    case .start: return positions.intersection([0])
    case .end: return positions.intersection([bytes.count])
    }
  }

  /// Recursive descent; `nil` for anything unknown.
  private struct Parser {
    let bytes: [UInt8]
    var at = 0
    /// How deep repeats are nested.
    var depth = 0
    private var groups = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { at == bytes.count }
    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func take(_ character: Character) -> Bool {
      guard next == character.asciiValue else { return false }
      at += 1
      return true
    }

    mutating func either() -> Node? {
      var nodes: [Node] = []
      var inside = 0
      repeat {
        let before = depth
        depth = 0
        guard let node = sequence() else { return nil }
        inside = max(inside, depth)
        depth = before
        nodes.append(node)
      } while take("|")
      depth = max(depth, inside)
      return nodes.count == 1 ? nodes[0] : .either(nodes)
    }

    private mutating func sequence() -> Node? {
      var nodes: [Node] = []
      var inside = 0
      while let byte = next, byte != UInt8(ascii: "|"), byte != UInt8(ascii: ")") {
        depth = 0
        guard var node = atom() else { return nil }
        if let (least, most) = quantifier() {
          node = .repeated(node, least: least, most: most)
          depth += 1
          // Python refuses a second one, or takes it for something else.
          if let more = next, [UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?")].contains(more) { return nil }
        }
        inside = max(inside, depth)
        nodes.append(node)
      }
      depth = inside
      return .sequence(nodes)
    }

    private mutating func quantifier() -> (Int, Int)? {
      if take("*") { return (0, .max) }
      if take("+") { return (1, .max) }
      if take("?") { return (0, 1) }
      let start = at
      if take("{"), let least = number() {
        var most: Int? = least
        if take(",") { most = number() ?? .max }
        if take("}"), let most, least <= most { return (least, most) }
      }
      at = start
      return nil
    }

    private mutating func number() -> Int? {
      var value: Int?
      while let byte = next, (48...57).contains(byte), (value ?? 0) < 100 {
        value = (value ?? 0) * 10 + Int(byte) - 48
        at += 1
      }
      return value
    }

    private mutating func atom() -> Node? {
      guard let byte = next else { return nil }
      at += 1
      switch Character(UnicodeScalar(byte)) {
      case "(":
        groups += 1
        defer { groups -= 1 }
        if take("?"), !take(":") { return nil }
        guard groups < 16, let node = either(), take(")") else { return nil }
        return node
      case "[": return characters()
      case ".": return .one { _ in true }
      case "^": return .start
      case "$": return .end
      case "\\": return escape().map { accepts in .one(accepts) }
      case "*", "+", "?", "{", "}", "]": return nil
      default: return byte < 128 ? .one { $0 == byte } : nil
      }
    }

    private mutating func escape() -> ((UInt8) -> Bool)? {
      guard let byte = next else { return nil }
      at += 1
      func isDigit(_ c: UInt8) -> Bool { (48...57).contains(c) }
      func isWord(_ c: UInt8) -> Bool { isDigit(c) || c == 95 || (65...90).contains(c) || (97...122).contains(c) }
      switch Character(UnicodeScalar(byte)) {
      case "d": return isDigit
      case "w": return isWord
      case "s": return { [9, 10, 11, 12, 13, 32].contains($0) }
      // A sign stands for itself; other letters mean more.
      default: return byte < 128 && !isWord(byte) ? { $0 == byte } : nil
      }
    }

    private mutating func characters() -> Node? {
      let isNegated = take("^")
      var tests: [(UInt8) -> Bool] = []
      while let byte = next, byte != UInt8(ascii: "]") || tests.isEmpty {
        at += 1
        if byte >= 128 { return nil }
        if byte == UInt8(ascii: "\\") {
          guard let test = escape() else { return nil }
          tests.append(test)
        } else if next == UInt8(ascii: "-"), at + 1 < bytes.count, bytes[at + 1] != UInt8(ascii: "]") {
          let last = bytes[at + 1]
          guard byte <= last, last < 128, last != UInt8(ascii: "\\") else { return nil }
          at += 2
          tests.append { (byte...last).contains($0) }
        } else {
          tests.append { $0 == byte }
        }
      }
      guard take("]") else { return nil }
      return .one { c in tests.contains { $0(c) } != isNegated }
    }
  }
}
