/// Rows of a CSV (RFC 4180) or TSV text: fields may be quoted, and then hold separators, quotes and line breaks.
struct DelimitedText {
  struct Row: Equatable {
    /// 1-based line on which the row begins.
    var line: Int
    var fields: [String]
  }

  /// - Parameter separator: `,` or a tab
  /// - Throws: `malformedFile` for a quote that is not closed, or text after a closing quote.
  static func rows(of text: String, separator: Unicode.Scalar, path: String) throws(EngineError) -> [Row] {
    var rows: [Row] = []
    var fields: [String] = []
    var field = String.UnicodeScalarView()
    var line = 1
    var rowLine = 1
    var quoteLine = 0
    enum Place { case fieldStart, plain, quoted, afterQuote }
    var place = Place.fieldStart

    func endField() {
      fields.append(String(field))
      field = .init()
      place = .fieldStart
    }
    func endRow() {
      endField()
      if fields != [""] { rows.append(Row(line: rowLine, fields: fields)) }
      fields = []
    }

    var scalars = text.unicodeScalars[...]
    if scalars.first == "\u{FEFF}" { scalars.removeFirst() }
    while let scalar = scalars.popFirst() {
      let isBreak = scalar == "\n" || scalar == "\r"
      if isBreak, scalar == "\r", scalars.first == "\n", place != .quoted { continue }
      switch place {
      case .quoted:
        if scalar == "\"" { place = .afterQuote } else { field.append(scalar) }
      case .afterQuote where scalar == "\"":
        field.append(scalar)
        place = .quoted
      case _ where scalar == separator: endField()
      case _ where isBreak: endRow()
      case .fieldStart where scalar == "\"":
        place = .quoted
        quoteLine = line
      case .afterQuote:
        throw EngineError(
          .malformedFile, "a quoted field goes on after its closing quote", at: "\(path), line \(line)",
          expected: "a separator or the end of the line", found: String(scalar),
          nextStep: "write a quote inside a quoted field twice")
      case .fieldStart, .plain:
        field.append(scalar)
        place = .plain
      }
      if isBreak, !(scalar == "\r" && scalars.first == "\n") {
        line += 1
        if place != .quoted { rowLine = line }
      }
    }
    if place == .quoted {
      throw EngineError(
        .malformedFile, "a quoted field is not closed", at: "\(path), line \(quoteLine)", expected: "a closing quote",
        found: "the end of the file")
    }
    if place != .fieldStart || !fields.isEmpty { endRow() }
    return rows
  }
}
