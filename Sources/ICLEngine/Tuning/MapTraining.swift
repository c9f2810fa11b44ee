internal import CQuantKernels

/// One projection, forward and backward, with its bias and low-rank update.
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

  /// `y = x·Wᵀ + bias + scale·(x·Aᵀ)·Bᵀ`, the first `rows` rows.
  /// - Parameter seed: of this step's dropout; `nil` for none.
  func forward(_ map: TrainingNetwork.LinearMap, _ x: FloatMatrix, into y: FloatMatrix, rows: Int, seed: UInt64?) {
    let (input, output) = (x.columns, y.columns)
    products.map(map.weight, x.pointer(), into: y.pointer(), t: rows)
    if let bias = map.bias { cqk_t_add_bias(y.pointer(), bias.value.pointer(), rows, output) }
    guard let lora = map.lora else { return }
    let scaled = reduce(lora, source(lora, x, rows, seed), input, rows)
    let r = lora.a.value.rows
    products.nt(
      scaled, r, lora.b.value.pointer(), r, y.pointer(), output, t: rows, n: output, k: r, accumulate: true)
  }

  /// Adds to the gradients of what is trained here and, where `dx` is given, to or into it.
  /// - Parameters:
  ///   - x: the input that ``forward(_:_:into:rows:seed:)`` had
  ///   - dy: gradient of its output
  func backward(
    _ map: TrainingNetwork.LinearMap, _ x: FloatMatrix, _ dy: FloatMatrix, dx: FloatMatrix?, accumulate: Bool,
    rows: Int, seed: UInt64?
  ) {
    let (input, output) = (x.columns, dy.columns)
    if let gradient = map.weight.parameter?.gradient {
      products.tn(
        dy.pointer(), output, x.pointer(), input, gradient.pointer(), input, t: rows, n: output, k: input)
    }
    if let gradient = map.bias?.gradient { cqk_t_column_sums(dy.pointer(), gradient.pointer(), rows, output) }
    if let dx {
      products.mapBack(map.weight, dy.pointer(), into: dx.pointer(), t: rows, accumulate: accumulate)
    }
    // A frozen update has no gradient of its own, but sends back to its input.
    guard let lora = map.lora, lora.a.isTrained || dx != nil else { return }
    let r = lora.a.value.rows
    let seen = source(lora, x, rows, seed)
    if let dB = lora.b.gradient {
      let scaled = reduce(lora, seen, input, rows)
      products.tn(dy.pointer(), output, scaled, r, dB.pointer(), r, t: rows, n: output, k: r)
    }
    // dReduced = scale · dy·B
    let du = dReduced.room(rows * r)
    products.nn(dy.pointer(), output, lora.b.value.pointer(), r, du, r, t: rows, n: output, k: r)
    for i in 0..<rows * r { du[i] *= lora.scale }
    if let dA = lora.a.gradient { products.tn(du, r, seen, input, dA.pointer(), input, t: rows, n: r, k: input) }
    guard let dx else { return }
    if let seed, lora.dropout > 0 {
      // `seen` is not needed any more: its room takes what goes back through the dropout.
      let back = dropped.room(rows * input)
      products.nn(du, r, lora.a.value.pointer(), input, back, input, t: rows, n: r, k: input)
      cqk_t_dropout(back, back, rows * input, lora.dropout, seed ^ lora.streamSeed, 0)
      cqk_t_add(dx.pointer(), back, rows * input)
    } else {
      products.nn(
        du, r, lora.a.value.pointer(), input, dx.pointer(), input, t: rows, n: r, k: input, accumulate: true)
    }
  }

  /// What the low-rank update sees: the input, or the input with dropout.
  private func source(
    _ lora: TrainingNetwork.LowRank, _ x: FloatMatrix, _ rows: Int, _ seed: UInt64?
  ) -> UnsafeMutablePointer<Float> {
    guard let seed, lora.dropout > 0 else { return x.pointer() }
    let y = dropped.room(rows * x.columns)
    cqk_t_dropout(x.pointer(), y, rows * x.columns, lora.dropout, seed ^ lora.streamSeed, 0)
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
