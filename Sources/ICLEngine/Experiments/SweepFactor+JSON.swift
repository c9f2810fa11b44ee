/// A factor as a specification names it: `{"factor": "demonstrations", "values": [1, 2, 4, 8]}`.
extension SweepFactor: Decodable {
  /// The names that a specification may use.
  public static let names = [
    "demonstrations", "wrongLabels", "tuningSteps", "rank", "learningRate", "labelWords", "instruction",
    "wrongLabelKind", "choice", "likeness", "order", "demonstrationTask", "template", "instructionText", "tuningMethod",
    "projections", "tuningLoss", "positions", "point", "model", "quantization",
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
    case "likeness": self = try .likeness(values())
    case "order": self = try .order(values())
    case "template": self = try .template(values())
    case "instructionText":
      // The one wording that has a name.
      self = try .instructionText(
        values(String?.self).map { $0 == "contradictory" ? ComparisonSpec.contradictoryInstruction : $0 })
    case "tuningMethod": self = try .tuningMethod(values())
    case "projections": self = try .projections(values())
    case "tuningLoss": self = try .tuningLoss(values())
    case "positions": self = try .positions(values())
    case "point": self = try .point(values())
    case "model": self = try .model(values())
    case "quantization":
      self = try .quantization(
        values(String?.self).map { name in
          guard let name else { return nil }
          guard let type = BlockQuantizer.supported.first(where: { $0.name == name.uppercased() }) else {
            throw DecodingError.dataCorruptedError(
              forKey: .values, in: box,
              debugDescription: "a quantization is null or one of "
                + BlockQuantizer.supported.map(\.name).joined(separator: ", ") + ", not \(name)")
          }
          return type
        })
    case "demonstrationTask":
      self = try .demonstrationTask(
        values(String?.self).map { name in try name.map { try ClassificationTask.shipped(named: $0) } })
    case let other:
      throw DecodingError.dataCorruptedError(
        forKey: .factor, in: box,
        debugDescription: "a sweep's factor is one of \(Self.names.joined(separator: ", ")), not \(other)")
    }
  }

  /// The names that its JSON may have.
  static var keyNames: [String] { Key.allCases.map(\.rawValue) }
}
