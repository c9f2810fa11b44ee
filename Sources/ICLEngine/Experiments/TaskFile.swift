import Foundation

extension ClassificationTask {
  /// Reads a task's examples from a CSV, TSV or JSONL file, by its name's ending.
  ///
  ///     let task = try ClassificationTask(
  ///       contentsOf: "reviews.tsv", template: "Review: {sentence}\nSentiment: {label}\n", labelColumn: "label",
  ///       labelNames: ["0": "negative", "1": "positive"])
  ///
  /// CSV and TSV begin with a line of column names; each line of a JSONL is an object.
  /// - Parameters:
  ///   - template: its placeholders are names of columns (or keys)
  ///   - labelColumn: the column that holds the label
  ///   - labelNames: the word for each value of that column, in the order of the labels; empty: the values are the
  ///     words, in order of appearance
  /// - Throws: `unreadableFile`, `unsupported` (another ending), `malformedFile` (with its line), `invalidArgument`
  public init(
    contentsOf path: String, name: String? = nil, template: String, instructions: [String] = [],
    labelColumn: String = "label", labelNames: KeyValuePairs<String, String> = [:], arbitraryLabels: [String] = []
  ) throws(EngineError) {
    let file = try TaskText(contentsOf: path)
    try self.init(
      text: file.text, format: file.format, path: path, name: name ?? file.name, template: template,
      instructions: instructions, labelColumn: labelColumn, labelNames: Array(labelNames),
      arbitraryLabels: arbitraryLabels)
  }

  package enum TextFormat: Sendable {
    case csv, tsv, jsonl

    init(path: String) throws(EngineError) {
      switch URL(filePath: path).pathExtension.lowercased() {
      case "csv": self = .csv
      case "tsv": self = .tsv
      case "jsonl", "ndjson": self = .jsonl
      case let other:
        throw EngineError(
          .unsupported, "the ending of a task's file says its format", at: path, expected: ".csv, .tsv or .jsonl",
          found: other.isEmpty ? "none" : ".\(other)", nextStep: "rename the file")
      }
    }
  }

  package init(
    text: String, format: TextFormat, path: String, name: String, template: String, instructions: [String],
    labelColumn: String, labelNames: [(key: String, value: String)], arbitraryLabels: [String]
  ) throws(EngineError) {
    let template = try PromptTemplate(template)
    let rows = try Self.rows(of: text, format, columns: template.fieldNames + [labelColumn], path)
    var values = labelNames.map(\.key)
    var examples: [Example] = []
    for (line, fields) in rows {
      let value = fields[labelColumn, default: ""]
      if labelNames.isEmpty, !values.contains(value) { values.append(value) }
      guard let label = values.firstIndex(of: value), !value.isEmpty else {
        throw EngineError(
          .malformedFile, "a label has no name", at: "\(path), line \(line)",
          expected: "one of " + values.joined(separator: ", "), found: value.isEmpty ? "nothing" : value,
          nextStep: "add it to labelNames, or mend the line")
      }
      examples.append(Example(fields: fields.filter { template.fieldNames.contains($0.key) }, label: label))
    }
    try self.init(
      name: name, template: template, instructions: instructions,
      labels: labelNames.isEmpty ? values : labelNames.map(\.value), arbitraryLabels: arbitraryLabels,
      examples: examples)
  }

  /// A task's file as text.
  struct TaskText {
    let text: String
    let format: TextFormat
    /// The file's name without its ending.
    let name: String

    init(contentsOf path: String) throws(EngineError) {
      let url = URL(filePath: path)
      let text: String
      do {
        let data = try Data(contentsOf: url)
        guard let decoded = String(validating: data, as: UTF8.self) else {
          throw EngineError(
            .malformedFile, "the file is not UTF-8 text", at: path, nextStep: "convert it, for instance with iconv")
        }
        text = decoded
      } catch let error as EngineError {
        throw error
      } catch {
        throw EngineError(
          .unreadableFile, "the task's file cannot be read", at: path, nextStep: "check the path", underlying: error)
      }
      self.text = text
      format = try TextFormat(path: path)
      name = url.deletingPathExtension().lastPathComponent
    }
  }

  typealias Line = (line: Int, fields: [String: String])

  /// The values of some columns, line by line.
  static func rows(
    of text: String, _ format: TextFormat, columns: [String], _ path: String
  ) throws(EngineError) -> [Line] {
    switch format {
    case .csv: try table(text, separator: ",", columns, path)
    case .tsv: try table(text, separator: "\t", columns, path)
    case .jsonl: try objects(text, columns, path)
    }
  }

  private static func table(
    _ text: String, separator: Unicode.Scalar, _ needed: [String], _ path: String
  ) throws(EngineError) -> [Line] {
    let rows = try DelimitedText.rows(of: text, separator: separator, path: path)
    guard let header = rows.first?.fields else {
      throw EngineError(.malformedFile, "the file is empty", at: path, expected: "a line of column names")
    }
    for name in needed where header.count(where: { $0 == name }) != 1 {
      throw EngineError(
        .malformedFile, "the file has no single column \"\(name)\"", at: "\(path), line 1",
        expected: needed.joined(separator: ", "), found: header.joined(separator: ", "),
        nextStep: "name the columns as in the template, the label's with labelColumn")
    }
    var lines: [Line] = []
    for row in rows.dropFirst() {
      guard row.fields.count == header.count else {
        throw EngineError(
          .malformedFile, "a line has not as many fields as there are columns", at: "\(path), line \(row.line)",
          expected: "\(header.count)", found: "\(row.fields.count)",
          nextStep: "put quotes around a field that holds the separator")
      }
      lines.append((row.line, Dictionary(zip(header, row.fields)) { first, _ in first }))
    }
    return lines
  }

  private static func objects(_ text: String, _ needed: [String], _ path: String) throws(EngineError) -> [Line] {
    var lines: [Line] = []
    // Split at line feeds alone: JSON strings may hold other line breaks of Unicode as they are.
    for (index, scalars) in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let content = String(scalars)
      if content.allSatisfy(\.isWhitespace) { continue }
      let place = "\(path), line \(index + 1)"
      guard let object = try? JSONSerialization.jsonObject(with: Data(content.utf8)) as? [String: Any] else {
        throw EngineError(
          .malformedFile, "a line is not a JSON object", at: place, expected: #"{"text": "…", "label": "…"}"#,
          found: String(content.prefix(40)))
      }
      var fields: [String: String] = [:]
      for name in needed {
        switch object[name] {
        case let string as String: fields[name] = string
        case let number as NSNumber: fields[name] = number.stringValue
        case let other:
          throw EngineError(
            .malformedFile, "a line has no text under \"\(name)\"", at: place, expected: "a string or a number",
            found: other == nil ? "keys " + object.keys.sorted().joined(separator: ", ") : "another kind of value")
        }
      }
      lines.append((index + 1, fields))
    }
    return lines
  }
}
