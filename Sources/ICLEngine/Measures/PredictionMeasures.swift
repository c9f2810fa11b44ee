extension Measures {
  /// `softmax(logits)`, from double-precision exponentials with the largest logit taken away first.
  /// - Returns: `[V]`, sums to 1 within rounding; all NaN when a logit is.
  public static func probabilities(logits: [Float]) -> [Double] {
    var top = -Double.infinity
    for logit in logits where !(Double(logit) <= top) { top = Double(logit) }
    var weights = logits.map { Double($0) - top }
    ReproducibleMath.exp(&weights)
    var sum = 0.0
    for weight in weights { sum += weight }
    for i in weights.indices { weights[i] /= sum }
    return weights
  }

  /// `ln softmax(logits)[token]`, in nats, without the loss of digits of a logarithm of a small probability.
  public static func logProbability(of token: Int, logits: [Float]) -> Double {
    var top = -Double.infinity
    for logit in logits where !(Double(logit) <= top) { top = Double(logit) }
    var sum = 0.0
    for logit in logits { sum += ReproducibleMath.exp(Double(logit) - top) }
    return Double(logits[token]) - top - ReproducibleMath.log(sum)
  }

  /// Kullback–Leibler divergence (1951): `Σ p ln(p / q)`, in nats.
  /// - Parameters: two distributions over the same outcomes
  /// - Returns: 0…∞; infinite where `q` rules out what `p` allows.
  public static func klDivergence(_ p: [Double], _ q: [Double]) -> Double {
    precondition(p.count == q.count, "distributions over the same outcomes")
    var sum = 0.0
    for i in p.indices where p[i] != 0 { sum += p[i] * (ReproducibleMath.log(p[i]) - ReproducibleMath.log(q[i])) }
    return sum < 0 ? 0 : sum
  }

  /// What ``divergences(logits:_:)`` finds, in nats.
  package struct Divergences: Sendable, Equatable {
    package var kl: Double
    package var reversed: Double
    package var jensenShannon: Double
  }

  /// Both divergences and Jensen–Shannon's of two predictions, each to the bit as by itself, with every logarithm taken
  /// once.
  /// - Parameters: logits over the same tokens
  package static func divergences(logits a: [Float], _ b: [Float]) -> Divergences {
    precondition(a.count == b.count, "distributions over the same outcomes")
    let (p, q) = (probabilities(logits: a), probabilities(logits: b))
    let (logP, logQ) = (ReproducibleMath.logarithms(p), ReproducibleMath.logarithms(q))
    let logMiddle = ReproducibleMath.logarithms(p.indices.map { (p[$0] + q[$0]) / 2 })
    var sums = (kl: 0.0, reversed: 0.0, first: 0.0, second: 0.0)
    for i in p.indices where p[i] != 0 || q[i] != 0 {
      let (x, y) = (p[i], q[i])
      if x != 0 {
        sums.kl += x * (logP[i] - logQ[i])
        sums.first += x * (logP[i] - logMiddle[i])
      }
      if y != 0 {
        sums.reversed += y * (logQ[i] - logP[i])
        sums.second += y * (logQ[i] - logMiddle[i])
      }
    }
    func bounded(_ sum: Double) -> Double { sum < 0 ? 0 : sum }
    return Divergences(
      kl: bounded(sums.kl), reversed: bounded(sums.reversed),
      jensenShannon: (bounded(sums.first) + bounded(sums.second)) / 2)
  }

  /// Jensen–Shannon divergence (Lin 1991): the mean of KL from each to their average, in nats. Symmetric.
  /// - Returns: 0…ln 2
  public static func jensenShannon(_ p: [Double], _ q: [Double]) -> Double {
    precondition(p.count == q.count, "distributions over the same outcomes")
    let middle = p.indices.map { (p[$0] + q[$0]) / 2 }
    return (klDivergence(p, middle) + klDivergence(q, middle)) / 2
  }

  /// How much of a text another one has, as ROUGE-L's F (Lin 2004): `2·LCS(a, b) / (|a| + |b|)`, where LCS is the length
  /// of the longest sequence of words that both have in this order, with gaps.
  /// - Returns: 0…1; 1 exactly when the words are the same, 0 when none is in both
  /// - Complexity: O(|a|·|b|)
  public static func wordOverlap(_ a: [String], _ b: [String]) -> Double {
    if a.isEmpty && b.isEmpty { return 1 }
    // Row by row: the longest common sequence of a's words so far and of b's first j.
    var longest = [Int](repeating: 0, count: b.count + 1)
    for word in a {
      var diagonal = 0
      for (j, other) in b.enumerated() {
        let above = longest[j + 1]
        longest[j + 1] = word == other ? diagonal + 1 : max(above, longest[j])
        diagonal = above
      }
    }
    return 2 * Double(longest[b.count]) / Double(a.count + b.count)
  }

  /// Share of the `k` most probable tokens that two predictions have in common; equal logits rank by token id.
  /// - Parameters: `a`, `b`: logits `[V]`; `k`: 1…V
  /// - Returns: 0…1; NaN when a logit is.
  public static func topKOverlap(_ a: [Float], _ b: [Float], k: Int) -> Double {
    precondition(a.count == b.count && k >= 1 && k <= a.count, "k between 1 and the number of tokens")
    guard !a.contains(where: \.isNaN), !b.contains(where: \.isNaN) else { return .nan }
    // The least of the best so far stands last; of equal logits the later token gives way.
    func top(_ logits: [Float]) -> Set<Int> {
      var best: [Int] = []
      for token in logits.indices where best.count < k || logits[token] > logits[best[best.count - 1]] {
        if best.count == k { best.removeLast() }
        let place = best.firstIndex { logits[$0] < logits[token] } ?? best.count
        best.insert(token, at: place)
      }
      return Set(best)
    }
    return Double(top(a).intersection(top(b)).count) / Double(k)
  }

  /// Kendall's rank correlation, variant b (Kendall 1945), which allows ties:
  /// `(concordant − discordant) / √((pairs − ties in a)(pairs − ties in b))`. O(n²).
  /// - Returns: -1…1; NaN when one of them is constant or holds a NaN.
  public static func kendallTau(_ a: [Double], _ b: [Double]) -> Double {
    precondition(a.count == b.count, "two rankings of the same items")
    guard !a.contains(where: \.isNaN), !b.contains(where: \.isNaN) else { return .nan }
    var (difference, untiedA, untiedB) = (0, 0, 0)
    for i in a.indices {
      for j in a.indices.dropFirst(i + 1) {
        let x = a[i] < a[j] ? 1 : (a[i] > a[j] ? -1 : 0)
        let y = b[i] < b[j] ? 1 : (b[i] > b[j] ? -1 : 0)
        difference += x * y
        untiedA += x * x
        untiedB += y * y
      }
    }
    return ratio(Double(difference), Double(untiedA).squareRoot() * Double(untiedB).squareRoot())
  }

  /// Recall to fine-tuning predictions (Dai et al. 2022, eq. 12): of the queries that tuning corrected, the share
  /// that demonstrations corrected too:
  /// `#{zero-shot wrong ∧ tuned right ∧ ICL right} / #{zero-shot wrong ∧ tuned right}`.
  /// - Parameters: for each query, whether the answer was right
  /// - Returns: 0…1; NaN when tuning corrected nothing.
  public static func rec2FTP(zeroShot: [Bool], tuned: [Bool], icl: [Bool]) -> Double {
    precondition(zeroShot.count == tuned.count && zeroShot.count == icl.count, "answers to the same queries")
    let corrected = zeroShot.indices.filter { !zeroShot[$0] && tuned[$0] }
    return corrected.isEmpty ? .nan : Double(corrected.filter { icl[$0] }.count) / Double(corrected.count)
  }
}
