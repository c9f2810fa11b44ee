import CQuantKernels

/// The products of one pass through a model: an input is prepared once and multiplied with several matrices.
///
/// Belongs to one thread at a time; within a product each thread of the pool has its own rows of the weight.
package final class ProductPass {
  package let precision: Precision
  package let pool: ThreadPool
  private let packed: PackedWeights
  /// What was prepared last: the matrix itself, and its first `rows` rows rounded or coded.
  private var input: FloatMatrix?
  private var rows = 0
  private var isRounded = false
  private var isCoded = false
  private let rounded = Bytes()
  private let coded = Bytes()
  private let scratch: [Bytes]
  /// For each thread, columns of the upper half of a gated product.
  private let gated: [Bytes]

  package init(_ precision: Precision, packed: PackedWeights, pool: ThreadPool) {
    self.precision = precision
    self.packed = packed
    self.pool = pool
    scratch = (0..<pool.threadCount).map { _ in Bytes() }
    gated = (0..<pool.threadCount).map { _ in Bytes() }
  }

  /// Takes the first `rows` rows of `x`, `[≥ rows, K]`, as the left side of the products that follow. They must not
  /// change until the next call.
  package func prepare(_ x: FloatMatrix, rows: Int) {
    precondition(rows >= 0 && rows <= x.rows)
    input = x
    self.rows = rows
    isRounded = false
    isCoded = false
  }

  /// A matrix and where its product goes, `[≥ rows, W.rows]`.
  package typealias Product = (weight: WeightMatrix, y: FloatMatrix)

  /// `y[t] = x[t] · Wᵀ` for the prepared rows and each matrix: all of them as one job of the pool.
  package func multiply(_ products: [Product]) {
    guard let x = input else { preconditionFailure("prepare(_:rows:) comes first") }
    for (weight, y) in products {
      precondition(x.columns == weight.columns && y.columns == weight.rows && rows <= y.rows)
    }
    if rows == 0 { return }
    switch precision {
    case .bf16: multiplyRounded(x, products)
    case .int8:
      var coded: [(Product, PackedMatrix)] = []
      for product in products {
        if let matrix = packed.packed(product.weight, pool: pool) {
          coded.append((product, matrix))
        } else {
          Products.multiply(x, product.weight, into: product.y, rows: rows, pool: pool)
        }
      }
      if !coded.isEmpty { multiplyCoded(x, coded) }
    case .f32: for (weight, y) in products { Products.multiply(x, weight, into: y, rows: rows, pool: pool) }
    }
  }

  /// `y[t] = silu(x[t] · Gᵀ) · (x[t] · Uᵀ)` for the prepared rows, some columns at a time: what the two products give
  /// is still in the cache when it is used. The same bits as products of whole matrices.
  /// - Returns: whether it was done; `false` for a precision or a type without such products.
  package func multiplyGated(_ gate: WeightMatrix, _ up: WeightMatrix, into y: FloatMatrix) -> Bool {
    guard let x = input, rows > 1, precision != .f32 else { return false }
    precondition(gate.columns == x.columns && up.columns == x.columns && gate.rows == up.rows && y.columns == gate.rows)
    let table = Kernels.table
    let (rows, k) = (rows, x.columns)
    let product: (_ part: Int, WeightMatrix, Range<Int>, UnsafeMutablePointer<Float>, Int) -> Void
    switch precision {
    case .f32: return false
    case .bf16:
      let packed = round(x)
      let room = scratch.map { $0.room(cqk_bf16_scratch_bytes(rows)) }
      product = { part, weight, range, y, ldy in
        weight.withRows(range) { bytes in
          guard let blocks = bytes.baseAddress else { return }
          table.gemm_bf16(
            packed, weight.type.kernelType, blocks, weight.bytesPerRow, y, ldy, rows, range.count, k, 0, room[part])
        }
      }
    case .int8:
      guard let first = packed.packed(gate, pool: pool), let second = packed.packed(up, pool: pool) else {
        return false
      }
      let codes = code(x)
      product = { _, weight, range, y, ldy in
        let matrix = weight === gate ? first : second
        table.gemm_int8(
          codes, weight.type.kernelType, matrix.panels + range.lowerBound / 16 * matrix.panelBytes, y, ldy, rows,
          range.count, k, 0)
      }
    }
    let columns = 256
    let ups = (0..<pool.threadCount).map { gated[$0].room(rows * columns * 4).assumingMemoryBound(to: Float.self) }
    split([gate.rows], grain: 32, worth: rows * k / 4) { part, _, range in
      for first in stride(from: range.lowerBound, to: range.upperBound, by: columns) {
        let some = first..<min(range.upperBound, first + columns)
        let at = y.pointer(column: first)
        product(part, gate, some, at, y.columns)
        product(part, up, some, ups[part], columns)
        for row in 0..<rows {
          let place = at + row * y.columns
          table.silu_mul_f32(place, ups[part] + row * columns, place, some.count)
        }
      }
    }
    return true
  }

  /// The prepared rows in bf16, rounded when they are first asked for.
  private func round(_ x: FloatMatrix) -> UnsafeMutablePointer<UInt16> {
    let table = Kernels.table
    let (rows, k) = (rows, x.columns)
    let packed = rounded.room(cqk_packed_bf16_count(rows, k) * 2).assumingMemoryBound(to: UInt16.self)
    if !isRounded {
      let width = min(16, rows)
      pool.split(rows, grain: 16, worth: rows * k * 8) { range in
        let at = cqk_packed_bf16_count(range.lowerBound, k)
        table.pack_bf16(x.pointer(row: range.lowerBound), k, packed + at, range.count, width, k)
      }
      isRounded = true
    }
    return packed
  }

  /// The prepared rows in codes of 8 bits, likewise.
  private func code(_ x: FloatMatrix) -> UnsafeMutablePointer<Int8> {
    let table = Kernels.table
    let (rows, k) = (rows, x.columns)
    let bytes = cqk_int8_input_bytes(k)
    let codes = coded.room(rows * bytes).assumingMemoryBound(to: Int8.self)
    if !isCoded {
      pool.split(rows, grain: 1, worth: rows * k * 8) { range in
        table.quantize_int8(
          x.pointer(row: range.lowerBound), k, codes + range.lowerBound * bytes, range.count, k)
      }
      isCoded = true
    }
    return codes
  }

  private func multiplyRounded(_ x: FloatMatrix, _ products: [Product]) {
    let table = Kernels.table
    let (rows, k) = (rows, x.columns)
    let packed = round(x)
    let room = scratch.map { $0.room(cqk_bf16_scratch_bytes(rows)) }
    split(products.map(\.weight.rows), grain: 32, worth: max(rows, 16) * k / 8) { part, index, range in
      let (weight, y) = products[index]
      weight.withRows(range) { bytes in
        guard let blocks = bytes.baseAddress else { return }
        table.gemm_bf16(
          packed, weight.type.kernelType, blocks, weight.bytesPerRow, y.pointer(column: range.lowerBound), y.columns,
          rows, range.count, k, 0, room[part])
      }
    }
  }

  private func multiplyCoded(_ x: FloatMatrix, _ products: [(Product, PackedMatrix)]) {
    let table = Kernels.table
    let (rows, k) = (rows, x.columns)
    let codes = code(x)
    split(products.map(\.0.weight.rows), grain: 16, worth: rows * k / 4) { _, index, range in
      let ((weight, y), matrix) = products[index]
      table.gemm_int8(
        codes, weight.type.kernelType, matrix.panels + range.lowerBound / 16 * matrix.panelBytes,
        y.pointer(column: range.lowerBound), y.columns, rows, range.count, k, 0)
    }
    withExtendedLifetime(products) {}
  }

  /// Shares out the rows of all matrices, cut at multiples of `grain`. Many rows of inputs make equal shares take equal
  /// time. With one, the memory sets the pace, and not the same for every core: threads then take small shares until
  /// none is left. No sum crosses rows, so the bits are the same.
  /// - Parameter worth: multiply-adds of a row
  private func split(_ counts: [Int], grain: Int, worth: Int, _ body: (_ part: Int, _ index: Int, Range<Int>) -> Void) {
    let total = ThreadPool.grains(counts, of: grain)
    func take(_ part: Int, _ range: Range<Int>) {
      ThreadPool.each(of: counts, grain: grain, in: range) { index, rows in body(part, index, rows) }
    }
    let worth = counts.reduce(0, +) * worth
    if rows > 1 {
      pool.splitParts(total, grain: (total + pool.threadCount - 1) / pool.threadCount, worth: worth, take)
    } else {
      pool.shareOut(total, share: max(2, total / (pool.threadCount * 16)), worth: worth, take)
    }
  }

  /// Room that grows and is used again; 64-byte aligned, not cleared.
  private final class Bytes {
    private var start = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
    private var byteCount = 64

    func room(_ wanted: Int) -> UnsafeMutableRawPointer {
      if wanted > byteCount {
        start.deallocate()
        start = .allocate(byteCount: wanted, alignment: 64)
        byteCount = wanted
      }
      return start
    }
    deinit { start.deallocate() }
  }
}
