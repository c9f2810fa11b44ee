/// Interventions laid out over the prompts of a batch, checked.
struct InterventionPlan {
  /// One intervention at one position.
  struct Application: Hashable {
    let intervention: Int
    /// Which of an intervention's vectors, when each position has its own.
    let row: Int
  }

  let interventions: [Intervention]
  let configuration: ModelConfiguration
  /// For each prompt, what acts at which position, in the order of the interventions.
  private let applications: [[Int: [Application]]]
  /// Tokens of the first prompt.
  private let length: Int

  /// - Throws: `invalidArgument` for a layer, head, prompt, position or vector that doesn't fit
  init(_ interventions: [Intervention], prompts: [[Int]], in c: ModelConfiguration) throws(EngineError) {
    self.interventions = interventions
    configuration = c
    length = prompts.first?.count ?? 0
    var applications = [[Int: [Application]]](repeating: [:], count: prompts.count)
    for (index, intervention) in interventions.enumerated() {
      let place = "intervention \(index)"
      try intervention.check(c, at: place)
      for prompt in intervention.prompts ?? [] where !prompts.indices.contains(prompt) {
        throw EngineError(
          .invalidArgument, "the batch has no such prompt", at: place, expected: "0..<\(prompts.count)",
          found: "\(prompt)")
      }
      for prompt in intervention.prompts ?? Array(prompts.indices) {
        let length = prompts[prompt].count
        let positions = try intervention.positions.resolved(length: length, prompt: prompt, at: place)
        for (row, position) in positions.enumerated() {
          try intervention.checkVector(row, of: positions.count, position: position, in: c, at: place)
          let own = intervention.change.hasRowForEachPosition ? row : 0
          applications[prompt][position, default: []].append(Application(intervention: index, row: own))
        }
      }
    }
    self.applications = applications
  }

  var isEmpty: Bool { applications.allSatisfy(\.isEmpty) }

  /// The first position of a prompt that differs from a plain pass; `nil` without any.
  func firstPosition(_ prompt: Int) -> Int? { applications[prompt].keys.min() }

  func applications(prompt: Int, position: Int) -> [Application] { applications[prompt][position] ?? [] }

  /// What acts on a position of a text that begins with the first prompt: beyond it, what is of all positions.
  func continued(_ position: Int) -> [Application] {
    if position < length { return applications(prompt: 0, position: position) }
    return interventions.indices.compactMap { index in
      let one = interventions[index]
      guard one.prompts?.contains(0) ?? true, one.positions.isOpen, !one.change.hasRowForEachPosition else {
        return nil
      }
      // A row of the attention grows with the text: only a closure fits all of them.
      if case .attention = one.target, !one.change.isClosure { return nil }
      return Application(intervention: index, row: 0)
    }
  }

  /// Blocks that the interventions reach.
  var blockCount: Int {
    interventions.map { $0.target == .states(.finalNorm) ? configuration.layerCount : $0.layer }.max() ?? 0
  }

  /// Prompts as keys for ``PromptTree``: positions that are changed in different ways are different, and those that a
  /// closure changes are each prompt's own.
  func keys(_ prompts: [[Int]]) -> [[Int]] {
    var numbers: [[Application]: Int] = [:]
    return prompts.enumerated().map { index, prompt in
      prompt.enumerated().map { position, token in
        guard var mark = applications[index][position] else { return token }
        if mark.contains(where: { interventions[$0.intervention].change.isClosure }) {
          mark.append(Application(intervention: -1, row: index))
        }
        let number = numbers[mark] ?? numbers.count + 1
        numbers[mark] = number
        // Tokens are below 2²⁴, as the model's shape is checked to be.
        return number << 32 | token
      }
    }
  }
}

extension CaptureRequest.Positions {
  /// Whether the choice goes on after the prompt.
  fileprivate var isOpen: Bool {
    switch self {
    case .all, .from: true
    case .last, .some, .range: false
    case .perPrompt(let list): list.first?.isOpen ?? false
    }
  }
}

extension Intervention.Change {
  var isClosure: Bool { if case .transform = self { true } else { false } }

  var hasRowForEachPosition: Bool {
    switch self {
    case .replaceEach, .addEach: true
    case .replace, .add, .transform: false
    }
  }

  /// The vector for a position; `nil` for a closure.
  func vector(_ row: Int) -> [Float]? {
    switch self {
    case .replace(let vector), .add(let vector, _): vector
    case .replaceEach(let rows), .addEach(let rows, _): rows[row]
    case .transform: nil
    }
  }

  /// - Returns: whether the values are as many as before; only a closure can make them others
  func apply(_ row: Int, to values: inout [Float], at site: Intervention.Site) -> Bool {
    let count = values.count
    switch self {
    case .replace(let vector): values = vector
    case .replaceEach(let rows): values = rows[row]
    case .add(let vector, let scale): for i in 0..<count { values[i] += scale * vector[i] }
    case .addEach(let rows, let scale): for i in 0..<count { values[i] += scale * rows[row][i] }
    case .transform(let body): body(&values, site)
    }
    return values.count == count
  }
}

extension Intervention {
  /// Floats of a vector at a position.
  func width(at position: Int, in c: ModelConfiguration) -> Int {
    switch target {
    case .attention: position + 1
    case .states(.headOutputs) where heads != nil: c.headDimension
    case .states(let point): point.width(in: c)
    }
  }

  fileprivate func check(_ c: ModelConfiguration, at place: String) throws(EngineError) {
    let layers: ClosedRange<Int>? =
      switch target {
      case .states(.finalNorm): nil
      case .states(.residual): 0...c.layerCount
      case .states, .attention: 1...c.layerCount
      }
    if let layers, !layers.contains(layer) {
      throw EngineError(
        .invalidArgument, "the model has no such layer", at: place,
        expected: "\(layers.lowerBound) to \(layers.upperBound)", found: "\(layer)")
    }
    guard let heads else { return }
    switch target {
    case .attention, .states(.headOutputs): break
    case .states(let point):
      throw EngineError(
        .invalidArgument, "these states are not of single heads", at: place, expected: "heads: nil",
        found: "\(point.rawValue) of heads \(heads)", nextStep: "change headOutputs or attention instead")
    }
    if let head = heads.first(where: { !(0..<c.headCount).contains($0) }) {
      throw EngineError(
        .invalidArgument, "the model has no such head", at: place, expected: "0 to \(c.headCount - 1)",
        found: "\(head)")
    }
  }

  fileprivate func checkVector(
    _ row: Int, of count: Int, position: Int, in c: ModelConfiguration, at place: String
  ) throws(EngineError) {
    let rows: Int? =
      switch change {
      case .replaceEach(let rows), .addEach(let rows, _): rows.count
      case .replace, .add, .transform: nil
      }
    if let rows, rows != count {
      throw EngineError(
        .invalidArgument, "an intervention has not one vector for each position", at: place,
        expected: "\(count) vectors", found: "\(rows)")
    }
    let width = width(at: position, in: c)
    if let vector = change.vector(row), vector.count != width {
      throw EngineError(
        .invalidArgument, "an intervention's vector doesn't fit its place", at: "\(place), position \(position)",
        expected: "\(width) values", found: "\(vector.count)")
    }
  }
}
