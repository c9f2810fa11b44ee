import CQuantKernels
import Foundation
import Testing

struct PointwiseTests {
  static let sizes = [0, 1, 7, 15, 16, 17, 33, 64, 100, 257]

  @Test func `exp is right to one unit in the last place`() {
    var x: [Float] = []
    for i in -104_000...89_000 where i % 7 == 0 { x.append(Float(i) / 1000) }
    var y = [Float](repeating: .nan, count: x.count)
    Table.reference.kernels.exp_f32(x, &y, x.count)
    for (a, b) in zip(x, y) {
      let exact = exp(Double(a))
      let unit = max(Double(Float(exact).ulp), Double(Float.leastNonzeroMagnitude))
      // Rounding half a unit, and the polynomial's own error of less than half a unit.
      if exact < Double(Float.greatestFiniteMagnitude) { #expect(abs(Double(b) - exact) <= unit) }
    }
  }

  @Test(arguments: Table.all) func `exp at the edges`(_ table: Table) {
    let x: [Float] = [0, -0.0, .infinity, -.infinity, .nan, 100, -200, 88.72, 88.73, -103.97]
    var y = [Float](repeating: 7, count: x.count)
    table.kernels.exp_f32(x, &y, x.count)
    #expect(y[0] == 1 && y[1] == 1)
    #expect(y[2] == .infinity && y[3] == 0 && y[4].isNaN && y[5] == .infinity && y[6] == 0)
    #expect(y[7].isFinite && y[8] == .infinity && y[9] == .leastNonzeroMagnitude)
  }

  @Test(arguments: Table.fast, sizes) func `every instruction set gives the same bits`(_ table: Table, _ n: Int) {
    for (x, z) in [(values(n), values(n, seed: 2)), (hardValues(n), hardValues(n, seed: 9))] {
      func both(_ run: (cqk_kernels, inout [Float]) -> Void) {
        var (a, b) = (z, z)
        run(table.kernels, &a)
        run(Table.reference.kernels, &b)
        #expect(same(a, b))
      }
      let wide = x.map { $0 * 40 }
      both { $0.exp_f32(wide, &$1, n) }
      both { $0.add_f32(x, &$1, n) }
      both { $0.axpy_f32(0.3, x, &$1, n) }
      both { $0.silu_mul_f32(wide, z, &$1, n) }
      both { $0.rms_norm_f32(x, n, z, &$1, n, 1, n, 1e-5) }
      both { $0.softmax_f32(&$1, n, 1, n, n, 1, n, 3) }
      both { $0.softmax_f32(&$1, n, 1, n, n / 2, 1, 5, 3) }
      if n % 2 == 0 && n > 0 { both { $0.rope_f32(&$1, n, x, z, 1, 1, n, n) } }
    }
  }

  @Test(arguments: Table.all) func `softmax sums to one over what a row sees`(_ table: Table) {
    let (t, n) = (5, 40)
    let original = values(t * n).map { $0 * 10 }
    var s = original
    table.kernels.softmax_f32(&s, n, t, n, 20, 1, 12, 0.5)
    for row in 0..<t {
      let end = 20 + row
      let begin = end - 12
      let exact = (begin..<end).map { exp(Double(original[row * n + $0]) * 0.5) }
      let total = exact.reduce(0, +)
      for j in 0..<n {
        let found = s[row * n + j]
        if j >= end {
          #expect(found == original[row * n + j], "beyond its end a row is left alone")
        } else if j < begin {
          #expect(found == 0)
        } else {
          // The exponent, below 32 in size, is rounded twice at 1e-6; the rest is a handful of 6e-8.
          #expect(abs(Double(found) - exact[j - begin] / total) <= 3e-6 * exact[j - begin] / total)
        }
      }
    }
  }

  @Test(arguments: Table.all) func `softmax of great scores doesn't overflow, and keeps a NaN`(_ table: Table) {
    var great: [Float] = [1e30, 1e30, -1e30]
    table.kernels.softmax_f32(&great, 3, 1, 3, 3, 0, 3, 1)
    #expect(great == [0.5, 0.5, 0])
    var spoilt: [Float] = [1, .nan, 2]
    table.kernels.softmax_f32(&spoilt, 3, 1, 3, 3, 0, 3, 1)
    #expect(spoilt.allSatisfy { $0.isNaN })
  }

  @Test(arguments: Table.all) func `RMSNorm by its formula`(_ table: Table) {
    let d = 75
    let (x, gain) = (values(2 * d), values(d, seed: 2))
    var y = [Float](repeating: .nan, count: 2 * d)
    table.kernels.rms_norm_f32(x, d, gain, &y, d, 2, d, 1e-5)
    for row in 0..<2 {
      let square = (0..<d).reduce(0.0) { $0 + Double(x[row * d + $1]) * Double(x[row * d + $1]) }
      let scale = 1 / (square / Double(d) + 1e-5).squareRoot()
      for j in 0..<d {
        let exact = Double(x[row * d + j]) * scale * Double(gain[j])
        #expect(abs(Double(y[row * d + j]) - exact) <= 1e-6 * abs(exact))
      }
    }
  }

  @Test(arguments: Table.all) func `SiLU by its formula`(_ table: Table) {
    let gate = values(100).map { $0 * 20 }
    let up = values(100, seed: 2)
    var y = [Float](repeating: .nan, count: 100)
    table.kernels.silu_mul_f32(gate, up, &y, 100)
    for j in 0..<100 {
      let exact = Double(gate[j]) / (1 + exp(-Double(gate[j]))) * Double(up[j])
      #expect(abs(Double(y[j]) - exact) <= 1e-6 * abs(exact))
    }
  }

  @Test(arguments: Table.all) func `rotation turns neighbouring pairs and leaves the rest`(_ table: Table) {
    var x: [Float] = [1, 0, 0, 1, 5, 6, 1, 2, 3, 4, 7, 8]
    // Two heads of 6, of which 4 are rotated: by a quarter turn and by nothing.
    table.kernels.rope_f32(&x, 12, [0, 1], [1, 0], 1, 2, 6, 4)
    #expect(x == [0, 1, 0, 1, 5, 6, -2, 1, 3, 4, 7, 8])
  }
}
