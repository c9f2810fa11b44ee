import CQuantKernels
import Testing

/// Products in bf16: what drift would mean is in `ProductTests`.
struct RoundedProductTests {
  /// Tokens, outputs, inputs: around groups of 16, panels of 32, stretches of 256 and 512, blocks of 512 tokens.
  static let shapes: [[Int]] = [
    [1, 1, 256], [2, 33, 256], [7, 70, 512], [16, 16, 768], [17, 31, 256], [32, 5, 256], [37, 101, 1024],
    [40, 70, 1536], [35, 290, 512], [520, 3, 768],
  ]
  /// Inputs that fill no step, for types without blocks.
  static let oddInputs = [1, 2, 31, 33, 100, 257, 515]

  /// To bf16, ties to even, below 2⁻⁵⁶ to 0.
  static func rounded(_ x: Float) -> Float {
    if x.magnitude < 0x1p-56 { return 0 }
    if !x.isFinite { return x }
    let bits = x.bitPattern
    return Float(bitPattern: (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
  }

  /// The definition in bf16_body.h, in Swift.
  static func defined(_ x: ArraySlice<Float>, _ w: ArraySlice<Float>) -> Float {
    let pairs = Array(zip(x.map(rounded), w.map(rounded)))
    var result: Float = 0
    for step in stride(from: 0, to: pairs.count, by: 32) {
      var (even, odd): (Float, Float) = (0, 0)
      for (index, (a, b)) in pairs[step..<min(pairs.count, step + 32)].enumerated() {
        if index % 2 == 0 { even.addProduct(a, b) } else { odd.addProduct(a, b) }
      }
      result += even + odd
    }
    return result
  }

  @Test(arguments: oddInputs) func `the reference is the definition`(_ k: Int) {
    let (t, n) = (19, 5)
    let (x, w) = (values(t * k), values(n * k, seed: 2))
    let found = Table.reference.roundedProduct(x, CQK_F32, bytes(w), t: t, n: n, k: k)
    for i in 0..<t {
      for j in 0..<n {
        #expect(found[i * n + j] == Self.defined(x[i * k..<(i + 1) * k], w[j * k..<(j + 1) * k]))
      }
    }
  }

  @Test(arguments: Table.fast, Stored.all) func `every instruction set gives the same bits for stored types`(
    _ table: Table, _ type: Stored
  ) {
    for shape in Self.shapes {
      let (t, n, k) = (shape[0], shape[1], shape[2])
      for x in [values(t * k), hardValues(t * k)] {
        let w = type.randomRows(n, k, seed: UInt64(n))
        let expected = Table.reference.roundedProduct(x, type.type, w, t: t, n: n, k: k)
        #expect(same(table.roundedProduct(x, type.type, w, t: t, n: n, k: k), expected), "\(shape)")
      }
    }
  }

  @Test(arguments: Table.fast, oddInputs) func `every instruction set gives the same bits for odd sizes`(
    _ table: Table, _ k: Int
  ) {
    for t in [1, 5, 16, 18, 33, 50] {
      let n = 35
      for (x, w) in [
        (values(t * k), values(n * k, seed: 3)), (hardValues(t * k), values(n * k, seed: 3)),
        (values(t * k), hardValues(n * k, seed: 4)), (values(t * k).map { $0 * 0x1p-60 }, values(n * k, seed: 5)),
      ] {
        let expected = Table.reference.roundedProduct(x, CQK_F32, bytes(w), t: t, n: n, k: k)
        #expect(same(table.roundedProduct(x, CQK_F32, bytes(w), t: t, n: n, k: k), expected))
        let start = values(t * n, seed: 5)
        #expect(
          same(
            table.roundedProduct(x, CQK_F32, bytes(w), t: t, n: n, k: k, onto: start),
            Table.reference.roundedProduct(x, CQK_F32, bytes(w), t: t, n: n, k: k, onto: start)))
      }
    }
  }

  @Test(arguments: Table.all) func `a result doesn't depend on what is computed beside it`(_ table: Table) {
    let (t, n, k) = (75, 70, 768)
    let x = values(t * k)
    let type = Stored(CQK_Q4_0)
    let w = type.randomRows(n, k, seed: 1)
    let whole = table.roundedProduct(x, type.type, w, t: t, n: n, k: k)
    let rowBytes = w.count / n
    for (first, count) in [(0, 1), (3, 16), (40, 20), (10, 65)] {
      for (row, rows) in [(0, 1), (32, 33), (5, 16)] {
        let part = table.roundedProduct(
          Array(x[first * k..<(first + count) * k]), type.type, Array(w[row * rowBytes..<(row + rows) * rowBytes]),
          t: count, n: rows, k: k)
        for i in 0..<count {
          for j in 0..<rows {
            #expect(part[i * rows + j].bitPattern == whole[(first + i) * n + row + j].bitPattern)
          }
        }
      }
    }
  }

  @Test(arguments: Table.all) func `the error is that of the rounding`(_ table: Table) {
    let (t, n, k) = (20, 40, 1024)
    let (x, w) = (values(t * k), values(n * k, seed: 2))
    let found = table.roundedProduct(x, CQK_F32, bytes(w), t: t, n: n, k: k)
    for i in 0..<t {
      for j in 0..<n {
        var (exact, size) = (0.0, 0.0)
        for l in 0..<k {
          let product = Double(x[i * k + l]) * Double(w[j * k + l])
          exact += product
          size += abs(product)
        }
        // Two roundings of 2⁻⁹ each; the sums' own are far below.
        #expect(abs(Double(found[i * n + j]) - exact) <= 2.01 * 0x1p-9 * size)
      }
    }
  }

  /// y · w in Swift, as `defined` sums.
  @Test(arguments: Table.all, Stored.all) func `what goes back through a map`(_ table: Table, _ type: Stored) {
    for (t, n, k) in [(1, 1, 256), (5, 33, 256), (17, 70, 512), (35, 530, 256), (520, 9, 256), (21, 40, 768)] {
      let (y, w) = (hardValues(t * n), type.randomRows(n, k, seed: 2))
      for start in [nil, values(t * k, seed: 3)] {
        let expected = Table.reference.productBack(y, type.type, w, t: t, n: n, k: k, onto: start)
        #expect(same(table.productBack(y, type.type, w, t: t, n: n, k: k, onto: start), expected), "\(t) \(n) \(k)")
      }
    }
    // Odd widths, against the definition: w's columns are what the sums run along.
    let (t, n, k) = (3, 45, 37)
    let (y, w) = (values(t * n), values(n * k, seed: 4))
    let found = table.productBack(y, CQK_F32, bytes(w), t: t, n: n, k: k)
    for i in 0..<t {
      for c in 0..<k {
        let column = (0..<n).map { w[$0 * k + c] }
        #expect(found[i * k + c] == Self.defined(y[i * n..<(i + 1) * n], column[...]))
      }
    }
  }
}
