/// Numbers to stored bytes, with the rounding of llama.cpp's reference quantizers, to the byte.
///
/// Blocks of 32 weights: `Q8_0` a half-precision scale `d = max|x| / 127` and 32 signed bytes `round(x / d)`;
/// `Q4_0` a scale `d = x* / −8`, where `x*` is the weight of largest magnitude with its sign, and 32 nibbles
/// `⌊x / d + 8.5⌋` of which the first sixteen are the low halves of the bytes.
public enum BlockQuantizer {
  /// The types that ``encode(_:as:name:)`` writes.
  public static let supported: [TensorType] = [.f32, .f16, .bf16, .q8_0, .q4_0]

  /// Stored bytes of `values`, whose number is a multiple of the type's block.
  /// - Parameter name: what messages call the tensor.
  /// - Throws: `unsupported` for another type, `invalidArgument` for a part of a block or a value that is not
  ///   finite (or beyond half precision's range for `F16`).
  public static func encode(_ values: [Float], as type: TensorType, name: String = "") throws(EngineError) -> [UInt8] {
    guard values.count % type.blockSize == 0 else {
      throw EngineError(
        .invalidArgument, "the values are not a whole number of blocks", at: "tensor \(name)",
        expected: "a multiple of \(type.blockSize)", found: "\(values.count)")
    }
    if let index = values.firstIndex(where: { !$0.isFinite || (type == .f16 && abs($0) > 65_504) }) {
      throw EngineError(
        .invalidArgument, "a value cannot be stored", at: "tensor \(name), element \(index)",
        expected: "a finite number within the range of \(type.name)", found: "\(values[index])")
    }
    var out: [UInt8] = []
    out.reserveCapacity(values.count / type.blockSize * type.bytesPerBlock)
    switch type {
    case .f32: for value in values { append(value.bitPattern, to: &out) }
    case .f16: for value in values { append(Float16(value).bitPattern, to: &out) }
    case .bf16: for value in values { append(brainFloat(value), to: &out) }
    case .q8_0: for start in stride(from: 0, to: values.count, by: 32) { q8_0(values[start..<start + 32], &out) }
    case .q4_0: for start in stride(from: 0, to: values.count, by: 32) { q4_0(values[start..<start + 32], &out) }
    default:
      throw EngineError(
        .unsupported, "the engine does not write this tensor type", at: "tensor \(name)",
        expected: supported.map(\.name).joined(separator: ", "), found: type.name)
    }
    return out
  }

  private static func q8_0(_ block: ArraySlice<Float>, _ out: inout [UInt8]) {
    let largest = block.reduce(0) { max($0, abs($1)) }
    let scale = largest / 127
    let inverse: Float = scale == 0 ? 0 : 1 / scale
    append(Float16(scale).bitPattern, to: &out)
    for value in block {
      // A subnormal scale has an infinite inverse; llama.cpp's conversion is then undefined, ours is 0 or the end.
      let scaled = (value * inverse).rounded(.toNearestOrAwayFromZero)
      out.append(UInt8(bitPattern: scaled.isNaN ? 0 : Int8(max(-128, min(127, scaled)))))
    }
  }

  private static func q4_0(_ block: ArraySlice<Float>, _ out: inout [UInt8]) {
    var extreme: Float = 0
    for value in block where abs(value) > abs(extreme) { extreme = value }
    let scale = extreme / -8
    let inverse: Float = scale == 0 ? 0 : 1 / scale
    append(Float16(scale).bitPattern, to: &out)
    func nibble(_ value: Float) -> UInt8 {
      // In double precision and rounded once, as the fused multiply-add of llama.cpp's builds does.
      let level = Float(Double(value) * Double(inverse) + 8.5)
      return level.isNaN ? 8 : UInt8(max(0, min(15, level.rounded(.towardZero))))
    }
    let first = block.startIndex
    for offset in 0..<16 { out.append(nibble(block[first + offset]) | nibble(block[first + 16 + offset]) << 4) }
  }

  /// Round to nearest, ties to even, on the upper 16 bits.
  private static func brainFloat(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
  }

  private static func append<T: FixedWidthInteger>(_ value: T, to out: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { out.append(contentsOf: $0) }
  }
}
