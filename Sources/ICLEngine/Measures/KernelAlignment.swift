extension Measures {
  /// Linear centred kernel alignment (Kornblith et al. 2019, arXiv 1905.00414) of two sets of states of the same
  /// `n` prompts: with `K = XXᵀ` and `L = YYᵀ`, `HSIC(K, L) / √(HSIC(K, K) HSIC(L, L))`.
  ///
  /// Biased: HSIC from the doubly centred matrices; near 1 for any two sets when `n` is small beside `D`.
  /// Debiased: the U-statistic of Song et al. 2012, around 0 for unrelated sets.
  /// - Parameters:
  ///   - x: `[n, D]`
  ///   - y: `[n, D′]`, rows of the same prompts
  /// - Returns: biased 0…1; debiased at most 1, may be negative, NaN for `n < 4`. NaN when all rows are equal.
  public static func linearCKA(_ x: [[Float]], _ y: [[Float]], debiased: Bool = false) -> Double {
    CenteredKernel(x).alignment(with: CenteredKernel(y), debiased: debiased)
  }
}

/// The products `[n, n]` of states whose mean over the prompts was taken away: all that linear CKA needs of them, kept
/// where one set is compared with many.
struct CenteredKernel {
  /// Row-major `[n, n]`.
  private let values: [Double]
  private let n: Int

  /// - Parameter rows: `[n, D]`
  /// - Complexity: O(n² D)
  init(_ rows: [[Float]]) {
    let n = rows.count
    let width = rows.first?.count ?? 0
    // Centring the columns first keeps digits when states share a large mean; neither HSIC depends on it.
    var mean = [Double](repeating: 0, count: width)
    for row in rows { for j in 0..<width { mean[j] += Double(row[j]) / Double(n) } }
    let centred = rows.map { row in (0..<width).map { Double(row[$0]) - mean[$0] } }
    var values = [Double](repeating: 0, count: n * n)
    for i in 0..<n {
      for j in 0...i {
        var sum = 0.0
        for k in 0..<width { sum += centred[i][k] * centred[j][k] }
        values[i * n + j] = sum
        values[j * n + i] = sum
      }
    }
    self.values = values
    self.n = n
  }

  /// ``Measures/linearCKA(_:_:debiased:)``.
  func alignment(with other: CenteredKernel, debiased: Bool) -> Double {
    precondition(n == other.n, "states of the same prompts")
    let hsic = debiased ? Self.unbiasedHSIC : Self.biasedHSIC
    let (kl, kk, ll) = (hsic(self, other), hsic(self, self), hsic(other, other))
    guard kk > 0, ll > 0 else { return .nan }
    return min(1, kl / (kk.squareRoot() * ll.squareRoot()))
  }

  /// Sum of products of two Gram matrices of centred rows, which are doubly centred already.
  private static func biasedHSIC(_ k: CenteredKernel, _ l: CenteredKernel) -> Double {
    var sum = 0.0
    for i in k.values.indices { sum += k.values[i] * l.values[i] }
    return sum
  }

  /// Song et al. 2012, eq. 5, without the factor `1 / (n (n − 3))`, which cancels.
  private static func unbiasedHSIC(_ k: CenteredKernel, _ l: CenteredKernel) -> Double {
    let n = k.n
    guard n >= 4 else { return .nan }
    var (trace, sumK, sumL, cross) = (0.0, 0.0, 0.0, 0.0)
    for i in 0..<n {
      var (rowK, rowL) = (0.0, 0.0)
      for j in i * n..<(i + 1) * n where j != i * n + i {
        trace += k.values[j] * l.values[j]
        rowK += k.values[j]
        rowL += l.values[j]
      }
      sumK += rowK
      sumL += rowL
      cross += rowK * rowL
    }
    let m = Double(n)
    return trace + sumK * sumL / ((m - 1) * (m - 2)) - 2 * cross / (m - 2)
  }
}
