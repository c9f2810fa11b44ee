import CQuantKernels
import Testing

/// Integer products with packed weights: what drift would mean is in `ProductTests`.
struct CodedProductTests {
  static let types = Stored.all.filter { cqk_int8_panel_bytes($0.type, 256) > 0 }
  /// Tokens, outputs, inputs: around panels of 16 rows, groups of 5, 8 and 260 tokens, 256 outputs, stretches of 1,024
  /// inputs.
  static let shapes: [[Int]] = [
    [1, 1, 256], [2, 33, 256], [7, 70, 512], [16, 16, 768], [17, 31, 256], [37, 101, 1024], [9, 40, 2304],
    [264, 48, 256], [13, 300, 1280],
  ]

  /// Inputs at the edges of the codes: blocks of zeros, of equal extremes, tiny and huge ones, infinities, NaN.
  static func extremes(_ count: Int) -> [Float] {
    var x = values(count)
    func fill(_ block: Int, _ value: Float) {
      for i in block * 32..<min(count, block * 32 + 32) { x[i] = i % 2 == 0 ? value : -value }
    }
    fill(1, 0)
    fill(2, 1)
    fill(3, 1e-38)
    fill(4, 0x1p-140)
    fill(5, 3e38)
    if count > 300 { x[230] = .infinity }
    if count > 600 { x[517] = .nan }
    return x
  }

  /// The definition in int8_body.h, in Swift, for the simplest coding: Q8_0.
  static func defined(_ x: [Float], _ scales: [Float], _ codes: [Int8]) -> Float {
    var result: Float = 0
    for block in 0..<x.count / 32 {
      let part = x[block * 32..<block * 32 + 32]
      let most = part.map(\.magnitude).max() ?? 0
      let sum = part.indices.reduce(0) { sum, i in
        sum + Int(most == 0 ? 0 : (x[i] * (127 / most)).rounded(.toNearestOrEven)) * Int(codes[i])
      }
      result.addProduct(Float(sum), most / 127 * scales[block])
    }
    return result
  }

  @Test func `the reference is the definition`() {
    let k = 512
    let x = values(k)
    let type = Stored(CQK_Q8_0)
    let w = type.randomRows(1, k, seed: 3)
    let scales = (0..<k / 32).map { Float(Float16(bitPattern: UInt16(w[34 * $0]) | UInt16(w[34 * $0 + 1]) << 8)) }
    let codes = (0..<k).map { Int8(bitPattern: w[34 * ($0 / 32) + 2 + $0 % 32]) }
    #expect(Table.reference.codedProduct(x, type.type, w, t: 1, n: 1, k: k) == [Self.defined(x, scales, codes)])
  }

  @Test(arguments: Table.fast, types) func `every instruction set gives the same bits`(_ table: Table, _ type: Stored) {
    for shape in Self.shapes {
      let (t, n, k) = (shape[0], shape[1], shape[2])
      for (x, w) in [
        (values(t * k), type.randomRows(n, k, seed: 1)), (Self.extremes(t * k), type.randomRows(n, k, seed: 2)),
        // Every code and scale that a file could hold.
        (values(t * k), type.hostileRows(n, k, seed: 3)),
        (values(t * k).map { $0 < 0 ? -1 : 1 }, [UInt8](repeating: 0xff, count: type.rowBytes(k) * n)),
        (values(t * k).map { $0 < 0 ? -1 : 1 }, [UInt8](repeating: 0x80, count: type.rowBytes(k) * n)),
      ] {
        let expected = Table.reference.codedProduct(x, type.type, w, t: t, n: n, k: k)
        #expect(same(table.codedProduct(x, type.type, w, t: t, n: n, k: k), expected), "\(shape)")
      }
      let (x, w, start) = (values(t * k), type.randomRows(n, k, seed: 1), values(t * n, seed: 5))
      #expect(
        same(
          table.codedProduct(x, type.type, w, t: t, n: n, k: k, onto: start),
          Table.reference.codedProduct(x, type.type, w, t: t, n: n, k: k, onto: start)))
    }
  }

  @Test(arguments: Table.all, types) func `a result doesn't depend on what is computed beside it`(
    _ table: Table, _ type: Stored
  ) {
    let (t, n, k) = (21, 50, 768)
    let (x, w) = (values(t * k), type.randomRows(n, k, seed: 1))
    let whole = table.codedProduct(x, type.type, w, t: t, n: n, k: k)
    for (first, count) in [(0, 1), (3, 8), (10, 11), (20, 1)] {
      let part = table.codedProduct(Array(x[first * k..<(first + count) * k]), type.type, w, t: count, n: n, k: k)
      #expect(same(part, Array(whole[first * n..<(first + count) * n])))
    }
  }

  @Test(arguments: types) func `the error is that of the inputs' codes`(_ type: Stored) {
    let (t, n, k) = (9, 40, 1024)
    let (x, w) = (values(t * k), type.randomRows(n, k, seed: 2))
    let found = Table.reference.codedProduct(x, type.type, w, t: t, n: n, k: k)
    let weights = type.dequantized(w, n * k)
    for i in 0..<t {
      for j in 0..<n {
        var (exact, bound) = (0.0, 1e-30)
        for block in stride(from: 0, to: k, by: 32) {
          let inputs = x[i * k + block..<i * k + block + 32]
          let most = Double(inputs.map(\.magnitude).max() ?? 0)
          for l in block..<block + 32 {
            exact += Double(x[i * k + l]) * Double(weights[j * k + l])
            // Half a code each, and 1e-5 of it for the roundings of scales and sums.
            bound += most / 254 * 1.00001 * abs(Double(weights[j * k + l]))
          }
        }
        #expect(abs(Double(found[i * n + j]) - exact) <= bound)
      }
    }
  }
}
