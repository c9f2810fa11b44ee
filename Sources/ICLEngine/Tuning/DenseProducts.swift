internal import COpenBLAS
internal import CQuantKernels

/// How the products of training are summed.
public enum TrainingArithmetic: String, Sendable, Codable {
  /// The engine's fixed order of summation: the same bits on any machine and with any number of threads.
  case reproducible
  /// OpenBLAS: faster on long batches; bits depend on machine and number of threads. Where it isn't installed, as
  /// ``reproducible``.
  case openBLAS
  /// Products with the model's matrices in bf16, summed in F32: weights are unpacked once for every 512 tokens. Fast
  /// where the processor has AMX or AVX512-BF16. The same bits on any machine and with any number of threads; gradients
  /// differ from ``reproducible`` by about 2⁻⁸, as in mixed-precision training.
  case bf16
}

/// The three dense products of a training pass, all on F32 matrices in row-major order.
///
/// Symbols: `T` rows (tokens), `N` output features, `K` input features; `ld…` floats between the starts of rows.
/// Threads own rows or columns of a result and never share a sum.
struct DenseProducts {
  /// Rows for which a product dequantizes each weight once.
  static let stretch = 512

  typealias Pointer = UnsafeMutablePointer<Float>
  let arithmetic: TrainingArithmetic
  let pool: ThreadPool
  /// Present with OpenBLAS's arithmetic.
  private let sgemm: OpenBLAS.SGEMM?
  /// Room for a transposed operand.
  private let scratch = GrowingMatrix()
  /// Inputs of a bf16 product, and room for each thread.
  private let packed = GrowingMatrix()
  private let rooms: [GrowingMatrix]

  init(_ arithmetic: TrainingArithmetic, pool: ThreadPool) {
    sgemm = arithmetic == .openBLAS ? OpenBLAS.sgemm : nil
    self.arithmetic = arithmetic == .openBLAS && sgemm == nil ? .reproducible : arithmetic
    self.pool = pool
    rooms = (0..<pool.threadCount).map { _ in GrowingMatrix() }
  }

  /// A matrix of the model with what comes out of it or goes back to it, `[≥ t, weight.rows]`.
  typealias Map = (weight: TrainableMatrix, y: FloatMatrix)

  /// `y = x · Wᵀ` with some matrices of the model: x `[≥ t, W.columns]`.
  func map(_ maps: [Map], _ x: FloatMatrix, t: Int) {
    if t == 0 { return }
    if arithmetic == .bf16 { return mapRounded(maps, x, t: t) }
    for (weight, y) in maps {
      let (n, k) = (weight.rows, weight.columns)
      if let frozen = weight.frozen, frozen.type != .f32 {
        Products.multiply(x, frozen, into: y, rows: t, pool: pool)
      } else {
        weight.withStored { start, _, _ in
          nt(x.pointer(), k, start.assumingMemoryBound(to: Float.self), k, y.pointer(), n, t: t, n: n, k: k)
        }
      }
    }
  }

  /// `x = Σ y · W`, in the order of the matrices: what ``map(_:_:t:)`` sends back.
  func mapBack(_ maps: [Map], into x: FloatMatrix, t: Int) {
    if t == 0 { return }
    if arithmetic == .bf16 { return mapBackRounded(maps, into: x, t: t) }
    for (index, (weight, y)) in maps.enumerated() {
      let (n, k) = (weight.rows, weight.columns)
      let accumulate = index > 0
      if let frozen = weight.frozen, let dequantize = Kernels.dequantizer(frozen.type) {
        dequantizeBack(frozen, dequantize, y.pointer(), into: x.pointer(), t: t, accumulate: accumulate)
      } else {
        weight.withStored { start, _, _ in
          nn(
            y.pointer(), n, start.assumingMemoryBound(to: Float.self), k, x.pointer(), k, t: t, n: n, k: k,
            accumulate: accumulate)
        }
      }
    }
  }

  /// In bf16, ``map(_:_:t:)``: x is rounded once for all matrices, whose rows threads take in turn.
  private func mapRounded(_ maps: [Map], _ x: FloatMatrix, t: Int) {
    let table = Kernels.table
    let k = x.columns
    let numbers = halves(cqk_packed_bf16_count(t, k))
    pool.split(t, grain: 16, worth: t * k * 8) { range in
      table.pack_bf16(
        x.pointer(row: range.lowerBound), k, numbers + cqk_packed_bf16_count(range.lowerBound, k), range.count,
        min(16, t), k)
    }
    let rooms = rooms.map { UnsafeMutableRawPointer($0.room(cqk_bf16_scratch_bytes(t) / 4)) }
    let counts = maps.map(\.weight.rows)
    let total = ThreadPool.grains(counts, of: Self.leastRows)
    pool.shareOut(
      total, share: Self.mostRows / Self.leastRows, least: 1, worth: t * counts.reduce(0, +) * k / 8
    ) { part, range in
      ThreadPool.each(of: counts, grain: Self.leastRows, in: range) { map, rows in
        let (weight, y) = maps[map]
        weight.withStored { start, type, bytesPerRow in
          table.gemm_bf16(
            numbers, type, start + rows.lowerBound * bytesPerRow, bytesPerRow, y.pointer(column: rows.lowerBound),
            y.columns, t, rows.count, k, 0, rooms[part])
        }
      }
    }
  }

  /// In bf16, ``mapBack(_:into:t:)``: threads take columns in turn, each through all matrices.
  private func mapBackRounded(_ maps: [Map], into x: FloatMatrix, t: Int) {
    let table = Kernels.table
    let k = x.columns
    var starts: [Int] = []
    var count = 0
    for (weight, _) in maps {
      starts.append(count)
      count += cqk_row_packed_bf16_count(t, weight.rows)
    }
    let numbers = halves(count)
    pool.split(t, grain: 16, worth: t * maps.reduce(0) { $0 + $1.weight.rows } * 8) { range in
      for (start, (weight, y)) in zip(starts, maps) {
        let n = weight.rows
        table.pack_rows_bf16(
          y.pointer(row: range.lowerBound), n, numbers + start + cqk_row_packed_bf16_count(range.lowerBound, n),
          range.count, n)
      }
    }
    let rooms = rooms.map { UnsafeMutableRawPointer($0.room(Int(CQK_NN_BF16_SCRATCH) / 4)) }
    let least = maps.reduce(Self.leastColumns) { max($0, $1.weight.grain) }
    pool.shareOut(k, share: max(Self.mostColumns, least), least: least, worth: count * k / 8) { part, range in
      for (index, (weight, _)) in maps.enumerated() {
        weight.withStored { start, type, bytesPerRow in
          table.gemm_nn_bf16(
            numbers + starts[index], type, start, bytesPerRow, x.pointer(column: range.lowerBound), k, t, weight.rows,
            range.lowerBound, range.count, index > 0 ? 1 : 0, rooms[part])
        }
      }
    }
  }

  /// Rows of a matrix that a thread takes at a time, columns on the way back: as many as a product takes together, and
  /// fewer towards the end.
  private static let (mostRows, leastRows) = (128, 32)
  private static let (mostColumns, leastColumns) = (256, 64)

  /// ``mapBack(_:into:t:)`` with a matrix that isn't F32. Threads own columns, which they dequantize a stretch of rows at a
  /// time.
  private func dequantizeBack(
    _ weight: WeightMatrix, _ dequantize: Kernels.Dequantizer, _ y: Pointer, into x: Pointer, t: Int, accumulate: Bool
  ) {
    let (n, k) = (weight.rows, weight.columns)
    let least = max(Self.leastColumns, weight.type.blockSize)
    weight.withRows(0..<n) { bytes in
      guard let start = bytes.baseAddress else { return }
      pool.shareOut(k, share: max(Self.mostColumns, least), least: least, worth: t * n * k) { part, columns in
        // One thread alone has all columns as one share.
        let count = columns.count
        let stretch = max(1, Self.cachedFloats / count)
        let values = rooms[part].room(stretch * count)
        let out = x + columns.lowerBound
        if !accumulate { for row in 0..<t { (out + row * k).update(repeating: 0, count: count) } }
        let from = start + cqk_row_bytes(weight.type.kernelType, columns.lowerBound)
        for first in stride(from: 0, to: n, by: stretch) {
          let rows = min(stretch, n - first)
          for row in 0..<rows { dequantize(from + (first + row) * weight.bytesPerRow, values + row * count, count) }
          Self.continueNN(y + first, n, values, count, out, k, t: t, n: rows, k: count)
        }
      }
    }
  }

  /// Dequantized values that a thread has at a time: a part of its cache.
  private static let cachedFloats = 1 << 16

  /// Room for the packed side of a product.
  private func halves(_ count: Int) -> UnsafeMutablePointer<UInt16> {
    UnsafeMutableRawPointer(packed.room((count + 1) / 2)).assumingMemoryBound(to: UInt16.self)
  }

  /// Whether rows of a matrix are too few for every thread to have some, as those of a low-rank update are.
  private func isNarrow(_ rows: Int) -> Bool { rows < 16 * pool.threadCount }

  /// `y[t, n] = Σ_k x[t, k] · w[n, k]`, or `+=`.
  func nt(
    _ x: Pointer, _ ldx: Int, _ w: UnsafePointer<Float>, _ ldw: Int, _ y: Pointer, _ ldy: Int, t: Int, n: Int, k: Int,
    accumulate: Bool = false
  ) {
    switch arithmetic {
    case .reproducible, .bf16:
      let gemm = Kernels.table.gemm_nt_f32
      if isNarrow(n) {
        return pool.split(t, grain: 4, worth: t * n * k) { range in
          gemm(
            x + range.lowerBound * ldx, ldx, w, ldw, y + range.lowerBound * ldy, ldy, range.count, n, k,
            accumulate ? 1 : 0)
        }
      }
      pool.split(n, grain: 16, worth: t * n * k) { range in
        gemm(
          x, ldx, w + range.lowerBound * ldw, ldw, y + range.lowerBound, ldy, t, range.count, k, accumulate ? 1 : 0)
      }
    case .openBLAS:
      pool.split(t, grain: 16, worth: t * n * k) { range in
        sgemm?(
          CblasRowMajor, CblasNoTrans, CblasTrans, blasint(range.count), blasint(n), blasint(k), 1,
          x + range.lowerBound * ldx, blasint(ldx), w, blasint(ldw), accumulate ? 1 : 0, y + range.lowerBound * ldy,
          blasint(ldy))
      }
    }
  }

  /// `x[t, k] = Σ_n y[t, n] · w[n, k]`, or `+=`: what a linear map sends back to its input.
  func nn(
    _ y: Pointer, _ ldy: Int, _ w: UnsafePointer<Float>, _ ldw: Int, _ x: Pointer, _ ldx: Int, t: Int, n: Int, k: Int,
    accumulate: Bool = false
  ) {
    switch arithmetic {
    case .reproducible, .bf16:
      if !accumulate { for row in 0..<t { (x + row * ldx).update(repeating: 0, count: k) } }
      if t >= 8 * pool.threadCount {
        pool.split(t, grain: 4, worth: t * n * k) { range in
          Self.continueNN(
            y + range.lowerBound * ldy, ldy, w, ldw, x + range.lowerBound * ldx, ldx, t: range.count, n: n, k: k)
        }
      } else {
        pool.split(k, grain: 64, worth: t * n * k) { range in
          Self.continueNN(
            y, ldy, w + range.lowerBound, ldw, x + range.lowerBound, ldx, t: t, n: n, k: range.count)
        }
      }
    case .openBLAS:
      pool.split(t, grain: 16, worth: t * n * k) { range in
        sgemm?(
          CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(range.count), blasint(k), blasint(n), 1,
          y + range.lowerBound * ldy, blasint(ldy), w, blasint(ldw), accumulate ? 1 : 0, x + range.lowerBound * ldx,
          blasint(ldx))
      }
    }
  }

  /// `w[n, k] += Σ_t y[t, n] · x[t, k]`: the gradient of a linear map's weight.
  func tn(
    _ y: Pointer, _ ldy: Int, _ x: UnsafePointer<Float>, _ ldx: Int, _ w: Pointer, _ ldw: Int, t: Int, n: Int, k: Int
  ) {
    switch arithmetic {
    case .reproducible, .bf16:
      let turned = scratch.room(n * t)
      if isNarrow(n) {
        cqk_t_transpose(y, ldy, turned, t, t, n)
        return pool.split(k, grain: 16, worth: t * n * k) { range in
          Self.continueNN(
            turned, t, x + range.lowerBound, ldx, w + range.lowerBound, ldw, t: n, n: t, k: range.count)
        }
      }
      pool.split(n, grain: 16, worth: t * n * k) { range in
        let rows = turned + range.lowerBound * t
        cqk_t_transpose(y + range.lowerBound, ldy, rows, t, t, range.count)
        Self.continueNN(rows, t, x, ldx, w + range.lowerBound * ldw, ldw, t: range.count, n: t, k: k)
      }
    case .openBLAS:
      pool.split(n, grain: 16, worth: t * n * k) { range in
        sgemm?(
          CblasRowMajor, CblasTrans, CblasNoTrans, blasint(range.count), blasint(k), blasint(t), 1,
          y + range.lowerBound, blasint(ldy), x, blasint(ldx), 1, w + range.lowerBound * ldw, blasint(ldw))
      }
    }
  }

  /// `x += y · w` in ascending order of `n`, a cache-sized stretch at a time: stretches change no bit, for the sum
  /// goes on from what `x` holds.
  private static func continueNN(
    _ y: Pointer, _ ldy: Int, _ w: UnsafePointer<Float>, _ ldw: Int, _ x: Pointer, _ ldx: Int, t: Int, n: Int, k: Int
  ) {
    let stretch = 256
    for first in stride(from: 0, to: n, by: stretch) {
      let count = min(stretch, n - first)
      Kernels.table.gemm_nn_f32(y + first, ldy, w + first * ldw, ldw, x, ldx, t, count, k, count, 0)
    }
  }
}
