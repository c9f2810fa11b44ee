import Foundation
import ICLEngine

/// An experiment as a JSON file: model, task and the choices of the comparison.
struct ExperimentFile {
  private var model: String?
  private var task: TaskPart = .name("sentiment")
  private var comparisonPart: [String: Any]?
  private var sweepPart: [String: Any]?
  private var path = "specification"
  /// The folder that paths are relative to.
  private var folder: URL?

  private enum TaskPart {
    case name(String)
    case file(TaskFilePart)
  }

  /// The names that a specification may have.
  static let keys = ["model", "task", "comparison", "sweep"]

  init() {}

  /// - Throws: `unreadableFile`, or `malformedFile` for what is not JSON or has an unknown key
  init(contentsOf path: String) throws(EngineError) {
    self.path = path
    let url = URL(filePath: path)
    folder = url.deletingLastPathComponent()
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      throw EngineError(
        .unreadableFile, "the specification cannot be read", at: path, nextStep: "check the path", underlying: error)
    }
    try SpecificationText.check(data, path: path)
    guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw malformed("the specification is not a JSON object", expected: "{…}", found: "another value")
    }
    if let unknown = object.keys.sorted().first(where: { !Self.keys.contains($0) }) {
      let isOfComparison = ComparisonSpec.keyNames.contains(unknown)
      throw malformed(
        "the specification has an unknown key", key: unknown, expected: Self.keys.joined(separator: ", "),
        found: unknown,
        next: isOfComparison
          ? "put it inside \"comparison\": {…}"
          : Suggestion.nearest(to: unknown, among: Self.keys).map { "perhaps \"\($0)\"" })
    }
    if let value = object["model"] {
      guard let path = value as? String else {
        throw malformed("the model is a path", key: "model", expected: "a string", found: "\(value)")
      }
      model = path
    }
    switch object["task"] {
    case nil: break
    case let name as String: task = .name(name)
    case let part?: task = .file(try TaskFilePart(part, at: path, key: "task"))
    }
    if let part = object["comparison"] {
      guard let part = part as? [String: Any] else {
        throw malformed("the comparison is an object", key: "comparison", expected: "{…}", found: "\(part)")
      }
      comparisonPart = part
    }
    if let part = object["sweep"] {
      guard let part = part as? [String: Any] else {
        throw malformed(
          "the sweep is an object", key: "sweep", expected: #"{"factor": "demonstrations", "values": [1, 2, 4]}"#,
          found: "\(part)")
      }
      sweepPart = part
    }
  }

  private func malformed(
    _ what: String, key: String? = nil, expected: String, found: String, next: String? = nil
  ) -> EngineError {
    EngineError(
      .malformedFile, what, at: path + (key.map { ", key \($0)" } ?? ""), expected: expected, found: found,
      nextStep: next ?? "see `icl-kernel compare --help` for an example")
  }

  private static func json(_ object: [String: Any]) -> String {
    (try? JSONSerialization.data(withJSONObject: object)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// - Throws: `malformedFile`, naming the key
  func comparison() throws(EngineError) -> ComparisonSpec {
    guard var part = comparisonPart else { return ComparisonSpec() }
    // A task from a file has its path here; the engine's own reader knows names and whole tasks.
    var shown: ExperimentTask?
    if let object = part["demonstrationTask"] as? [String: Any], object["file"] != nil {
      shown = try TaskFilePart(object, at: path, key: "comparison.demonstrationTask").task(in: folder)
      part["demonstrationTask"] = nil
    }
    var spec = try ComparisonSpec(
      json: Self.json(part), reader: SpecificationReader(place: path, root: "comparison"))
    if let shown { spec.demonstrationTask = shown }
    return spec
  }

  /// - Throws: `malformedFile`, naming the key
  func sweep() throws(EngineError) -> SweepFactor? {
    guard var part = sweepPart else { return nil }
    if part["factor"] as? String == "model", let values = part["values"] as? [Any] {
      part["values"] = values.map { ($0 as? String).map { TaskFilePart.resolved($0, in: folder) } ?? $0 }
    }
    if part["factor"] as? String == "demonstrationTask", let values = part["values"] as? [Any],
      values.contains(where: { $0 is [String: Any] })
    {
      return .demonstrationTask(
        try values.map { value throws(EngineError) -> ExperimentTask? in
          switch value {
          case is NSNull: nil
          case let name as String: try .shipped(named: name)
          default: try TaskFilePart(value, at: path, key: "sweep.values").task(in: folder)
          }
        })
    }
    return try SweepFactor(json: Self.json(part), reader: SpecificationReader(place: path, root: "sweep"))
  }

  var modelPath: String? { model.map { TaskFilePart.resolved($0, in: folder) } }

  func experimentTask() throws(EngineError) -> ExperimentTask {
    switch task {
    case .name(let name): try .shipped(named: name)
    case .file(let part): try part.task(in: folder)
    }
  }
}

/// A task of a specification whose examples lie in a file.
struct TaskFilePart: Decodable {
  var file: String
  var template: String
  var name: String?
  var labelColumn: String?
  var answerColumn: String?
  var instructions: [String]?
  var arbitraryLabels: [String]?

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case file, template, name, labelColumn, answerColumn, instructions, arbitraryLabels
  }

  init(file: String, template: String, labelColumn: String?, answerColumn: String?) {
    self.file = file
    self.template = template
    self.labelColumn = labelColumn
    self.answerColumn = answerColumn
  }

  /// - Parameter key: where it stands in the specification
  /// - Throws: `malformedFile`, naming the key
  init(_ part: Any, at path: String, key: String) throws(EngineError) {
    let json =
      (try? JSONSerialization.data(withJSONObject: part, options: .fragmentsAllowed)).map {
        String(decoding: $0, as: UTF8.self)
      } ?? ""
    self = try SpecificationReader(place: path, root: key).value(
      Self.self, from: json, what: "a task that is not a name", keys: CodingKeys.allCases.map(\.stringValue),
      example: #"{"file": "reviews.csv", "template": "Review: {text}\nMood: {label}\n"}"#)
  }

  /// The file's examples with labels or, where a column of answers is named, with texts to be written.
  /// - Throws: `invalidArgument` when both are asked for, and what reading the file throws
  func task(in folder: URL?) throws(EngineError) -> ExperimentTask {
    let path = Self.resolved(file, in: folder)
    guard let answerColumn else {
      return try ClassificationTask(
        contentsOf: path, name: name, template: template, instructions: instructions ?? [],
        labelColumn: labelColumn ?? "label", arbitraryLabels: arbitraryLabels ?? [])
    }
    if labelColumn != nil || arbitraryLabels != nil {
      throw EngineError(
        .invalidArgument, "a task has labels or answers to be written, not both", at: file,
        expected: "answerColumn alone",
        found: "answerColumn and " + (labelColumn != nil ? "labelColumn" : "arbitraryLabels"))
    }
    return try TranslationTask(
      contentsOf: path, name: name, template: template, instructions: instructions ?? [], answerColumn: answerColumn)
  }

  static func resolved(_ path: String, in folder: URL?) -> String {
    guard let folder, !path.hasPrefix("/") else { return path }
    return folder.appending(path: path).path
  }
}
