import Foundation
import ICLEngine
import Testing

/// Whether `a` is `b` within `tolerance`; never when either is NaN.
func near(_ a: Double, _ b: Double, _ tolerance: Double = 1e-12) -> Bool { abs(a - b) <= tolerance }

@Suite struct `Measures on values worked out by hand` {
  @Test func `cosine of 45 degrees, and of nothing`() {
    #expect(near(Measures.cosine([1, 0], [1, 1]), 0.5.squareRoot()))
    #expect(Measures.cosine([1, 2, 3], [-1, -2, -3]) == -1)
    #expect(Measures.cosine([0, 0], [1, 1]).isNaN)
    #expect(Measures.cosine([.nan, 0], [1, 1]).isNaN)
    #expect(Measures.cosine([.infinity, 0], [1, 1]).isNaN)
  }

  @Test func `update cosine looks from the zero-shot state`() {
    // (2,1)−(1,1) = (1,0) and (1,3)−(1,1) = (0,2) are orthogonal, though the states are not.
    #expect(Measures.updateCosine([2, 1], [1, 3], from: [1, 1]) == 0)
    #expect(Measures.updateCosine([2, 2], [4, 4], from: [1, 1]) == 1)
    #expect(Measures.updateCosine([1, 1], [4, 4], from: [1, 1]).isNaN)
  }

  @Test func `normalising first turns unrelated updates into one quarter`() {
    // z = e₁, r = √3 e₂, r′ = √3 e₃: ‖r‖² = 3‖z‖², and r, r′, z are orthogonal.
    let s = Float(3).squareRoot()
    let (z, icl, tuned): ([Float], [Float], [Float]) = ([1, 0, 0], [1, s, 0], [1, 0, s])
    #expect(Measures.updateCosine(icl, tuned, from: z) == 0)
    // √3 is rounded to Float: 1e-7 relative.
    #expect(near(Measures.simAOU(icl: [[icl]], tuned: [[tuned]], zeroShot: [[z]]), 0.25, 1e-6))
  }

  @Test func `simAOU is a mean over queries, then layers`() {
    // From (1, 0): up is (−1, 1), down is (−1, −1), and their cosine is 0. Layer 1: (1 + 0) / 2; layer 2: 1.
    let z: [Float] = [1, 0]
    let (up, down): ([Float], [Float]) = ([0, 1], [0, -1])
    let value = Measures.simAOU(
      icl: [[up, up], [up]], tuned: [[up, down], [up]], zeroShot: [[z, z], [z]])
    #expect(near(value, 0.75))
  }

  @Test func `CKA ignores rotation and scale, and debiasing takes chance away`() {
    let x: [[Float]] = [[1, 0], [0, 1], [-1, 0], [0, -1]]
    let turned: [[Float]] = [[0, 3], [-3, 0], [0, -3], [3, 0]]
    #expect(near(Measures.linearCKA(x, turned), 1))
    #expect(near(Measures.linearCKA(x, turned, debiased: true), 1))
    #expect(Measures.linearCKA(x, [[5, 5], [5, 5], [5, 5], [5, 5]]).isNaN)
    #expect(Measures.linearCKA([[1], [2], [4]], [[1], [3], [2]], debiased: true).isNaN)
  }

  @Test func `CKA of one column is the squared correlation`() {
    // r of (1,2,3,4) and (1,3,2,4): covariance 4/…, variances 5: r = 4/5, CKA = 16/25.
    #expect(near(Measures.linearCKA([[1], [2], [3], [4]], [[1], [3], [2], [4]]), 0.64))
  }

  @Test func `unrelated wide states have a high biased and a low debiased CKA`() {
    var generator = SeededGenerator(seed: 5)
    func random() -> [[Float]] {
      (0..<12).map { _ in (0..<200).map { _ in Float(generator.uniform() - 0.5) } }
    }
    let (x, y) = (random(), random())
    // Expected biased value is near n/(n + D)-like 0.9; the debiased one scatters around 0 by about 1/n.
    #expect(Measures.linearCKA(x, y) > 0.8)
    #expect(abs(Measures.linearCKA(x, y, debiased: true)) < 0.3)
  }

  @Test func `divergences of a fair and a biased coin`() {
    let (fair, biased) = ([0.5, 0.5], [0.75, 0.25])
    #expect(near(Measures.klDivergence(fair, biased), 0.5 * log(0.5 / 0.75) + 0.5 * log(2.0)))
    #expect(Measures.klDivergence(fair, fair) == 0)
    #expect(Measures.klDivergence([0.5, 0.5], [1, 0]) == .infinity)
    #expect(Measures.klDivergence([1, 0], [0.5, 0.5]) == ReproducibleMath.log(2))
    #expect(near(Measures.jensenShannon([1, 0], [0, 1]), log(2.0)))
    #expect(Measures.jensenShannon(fair, fair) == 0)
    #expect(Measures.klDivergence([.nan, 0.5], fair).isNaN)
    // All three at once are each to the bit what they are alone; tokens beyond any chance among them.
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<20 {
      var (a, b) = (generator.normals(300).map { 4 * $0 }, generator.normals(300).map { 4 * $0 })
      a[7] = -2000
      b[7] = -2000
      b[9] = -2000
      let (p, q) = (Measures.probabilities(logits: a), Measures.probabilities(logits: b))
      let found = Measures.divergences(logits: a, b)
      #expect(found.kl == Measures.klDivergence(p, q) && found.reversed == Measures.klDivergence(q, p))
      #expect(found.jensenShannon == Measures.jensenShannon(p, q))
    }
  }

  @Test func `probabilities sum to one and overflow nowhere`() {
    #expect(Measures.probabilities(logits: [1000, 1000]) == [0.5, 0.5])
    let p = Measures.probabilities(logits: [0, Float(log(3.0))])
    #expect(near(p[1], 0.75, 1e-7))  // ln 3 is rounded to Float
    #expect(Measures.probabilities(logits: [0, .nan]).allSatisfy { $0.isNaN })
  }

  @Test func `top-2 of two predictions share one token`() {
    // Against a sort of all, with many equal logits.
    var generator = SeededGenerator(seed: 6)
    for k in [1, 3, 10, 50] {
      let (a, b) = (
        (0..<50).map { _ in Float(generator.next() % 7) }, (0..<50).map { _ in Float(generator.next() % 7) }
      )
      func top(_ x: [Float]) -> Set<Int> { Set(x.indices.sorted { (-x[$0], $0) < (-x[$1], $1) }.prefix(k)) }
      #expect(Measures.topKOverlap(a, b, k: k) == Double(top(a).intersection(top(b)).count) / Double(k))
    }
    #expect(Measures.topKOverlap([9, 8, 1, 0], [9, 0, 1, 8], k: 2) == 0.5)
    #expect(Measures.topKOverlap([1, 1, 1], [1, 1, 1], k: 2) == 1)
    #expect(Measures.topKOverlap([.nan, 1], [1, 1], k: 1).isNaN)
  }

  @Test func `words in common count in their order, with gaps`() {
    // The longest common sequence is a c d: 2·3 / (4 + 5).
    #expect(near(Measures.wordOverlap(["a", "b", "c", "d"], ["a", "c", "x", "d", "b"]), 6.0 / 9))
    #expect(Measures.wordOverlap(["a", "b"], ["b", "a"]) == 0.5)
    #expect(Measures.wordOverlap(["a", "b"], ["a", "b"]) == 1 && Measures.wordOverlap([], []) == 1)
    #expect(Measures.wordOverlap(["a"], []) == 0 && Measures.wordOverlap(["a"], ["b", "c"]) == 0)
  }

  @Test func `Kendall's tau with and without ties`() {
    // One of three pairs is exchanged: (2 − 1) / 3.
    #expect(near(Measures.kendallTau([1, 2, 3], [1, 3, 2]), 1.0 / 3))
    #expect(Measures.kendallTau([1, 2, 3], [3, 2, 1]) == -1)
    // Pairs: 2 concordant, 1 tied in a: 2 / √(2 · 3).
    #expect(near(Measures.kendallTau([1, 1, 2], [1, 2, 3]), 2 / 6.0.squareRoot()))
    #expect(Measures.kendallTau([1, 1], [1, 2]).isNaN)
    #expect(Measures.kendallTau([1, .nan], [1, 2]).isNaN)
  }

  @Test func `Rec2FTP counts what both corrected`() {
    // Tuning corrected queries 1, 2 and 4; ICL got 1 and 4 of them.
    #expect(
      near(
        Measures.rec2FTP(
          zeroShot: [true, false, false, false, false], tuned: [true, true, true, false, true],
          icl: [true, true, false, true, true]), 2.0 / 3))
    #expect(Measures.rec2FTP(zeroShot: [true], tuned: [true], icl: [true]).isNaN)
  }

  @Test func `subspaces overlap by the square of the cosine between them`() {
    let (x, y, z) = ([1, 0, 0] as [Float], [0, 1, 0] as [Float], [0, 0, 1] as [Float])
    // Any basis of one plane: length and skew don't matter, nor does a column that adds nothing.
    #expect(near(Measures.subspaceOverlap([x, y], [[2, 1, 0], [0, -3, 0], [1, 1, 0]]), 1))
    #expect(near(Measures.subspaceOverlap([x, y], [y, z]), 0.5))
    #expect(Measures.subspaceOverlap([x], [z]) == 0)
    // 60 degrees: cos² = 1/4. A line in a plane overlaps wholly.
    #expect(near(Measures.subspaceOverlap([x], [[0.5, Float(0.75).squareRoot(), 0]]), 0.25, 1e-7))
    #expect(near(Measures.subspaceOverlap([x], [x, y]), 1))
    #expect(Measures.subspaceOverlap([[0, 0, 0]], [x]).isNaN)
    #expect(Measures.subspaceOverlap([[.nan, 0, 0]], [x]).isNaN)
    var adapter = LoRAAdapter(rank: 2, alpha: 1, blocks: [[.q: .init(a: [], b: [1, 0, 0, 1, 0, 0])]])
    let other = adapter
    // Columns of B are (1, 0, 0) and (0, 1, 0); the other's second becomes (0, 0, 1).
    adapter.blocks[0][.q]?.b = [1, 0, 0, 0, 0, 1]
    #expect(adapter.overlap(with: other, in: .q) == [0.5])
    #expect(adapter.overlap(with: other, in: .v)[0].isNaN)
  }

  @Test(arguments: [Double.leastNonzeroMagnitude, Double.leastNormalMagnitude / 8, 1e-300, 0.1, 1, 3, 1e300])
  func `the logarithm is the C library's, for the smallest numbers too`(x: Double) {
    // Both are within an ulp or two of the true value.
    #expect(near(ReproducibleMath.log(x), log(x), 4e-16 * max(1, abs(log(x)))))
  }
}
