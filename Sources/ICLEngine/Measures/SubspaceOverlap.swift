extension Measures {
  /// Overlap of the subspaces into which two low-rank updates write (Hu et al. 2021, arXiv 2106.09685, section 7.2):
  /// `‖U₁ᵀU₂‖²_F / min(r₁, r₂)`, with orthonormal bases `U` of the columns of each update's `B`, which are the left
  /// singular vectors of `BA` where `A` has full rank.
  ///
  /// Two random subspaces of rank `r` in `D` dimensions overlap by about `r / D`: that is the floor.
  /// - Parameters: `a`, `b`: columns, `[r][D]`
  /// - Returns: 0…1; NaN when either spans nothing or holds a NaN.
  public static func subspaceOverlap(_ a: [[Float]], _ b: [[Float]]) -> Double {
    let (u, v) = (orthonormalBasis(a), orthonormalBasis(b))
    guard !u.isEmpty, !v.isEmpty, let width = u.first?.count, v.allSatisfy({ $0.count == width }) else { return .nan }
    var sum = 0.0
    for x in u {
      for y in v {
        var product = 0.0
        for i in 0..<width { product += x[i] * y[i] }
        sum += product * product
      }
    }
    return min(1, sum / Double(min(u.count, v.count)))
  }

  /// Gram and Schmidt's, each vector twice, which keeps the basis orthogonal to rounding; a vector that is a
  /// combination of earlier ones is left out. Empty when a value is not finite.
  static func orthonormalBasis(_ columns: [[Float]]) -> [[Double]] {
    guard columns.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { return [] }
    var basis: [[Double]] = []
    for column in columns {
      var rest = column.map(Double.init)
      let whole = norm(rest)
      for _ in 0..<2 {
        for direction in basis {
          var share = 0.0
          for i in rest.indices { share += rest[i] * direction[i] }
          for i in rest.indices { rest[i] -= share * direction[i] }
        }
      }
      let left = norm(rest)
      guard left > whole * 1e-7, left > 0 else { continue }
      basis.append(rest.map { $0 / left })
    }
    return basis
  }

  private static func norm(_ vector: [Double]) -> Double {
    var sum = 0.0
    for x in vector { sum += x * x }
    return sum.squareRoot()
  }
}

extension LoRAAdapter {
  /// ``Measures/subspaceOverlap(_:_:)`` of two adapters' updates of one projection, block by block, 0…L − 1.
  /// - Returns: NaN for a block in which either adapter leaves the projection alone.
  public func overlap(with other: LoRAAdapter, in projection: Projection) -> [Double] {
    zip(blocks, other.blocks).map { mine, theirs in
      guard let a = mine[projection], let b = theirs[projection] else { return .nan }
      return Measures.subspaceOverlap(a.columns(rank: rank), b.columns(rank: other.rank))
    }
  }
}

extension LoRAAdapter.Pair {
  /// The columns of `B`, `[rank][output]`.
  func columns(rank: Int) -> [[Float]] {
    guard rank > 0 else { return [] }
    let rows = b.count / rank
    return (0..<rank).map { column in (0..<rows).map { b[$0 * rank + column] } }
  }
}
