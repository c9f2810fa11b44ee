// Swift that gives the same numbers again, and how to see that they are the same.

extension Comparison {
  /// Swift that gives the same numbers again, and how to see that they are the same.
  public var reproduce: String {
    Reproduction(provenance, task: task).text(spec, call: "compare(\(Reproduction.expression(ofTask: task)), spec)")
  }
}

extension StepsToICL {
  /// Swift that gives the same numbers again, and how to see that they are the same.
  public var reproduce: String {
    Reproduction(provenance, task: task).text(
      spec, call: "stepsToICL(\(Reproduction.expression(ofTask: task)), spec, every: \(steps.dropFirst().first ?? 1))")
  }
}

extension TaskVectors {
  /// Swift that gives the same numbers again, and how to see that they are the same.
  public var reproduce: String {
    Reproduction(provenance, task: task).text(
      spec, call: "taskVectors(\(Reproduction.expression(ofTask: task)), spec, heads: \(headCount))")
  }
}

extension Sweep {
  /// Swift that gives the same numbers again, and how to see that they are the same: a comparison for each value.
  public var reproduce: String {
    guard let first = comparisons.first else { return "" }
    // Where each value has a model of its own, each has a text of its own.
    if comparisons.contains(where: { $0.provenance.model != first.provenance.model }) {
      return zip(values, comparisons).map { "// \(factor): \($0)\n\($1.reproduce)" }.joined(separator: "\n\n")
    }
    let specs = comparisons.map { "  #\"\"\"\n  \(Reproduction.json($0.spec))\n  \"\"\"#," }
    let fingerprints = comparisons.map { "  \"\($0.provenance.fingerprint)\"," }
    return """
      \(Reproduction(first.provenance, task: task).opening)
      let specs = [
      \(specs.joined(separator: "\n"))
      ]
      let results = try specs.map { try engine.compare(\(Reproduction.expression(ofTask: task)), ComparisonSpec(json: $0)) }
      // the same bits when this holds:
      results.map(\\.provenance.fingerprint) == [
      \(fingerprints.joined(separator: "\n"))
      ]
      """
  }
}

extension LogitLens {
  /// Swift that gives the same numbers again.
  public var reproduce: String {
    let candidates = cells.first?.first?.top.count ?? 1
    return (isChanged ? "// with the adapter and the interventions that were used\n" : "")
      + """
      // model \(model.name)\(model.sha256.map { ", SHA-256 \($0)" } ?? ""), \(model.quantization)
      let engine = try \(Reproduction.expression(ofModel: model))
      let lens = try engine.model.logitLens(
        \(tokens), layers: .some(\(layers)), positions: .some(\(positions)), top: \(candidates)\
      \(target.map { ", target: \($0)" } ?? ""))
      """
  }
}

/// The parts that these texts share.
struct Reproduction {
  private let provenance: ExperimentProvenance
  private let task: String

  init(_ provenance: ExperimentProvenance, task: String) {
    self.provenance = provenance
    self.task = task
  }

  var opening: String {
    let model = provenance.model
    return """
      // model \(model.name)\(model.sha256.map { ", SHA-256 \($0)" } ?? ""), \(model.quantization)
      // engine \(provenance.engineVersion); prompts SHA-256 \(provenance.promptsSHA256)\
      \(model.path == nil ? "\n// the model was made in memory: put it in place of this one" : "")
      let engine = try \(Self.expression(ofModel: model))
      """
  }

  /// - Parameter call: of a method of the engine, with `spec`
  func text(_ spec: ComparisonSpec, call: String) -> String {
    """
    \(opening)
    let spec = try ComparisonSpec(json: #\"\"\"
      \(Self.json(spec))
      \"\"\"#)
    let result = try engine.\(call)
    // the same bits when this holds:
    result.provenance.fingerprint == "\(provenance.fingerprint)"
    """
  }

  static func expression(ofTask task: String) -> String {
    ClassificationTask.shippedNames.contains(task)
      ? ".\(task)" : "yourTask /* \(task.replacing("*/", with: "* /")) */"
  }

  static func expression(ofModel model: ModelProvenance) -> String {
    // The model that ships is found by every engine, wherever it was built.
    let engine =
      model.isShipped || model.path == nil ? "Engine()" : "Engine(model: \((model.path ?? "").debugDescription))"
    return model.precision == .f32 ? engine : "\(engine).with(.\(model.precision.rawValue))"
  }

  /// In lines of up to 96 columns, broken behind commas and indented as the literal is around them.
  static func json(_ spec: ComparisonSpec) -> String {
    var lines = [""]
    var piece = ""
    var isText = false
    var isEscaped = false
    func place() {
      if lines[lines.count - 1].count + piece.count > 94 { lines.append("") }
      lines[lines.count - 1] += piece
      piece = ""
    }
    for character in (try? ExperimentJSON.text(of: spec)) ?? "" {
      piece.append(character)
      if character == "\"", !isEscaped { isText.toggle() }
      isEscaped = character == "\\" && !isEscaped
      if character == ",", !isText { place() }
    }
    place()
    return lines.joined(separator: "\n  ")
  }
}
