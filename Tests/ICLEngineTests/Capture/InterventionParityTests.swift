import Fixtures
import Foundation
import ICLEngine
import Testing

/// Changes on the way against transformers with forward hooks on the same weights, and attention against its
/// `output_attentions` with eager attention.
@Suite(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
struct InterventionParityTests {
  /// As in ``ParityTests``: F32 on both sides, other orders of summation.
  static let tolerance = 1e-5

  @Test(arguments: InterventionReference.cases.map(\.name))
  func `changed states, attention and logits agree with forward hooks`(_ name: String) throws {
    let reference = try InterventionReference.made.get()
    let test = try #require(InterventionReference.cases.first { $0.name == name })
    let expected = try reference.states(name)
    let model = try reference.model(name)
    let c = model.configuration
    let request = CaptureRequest(
      points: Set(CapturePoint.allCases), layers: .all, positions: .all, logits: true,
      attention: Set(AttentionPoint.allCases))
    let states = try model.forward(
      [test.prompt], capture: request, interventions: test.changes.map(\.intervention))[0]
    var compared = 0
    for (key, rows) in states.rows {
      let wanted = try #require(expected["\(key.point.rawValue) \(key.layer)"])
      #expect(rows.count == wanted.count)
      for (position, (row, other)) in zip(rows, wanted).enumerated() {
        #expect(
          relativeError(row, other) <= Self.tolerance,
          "\(key.point) \(key.layer), position \(position)")
      }
      compared += 1
    }
    for (row, other) in zip(states.logits, try #require(expected["logits \(c.layerCount)"])) {
      #expect(relativeError(row, other) <= Self.tolerance)
    }
    for layer in 1...c.layerCount {
      let probabilities = try #require(states.attention(.probabilities, layer: layer))
      let logits = try #require(states.attention(.logits, layer: layer))
      let wantedProbabilities = try #require(expected["attentionProbabilities \(layer)"])
      let wantedLogits = try #require(expected["attentionLogits \(layer)"])
      for position in test.prompt.indices {
        for head in 0..<c.headCount {
          let row = position * c.headCount + head
          let count = position + 1
          #expect(
            relativeError(probabilities[position][head], Array(wantedProbabilities[row][..<count]))
              <= Self.tolerance)
          #expect(wantedProbabilities[row][count...].allSatisfy { $0 == 0 })
          // transformers masks with the lowest float, the engine with −∞.
          let seen = c.slidingWindow.map { max(0, count - $0) } ?? 0
          #expect(logits[position][head][..<seen].allSatisfy { $0 == -.infinity })
          // A logit is a sum that cancels; what counts is its exponential, so 1 is the least that errors are of.
          let (ours, theirs) = (logits[position][head][seen...], wantedLogits[row][seen..<count])
          let distance = zip(ours, theirs).reduce(0.0) {
            $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
          }.squareRoot()
          let size = theirs.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
          #expect(
            distance <= Self.tolerance * max(1, size),
            "logits \(layer), position \(position), head \(head)")
        }
      }
      compared += 2
    }
    let lenses = c.layerCount + 1
    #expect(
      compared == expected.count - 1 - lenses,
      "everything of the reference but the logits and the lens's")
  }

  @Test(arguments: ["nothing", "residual"])
  func `the logit lens agrees with norm and head of transformers`(
    _ name: String
  ) throws {
    let reference = try InterventionReference.made.get()
    let test = try #require(InterventionReference.cases.first { $0.name == name })
    let expected = try reference.states(name)
    let model = try reference.model(name)
    let lens = try model.logitLens(
      test.prompt, top: 7, interventions: test.changes.map(\.intervention))
    #expect(
      lens.layers == [0, 1, 2, 3] && lens.positions == Array(0..<33) && lens.cells.count == 4)
    for layer in lens.layers {
      let states = try #require(expected["residual \(layer)"])
      let theirs = try #require(expected["lens \(layer)"])
      for (row, other) in zip(try model.lensLogits(states), theirs) {
        #expect(relativeError(row, other) <= Self.tolerance)
      }
      for (position, cell) in lens.cells[layer].enumerated() {
        let here = Self.probabilities(theirs[position])
        let end = Self.probabilities(try #require(expected["logits 3"])[position])
        let order = here.indices.sorted { (here[$0], $1) > (here[$1], $0) }
        // Logits of a few units agree within 1e-5 of their row's length: probabilities within 1e-4 of themselves.
        #expect(
          cell.top.map(\.token) == Array(order.prefix(7)), "layer \(layer), position \(position)")
        for one in cell.top {
          #expect(abs(one.probability - here[one.token]) < 1e-4 * here[one.token])
        }
        let target = end.indices.max { (end[$0], $1) < (end[$1], $0) } ?? 0
        #expect(lens.targets[position].token == target)
        #expect(cell.targetRank == 1 + (order.firstIndex(of: target) ?? -1))
        let divergence = zip(end, here).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) }
        #expect(abs(cell.divergence - divergence) < 1e-4 * max(1, divergence))
        if layer == 3 { #expect(cell.divergence == 0 && cell.targetRank == 1) }
      }
    }
  }

  private static func probabilities(_ logits: [Float]) -> [Double] {
    let most = Double(logits.max() ?? 0)
    let values = logits.map { exp(Double($0) - most) }
    let sum = values.reduce(0, +)
    return values.map { $0 / sum }
  }
}
