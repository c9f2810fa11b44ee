import Fixtures
import Foundation
import ICLEngine
import Testing

@Suite struct `Measures on random values` {
  private struct Case: Encodable {
    let states: [String: [[Float]]]
    let attention: [String: [[[[Float]]]]]
    let logits: [String: [Float]]
    let ranks: [String: [Float]]
    let columns: [String: [[Float]]]
    let values: [String: [Double]]
  }

  @Test(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
  func `agree with NumPy and SciPy to a millionth`() throws {
    var generator = SeededGenerator(seed: 21)
    func rows(_ count: Int, _ width: Int) -> [[Float]] { (0..<count).map { _ in generator.normals(width) } }
    let z = rows(12, 24)
    func moved(_ rows: [[Float]]) -> [[Float]] {
      rows.map { row in zip(row, generator.normals(row.count)).map { $0 + 0.7 * $1 } }
    }
    let (x, y) = (moved(z), moved(z))
    // Two layers, three queries of different lengths, two heads.
    let zero = (0..<2).map { _ in (0..<3).map { query in rows(2, 4 + query) } }
    func moved(_ attention: [[[[Float]]]]) -> [[[[Float]]]] { attention.map { $0.map(moved) } }
    let (icl, tuned) = (moved(zero), moved(zero))
    let p = generator.normals(40)
    let q = zip(p, generator.normals(40)).map { $0 + $1 }
    // With ties.
    let a = generator.normals(12).map { ($0 * 3).rounded() }
    let b = zip(a, generator.normals(12)).map { $0 + ($1 * 3).rounded() }
    let (u, v) = (rows(3, 24), rows(3, 24))
    let first = generator.normals(9).map(Double.init)
    let second = zip(first, generator.normals(9)).map { $0 - 0.4 + Double($1) * 0.5 }

    let folder = try Fixtures.temporaryFolder("measures")
    defer { try? FileManager.default.removeItem(at: folder) }
    try JSONEncoder().encode(
      Case(
        states: ["x": x, "y": y, "z": z], attention: ["icl": icl, "tuned": tuned, "zero": zero],
        logits: ["p": p, "q": q], ranks: ["a": a, "b": b], columns: ["u": u, "v": v],
        values: ["a": first, "b": second])
    ).write(to: folder.appending(path: "case.json"))
    try Fixtures.runPython("measure_reference.py", [folder.path])
    let expected = try JSONDecoder().decode(
      [String: Double].self, from: Data(contentsOf: folder.appending(path: "measures.json")))

    let (pp, qq) = (Measures.probabilities(logits: p), Measures.probabilities(logits: q))
    let found: [String: Double] = [
      "cosine": Statistics.mean(zip(x, y).map { Measures.cosine($0, $1) }),
      "updateCosine": Statistics.mean(x.indices.map { Measures.updateCosine(x[$0], y[$0], from: z[$0]) }),
      "simAOU": Measures.simAOU(icl: [x], tuned: [y], zeroShot: [z]),
      "simAM": Measures.simAM(icl, tuned),
      "simAMDelta": Measures.simAMDelta(icl: icl, tuned: tuned, zeroShot: zero),
      "ckaBiased": Measures.linearCKA(x, y), "cka": Measures.linearCKA(x, y, debiased: true),
      "kl": Measures.klDivergence(pp, qq), "klReversed": Measures.klDivergence(qq, pp),
      "jensenShannon": Measures.jensenShannon(pp, qq), "topKOverlap": Measures.topKOverlap(p, q, k: 10),
      "kendallTau": Measures.kendallTau(a.map(Double.init), b.map(Double.init)),
      "subspaceOverlap": Measures.subspaceOverlap(u, v),
      "attentionToDemonstrations": Measures.attentionToDemonstrations(a, training: x, query: z[0]),
      "standardDeviation": Measures.orderSensitivity(first),
      "permutation": Statistics.pairedPermutationTest(first, second, using: &generator),
    ]
    #expect(Set(found.keys) == Set(expected.keys))
    for (name, value) in found {
      #expect(near(value, expected[name] ?? .nan, 1e-6), "\(name): \(value), not \(expected[name] ?? .nan)")
    }
  }
}

@Suite struct `Measures of attention, by hand` {
  @Test func `SimAM is a mean over heads, queries and layers, on the tokens that both have`() {
    // Heads: equal (1) and at right angles (0); the second query's rows agree on their last two tokens.
    let a: [[[[Float]]]] = [[[[1, 0], [1, 0]], [[9, 3, 4]]]]
    let b: [[[[Float]]]] = [[[[2, 0], [0, 1]], [[3, 4]]]]
    #expect(near(Measures.simAM(a, b), (0.5 + 1) / 2))
    #expect(Measures.simAM([[[[0, 0]]]], [[[[1, 0]]]]).isNaN)
    #expect(Measures.simAM([[[[-.infinity, 0]]]], [[[[1, 0]]]]).isNaN)
  }

  @Test func `SimAMΔ sees only what changed`() {
    // Both look at token 1 (5, 0); ICL then adds (0, 1), tuning (1, 1): 45 degrees.
    let zero: [[[[Float]]]] = [[[[5, 0]]]]
    let value = Measures.simAMDelta(icl: [[[[5, 1]]]], tuned: [[[[6, 1]]]], zeroShot: zero)
    #expect(near(value, 0.5.squareRoot()))
    #expect(Measures.simAM([[[[5, 1]]]], [[[[6, 1]]]]) > 0.99)
    #expect(Measures.simAMDelta(icl: zero, tuned: [[[[6, 1]]]], zeroShot: zero).isNaN)
  }

  @Test func `attention to demonstrations is ranked against inner products of queries`() {
    // Products with (1, 1): 3, 1, 5; attention ranks the last two the other way: (2 − 1) / 3.
    let value = Measures.attentionToDemonstrations(
      [0.2, 0.1, 0.15], training: [[1, 2], [0, 1], [5, 0]], query: [1, 1])
    #expect(near(value, 1.0 / 3))
    #expect(Measures.attentionToDemonstrations([1], training: [[1, 2]], query: [1, 1]).isNaN)
  }

  @Test func `order sensitivity is the deviation over orders`() {
    // Mean 0.75, squared distances 2 · 0.0625 over n − 1 = 1.
    #expect(near(Measures.orderSensitivity([1, 0.5]), 0.125.squareRoot()))
    #expect(Measures.orderSensitivity([0.5, 0.5, 0.5]) == 0)
    #expect(Measures.orderSensitivity([1]).isNaN)
  }
}
