/// The model's own view of texts: for each example the state after the last block, its mean over the tokens of the
/// example's texts alone (no instruction, template or label).
package struct MeanStates: Sendable {
  private let states: [[String: String]: [Float]]

  /// - Parameter examples: of tasks whose placeholders are `fieldNames`
  /// - Throws: `contextOverflow`, `interrupted`
  package init(
    of examples: [(example: ClassificationTask.Example, fieldNames: [String])], model: any ExperimentModel
  ) throws(EngineError) {
    var states: [[String: String]: [Float]] = [:]
    let texts = examples.map { one in one.fieldNames.map { one.example.fields[$0, default: ""] }.joined(separator: " ")
    }
    let tokens = texts.map { text in
      let ids = model.tokenizer.encode(text)
      return ids.isEmpty ? [model.tokenizer.beginToken ?? 0] : ids
    }
    let depth = model.configuration.layerCount
    let all = try model.forward(
      tokens, capture: CaptureRequest(points: [.residual], layers: .some([depth]), positions: .all), adapter: nil)
    for (index, kept) in all.enumerated() {
      // The begin token's state says nothing of the text.
      let rows = kept.residual(depth) ?? []
      let begins = rows.count > 1 && tokens[index].first == model.tokenizer.beginToken
      states[examples[index].example.fields] = Self.mean(Array(rows.dropFirst(begins ? 1 : 0)))
    }
    self.states = states
  }

  /// Cosine of two examples' states; −2 for one that is not known.
  package func likeness(_ a: ClassificationTask.Example, _ b: ClassificationTask.Example) -> Double {
    guard let a = states[a.fields], let b = states[b.fields] else { return -2 }
    let value = Measures.cosine(a, b)
    return value.isNaN ? -2 : value
  }

  /// Mean over rows, in double precision; a single row stays as it is.
  static func mean(_ rows: [[Float]]) -> [Float] {
    guard rows.count != 1, let width = rows.first?.count else { return rows.first ?? [] }
    return (0..<width).map { column in
      var sum = 0.0
      for row in rows { sum += Double(row[column]) }
      return Float(sum / Double(rows.count))
    }
  }
}
