import Foundation
import ICLEngine

/// An experiment as a JSON file: model, task and the choices of the comparison.
struct ExperimentFile {
  private var model: String?
  private var task: TaskPart = .name("sentiment")
  private var comparisonJSON: String?
  private var sweepJSON: String?
  /// The folder that paths are relative to.
  private var folder: URL?

  private enum TaskPart {
    case name(String)
    case file(TaskFilePart)
  }

  private struct TaskFilePart: Decodable {
    var file: String
    var template: String
    var name: String?
    var labelColumn: String?
    var instructions: [String]?
    var arbitraryLabels: [String]?
  }

  init() {}

  /// - Throws: `unreadableFile`, or `malformedFile` for what is not JSON or has an unknown key
  init(contentsOf path: String) throws(EngineError) {
    let url = URL(filePath: path)
    folder = url.deletingLastPathComponent()
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      throw EngineError(
        .unreadableFile, "the specification cannot be read", at: path, nextStep: "check the path", underlying: error)
    }
    func malformed(_ what: String, expected: String, found: String) -> EngineError {
      EngineError(
        .malformedFile, what, at: path, expected: expected, found: found,
        nextStep: "see `icl-kernel compare --help` for an example")
    }
    guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw malformed("the specification is not a JSON object", expected: "{…}", found: "something else")
    }
    let keys = ["model", "task", "comparison", "sweep"]
    if let unknown = object.keys.sorted().first(where: { !keys.contains($0) }) {
      throw malformed("the specification has an unknown key", expected: keys.joined(separator: ", "), found: unknown)
    }
    if let value = object["model"] {
      guard let path = value as? String else {
        throw malformed("the model is a path", expected: "a string", found: "\(value)")
      }
      model = path
    }
    switch object["task"] {
    case nil: break
    case let name as String: task = .name(name)
    case let part?:
      do {
        task = .file(
          try JSONDecoder().decode(
            TaskFilePart.self, from: JSONSerialization.data(withJSONObject: part, options: .fragmentsAllowed)))
      } catch {
        throw malformed(
          "the task is a name, or an object with \"file\" and \"template\"",
          expected: #"{"file": "reviews.csv", "template": "Review: {text}\nMood: {label}\n"}"#, found: "\(part)")
      }
    }
    if let part = object["comparison"] {
      guard part is [String: Any], let data = try? JSONSerialization.data(withJSONObject: part) else {
        throw malformed("the comparison is an object", expected: "{…}", found: "\(part)")
      }
      comparisonJSON = String(decoding: data, as: UTF8.self)
    }
    if let part = object["sweep"] {
      guard part is [String: Any], let data = try? JSONSerialization.data(withJSONObject: part) else {
        throw malformed(
          "the sweep is an object", expected: #"{"factor": "demonstrations", "values": [1, 2, 4]}"#, found: "\(part)")
      }
      sweepJSON = String(decoding: data, as: UTF8.self)
    }
  }

  func comparison() throws(EngineError) -> ComparisonSpec {
    try comparisonJSON.map { json throws(EngineError) in try ComparisonSpec(json: json) } ?? ComparisonSpec()
  }

  func sweep() throws(EngineError) -> SweepFactor? {
    try sweepJSON.map { json throws(EngineError) in try SweepFactor(json: json) }
  }

  var modelPath: String? { model.map(resolved) }

  func classificationTask() throws(EngineError) -> ClassificationTask {
    switch task {
    case .name(let name): try .shipped(named: name)
    case .file(let part):
      try ClassificationTask(
        contentsOf: resolved(part.file), name: part.name, template: part.template,
        instructions: part.instructions ?? [], labelColumn: part.labelColumn ?? "label",
        arbitraryLabels: part.arbitraryLabels ?? [])
    }
  }

  private func resolved(_ path: String) -> String {
    guard let folder, !path.hasPrefix("/") else { return path }
    return folder.appending(path: path).path
  }
}
