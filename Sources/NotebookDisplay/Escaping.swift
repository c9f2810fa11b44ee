extension String {
  /// This text as HTML or XML (SVG) text, also inside a quoted attribute: markup shows as characters. Control
  /// characters that XML forbids become U+FFFD.
  public var markupEscaped: String {
    replacing { scalar in
      switch scalar {
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      case "\"": "&quot;"
      case "'": "&#39;"
      case "\t", "\n", "\r": nil
      case "\0"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": "\u{FFFD}"
      default: nil
      }
    }
  }

  /// This text inside a Markdown paragraph or table cell: no character formats, links, ends the cell or starts HTML.
  public var markdownEscaped: String {
    replacing { scalar in
      switch scalar {
      case "\\", "`", "*", "_", "[", "]", "|", "#", "~", "$": "\\\(scalar)"
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      case "\n", "\r": " "
      default: nil
      }
    }
  }

  /// This text as LaTeX text mode shows it.
  public var latexEscaped: String {
    replacing { scalar in
      switch scalar {
      case "\\": "\\textbackslash{}"
      case "^": "\\textasciicircum{}"
      case "~": "\\textasciitilde{}"
      case "&", "%", "$", "#", "_", "{", "}": "\\\(scalar)"
      case "<": "\\textless{}"
      case ">": "\\textgreater{}"
      case "\n", "\r": " "
      default: nil
      }
    }
  }

  /// As a JSON string, with its quotes.
  public var jsonString: String {
    let text = replacing { scalar in
      switch scalar {
      case "\"": "\\\""
      case "\\": "\\\\"
      case "\n": "\\n"
      case "\r": "\\r"
      case "\t": "\\t"
      case _ where scalar.value < 0x20:
        // Four digits: 0x10000 keeps the zeros in front.
        "\\u" + String(0x10000 + scalar.value, radix: 16).dropFirst()
      default: nil
      }
    }
    return "\"" + text + "\""
  }

  /// This text as one field of a CSV line (RFC 4180): quoted when it has a comma, a quote or a line break.
  public var csvField: String {
    guard unicodeScalars.contains(where: { ",\"\n\r".unicodeScalars.contains($0) }) else { return self }
    return "\"" + replacing { $0 == "\"" ? "\"\"" : nil } + "\""
  }

  /// - Parameter replacement: what stands for a scalar; `nil` where it stands for itself.
  private func replacing(_ replacement: (Unicode.Scalar) -> String?) -> String {
    var result = ""
    result.reserveCapacity(utf8.count + utf8.count / 8)
    for scalar in unicodeScalars {
      if let text = replacement(scalar) { result += text } else { result.unicodeScalars.append(scalar) }
    }
    return result
  }
}
