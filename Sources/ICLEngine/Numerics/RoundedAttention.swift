import CQuantKernels

/// The two products of attention in bf16, for one tile of queries of one head at a time. A query's sums run over
/// absolute positions in steps of 32, so they depend neither on where segments end nor on what else is in the tile.
///
/// Belongs to one thread at a time.
final class RoundedAttention {
  private let scratch = UnsafeMutableRawPointer.allocate(
    byteCount: max(Int(CQK_NN_BF16_SCRATCH), cqk_bf16_scratch_bytes(RoundedAttention.tile)), alignment: 64)
  private var queries = Room()
  private var weights = Room()
  private var values = Room()

  deinit {
    scratch.deallocate()
    for room in [queries, weights, values] { room.start.deallocate() }
  }

  /// Queries that are taken together: keys and values are rounded once for all of them.
  static let tile = 128

  private struct Room {
    var start = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
    var byteCount = 64

    mutating func reserve(_ wanted: Int) -> UnsafeMutableRawPointer {
      if wanted > byteCount {
        start.deallocate()
        start = .allocate(byteCount: wanted, alignment: 64)
        byteCount = wanted
      }
      return start
    }
  }

  /// `y[t, n] = Σ_k x[t, k] · w[n, k]`; `ld…` floats between the starts of rows.
  func nt(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ w: UnsafePointer<Float>, _ ldw: Int, _ y: UnsafeMutablePointer<Float>,
    _ ldy: Int, t: Int, n: Int, k: Int
  ) {
    let packed = queries.reserve(cqk_packed_bf16_count(t, k) * 2).assumingMemoryBound(to: UInt16.self)
    Kernels.table.pack_bf16(x, ldx, packed, t, min(16, t), k)
    Kernels.table.gemm_bf16(packed, CQK_F32, w, ldw * 4, y, ldy, t, n, k, 0, scratch)
  }

  /// `x[t, k] = Σ_n y[t, n] · w[n, k]`, or `+=` the finished sum.
  func nn(
    _ y: UnsafePointer<Float>, _ ldy: Int, _ w: UnsafePointer<Float>, _ ldw: Int, _ x: UnsafeMutablePointer<Float>,
    _ ldx: Int, t: Int, n: Int, k: Int, accumulate: Bool = false
  ) {
    let packed = weights.reserve(cqk_row_packed_bf16_count(t, n) * 2).assumingMemoryBound(to: UInt16.self)
    Kernels.table.pack_rows_bf16(y, ldy, packed, t, n)
    Kernels.table.gemm_nn_bf16(packed, CQK_F32, w, ldw * 4, x, ldx, t, n, 0, k, accumulate ? 1 : 0, scratch)
  }

  /// `scores[t, j] = q[t] · k[j]` for the positions before `end`.
  /// - Parameters:
  ///   - q: `count` rows of `e`, `ldq` floats apart
  ///   - column: where the head's keys begin in a row of the parts
  func score(
    _ q: UnsafePointer<Float>, _ ldq: Int, count: Int, e: Int, _ parts: [Attention.Part], column: Int, end: Int,
    into scores: UnsafeMutablePointer<Float>, _ ld: Int
  ) {
    let table = Kernels.table
    let packed = queries.reserve(cqk_packed_bf16_count(count, e) * 2).assumingMemoryBound(to: UInt16.self)
    table.pack_bf16(q, ldq, packed, count, min(16, count), e)
    for part in parts where part.start < end {
      table.gemm_bf16(
        packed, CQK_F32, part.keys.pointer(column: column), part.keys.columns * 4, scores + part.start, ld, count,
        min(part.count, end - part.start), e, 0, scratch)
    }
  }

  /// `out[t] = Σ_j p[t, j] · v[j]` over the positions before `end`. Row t sees those up to `position + t`; what stands
  /// beyond in `p` becomes 0.
  func weigh(
    _ p: UnsafeMutablePointer<Float>, _ ld: Int, count: Int, position: Int, end: Int, e: Int, _ parts: [Attention.Part],
    column: Int, into out: UnsafeMutablePointer<Float>, _ ldo: Int
  ) {
    for row in 0..<count where position + row + 1 < end {
      (p + row * ld + position + row + 1).update(repeating: 0, count: end - position - row - 1)
    }
    var (start, ldv) = (UnsafePointer(parts[0].values.pointer(column: column)), parts[0].values.columns)
    if parts[0].count < end {
      // Steps cross the parts' borders: the head's values are laid one after another.
      let gathered = values.reserve(end * e * 4).assumingMemoryBound(to: Float.self)
      for part in parts where part.start < end {
        for row in 0..<min(part.count, end - part.start) {
          (gathered + (part.start + row) * e).update(
            from: part.values.pointer(row: row, column: column), count: e)
        }
      }
      (start, ldv) = (UnsafePointer(gathered), e)
    }
    nn(p, ld, start, ldv, out, ldo, t: count, n: end, k: e)
  }
}
