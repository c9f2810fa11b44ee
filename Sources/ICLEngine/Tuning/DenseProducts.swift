internal import COpenBLAS
internal import CQuantKernels

/// How the products of training are summed.
public enum TrainingArithmetic: String, Sendable, Codable {
  /// The engine's fixed order of summation: the same bits on any machine and with any number of threads.
  case reproducible
  /// OpenBLAS: faster on long batches; bits depend on machine and number of threads.
  case openBLAS
}

/// The three dense products of a training pass, all on F32 matrices in row-major order.
///
/// Symbols: `T` rows (tokens), `N` output features, `K` input features; `ld…` floats between the starts of rows.
/// Threads own rows or columns of a result and never share a sum.
struct DenseProducts {
  typealias Pointer = UnsafeMutablePointer<Float>
  let arithmetic: TrainingArithmetic
  let pool: ThreadPool
  /// Room for a transposed operand.
  private let scratch = GrowingMatrix()

  init(_ arithmetic: TrainingArithmetic, pool: ThreadPool) {
    self.arithmetic = arithmetic
    self.pool = pool
    // We split the products between our own threads; OpenBLAS's would only spin beside them.
    if arithmetic == .openBLAS { openblas_set_num_threads(1) }
  }

  /// `y[t, n] = Σ_k x[t, k] · w[n, k]`, or `+=`.
  func nt(
    _ x: Pointer, _ ldx: Int, _ w: UnsafePointer<Float>, _ ldw: Int, _ y: Pointer, _ ldy: Int, t: Int, n: Int, k: Int,
    accumulate: Bool = false
  ) {
    switch arithmetic {
    case .reproducible:
      let gemm = Kernels.table.gemm_nt_f32
      pool.split(n, grain: 16, worth: t * n * k) { range in
        gemm(
          x, ldx, w + range.lowerBound * ldw, ldw, y + range.lowerBound, ldy, t, range.count, k, accumulate ? 1 : 0)
      }
    case .openBLAS:
      pool.split(t, grain: 16, worth: t * n * k) { range in
        cblas_sgemm(
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
    case .reproducible:
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
        cblas_sgemm(
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
    case .reproducible:
      let turned = scratch.room(n * t)
      pool.split(n, grain: 16, worth: t * n * k) { range in
        let rows = turned + range.lowerBound * t
        cqk_transpose_f32(y + range.lowerBound, ldy, rows, t, t, range.count)
        Self.continueNN(rows, t, x, ldx, w + range.lowerBound * ldw, ldw, t: range.count, n: t, k: k)
      }
    case .openBLAS:
      pool.split(n, grain: 16, worth: t * n * k) { range in
        cblas_sgemm(
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
