import Foundation

/// Reads parts of a specification that people write by hand: what is wrong is said with the key at which it stands.
package struct SpecificationReader {
  /// What is read: a path, or "specification".
  let place: String
  /// The part's own place in it, such as `comparison`; empty for the whole.
  let root: [String]

  package init(place: String = "specification", root: String? = nil) {
    self.place = place
    self.root = root.map { [$0] } ?? []
  }

  /// - Parameters:
  ///   - keys: the names that the object may have; names of an object in it by its own name
  ///   - example: what the part may look like
  /// - Throws: `malformedFile` for what is not JSON or no object, for an unknown key, for a value of the wrong kind
  package func value<T: Decodable>(
    _ type: T.Type, from json: String, what: String, keys: [String], inner: [String: [String]] = [:], example: String
  ) throws(EngineError) -> T {
    try SpecificationText.check(Data(json.utf8), path: path([]))
    guard let found = try? JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed) else {
      throw EngineError(
        .malformedFile, "\(what) is not JSON", at: path([]), expected: example, found: Self.shown(json),
        nextStep: "look for a missing comma, quote or brace")
    }
    guard let object = found as? [String: Any] else {
      throw EngineError(
        .malformedFile, "\(what) is an object", at: path([]), expected: example, found: Self.text(of: found))
    }
    try check(object, keys, what: what, at: [])
    for (name, keys) in inner.sorted(by: { $0.key < $1.key }) {
      if let part = object[name] as? [String: Any] { try check(part, keys, what: name, at: [name]) }
    }
    do {
      return try JSONDecoder().decode(type, from: Data(json.utf8))
    } catch let error as EngineError {
      throw EngineError(
        .malformedFile, "a value of \(what) is not what it should be", at: path([]), underlying: error)
    } catch let error as DecodingError {
      if let place = Misfit.place(in: object, decoding: type) {
        throw EngineError(
          .malformedFile, "a number of \(what) is not what it should be", at: path(place.map(\.stringValue)),
          expected: "a whole number, 0 or more", found: Self.value(at: place, in: object).map(Self.text),
          nextStep: "an example: \(example)")
      }
      throw self.error(error, in: object, what: what, example: example)
    } catch {
      throw EngineError(
        .malformedFile, "\(what) cannot be read", at: path([]), expected: example, underlying: error)
    }
  }

  private func check(
    _ object: [String: Any], _ keys: [String], what: String, at names: [String]
  ) throws(EngineError) {
    guard let unknown = object.keys.sorted().first(where: { !keys.contains($0) }) else { return }
    throw EngineError(
      .malformedFile, "\(what) has no key \"\(unknown)\"", at: path(names + [unknown]),
      expected: "one of " + keys.joined(separator: ", "), found: unknown,
      nextStep: Suggestion.nearest(to: unknown, among: keys).map { "perhaps \"\($0)\"" }
        ?? "see docs/EXPERIMENTS.md, \"An experiment as a file\"")
  }

  /// The place of a key: `experiment.json, key comparison.tuning.rank`.
  private func path(_ names: [String]) -> String {
    let key = (root + names).joined(separator: ".")
    return key.isEmpty ? place : "\(place), key \(key)"
  }

  private func error(
    _ error: DecodingError, in object: [String: Any], what: String, example: String
  ) -> EngineError {
    let (context, expected): (DecodingError.Context, String?) =
      switch error {
      case .typeMismatch(let type, let context), .valueNotFound(let type, let context): (context, Self.words(type))
      case .keyNotFound(let key, let context): (context, "the key \"\(key.stringValue)\"")
      case .dataCorrupted(let context): (context, nil)
      @unknown default: (.init(codingPath: [], debugDescription: "\(error)"), nil)
      }
    let names = context.codingPath.map { $0.intValue.map { "\($0)" } ?? $0.stringValue }
    // A list's own key says what each of its entries may be.
    let key = context.codingPath.last { $0.intValue == nil }?.stringValue ?? ""
    return EngineError(
      .malformedFile, "a value of \(what) is not what it should be", at: path(names),
      expected: Self.choices[key] ?? expected ?? context.debugDescription,
      found: Self.value(at: context.codingPath, in: object).map(Self.text) ?? "nothing",
      nextStep: "an example: \(example)")
  }

  /// What keys with a few values may have.
  private static let choices: [String: String] = {
    func names<T: RawRepresentable & CaseIterable>(_ type: T.Type) -> String where T.RawValue == String {
      type.allCases.map(\.rawValue).joined(separator: ", ")
    }
    func list<T: RawRepresentable & CaseIterable>(_ type: T.Type) -> String where T.RawValue == String {
      "a list among " + names(type)
    }
    var choices: [String: String] = [:]
    choices["wrongLabelKind"] = names(WrongLabelKind.self)
    choices["choice"] = names(DemonstrationChoice.self)
    choices["likeness"] = names(Likeness.self)
    choices["order"] = names(DemonstrationOrder.self)
    choices["positions"] = #"last, queryMean, firstOfLabel, lastOfLabel, {"after": "text"}, or a negative index"#
    choices["point"] = names(StatePoint.self)
    choices["measures"] = list(Measure.self)
    choices["method"] = names(TuningSettings.Method.self)
    choices["loss"] = names(TuningSettings.Loss.self)
    choices["labelWords"] = "meaningful, arbitrary, swapped, or a list of words"
    choices["baselines"] = list(Baseline.self)
    choices["projections"] = list(Projection.self)
    choices["demonstrationTask"] = ClassificationTask.shippedNames.joined(separator: ", ") + ", or a whole task"
    choices["factor"] = SweepFactor.names.joined(separator: ", ")
    return choices
  }()

  private static func words(_ type: Any.Type) -> String {
    switch type {
    case is any FixedWidthInteger.Type: "a whole number"
    case is any BinaryFloatingPoint.Type: "a number"
    case is String.Type: "a text in quotes"
    case is Bool.Type: "true or false"
    case is any RangeReplaceableCollection.Type, is [Any].Type: "a list […]"
    case is [String: Any].Type: "an object {…}"
    default: "\(type)"
    }
  }

  private static func value(at path: [any CodingKey], in object: Any) -> Any? {
    var value: Any? = object
    for key in path {
      if let index = key.intValue {
        value = (value as? [Any]).flatMap { $0.indices.contains(index) ? $0[index] : nil }
      } else {
        value = (value as? [String: Any])?[key.stringValue]
      }
    }
    return value
  }

  private static func text(of value: Any) -> String {
    let data = try? JSONSerialization.data(
      withJSONObject: value, options: [.fragmentsAllowed, .sortedKeys, .withoutEscapingSlashes])
    return shown(data.map { String(decoding: $0, as: UTF8.self) } ?? "\(value)")
  }

  private static func shown(_ text: String) -> String { text.count > 80 ? text.prefix(80) + "…" : text }
}

extension ComparisonSpec {
  /// Reads a specification; what is absent has its default.
  /// - Throws: `malformedFile` for what is not JSON, has an unknown key or a value of the wrong kind.
  public init(json: String) throws(EngineError) { try self.init(json: json, reader: SpecificationReader()) }

  package init(json: String, reader: SpecificationReader) throws(EngineError) {
    self = try reader.value(
      Self.self, from: json, what: "a comparison", keys: Self.keyNames, inner: ["tuning": TuningSettings.keyNames],
      example: #"{"demonstrations": 8, "tuning": {"steps": 30}, "seed": 1}"#)
  }
}

extension SweepFactor {
  /// Reads `{"factor": …, "values": […]}`.
  /// - Throws: `malformedFile` for another factor, values of the wrong kind, or an unknown key
  public init(json: String) throws(EngineError) { try self.init(json: json, reader: SpecificationReader()) }

  package init(json: String, reader: SpecificationReader) throws(EngineError) {
    self = try reader.value(
      Self.self, from: json, what: "a sweep", keys: Self.keyNames,
      example: #"{"factor": "demonstrations", "values": [1, 2, 4, 8]}"#)
  }
}
