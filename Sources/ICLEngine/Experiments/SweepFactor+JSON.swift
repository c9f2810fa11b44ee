import Foundation

/// A factor as a specification names it: `{"factor": "demonstrations", "values": [1, 2, 4, 8]}`.
extension SweepFactor: Decodable {
  /// The names that a specification may use.
  public static let names = [
    "demonstrations", "wrongLabels", "tuningSteps", "rank", "learningRate", "labelWords", "instruction",
    "wrongLabelKind",
    "choice", "demonstrationTask",
  ]

  private enum Key: String, CodingKey, CaseIterable { case factor, values }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: Key.self)
    func values<T: Decodable>(_ type: T.Type = T.self) throws -> [T] {
      let list = try box.decode([T].self, forKey: .values)
      guard !list.isEmpty else {
        throw DecodingError.dataCorruptedError(forKey: .values, in: box, debugDescription: "a sweep needs a value")
      }
      return list
    }
    switch try box.decode(String.self, forKey: .factor) {
    case "demonstrations": self = try .demonstrations(values())
    case "wrongLabels": self = try .wrongLabels(values())
    case "tuningSteps": self = try .tuningSteps(values())
    case "rank": self = try .rank(values())
    case "learningRate": self = try .learningRate(values())
    case "labelWords": self = try .labelWords(values())
    case "instruction": self = try .instruction(values())
    case "wrongLabelKind": self = try .wrongLabelKind(values())
    case "choice": self = try .choice(values())
    case "demonstrationTask":
      self = try .demonstrationTask(
        values(String?.self).map { name in try name.map { try ClassificationTask.shipped(named: $0) } })
    case let other:
      throw DecodingError.dataCorruptedError(
        forKey: .factor, in: box,
        debugDescription: "a sweep's factor is one of \(Self.names.joined(separator: ", ")), not \(other)")
    }
  }

  /// Reads `{"factor": …, "values": […]}`.
  /// - Throws: `malformedFile` for another factor, values of the wrong kind, or an unknown key
  public init(json: String) throws(EngineError) {
    let example = #"{"factor": "demonstrations", "values": [1, 2, 4, 8]}"#
    let object = (try? JSONSerialization.jsonObject(with: Data(json.utf8))) as? [String: Any]
    let known = Key.allCases.map(\.rawValue)
    if let unknown = object?.keys.sorted().first(where: { !known.contains($0) }) {
      throw EngineError(
        .malformedFile, "a sweep has no \"\(unknown)\"", at: "specification", expected: example, found: unknown)
    }
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(json.utf8))
    } catch {
      throw EngineError(
        .malformedFile, "the sweep of the specification cannot be read", at: "specification", expected: example,
        underlying: error)
    }
  }
}
