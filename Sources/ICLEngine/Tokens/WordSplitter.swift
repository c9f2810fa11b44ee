/// How byte-level tokenizers cut text into words before merging: the patterns of GPT-2 and of Llama 3, written out.
public enum WordSplitter: String, Sendable, Codable {
  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case gpt2
  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  case llama3

  /// By the names that GGUF files use.
  init?(ggufName: String) {
    switch ggufName {
    case "gpt-2": self = .gpt2
    case "llama-bpe", "llama3", "llama-v3": self = .llama3
    default: return nil
    }
  }

  private enum Class {
    case letter, number, space, other
    init(_ scalar: Unicode.Scalar) {
      if scalar.properties.isWhitespace {
        self = .space
        return
      }
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
      case .decimalNumber, .letterNumber, .otherNumber: self = .number
      default: self = .other
      }
    }
  }

  /// The words of a text, in order; joined they are the text. O(n).
  func words(_ text: [Unicode.Scalar]) -> [ArraySlice<Unicode.Scalar>] {
    let classes = text.map(Class.init)
    var words: [ArraySlice<Unicode.Scalar>] = []
    var start = 0
    while start < text.count {
      let end = self == .gpt2 ? gpt2End(text, classes, start) : llama3End(text, classes, start)
      words.append(text[start..<end])
      start = end
    }
    return words
  }

  /// The first place from `at` on whose class isn't `wanted`.
  private func run(_ classes: [Class], _ wanted: Class, from at: Int) -> Int {
    var end = at
    while end < classes.count, classes[end] == wanted { end += 1 }
    return end
  }

  private func gpt2End(_ text: [Unicode.Scalar], _ classes: [Class], _ start: Int) -> Int {
    if let end = contraction(text, start, ignoringCase: false) { return end }
    let at = text[start] == " " && start + 1 < text.count ? start + 1 : start
    for wanted in [Class.letter, .number, .other] where classes[at] == wanted { return run(classes, wanted, from: at) }
    return spaces(classes, start)
  }

  private func llama3End(_ text: [Unicode.Scalar], _ classes: [Class], _ start: Int) -> Int {
    if let end = contraction(text, start, ignoringCase: true) { return end }
    if classes[start] == .letter { return run(classes, .letter, from: start) }
    let isBreak = { (scalar: Unicode.Scalar) in scalar == "\r" || scalar == "\n" }
    if classes[start] != .number, !isBreak(text[start]), start + 1 < text.count, classes[start + 1] == .letter {
      return run(classes, .letter, from: start + 1)
    }
    if classes[start] == .number { return min(run(classes, .number, from: start), start + 3) }
    let at = text[start] == " " && start + 1 < text.count ? start + 1 : start
    if classes[at] == .other {
      var end = run(classes, .other, from: at)
      while end < text.count, isBreak(text[end]) { end += 1 }
      return end
    }
    // Spaces up to and with their last line break, if they have one.
    let end = run(classes, .space, from: start)
    if let last = text[start..<end].lastIndex(where: isBreak) { return last + 1 }
    return spaces(classes, start)
  }

  /// `\s+(?!\S)|\s+`: all spaces, but one that stands before a word is left to it.
  private func spaces(_ classes: [Class], _ start: Int) -> Int {
    let end = run(classes, .space, from: start)
    return end < classes.count && end - start > 1 ? end - 1 : end
  }

  private func contraction(_ text: [Unicode.Scalar], _ start: Int, ignoringCase: Bool) -> Int? {
    guard text[start] == "'" else { return nil }
    for ending in ["s", "t", "re", "ve", "m", "ll", "d"] {
      let letters = Array(ending.unicodeScalars)
      let found = text[(start + 1)...].prefix(letters.count)
      let same = found.elementsEqual(letters) { a, b in
        a == b || (ignoringCase && a.properties.lowercaseMapping.unicodeScalars.elementsEqual([b]))
      }
      if same { return start + 1 + letters.count }
    }
    return nil
  }
}
