/// How wide a text is, from a table: the picture is drawn where no font can be asked.
///
/// The widths are those of DejaVu Sans, the widest of the fonts that browsers take for `system-ui` or `sans-serif`.
/// With a narrower font there is more room between texts, never less.
enum TextWidth {
  /// Hundredths of the type size, for the characters from space to tilde.
  private static let plain: [UInt8] = [
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84,
    84, 84, 54, 100, 69, 69, 70, 77, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75, 79, 61, 79, 70, 64, 62, 74, 69, 99, 69,
    62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36, 64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53, 40, 64,
    60, 82, 60, 60, 53, 64, 34, 64, 84,
  ]
  private static let bold: [UInt8] = [
    35, 46, 53, 84, 70, 101, 88, 31, 46, 46, 53, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 40, 40, 84,
    84, 84, 58, 100, 78, 77, 74, 83, 69, 69, 83, 84, 38, 38, 78, 64, 100, 84, 85, 74, 85, 77, 73, 69, 82, 78, 111, 78,
    73, 73, 46, 37, 46, 84, 50, 50, 68, 72, 60, 72, 68, 44, 72, 72, 35, 35, 67, 35, 105, 72, 69, 72, 72, 50, 60, 48, 72,
    66, 93, 65, 66, 59, 72, 37, 72, 84,
  ]

  static func of(_ text: String, size: Double, isBold: Bool = false) -> Double {
    var hundredths = 0
    for scalar in text.unicodeScalars {
      let code = scalar.value
      if code >= 32, code < 127 {
        hundredths += Int((isBold ? bold : plain)[Int(code) - 32])
      } else {
        hundredths += isBold ? wide(code) * 11 / 10 : wide(code)
      }
    }
    return Double(hundredths) / 100 * size
  }

  private static func wide(_ code: UInt32) -> Int {
    switch code {
    case 0..<32, 0x300...0x36F, 0x200B...0x200F, 0xFE00...0xFE0F: 0
    case 0x2212, 0xB1, 0xD7: 84
    case 0xB0, 0xB7, 0x2013: 50
    case 0x2026, 0x2014: 100
    case 0x80...0x2AF: 72
    case 0x370...0x3FF: 84
    case 0x400...0x52F: 100
    case 0x2000...0x206F, 0x2070...0x209F: 60
    case 0x1F000...0x1FAFF: 140
    case 0x1100...0x11FF, 0x2E80...0xFFDC, 0x20000...0x3FFFF: 100
    default: 90
    }
  }

  /// The beginning of `text` that fits, with "…" where something is missing.
  static func fitted(_ text: String, size: Double, width: Double, isBold: Bool = false) -> String {
    let flat = text.replacing("\n", with: " ")
    if of(flat, size: size, isBold: isBold) <= width { return flat }
    let room = width - of("…", size: size, isBold: isBold)
    var used = 0.0
    var result = ""
    for character in flat {
      used += of(String(character), size: size, isBold: isBold)
      if used > room { break }
      result.append(character)
    }
    while result.last == " " { result.removeLast() }
    return result.isEmpty ? "" : result + "…"
  }

  /// Lines of whole words that fit; what is beyond `limit` lines ends in "…".
  static func wrapped(_ text: String, size: Double, width: Double, limit: Int, isBold: Bool = false) -> [String] {
    var lines: [String] = []
    for word in text.replacing("\n", with: " ").split(separator: " ") {
      if let last = lines.last, of(last + " " + word, size: size, isBold: isBold) <= width {
        lines[lines.count - 1] = last + " " + word
      } else {
        lines.append(String(word))
      }
    }
    if lines.count > limit, limit > 0 {
      lines[limit - 1] = lines[(limit - 1)...].joined(separator: " ")
      lines.removeLast(lines.count - limit)
    }
    return lines.map { fitted($0, size: size, width: width, isBold: isBold) }
  }
}
