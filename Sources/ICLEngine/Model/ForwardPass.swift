/// One ragged batch of token runs on its way through all blocks.
///
/// Symbols: `R` rows of the batch, then as in ``ModelConfiguration``.
struct ForwardPass {
  let model: LlamaModel
  let adapter: LoRAAdapter?
  let pool: ThreadPool

  /// Blocks that are computed, from the first; the segments of the runs have room for as many.
  let blockCount: Int
  private let products: ProductPass

  init(model: LlamaModel, adapter: LoRAAdapter?, pool: ThreadPool, blockCount: Int? = nil) {
    self.model = model
    self.adapter = adapter
    self.pool = pool
    self.blockCount = blockCount ?? model.configuration.layerCount
    products = model.products()
  }

  /// Computes all rows of `runs`, in order; fills their segments' keys and values.
  /// - Parameters:
  ///   - hooks: see and change the `[R, D]` states at each point; they copy what they want to keep.
  ///   - needed: rows whose states after the last block the caller reads. Of the last block only these rows and the
  ///     hooks' are computed, beyond the keys and values of all.
  /// - Returns: the residual stream after the last block that is computed, `[R, D]`; rows that nobody needs hold what
  ///   went into that block.
  func callAsFunction(
    _ runs: [TokenRun], hooks: PassHooks?, needed: [Int]
  ) throws(EngineError) -> FloatMatrix {
    func reach(_ point: CapturePoint, _ layer: Int, _ states: FloatMatrix) {
      hooks?.reach(point, layer, states)
    }
    let c = model.configuration
    let tokens = runs.flatMap(\.tokens)
    let count = tokens.count
    let positions = runs.flatMap { run in run.tokens.indices.map { run.start + $0 } }

    let x = FloatMatrix(rows: count, columns: c.hiddenSize)
    for (row, token) in tokens.enumerated() {
      model.weights.tokenEmbedding.dequantize(token..<token + 1, into: x.pointer(row: row))
    }
    reach(.residual, 0, x)

    let pairs = c.ropeDimension / 2
    let cosine = FloatMatrix(rows: count, columns: pairs)
    let sine = FloatMatrix(rows: count, columns: pairs)
    model.rotary.fill(positions, cosine: cosine, sine: sine)

    let normed = FloatMatrix(rows: count, columns: c.hiddenSize)
    let q = FloatMatrix(rows: count, columns: c.queryWidth)
    let k = FloatMatrix(rows: count, columns: c.keyValueWidth)
    let v = FloatMatrix(rows: count, columns: c.keyValueWidth)
    let attended = FloatMatrix(rows: count, columns: c.queryWidth)
    let gate = FloatMatrix(rows: count, columns: c.feedForwardSize)
    var up: FloatMatrix?
    let branch = FloatMatrix(rows: count, columns: c.hiddenSize)
    var attention = Attention(
      headCount: c.headCount, keyValueHeadCount: c.keyValueHeadCount, headDimension: c.headDimension,
      window: c.slidingWindow, pool: pool,
      rounded: model.precision == .bf16 ? (0..<pool.threadCount).map { _ in RoundedAttention() } : nil)

    for layer in 0..<blockCount {
      try Interruption.check()
      if layer == blockCount - 1, try lastBlock(runs, x, normed, k, v, cosine, sine, attention, hooks, needed) { break }
      let block = model.weights.blocks[layer]
      norm(x, block.attentionNorm, into: normed)
      project([(.q, q), (.k, k), (.v, v)], layer, normed)
      rotate(q, cosine, sine, heads: c.headCount)
      rotate(k, cosine, sine, heads: c.keyValueHeadCount)
      attention.watch = hooks?.watch(layer + 1)
      attention(store(runs, layer, k, v), queries: q, output: attended)
      reach(.headOutputs, layer + 1, attended)
      project([(.o, branch)], layer, attended)
      reach(.attentionOutput, layer + 1, branch)
      add(branch, to: x)

      norm(x, block.feedForwardNorm, into: normed)
      gateUp(layer, normed, into: gate, &up)
      project([(.down, branch)], layer, gate)
      reach(.feedForwardOutput, layer + 1, branch)
      add(branch, to: x)
      reach(.residual, layer + 1, x)
    }
    for run in runs { run.segment.count = max(run.segment.count, run.offset + run.tokens.count) }
    return x
  }

  /// The last block for the rows that someone looks at, when they are few.
  /// - Returns: whether it was done
  private func lastBlock(
    _ runs: [TokenRun], _ x: FloatMatrix, _ normed: FloatMatrix, _ k: FloatMatrix, _ v: FloatMatrix,
    _ cosine: FloatMatrix, _ sine: FloatMatrix, _ attention: Attention, _ hooks: PassHooks?, _ needed: [Int]
  ) throws(EngineError) -> Bool {
    let c = model.configuration
    let layer = blockCount - 1
    let rows = Set(needed).union(hooks?.batchRows ?? []).sorted()
    // Who watches attention counts rows of the whole batch.
    if rows.count * 2 > x.rows || hooks?.watch(layer + 1) != nil { return false }
    var attention = attention
    attention.watch = nil
    let places = Dictionary(zip(rows, 0...), uniquingKeysWith: { first, _ in first })
    let seen = hooks?.batchRows.map { places[$0] } ?? []
    func reach(_ point: CapturePoint, _ states: FloatMatrix) { hooks?.reach(point, layer + 1, states) { seen[$0] } }
    func few(_ all: FloatMatrix) -> FloatMatrix {
      let result = FloatMatrix(rows: rows.count, columns: all.columns)
      for (place, row) in rows.enumerated() { result.copyRows(row..<row + 1, of: all, to: place) }
      return result
    }
    let block = model.weights.blocks[layer]
    norm(x, block.attentionNorm, into: normed)
    project([(.k, k), (.v, v)], layer, normed)
    rotate(k, cosine, sine, heads: c.keyValueHeadCount)
    var queries: [Attention.Query] = []
    for run in store(runs, layer, k, v) {
      for row in run.row..<run.row + run.count {
        guard let place = places[row] else { continue }
        queries.append(
          Attention.Query(row: place, count: 1, position: run.position + row - run.row, parts: run.parts))
      }
    }
    if rows.isEmpty { return true }
    let states = few(x)
    let input = few(normed)
    let (q, attended) = (
      FloatMatrix(rows: rows.count, columns: c.queryWidth), FloatMatrix(rows: rows.count, columns: c.queryWidth)
    )
    project([(.q, q)], layer, input)
    rotate(q, few(cosine), few(sine), heads: c.headCount)
    attention(queries, queries: q, output: attended)
    reach(.headOutputs, attended)
    let branch = FloatMatrix(rows: rows.count, columns: c.hiddenSize)
    project([(.o, branch)], layer, attended)
    reach(.attentionOutput, branch)
    add(branch, to: states)

    norm(states, block.feedForwardNorm, into: input)
    let gate = FloatMatrix(rows: rows.count, columns: c.feedForwardSize)
    var up: FloatMatrix?
    gateUp(layer, input, into: gate, &up)
    project([(.down, branch)], layer, gate)
    reach(.feedForwardOutput, branch)
    add(branch, to: states)
    reach(.residual, states)
    for (place, row) in rows.enumerated() { x.copyRows(place..<place + 1, of: states, to: row) }
    return true
  }

  /// `gate = silu(x · Gᵀ) · (x · Uᵀ)`; `room` is for the second product, where it is needed as a whole.
  private func gateUp(_ layer: Int, _ x: FloatMatrix, into gate: FloatMatrix, _ room: inout FloatMatrix?) {
    let block = model.weights.blocks[layer]
    let isPlain = [.gate, .up].allSatisfy { block.biases[$0] == nil && adapter?.blocks[layer][$0] == nil }
    if isPlain, let first = block.projections[.gate], let second = block.projections[.up] {
      products.prepare(x, rows: x.rows)
      if products.multiplyGated(first, second, into: gate) { return }
    }
    let up = room ?? FloatMatrix(rows: x.rows, columns: gate.columns)
    room = up
    project([(.gate, gate), (.up, up)], layer, x)
    let count = x.rows * gate.columns
    pool.split(count, grain: 1024, worth: count * 16) { range in
      let at = range.lowerBound
      Kernels.table.silu_mul_f32(gate.pointer() + at, up.pointer() + at, gate.pointer() + at, range.count)
    }
  }

  /// Query vectors of block `layer` (from 0) before their rotation, `[R, H·E]`, of the residual stream that goes into it,
  /// `[R, D]`.
  func queries(_ layer: Int, of x: FloatMatrix) -> FloatMatrix {
    let normed = FloatMatrix(rows: x.rows, columns: x.columns)
    let q = FloatMatrix(rows: x.rows, columns: model.configuration.queryWidth)
    norm(x, model.weights.blocks[layer].attentionNorm, into: normed)
    project([(.q, q)], layer, normed)
    return q
  }

  /// `y = x · Wᵀ + bias + scale · (x · Aᵀ) · Bᵀ` with what of these the block and the adapter have, for each
  /// projection of the same input.
  private func project(_ projections: [(Projection, FloatMatrix)], _ layer: Int, _ x: FloatMatrix) {
    let block = model.weights.blocks[layer]
    products.prepare(x, rows: x.rows)
    products.multiply(
      projections.map { projection, y in
        guard let weight = block.projections[projection] else { preconditionFailure("the model's init checks this") }
        return (weight, y)
      })
    for (projection, y) in projections { update(projection, layer, x, y) }
  }

  /// Adds the bias and the adapter's part.
  private func update(_ projection: Projection, _ layer: Int, _ x: FloatMatrix, _ y: FloatMatrix) {
    let block = model.weights.blocks[layer]
    let table = Kernels.table
    if let bias = block.biases[projection] {
      for row in 0..<x.rows { table.add_f32(bias, y.pointer(row: row), bias.count) }
    }
    guard let adapter, let pair = adapter.blocks[layer][projection] else { return }
    let rank = adapter.rank(of: pair)
    let reduced = FloatMatrix(rows: x.rows, columns: rank)
    table.gemm_nt_f32(x.pointer(), x.columns, pair.a, x.columns, reduced.pointer(), rank, x.rows, rank, x.columns, 0)
    let scaled = FloatMatrix(rows: x.rows, columns: rank)
    table.axpy_f32(adapter.scale(of: pair), reduced.pointer(), scaled.pointer(), x.rows * rank)
    pair.b.withUnsafeBufferPointer { b in
      guard let b = b.baseAddress else { return }
      pool.split(y.columns, grain: 16, worth: x.rows * y.columns * rank) { range in
        table.gemm_nt_f32(
          scaled.pointer(), rank, b + range.lowerBound * rank, rank, y.pointer(column: range.lowerBound), y.columns,
          x.rows, range.count, rank, 1)
      }
    }
  }

  private func norm(_ x: FloatMatrix, _ gain: [Float], into y: FloatMatrix) {
    pool.split(x.rows, worth: x.rows * x.columns * 8) { rows in
      Kernels.table.rms_norm_f32(
        x.pointer(row: rows.lowerBound), x.columns, gain, y.pointer(row: rows.lowerBound), y.columns, rows.count,
        x.columns, model.configuration.normEpsilon)
    }
  }

  private func rotate(_ x: FloatMatrix, _ cosine: FloatMatrix, _ sine: FloatMatrix, heads: Int) {
    let c = model.configuration
    pool.split(x.rows, worth: x.rows * x.columns * 8) { rows in
      Kernels.table.rope_f32(
        x.pointer(row: rows.lowerBound), x.columns, cosine.pointer(row: rows.lowerBound),
        sine.pointer(row: rows.lowerBound), rows.count, heads, c.headDimension, c.ropeDimension)
    }
  }

  private func add(_ x: FloatMatrix, to y: FloatMatrix) {
    pool.split(x.rows * x.columns, grain: 1024, worth: x.rows * x.columns * 4) { range in
      Kernels.table.add_f32(x.pointer() + range.lowerBound, y.pointer() + range.lowerBound, range.count)
    }
  }

  /// Puts the new keys and values into the runs' segments and describes each run to ``Attention``.
  private func store(_ runs: [TokenRun], _ layer: Int, _ k: FloatMatrix, _ v: FloatMatrix) -> [Attention.Query] {
    var row = 0
    var queries: [Attention.Query] = []
    for run in runs {
      let rows = row..<row + run.tokens.count
      run.segment.keys[layer].copyRows(rows, of: k, to: run.offset)
      run.segment.values[layer].copyRows(rows, of: v, to: run.offset)
      var parts = run.path.map { link in
        Attention.Part(
          keys: link.segment.keys[layer], values: link.segment.values[layer], start: link.segment.start,
          count: link.count)
      }
      parts.append(
        Attention.Part(
          keys: run.segment.keys[layer], values: run.segment.values[layer], start: run.segment.start,
          count: run.offset + run.tokens.count))
      queries.append(Attention.Query(row: row, count: run.tokens.count, position: run.start, parts: parts))
      row = rows.upperBound
    }
    return queries
  }
}
