internal import Foundation

/// A notebook as it was shared: cells, and the outputs that its author saw (nbformat 4).
package struct NotebookFile: Sendable {
  package struct Cell: Sendable {
    /// Place in the notebook, from 0, cells of text included.
    package let number: Int
    package let id: String?
    package let isCode: Bool
    package let source: String
    package let tags: [String]
    package let outputs: [NotebookOutput]

    /// Its outputs can't repeat (a duration, a path of one machine), so they are not compared.
    package var isVolatile: Bool { tags.contains("volatile") }
    /// It is meant to end in an error.
    package var raisesException: Bool { tags.contains("raises-exception") }
  }

  package let path: String
  package let cells: [Cell]

  /// - Throws: `notebook` for what can't be read, is not a notebook of format 4, or is in another language
  package init(contentsOf path: String) throws(KernelError) {
    let root: JSONValue
    do {
      root = try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: URL(filePath: path)))
    } catch let error as DecodingError {
      throw KernelError(
        .notebook, "the file is not JSON", at: path, expected: "a notebook (.ipynb)", found: Self.brief(error),
        nextStep: "export it again from Jupyter")
    } catch {
      throw KernelError(
        .notebook, "the notebook can't be read", at: path, found: error.localizedDescription,
        nextStep: "check the path and its permissions")
    }
    guard case .integer(4)? = root["nbformat"], case .array(let cells)? = root["cells"] else {
      throw KernelError(
        .notebook, "the file is not a notebook of format 4", at: path, expected: "\"nbformat\": 4 and \"cells\"",
        found: root["nbformat"].map { "nbformat \($0)" } ?? "no nbformat",
        nextStep: "open it in JupyterLab and save it, or run `jupyter nbconvert --to notebook --nbformat 4`")
    }
    let metadata = root["metadata"]
    let language = metadata?["kernelspec"]?["language"]?.string ?? metadata?["language_info"]?["name"]?.string
    if let language, language.lowercased() != "swift" {
      throw KernelError(
        .notebook, "the notebook is in another language", at: path, expected: "swift", found: language)
    }
    self.path = path
    self.cells = try cells.enumerated().map { number, cell throws(KernelError) in
      guard let kind = cell["cell_type"]?.string else {
        throw KernelError(
          .notebook, "a cell has no type", at: "\(path), cell \(number)", expected: "code, markdown or raw",
          found: "nothing")
      }
      var tags: [String] = []
      if case .array(let list)? = cell["metadata"]?["tags"] { tags = list.compactMap(\.string) }
      var outputs: [NotebookOutput] = []
      if case .array(let list)? = cell["outputs"] { outputs = list.map(NotebookOutput.init(json:)) }
      return Cell(
        number: number, id: cell["id"]?.string, isCode: kind == "code", source: Self.text(cell["source"]) ?? "",
        tags: tags, outputs: NotebookOutput.joined(outputs))
    }
  }

  /// A text of a notebook: one string, or its lines.
  static func text(_ value: JSONValue?) -> String? {
    switch value {
    case .string(let text): text
    case .array(let lines): lines.allSatisfy { $0.string != nil } ? lines.compactMap(\.string).joined() : nil
    default: nil
    }
  }

  private static func brief(_ error: DecodingError) -> String {
    if case .dataCorrupted(let context) = error { return "\(context.debugDescription)" }
    return "\(error)"
  }
}

/// One output of a cell, as far as a reader sees it.
package enum NotebookOutput: Sendable, Equatable {
  case stream(name: String, text: String)
  /// A display or a result: MIME type to content.
  case data([String: JSONValue], isVolatile: Bool)
  case error(name: String, value: String)

  init(json: JSONValue) {
    switch json["output_type"]?.string {
    case "stream":
      self = .stream(name: json["name"]?.string ?? "stdout", text: NotebookFile.text(json["text"]) ?? "")
    case "error":
      self = .error(name: json["ename"]?.string ?? "", value: json["evalue"]?.string ?? "")
    default:
      var data: [String: JSONValue] = [:]
      if case .object(let entries)? = json["data"] {
        for (type, value) in entries {
          let isJSON = type == "application/json" || type.hasSuffix("+json")
          data[type] = isJSON ? value : NotebookFile.text(value).map(JSONValue.string) ?? value
        }
      }
      self = .data(data, isVolatile: json["metadata"]?["volatile"] == .bool(true))
    }
  }

  /// Neighbouring pieces of one stream become one, as front ends show them.
  static func joined(_ outputs: [NotebookOutput]) -> [NotebookOutput] {
    var result: [NotebookOutput] = []
    for output in outputs {
      if case .stream(let name, let text) = output, case .stream(name, let before)? = result.last {
        result[result.count - 1] = .stream(name: name, text: before + text)
      } else {
        result.append(output)
      }
    }
    return result
  }
}
