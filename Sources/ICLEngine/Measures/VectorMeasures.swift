/// What experiments compute from states, logits and answers: pure functions, summed in a fixed order in double
/// precision, so that the same input gives the same bits.
///
/// A measure that is undefined for its input (the angle to a zero vector) or meets a NaN is NaN, never a number that
/// looks like a finding; means over it are NaN too, and reports say "undefined".
public enum Measures {
  static func dot(_ a: [Float], _ b: [Float]) -> Double {
    precondition(a.count == b.count, "vectors of one length")
    var sum = 0.0
    for i in a.indices { sum += Double(a[i]) * Double(b[i]) }
    return sum
  }

  static func cosine(_ a: [Double], _ b: [Double]) -> Double {
    precondition(a.count == b.count, "vectors of one length")
    var (ab, aa, bb) = (0.0, 0.0, 0.0)
    for i in a.indices {
      ab += a[i] * b[i]
      aa += a[i] * a[i]
      bb += b[i] * b[i]
    }
    return ratio(ab, aa.squareRoot() * bb.squareRoot())
  }

  /// `x / y` kept within -1…1 against rounding; NaN when `y` is 0.
  static func ratio(_ x: Double, _ y: Double) -> Double {
    guard y > 0, y.isFinite, !x.isNaN else { return .nan }
    return max(-1, min(1, x / y))
  }

  /// Cosine of the angle between two states, the measure of Duan et al. (arXiv 2311.10367):
  /// `a·b / (‖a‖ ‖b‖)`.
  /// - Parameters: `a`, `b`: `[D]`
  /// - Returns: -1…1; NaN when either is zero or holds a NaN.
  public static func cosine(_ a: [Float], _ b: [Float]) -> Double {
    ratio(dot(a, b), dot(a, a).squareRoot() * dot(b, b).squareRoot())
  }

  /// Cosine of two updates of a state, unnormalised (Deutch et al. 2023, arXiv 2311.07772):
  /// `cos(a − origin, b − origin)`. With the zero-shot state as origin it says whether demonstrations and tuning
  /// move the state in the same direction.
  /// - Parameters: all `[D]`
  /// - Returns: -1…1; NaN when either did not move.
  public static func updateCosine(_ a: [Float], _ b: [Float], from origin: [Float]) -> Double {
    precondition(a.count == origin.count && b.count == origin.count, "vectors of one length")
    return cosine(
      origin.indices.map { Double(a[$0]) - Double(origin[$0]) },
      origin.indices.map { Double(b[$0]) - Double(origin[$0]) })
  }

  /// SimAOU as Dai et al. 2022 (arXiv 2212.10559) compute it: attention outputs are normalised to length 1 *before*
  /// the zero-shot state is taken away; the cosine of the updates is averaged over queries, then over layers.
  ///
  /// **A trap**: normalising first misleads. Where demonstrations and tuning add independent vectors `r`, `r′` with
  /// `‖r‖² = 3‖z‖²` to the zero-shot state `z`, the updates have nothing in common, and yet SimAOU is 1/4, because
  /// both normalised updates contain `−z/2`. ``updateCosine(_:_:from:)`` is 0 there. Report both.
  /// - Parameters: outputs of the attention after its o projection, before the residual, `[layer][query][D]`
  /// - Returns: -1…1
  public static func simAOU(icl: [[[Float]]], tuned: [[[Float]]], zeroShot: [[[Float]]]) -> Double {
    precondition(icl.count == tuned.count && icl.count == zeroShot.count, "states of the same layers")
    func unit(_ v: [Float]) -> [Double] {
      let norm = dot(v, v).squareRoot()
      return v.map { Double($0) / norm }
    }
    let layers = icl.indices.map { layer in
      Statistics.mean(
        icl[layer].indices.map { query in
          let origin = unit(zeroShot[layer][query])
          func update(_ v: [Float]) -> [Double] {
            let u = unit(v)
            return u.indices.map { u[$0] - origin[$0] }
          }
          return cosine(update(icl[layer][query]), update(tuned[layer][query]))
        })
    }
    return Statistics.mean(layers)
  }
}

extension Measures {
  /// `‖a − b‖`, in double precision.
  static func distance(_ a: [Float], _ b: [Float]) -> Double {
    precondition(a.count == b.count, "vectors of one length")
    var sum = 0.0
    for i in a.indices { sum += (Double(a[i]) - Double(b[i])) * (Double(a[i]) - Double(b[i])) }
    return sum.squareRoot()
  }
}
