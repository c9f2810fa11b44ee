import Foundation

extension Comparison {
  /// Swift that gives the same numbers again, and how to see that they are the same.
  public var reproduce: String {
    let model = provenance.model
    // The model that ships is found by every engine, wherever it was built.
    let isShipped = model.path?.hasSuffix(".resources/Resources/tour.gguf") ?? true
    let engine = isShipped ? "Engine()" : "Engine(model: \(Self.literal(model.path ?? "")))"
    return """
      // model \(model.name)\(model.sha256.map { ", SHA-256 \($0)" } ?? ""), \(model.quantization)
      // engine \(provenance.engineVersion); prompts SHA-256 \(provenance.promptsSHA256)
      let engine = try \(engine)
      let spec = try ComparisonSpec(json: #\"\"\"
        \(specJSON)
        \"\"\"#)
      let result = try engine.compare(\(taskExpression), spec)
      // the same bits when this holds:
      result.provenance.fingerprint == "\(provenance.fingerprint)"
      """
  }

  private var taskExpression: String {
    ClassificationTask.shippedNames.contains(task)
      ? ".\(task)" : "yourTask /* \(task.replacing("*/", with: "* /")) */"
  }

  private var specJSON: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(spec)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  private static func literal(_ text: String) -> String { text.debugDescription }
}

extension ComparisonSpec {
  /// Reads a specification; what is absent has its default.
  /// - Throws: `malformedFile` for what is not JSON, has an unknown key or a value of the wrong kind.
  public init(json: String) throws(EngineError) {
    let known = Set(Self.keyNames)
    do {
      if let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any],
        let unknown = object.keys.sorted().first(where: { !known.contains($0) })
      {
        throw EngineError(
          .malformedFile, "a comparison has no \"\(unknown)\"", at: "specification",
          expected: "one of " + Self.keyNames.joined(separator: ", "), found: unknown)
      }
      self = try JSONDecoder().decode(Self.self, from: Data(json.utf8))
    } catch let error as EngineError {
      throw error
    } catch {
      throw EngineError(
        .malformedFile, "the specification of a comparison cannot be read", at: "specification",
        expected: #"JSON such as {"demonstrations": 8, "seed": 1}"#, underlying: error)
    }
  }
}
