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

  /// `y = x · Wᵀ` with a matrix of the model: x `[t, W.columns]`, y `[t, W.rows]`, without gaps between rows.
  func map(_ weight: TrainableMatrix, _ x: Pointer, into y: Pointer, t: Int) {
    let (n, k) = (weight.rows, weight.columns)
    guard arithmetic == .bf16 else {
      return weight.withValues(pool) { w in nt(x, k, w, k, y, n, t: t, n: n, k: k) }
    }
    if t == 0 { return }
    let table = Kernels.table
    let numbers = halves(cqk_packed_bf16_count(t, k))
    pool.split(t, grain: 16, worth: t * k * 8) { range in
      table.pack_bf16(
        x + range.lowerBound * k, k, numbers + cqk_packed_bf16_count(range.lowerBound, k), range.count, min(16, t), k)
    }
    let rooms = rooms.map { UnsafeMutableRawPointer($0.room(cqk_bf16_scratch_bytes(t) / 4)) }
    weight.withStored { start, type, bytesPerRow in
      pool.shareOut(n, share: 64, worth: t * n * k / 8) { part, range in
        table.gemm_bf16(
          numbers, type, start + range.lowerBound * bytesPerRow, bytesPerRow, y + range.lowerBound, n, t, range.count,
          k, 0, rooms[part])
      }
    }
  }

  /// `x = y · W`, or `+=`: what ``map(_:_:into:t:)`` sends back.
  func mapBack(_ weight: TrainableMatrix, _ y: Pointer, into x: Pointer, t: Int, accumulate: Bool) {
    let (n, k) = (weight.rows, weight.columns)
    guard arithmetic == .bf16 else {
      return weight.withValues(pool) { w in nn(y, n, w, k, x, k, t: t, n: n, k: k, accumulate: accumulate) }
    }
    if t == 0 { return }
    let table = Kernels.table
    let numbers = halves(cqk_row_packed_bf16_count(t, n))
    pool.split(t, grain: 16, worth: t * n * 8) { range in
      table.pack_rows_bf16(
        y + range.lowerBound * n, n, numbers + cqk_row_packed_bf16_count(range.lowerBound, n), range.count, n)
    }
    let rooms = rooms.map { UnsafeMutableRawPointer($0.room(Int(CQK_NN_BF16_SCRATCH) / 4)) }
    weight.withStored { start, type, bytesPerRow in
      pool.shareOut(k, share: 256, worth: t * n * k / 8) { part, range in
        table.gemm_nn_bf16(
          numbers, type, start, bytesPerRow, x + range.lowerBound, k, t, n, range.lowerBound, range.count,
          accumulate ? 1 : 0, rooms[part])
      }
    }
  }

  /// Room for the packed side of a product.
  private func halves(_ count: Int) -> UnsafeMutablePointer<UInt16> {
    UnsafeMutableRawPointer(packed.room((count + 1) / 2)).assumingMemoryBound(to: UInt16.self)
  }

  /// `y[t, n] = Σ_k x[t, k] · w[n, k]`, or `+=`.
  func nt(
    _ x: Pointer, _ ldx: Int, _ w: UnsafePointer<Float>, _ ldw: Int, _ y: Pointer, _ ldy: Int, t: Int, n: Int, k: Int,
    accumulate: Bool = false
  ) {
    switch arithmetic {
    case .reproducible, .bf16:
      let gemm = Kernels.table.gemm_nt_f32
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
      pool.split(n, grain: 16, worth: t * n * k) { range in
        let rows = turned + range.lowerBound * t
        cqk_transpose_f32(y + range.lowerBound, ldy, rows, t, t, range.count)
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
