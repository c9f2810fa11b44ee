import Foundation
import NotebookDisplay

/// One self-contained page: no script, nothing fetched from elsewhere, light and dark, for wide and narrow screens.
struct ReportPage {
  enum Part {
    case text(String)
    case table(Table)
    /// Two columns, of which the second may break anywhere: checksums are long.
    case facts(Table)
    /// With its text twin, folded.
    case picture(SVG)
    case code(String)
  }

  struct Section {
    let title: String
    let parts: [Part]
  }

  /// Plain text, escaped here like all that follows.
  let title: String
  /// What was compared, in a sentence.
  let lead: String
  let sections: [Section]

  var html: String {
    let contents = sections.enumerated().map { "<a href=\"#s\($0.offset + 1)\">\($0.element.title.markupEscaped)</a>" }
    let body = sections.enumerated().map { index, section in
      "<section id=\"s\(index + 1)\">\n<h2>\(section.title.markupEscaped)</h2>\n"
        + section.parts.map(Self.html).joined(separator: "\n") + "\n</section>"
    }
    return """
      <!DOCTYPE html>
      <html lang="en"><head><meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <title>\(title.markupEscaped)</title>
      <style>
      \(Self.style)
      </style></head><body>
      <h1>\(title.markupEscaped)</h1>
      <p>\(lead.markupEscaped)</p>
      <nav>\(contents.joined(separator: " · "))</nav>
      \(body.joined(separator: "\n"))
      </body></html>
      """
  }

  private static func html(_ part: Part) -> String {
    switch part {
    case .text(let text): "<p>\(text.markupEscaped)</p>"
    case .table(let table): html(table, classes: "wide")
    case .facts(let table): html(table, classes: "wide facts")
    case .picture(let picture):
      "<figure>\n\(picture.source)\n</figure>\n<details><summary>In numbers</summary>\n"
        + "<pre class=\"wide\">\(picture.plainText.markupEscaped)</pre></details>"
    case .code(let text): "<pre class=\"code\">\(text.markupEscaped)</pre>"
    }
  }

  /// A table scrolls where it is wider than the screen; its caption stands above and does not scroll with it.
  private static func html(_ table: Table, classes: String) -> String {
    var bare = table
    bare.caption = nil
    let caption = table.caption.map { "<p class=\"caption\">\($0.markupEscaped)</p>\n" } ?? ""
    return caption + "<div class=\"\(classes)\">\n\(bare.html)\n</div>"
  }

  /// What is too wide for a screen scrolls by itself; pictures keep a size at which their text can be read.
  private static let style = """
    :root { color-scheme: light dark; background: Canvas; color: CanvasText }
    body { font: 15px/1.5 system-ui, sans-serif; max-width: 58rem; margin: 2rem auto; padding: 0 1rem }
    h1 { line-height: 1.2 } h2 { margin-top: 2.2rem; line-height: 1.2 }
    th, td { border-bottom: 1px solid #8886; vertical-align: top } th { vertical-align: bottom }
    .caption { font-weight: 600; margin: 1rem 0 0.2rem } .caption + .wide { margin-top: 0 }
    .wide { overflow-x: auto; margin: 0.8rem 0 } .facts td + td { overflow-wrap: anywhere }
    pre { font-size: 13px; background: #8881; padding: 0.7rem; border-radius: 6px }
    .code { white-space: pre-wrap; overflow-wrap: anywhere }
    figure { margin: 1rem 0 0.3rem; overflow-x: auto } svg { max-width: 100%; height: auto }
    summary { cursor: pointer; opacity: 0.8 }
    @media (max-width: 44rem) { figure svg { max-width: none !important } }
    @media print { details { display: none } }
    """
}

extension ComparisonSpec {
  /// Every choice under the name that a specification gives it.
  var choices: Table {
    var rows: [[String]] = []
    func add(_ name: String, _ value: JSONValue) {
      switch value {
      case .object(let members) where name == "demonstrationTask":
        rows.append([name, members["name"]?.text ?? "a task of its own"])
      case .object(let members):
        for (key, part) in members.sorted(by: { $0.key < $1.key }) { add("\(name).\(key)", part) }
      default: rows.append([name, value.text])
      }
    }
    let all = (try? ExperimentJSON.text(of: self)).flatMap {
      try? ExperimentJSON.value(JSONValue.self, from: Data($0.utf8))
    }
    if case .object(let members)? = all {
      for (key, value) in members.sorted(by: { $0.key < $1.key }) { add(key, value) }
    }
    return Table(["choice", "value"], rows)
  }
}

extension ExperimentProvenance {
  /// Where the numbers come from.
  var facts: Table {
    Table(
      ["what", "which"],
      model.facts + [
        ["tokenizer", tokenizer], ["prompts, SHA-256", promptsSHA256], ["engine", engineVersion],
        ["fingerprint of all numbers", fingerprint],
      ])
  }
}

extension ModelProvenance {
  /// Rows of two.
  var facts: [[String]] {
    var rows = [["model", name]]
    if let sha256 { rows.append(["model's file, SHA-256", sha256]) }
    rows += [["parameters", "\(parameterCount)"], ["weights", quantization]]
    rows.append(["products", "computed in \(precision.rawValue)"])
    return rows
  }

  /// For footers: how products were computed, where that is not the usual F32.
  var precisionNote: String { precision == .f32 ? "" : ", products in \(precision.rawValue)" }
}

/// Any JSON value, for showing.
enum JSONValue: Decodable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case list([JSONValue])
  case object([String: JSONValue])

  init(from decoder: any Decoder) throws {
    let box = try decoder.singleValueContainer()
    if box.decodeNil() {
      self = .null
    } else if let value = try? box.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? box.decode(Double.self) {
      self = .number(value)
    } else if let value = try? box.decode(String.self) {
      self = .string(value)
    } else if let value = try? box.decode([JSONValue].self) {
      self = .list(value)
    } else {
      self = .object(try box.decode([String: JSONValue].self))
    }
  }

  /// As a reader sees it: texts without quotes, lists with commas.
  var text: String {
    switch self {
    case .null: "none"
    case .bool(let value): value ? "yes" : "no"
    case .number(let value):
      // Rates are 32-bit numbers: their shortest text in 32 bits is what was written.
      value == value.rounded() && value.magnitude < 1e15
        ? "\(Int(value))" : (Double(Float(value)) == value ? "\(Float(value))" : "\(value)")
    case .string(let value): value
    case .list(let values): values.isEmpty ? "none" : values.map(\.text).joined(separator: ", ")
    case .object(let members):
      members.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.text)" }.joined(separator: ", ")
    }
  }
}
