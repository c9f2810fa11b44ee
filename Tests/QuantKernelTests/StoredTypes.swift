import CQuantKernels
import Testing

/// A type of stored weights and ways to make some.
struct Stored: Sendable, CustomTestStringConvertible {
  let type: cqk_type
  init(_ type: cqk_type) { self.type = type }

  static let all = [
    CQK_F16, CQK_BF16, CQK_Q4_0, CQK_Q4_1, CQK_Q5_0, CQK_Q5_1, CQK_Q8_0, CQK_Q2_K, CQK_Q3_K, CQK_Q4_K, CQK_Q5_K,
    CQK_Q6_K, CQK_IQ4_NL, CQK_IQ4_XS,
  ].map(Stored.init)

  var testDescription: String {
    let names: [UInt32: String] = [
      1: "F16", 30: "BF16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K",
      13: "Q5_K", 14: "Q6_K", 20: "IQ4_NL", 23: "IQ4_XS",
    ]
    return names[type.rawValue] ?? "\(type.rawValue)"
  }

  func rowBytes(_ k: Int) -> Int { cqk_row_bytes(type, k) }

  /// Any bytes: infinities, NaN and denormals among the scales.
  func hostileRows(_ n: Int, _ k: Int, seed: UInt64) -> [UInt8] {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    return (0..<n * rowBytes(k)).map { _ in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return UInt8(truncatingIfNeeded: state >> 32)
    }
  }

  /// Random codes with scales near 0.01.
  func randomRows(_ n: Int, _ k: Int, seed: UInt64) -> [UInt8] {
    var bytes = hostileRows(n, k, seed: seed)
    func set(_ at: Int, _ value: Float) {
      let bits = type == CQK_BF16 ? UInt16(value.bitPattern >> 16) : Float16(value).bitPattern
      bytes[at] = UInt8(bits & 255)
      bytes[at + 1] = UInt8(bits >> 8)
    }
    let size = cqk_block_bytes(type)
    // Where each block keeps its halves.
    let halves: [Int] =
      switch type {
      case CQK_Q4_1, CQK_Q5_1, CQK_Q4_K, CQK_Q5_K: [0, 2]
      case CQK_Q2_K: [80, 82]
      case CQK_Q3_K: [108]
      case CQK_Q6_K: [208]
      default: [0]
      }
    for (index, value) in values(bytes.count / size * halves.count, seed: seed + 7).enumerated() {
      set(index / halves.count * size + halves[index % halves.count], 0.01 * (1 + value / 2))
    }
    return bytes
  }

  func dequantized(_ bytes: [UInt8], _ count: Int) -> [Float] {
    let table = Table.reference.kernels
    var result = [Float](repeating: .nan, count: count)
    switch type {
    case CQK_F16: table.dequantize_f16(bytes, &result, count)
    case CQK_BF16: table.dequantize_bf16(bytes, &result, count)
    case CQK_Q4_0: table.dequantize_q4_0(bytes, &result, count)
    case CQK_Q4_1: table.dequantize_q4_1(bytes, &result, count)
    case CQK_Q5_0: table.dequantize_q5_0(bytes, &result, count)
    case CQK_Q5_1: table.dequantize_q5_1(bytes, &result, count)
    case CQK_Q8_0: table.dequantize_q8_0(bytes, &result, count)
    case CQK_Q2_K: table.dequantize_q2_K(bytes, &result, count)
    case CQK_Q3_K: table.dequantize_q3_K(bytes, &result, count)
    case CQK_Q4_K: table.dequantize_q4_K(bytes, &result, count)
    case CQK_Q5_K: table.dequantize_q5_K(bytes, &result, count)
    case CQK_Q6_K: table.dequantize_q6_K(bytes, &result, count)
    case CQK_IQ4_NL: table.dequantize_iq4_NL(bytes, &result, count)
    default: table.dequantize_iq4_XS(bytes, &result, count)
    }
    return result
  }
}

/// The bytes of some floats.
func bytes(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

extension Table {
  /// `x[t, k] · w[n, k]ᵀ` in bf16, added to `y` when that is given.
  func roundedProduct(
    _ x: [Float], _ type: cqk_type, _ w: [UInt8], t: Int, n: Int, k: Int, onto y: [Float]? = nil
  ) -> [Float] {
    var result = y ?? Array(repeating: .nan, count: t * n)
    let packed = UnsafeMutableRawPointer.allocate(byteCount: cqk_packed_bf16_count(t, k) * 2 + 64, alignment: 64)
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: cqk_bf16_scratch_bytes(t), alignment: 64)
    defer {
      packed.deallocate()
      scratch.deallocate()
    }
    let numbers = packed.assumingMemoryBound(to: UInt16.self)
    kernels.pack_bf16(x, k, numbers, t, min(16, t), k)
    kernels.gemm_bf16(numbers, type, w, cqk_row_bytes(type, k), &result, n, t, n, k, y == nil ? 0 : 1, scratch)
    return result
  }

  /// `y[t, n] · w[n, k]` in bf16.
  func productBack(
    _ y: [Float], _ type: cqk_type, _ w: [UInt8], t: Int, n: Int, k: Int, onto x: [Float]? = nil
  ) -> [Float] {
    var result = x ?? Array(repeating: .nan, count: t * k)
    let packed = UnsafeMutableRawPointer.allocate(byteCount: cqk_row_packed_bf16_count(t, n) * 2 + 64, alignment: 64)
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: Int(CQK_NN_BF16_SCRATCH), alignment: 64)
    defer {
      packed.deallocate()
      scratch.deallocate()
    }
    let numbers = packed.assumingMemoryBound(to: UInt16.self)
    kernels.pack_rows_bf16(y, n, numbers, t, n)
    kernels.gemm_nn_bf16(
      numbers, type, w, cqk_row_bytes(type, k), &result, k, t, n, 0, k, x == nil ? 0 : 1, scratch)
    return result
  }

  /// The same in integers.
  func codedProduct(
    _ x: [Float], _ type: cqk_type, _ w: [UInt8], t: Int, n: Int, k: Int, onto y: [Float]? = nil
  ) -> [Float] {
    var result = y ?? Array(repeating: .nan, count: t * n)
    let (rowBytes, panelBytes, count) = (cqk_row_bytes(type, k), cqk_int8_panel_bytes(type, k), (n + 15) / 16)
    let panels = UnsafeMutableRawPointer.allocate(byteCount: count * panelBytes, alignment: 64)
    let codes = UnsafeMutablePointer<Int8>.allocate(capacity: t * cqk_int8_input_bytes(k))
    defer {
      panels.deallocate()
      codes.deallocate()
    }
    w.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      for panel in 0..<count {
        cqk_pack_int8_panel(
          type, start + panel * 16 * rowBytes, rowBytes, min(16, n - panel * 16), k, panels + panel * panelBytes)
      }
    }
    kernels.quantize_int8(x, k, codes, t, k)
    kernels.gemm_int8(codes, type, panels, &result, n, t, n, k, y == nil ? 0 : 1)
    return result
  }
}
