internal import CQuantKernels

/// Projections, forward and backward, with their biases and low-rank updates: each tuning's on its own rows.
struct MapTraining {
  let products: DenseProducts
  let pool: ThreadPool
  private let reduced = GrowingMatrix()
  private let dReduced = GrowingMatrix()
  private let dropped = GrowingMatrix()

  init(_ products: DenseProducts, pool: ThreadPool) {
    self.products = products
    self.pool = pool
  }

  /// The rows of one of the tunings side by side.
  struct Share {
    let rows: Range<Int>
    /// Of this step's dropout; `nil` for none.
    let seed: UInt64?
  }

  /// A projection with its output or the gradient of that.
  typealias Map = (map: TrainingNetwork.LinearMap, y: FloatMatrix)

  /// `y = x·Wᵀ + bias + scale·(x·Aᵀ)·Bᵀ` of projections with the same input, the first `rows` rows.
  func forward(_ maps: [Map], _ x: FloatMatrix, rows: Int, shares: [Share]) {
    products.map(maps.map { ($0.map.weight, $0.y) }, x, t: rows)
    for (map, y) in maps {
      let (input, output) = (x.columns, y.columns)
      if let bias = map.bias { cqk_t_add_bias(y.pointer(), bias.value.pointer(), rows, output) }
      for (lora, share) in zip(map.loras, shares) where !share.rows.isEmpty {
        let scaled = reduce(lora, source(lora, x, share), input, share.rows.count)
        let r = lora.a.value.rows
        products.nt(
          scaled, r, lora.b.value.pointer(), r, y.pointer(row: share.rows.lowerBound), output, t: share.rows.count,
          n: output, k: r, accumulate: true)
      }
    }
  }

  /// Adds to the gradients of what is trained here and, where `dx` is given, sets it.
  /// - Parameters:
  ///   - maps: with the gradients of their outputs
  ///   - x: the input that ``forward(_:_:rows:shares:)`` had
  func backward(_ maps: [Map], _ x: FloatMatrix, dx: FloatMatrix?, rows: Int, shares: [Share]) {
    if let dx { products.mapBack(maps.map { ($0.map.weight, $0.y) }, into: dx, t: rows) }
    for (map, dy) in maps {
      let (input, output) = (x.columns, dy.columns)
      if let gradient = map.weight.parameter?.gradient {
        products.tn(
          dy.pointer(), output, x.pointer(), input, gradient.pointer(), input, t: rows, n: output, k: input)
      }
      if let gradient = map.bias?.gradient { cqk_t_column_sums(dy.pointer(), gradient.pointer(), rows, output) }
      for (lora, share) in zip(map.loras, shares) where !share.rows.isEmpty {
        backward(lora, x, dy, dx: dx, share)
      }
    }
  }

  /// A low-rank update's part of it.
  private func backward(
    _ lora: TrainingNetwork.LowRank, _ x: FloatMatrix, _ dy: FloatMatrix, dx: FloatMatrix?, _ share: Share
  ) {
    // A frozen update has no gradient of its own, but sends back to its input.
    guard lora.a.isTrained || dx != nil else { return }
    let (input, output) = (x.columns, dy.columns)
    let (first, rows) = (share.rows.lowerBound, share.rows.count)
    let r = lora.a.value.rows
    let seen = source(lora, x, share)
    if let dB = lora.b.gradient {
      let scaled = reduce(lora, seen, input, rows)
      products.tn(dy.pointer(row: first), output, scaled, r, dB.pointer(), r, t: rows, n: output, k: r)
    }
    // dReduced = scale · dy·B
    let du = dReduced.room(rows * r)
    products.nn(dy.pointer(row: first), output, lora.b.value.pointer(), r, du, r, t: rows, n: output, k: r)
    for i in 0..<rows * r { du[i] *= lora.scale }
    if let dA = lora.a.gradient { products.tn(du, r, seen, input, dA.pointer(), input, t: rows, n: r, k: input) }
    guard let dx = dx?.pointer(row: first) else { return }
    if let seed = share.seed, lora.dropout > 0 {
      // `seen` is not needed any more: its room takes what goes back through the dropout.
      let back = dropped.room(rows * input)
      products.nn(du, r, lora.a.value.pointer(), input, back, input, t: rows, n: r, k: input)
      cqk_t_dropout(back, back, rows * input, lora.dropout, seed ^ lora.streamSeed, 0)
      cqk_t_add(dx, back, rows * input)
    } else {
      products.nn(du, r, lora.a.value.pointer(), input, dx, input, t: rows, n: r, k: input, accumulate: true)
    }
  }

  /// What the low-rank update sees: the input, or the input with dropout.
  private func source(
    _ lora: TrainingNetwork.LowRank, _ x: FloatMatrix, _ share: Share
  ) -> UnsafeMutablePointer<Float> {
    let start = x.pointer(row: share.rows.lowerBound)
    guard let seed = share.seed, lora.dropout > 0 else { return start }
    let count = share.rows.count * x.columns
    let y = dropped.room(count)
    cqk_t_dropout(start, y, count, lora.dropout, seed ^ lora.streamSeed, 0)
    return y
  }

  /// `scale · x·Aᵀ`, `[rows, r]`.
  private func reduce(
    _ lora: TrainingNetwork.LowRank, _ x: UnsafeMutablePointer<Float>, _ input: Int, _ rows: Int
  ) -> UnsafeMutablePointer<Float> {
    let r = lora.a.value.rows
    let y = reduced.room(rows * r)
    products.nt(x, input, lora.a.value.pointer(), input, y, r, t: rows, n: r, k: input)
    for i in 0..<rows * r { y[i] *= lora.scale }
    return y
  }
}

extension TrainingNetwork.LowRank {
  /// Spreads the map's number over all bits of a seed.
  fileprivate var streamSeed: UInt64 {
    var generator = SeededGenerator(seed: stream)
    return generator.next()
  }
}
