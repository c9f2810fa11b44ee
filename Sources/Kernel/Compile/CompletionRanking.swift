/// Which of sourcekitd's proposals come first: what fits the typed letters best, then what is nearest.
struct CompletionRank: Comparable {
  /// 0: begins with the typed letters; 1: the same but for upper and lower case; 2: holds them somewhere.
  private let fit: Int
  /// 0: a member of what stands before the dot, a local name; up to 5: C's functions.
  private let distance: Int
  /// sourcekitd's own order among equals.
  private let order: Int

  /// Begins as the typed word does. The search is loose, `prin` finds `withTaskPriorityEscalationHandler`: what it finds
  /// inside of names is for who would find nothing else, and must not keep Tab from inserting the one name that was
  /// meant.
  var isBeginning: Bool { fit < 2 }

  init(_ name: String, kind: String, context: String, module: String?, isSystem: Bool, typed: String, order: Int) {
    fit = name.hasPrefix(typed) ? 0 : name.lowercased().hasPrefix(typed.lowercased()) ? 1 : 2
    distance = Self.distance(kind: kind, context: context, module: module ?? "", isSystem: isSystem)
    self.order = order
  }

  private static func distance(kind: String, context: String, module: String, isSystem: Bool) -> Int {
    switch context.split(separator: ".").last {
    case "exprspecific", "local", "thisclass": return 0
    case "superclass", "outsidenominal": return 1
    case "thismodule": return 1
    default: break
    }
    // The label of the next argument.
    if kind.hasSuffix("pattern") { return 0 }
    if kind.hasSuffix("keyword") { return 3 }
    // Earlier cells, the engine, packages.
    if !isSystem, !module.isEmpty { return 2 }
    return module.hasPrefix("_") || module.hasSuffix("Glibc") ? 5 : 4
  }

  static func < (a: CompletionRank, b: CompletionRank) -> Bool {
    (a.fit, a.distance, a.order) < (b.fit, b.distance, b.order)
  }
}

/// The call around a cursor: `f(1, |` is in the arguments of `f`.
enum EnclosingCall {
  /// Where in the text, in Unicode code points, the name ends that is called; `nil` outside of every call.
  static func callee(before cursor: Int, in code: String) -> Int? {
    let scalars = Array(code.unicodeScalars.prefix(max(cursor, 0)))
    var open: [(bracket: Unicode.Scalar, place: Int)] = []
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      switch scalar {
      case "(", "[", "{": open.append((scalar, index))
      case ")", "]", "}": _ = open.popLast()
      case "\"": index = endOfString(from: index, in: scalars)
      case "/" where index + 1 < scalars.count && scalars[index + 1] == "/":
        while index < scalars.count, scalars[index] != "\n" { index += 1 }
      default: break
      }
      index += 1
    }
    // The innermost bracket that a name stands before; an array or a tuple within the arguments is passed over.
    for (bracket, place) in open.reversed() {
      if bracket == "{" { return nil }
      guard bracket == "(" else { continue }
      var end = place
      // `Box<Int>(`: the name stands before its generic arguments.
      if end > 0, scalars[end - 1] == ">" {
        var depth = 0
        while end > 0 {
          end -= 1
          if scalars[end] == ">" { depth += 1 }
          if scalars[end] == "<" { depth -= 1 }
          if depth == 0 { break }
        }
      }
      if end > 0, Word.belongs(scalars[end - 1]) { return end }
    }
    return nil
  }

  /// The place of the quote that ends a string, or of the text's end.
  private static func endOfString(from start: Int, in scalars: [Unicode.Scalar]) -> Int {
    let isLong = start + 2 < scalars.count && scalars[start + 1] == "\"" && scalars[start + 2] == "\""
    var index = start + (isLong ? 3 : 1)
    while index < scalars.count {
      if scalars[index] == "\\" {
        index += 2
        continue
      }
      if !isLong, scalars[index] == "\n" { return index }
      if scalars[index] == "\"" {
        guard isLong else { return index }
        if index + 2 < scalars.count, scalars[index + 1] == "\"", scalars[index + 2] == "\"" { return index + 2 }
      }
      index += 1
    }
    return index
  }
}
