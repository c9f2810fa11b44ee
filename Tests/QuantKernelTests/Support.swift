import CQuantKernels

/// One instruction set's functions.
struct Table: CustomStringConvertible, @unchecked Sendable {
  // Unchecked: the C table is a constant.
  let kernels: cqk_kernels
  var description: String { String(cString: kernels.name) }

  static let reference = Table(kernels: cqk_kernels_for(CQK_REFERENCE)!.pointee)
  /// The fast ones that this machine can run; at least one wherever these tests mean anything.
  static let fast: [Table] = [CQK_AVX2, CQK_AVX2_VNNI, CQK_AVX512, CQK_AVX512_VNNI, CQK_AVX512_BF16, CQK_AMX].compactMap
  {
    cqk_kernels_for($0).map { Table(kernels: $0.pointee) }
  }
  static let all = [reference] + fast
}

/// Pseudo-random values around 0, the same each time.
func values(_ count: Int, seed: UInt64 = 1) -> [Float] {
  var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
  return (0..<count).map { _ in
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Float(Int64(bitPattern: state) >> 40) * 0x1p-22
  }
}

/// The same bits, or both not numbers: which NaN comes out is not part of the promise.
func same(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
}

/// `values` with a NaN, infinities, zeros of both signs and denormals here and there.
func hardValues(_ count: Int, seed: UInt64 = 1) -> [Float] {
  var result = values(count, seed: seed)
  let hard: [Float] = [
    .infinity, -.infinity, .nan, 0, -0.0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, -0x1p-140,
  ]
  for (index, value) in hard.enumerated() where !result.isEmpty { result[(index * 37 + 5) % count] = value }
  return result
}

extension Table {
  /// `x[t, k] · w[n, k]ᵀ`, added to `y` when that is given.
  func product(_ x: [Float], _ w: [Float], t: Int, n: Int, k: Int, onto y: [Float]? = nil) -> [Float] {
    var result = y ?? Array(repeating: .nan, count: t * n)
    kernels.gemm_nt_f32(x, k, w, k, &result, n, t, n, k, y == nil ? 0 : 1)
    return result
  }
}
