/// `value` as text for a reader: strings quoted, collections and structures on one line where they fit and indented
/// where they do not, dictionaries and sets in the order of their keys' text (so that the same value gives the same
/// text in every run), long collections cut with the number left out.
///
/// A type that conforms to `CustomStringConvertible` is shown by its `description`.
public func readableText(of value: Any) -> String {
  ReadableText().text(of: value, depth: 0, indent: 0)
}

struct ReadableText {
  /// Lines longer than this are broken where the value has parts.
  var width = 100
  /// Elements shown of one collection.
  var elementLimit = 100
  /// Levels of nesting shown.
  var depthLimit = 8
  /// Characters shown of one string.
  var stringLimit = 10_000

  func text(of value: Any, depth: Int, indent: Int) -> String {
    if let string = value as? String { return quoted(string) }
    if let character = value as? Character { return quoted(String(character)) }
    let mirror = Mirror(reflecting: value)
    guard depth < depthLimit else { return "…" }
    switch mirror.displayStyle {
    case .optional:
      guard let wrapped = mirror.children.first?.value else { return "nil" }
      return text(of: wrapped, depth: depth, indent: indent)
    case .collection:
      return parts(mirror.children.lazy.map { (nil, $0.value) }, count: mirror.children.count, depth, indent)
    case .set:
      let sorted = mirror.children.map { ("", $0.value, readableText(of: $0.value)) }.sorted { $0.2 < $1.2 }
      return parts(sorted.lazy.map { (nil, $0.1) }, count: sorted.count, depth, indent)
    case .dictionary:
      return dictionary(mirror, depth, indent)
    case .tuple:
      return parts(
        mirror.children.map { ($0.label.flatMap { $0.hasPrefix(".") ? nil : $0 }, $0.value) },
        count: mirror.children.count, depth, indent, open: "(", close: ")")
    default: break
    }
    if value is any CustomStringConvertible { return String(describing: value) }
    switch mirror.displayStyle {
    case .struct, .class:
      let typeName = "\(type(of: value))"
      var children = Array(mirror.children)
      var ancestor = mirror.superclassMirror
      while let above = ancestor {
        children = Array(above.children) + children
        ancestor = above.superclassMirror
      }
      return typeName
        + parts(children.map { ($0.label, $0.value) }, count: children.count, depth, indent, open: "(", close: ")")
    case .enum:
      guard let associated = mirror.children.first else { return ".\(value)" }
      let inside = text(of: associated.value, depth: depth + 1, indent: indent)
      return ".\(associated.label ?? "")" + (inside.hasPrefix("(") ? inside : "(\(inside))")
    default:
      return String(describing: value)
    }
  }

  private func dictionary(_ mirror: Mirror, _ depth: Int, _ indent: Int) -> String {
    guard !mirror.children.isEmpty else { return "[:]" }
    var entries: [(String, Any)] = []
    for child in mirror.children {
      let pair = Array(Mirror(reflecting: child.value).children)
      guard pair.count == 2 else { continue }
      entries.append((text(of: pair[0].value, depth: depth + 1, indent: indent + 2), pair[1].value))
    }
    entries.sort { $0.0 < $1.0 }
    return parts(entries.lazy.map { ($0.0, $0.1) }, count: entries.count, depth, indent)
  }

  /// The parts between brackets: on one line when they fit, one line each when labelled, filled lines otherwise.
  private func parts(
    _ all: some Sequence<(String?, Any)>, count: Int, _ depth: Int, _ indent: Int, open: String = "[",
    close: String = "]"
  ) -> String {
    var texts: [String] = []
    var labelled = false
    for (label, value) in all.prefix(elementLimit) {
      let inside = text(of: value, depth: depth + 1, indent: indent + 2)
      labelled = labelled || label != nil
      texts.append(label.map { "\($0): \(inside)" } ?? inside)
    }
    if count > texts.count { texts.append("… \(count - texts.count) more, \(count) in all") }
    let oneLine = open + texts.joined(separator: ", ") + close
    if oneLine.count + indent <= width && !oneLine.contains("\n") { return oneLine }
    let margin = String(repeating: " ", count: indent + 2)
    var lines: [String] = []
    for (index, part) in texts.enumerated() {
      let ended = index == texts.count - 1 ? part : part + ","
      if !labelled, !ended.contains("\n"), let last = lines.last, !last.contains("\n"),
        margin.count + last.count + 1 + ended.count <= width
      {
        lines[lines.count - 1] = last + " " + ended
      } else {
        lines.append(ended)
      }
    }
    return open + "\n" + lines.map { margin + $0 }.joined(separator: "\n") + "\n"
      + String(repeating: " ", count: indent) + close
  }

  private func quoted(_ string: String) -> String {
    let shown = string.prefix(stringLimit)
    let text = String(shown).debugDescription
    return shown.endIndex == string.endIndex
      ? text : text + "… \(string.count - stringLimit) more characters, \(string.count) in all"
  }
}
