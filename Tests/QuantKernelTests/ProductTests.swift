import CQuantKernels
import Testing

/// What drift here would mean: numbers in a notebook that depend on the machine or on what else was in the batch.
struct ProductTests {
  /// Tokens, outputs, inputs: around every tile and lane border, and empty.
  static let shapes: [[Int]] = [
    [1, 1, 1], [1, 1, 0], [0, 3, 5], [3, 0, 5], [1, 16, 16], [2, 3, 15], [3, 5, 17], [4, 4, 16], [5, 7, 31],
    [6, 6, 32],
    [7, 19, 33], [8, 9, 48], [1, 37, 100], [13, 1, 64], [9, 130, 172], [2, 3, 1000], [33, 70, 96], [4, 66, 2049],
  ]

  /// The definition in the header, in Swift.
  static func defined(_ x: ArraySlice<Float>, _ w: ArraySlice<Float>) -> Float {
    var lanes = [Float](repeating: 0, count: 16)
    let padding = Array(repeating: Float(0), count: (16 - x.count % 16) % 16)
    for (k, (a, b)) in zip(Array(x) + padding, Array(w) + padding).enumerated() {
      lanes[k % 16].addProduct(a, b)
    }
    for half in [8, 4, 2, 1] { for lane in 0..<half { lanes[lane] += lanes[lane + half] } }
    return lanes[0]
  }

  @Test(arguments: shapes) func `the reference is the definition`(_ shape: [Int]) {
    let (t, n, k) = (shape[0], shape[1], shape[2])
    let (x, w) = (values(t * k), values(n * k, seed: 2))
    let found = Table.reference.product(x, w, t: t, n: n, k: k)
    for i in 0..<t {
      for j in 0..<n {
        #expect(found[i * n + j] == Self.defined(x[i * k..<(i + 1) * k], w[j * k..<(j + 1) * k]))
      }
    }
  }

  @Test(arguments: Table.fast, shapes) func `every instruction set gives the same bits`(_ table: Table, _ shape: [Int])
  {
    let (t, n, k) = (shape[0], shape[1], shape[2])
    for (x, w) in [
      (values(t * k), values(n * k, seed: 2)), (hardValues(t * k), values(n * k, seed: 3)),
      (values(t * k), hardValues(n * k, seed: 4)),
    ] {
      let expected = Table.reference.product(x, w, t: t, n: n, k: k)
      #expect(same(table.product(x, w, t: t, n: n, k: k), expected))
      let start = values(t * n, seed: 5)
      #expect(
        same(
          table.product(x, w, t: t, n: n, k: k, onto: start),
          Table.reference.product(x, w, t: t, n: n, k: k, onto: start)))
    }
  }

  @Test(arguments: Table.all) func `a result doesn't depend on what is computed beside it`(_ table: Table) {
    let (t, n, k) = (11, 37, 75)
    let (x, w) = (values(t * k), values(n * k, seed: 2))
    let whole = table.product(x, w, t: t, n: n, k: k)
    for i in 0..<t {
      for j in 0..<n {
        let alone = table.product(
          Array(x[i * k..<(i + 1) * k]), Array(w[j * k..<(j + 1) * k]), t: 1, n: 1, k: k)
        #expect(alone[0].bitPattern == whole[i * n + j].bitPattern)
      }
    }
  }

  @Test(arguments: Table.all) func `strides are respected and nothing beside the result is written`(_ table: Table) {
    let (t, n, k, ld) = (5, 6, 19, 29)
    let (x, w) = (values(t * ld), values(n * ld, seed: 2))
    var y = [Float](repeating: 7, count: t * ld)
    table.kernels.gemm_nt_f32(x, ld, w, ld, &y, ld, t, n, k, 0)
    for i in 0..<t {
      for j in 0..<ld {
        let expected: Float =
          j < n ? Self.defined(x[i * ld..<i * ld + k], w[j * ld..<j * ld + k]) : 7
        #expect(y[i * ld + j] == expected)
      }
    }
  }

  @Test(arguments: Table.all, [1, 8, 16, 31, 64, 70, 130]) func `the weighted sum goes through positions in order`(
    _ table: Table, _ e: Int
  ) {
    let (t, n) = (7, 23)
    let p = values(t * n)
    var v = values(n * e, seed: 2)
    // Positions that no row may see hold what would spoil a sum.
    for c in 0..<e { v[(n - 1) * e + c] = .nan }
    for (limit, step) in [(n - 1, 0), (3, 1), (0, 1), (n - 1 - 6, 1)] {
      var y = values(t * e, seed: 3)
      var expected = y
      for i in 0..<t {
        for j in 0..<min(n, limit + i * step) {
          for c in 0..<e { expected[i * e + c].addProduct(p[i * n + j], v[j * e + c]) }
        }
      }
      table.kernels.gemm_nn_f32(p, n, v, e, &y, e, t, n, e, limit, step)
      #expect(same(y, expected))
      #expect(y.allSatisfy { $0.isFinite })
    }
  }

  @Test func `a transposed matrix has its rows for columns`() {
    let (rows, columns) = (35, 53)
    let x = values(rows * columns)
    var y = [Float](repeating: .nan, count: rows * columns)
    cqk_t_transpose(x, columns, &y, rows, rows, columns)
    for r in 0..<rows { for c in 0..<columns { #expect(y[c * rows + r] == x[r * columns + c]) } }
  }
}
