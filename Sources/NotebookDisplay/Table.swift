/// A table of texts, in every form that documents want: HTML, Markdown, plain text, LaTeX, CSV and JSON. All foreign
/// text is escaped.
///
///     Table(["city", "high"], [["Oslo", "4"], ["Cairo", "31"]], alignment: [.leading, .trailing])
public struct Table: RichDisplayable, Sendable, Equatable {
  public enum Alignment: String, Sendable, Equatable, Codable {
    case leading, center, trailing
  }

  public var columns: [String]
  /// Rows of cells; a missing cell is empty, and cells beyond the columns are not shown.
  public var rows: [[String]]
  /// One per column; columns beyond it are `leading`.
  public var alignment: [Alignment]
  public var caption: String?

  public init(_ columns: [String], _ rows: [[String]], alignment: [Alignment] = [], caption: String? = nil) {
    self.columns = columns
    self.rows = rows
    self.alignment = alignment
    self.caption = caption
  }

  public var mimeBundle: MIMEBundle {
    MIMEBundle(data: ["text/html": html, "text/markdown": markdown, "text/plain": plainText])
  }

  private func alignment(of column: Int) -> Alignment {
    alignment.indices.contains(column) ? alignment[column] : .leading
  }
  private func cell(_ row: [String], _ column: Int) -> String { row.indices.contains(column) ? row[column] : "" }

  /// Colours and row shading are the notebook theme's own, so the table reads in light and dark; styles are in
  /// attributes because notebooks that are not trusted lose `<style>`.
  public var html: String {
    // Headings may break; numbers may not.
    func css(_ column: Int, heading: Bool) -> String {
      switch alignment(of: column) {
      case .leading: "text-align:left"
      case .center: "text-align:center"
      case .trailing:
        heading ? "text-align:right" : "text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"
      }
    }
    func line(_ tag: String, _ cells: (Int) -> String) -> String {
      let all = columns.indices.map { column in
        "<\(tag)\(tag == "th" ? " scope=\"col\"" : "") style=\"\(css(column, heading: tag == "th"));padding:2px 10px\">"
          + cells(column).markupEscaped.replacing("\n", with: "<br>") + "</\(tag)>"
      }
      return "<tr>" + all.joined() + "</tr>\n"
    }
    var result = "<table style=\"border-collapse:collapse;max-width:100%\">\n"
    if let caption {
      result +=
        "<caption style=\"caption-side:top;text-align:left;padding:4px 0;font-weight:600\">"
        + caption.markupEscaped + "</caption>\n"
    }
    result += "<thead>\n" + line("th") { columns[$0] } + "</thead>\n<tbody>\n"
    for row in rows { result += line("td") { cell(row, $0) } }
    return result + "</tbody>\n</table>"
  }

  public var markdown: String {
    var lines: [String] = []
    if let caption { lines += ["**" + caption.markdownEscaped + "**", ""] }
    lines.append("| " + columns.map(\.markdownEscaped).joined(separator: " | ") + " |")
    lines.append(
      "|"
        + columns.indices.map {
          switch alignment(of: $0) {
          case .leading: ":--|"
          case .center: ":-:|"
          case .trailing: "--:|"
          }
        }.joined())
    for row in rows {
      lines.append("| " + columns.indices.map { cell(row, $0).markdownEscaped }.joined(separator: " | ") + " |")
    }
    return lines.joined(separator: "\n")
  }

  /// Columns of characters; the line under the header is as wide as the table.
  public var plainText: String {
    let flat = ([columns] + rows).map { row in
      columns.indices.map { cell(row, $0).replacing("\n", with: " ") }
    }
    let widths = columns.indices.map { column in flat.map { $0[column].count }.max() ?? 0 }
    func line(_ row: [String]) -> String {
      var text = ""
      for (column, cell) in row.enumerated() {
        let space = widths[column] - cell.count
        let before =
          switch alignment(of: column) {
          case .leading: 0
          case .center: space / 2
          case .trailing: space
          }
        text += String(repeating: " ", count: before) + cell + String(repeating: " ", count: space - before) + "  "
      }
      while text.last == " " { text.removeLast() }
      return text
    }
    let rule = String(repeating: "─", count: widths.reduce(0, +) + 2 * max(columns.count - 1, 0))
    return ((caption.map { [$0] } ?? []) + [line(flat[0]), rule] + flat.dropFirst().map(line)).joined(separator: "\n")
  }

  /// A `tabular` with plain rules: needs no package.
  public var latex: String {
    let spec = columns.indices.map { column in
      switch alignment(of: column) {
      case .leading: "l"
      case .center: "c"
      case .trailing: "r"
      }
    }.joined()
    func line(_ cells: [String]) -> String { cells.map(\.latexEscaped).joined(separator: " & ") + " \\\\" }
    var lines: [String] = []
    if let caption { lines += ["\\begin{table}", "\\caption{\(caption.latexEscaped)}"] }
    lines += ["\\begin{tabular}{\(spec)}", "\\hline", line(columns), "\\hline"]
    lines += rows.map { row in line(columns.indices.map { cell(row, $0) }) }
    lines += ["\\hline", "\\end{tabular}"]
    if caption != nil { lines.append("\\end{table}") }
    return lines.joined(separator: "\n")
  }

  /// RFC 4180, without the caption.
  public var csv: String {
    ([columns] + rows.map { row in columns.indices.map { cell(row, $0) } })
      .map { $0.map(\.csvField).joined(separator: ",") + "\r\n" }.joined()
  }

  /// `{"caption":…,"columns":[…],"rows":[[…],…]}`, every cell a text; `caption` is absent when there is none.
  public var json: String {
    func list(_ cells: [String]) -> String { "[" + cells.map(\.jsonString).joined(separator: ",") + "]" }
    let lines = rows.map { row in list(columns.indices.map { cell(row, $0) }) }
    return "{" + (caption.map { "\"caption\":\($0.jsonString)," } ?? "")
      + "\"columns\":\(list(columns)),\"rows\":[\(lines.joined(separator: ","))]}"
  }
}
