/// Numbers to stored bytes, as llama.cpp's reference quantizers without importance matrix make them, to the byte.
///
/// A block is 32 weights. With `x*` the weight of largest magnitude (the first of equals, with its sign), `min` and
/// `max` the least and the greatest, all arithmetic in F32, each operation rounded on its own:
///
/// | type | scale `d` | level of `x` |
/// |---|---|---|
/// | `Q8_0` | `max│x│ / 127` | `round(x · 1/d)` |
/// | `Q4_0` | `x* / −8` | `⌊x · 1/d + 8.5⌋`, at most 15 |
/// | `Q5_0` | `x* / −16` | `⌊x · 1/d + 16.5⌋`, at most 31 |
/// | `Q4_1` | `(max − min) / 15` | `⌊(x − min) · 1/d + 0.5⌋`, at most 15 |
/// | `Q5_1` | `(max − min) / 31` | `⌊(x − min) · 1/d + 0.5⌋` |
public enum BlockQuantizer {
  /// The types that ``encode(_:as:name:)`` writes.
  public static let supported: [TensorType] = [.f32, .f16, .bf16, .q8_0, .q4_0, .q4_1, .q5_0, .q5_1]

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
    try check(type, name: name)
    var out = [UInt8](repeating: 0, count: values.count / type.blockSize * type.bytesPerBlock)
    let bad = values.withUnsafeBufferPointer { source in
      out.withUnsafeMutableBytes { encode(source, as: type, into: $0) }
    }
    if let bad { throw unstorable(values[bad], at: bad, as: type, name: name) }
    return out
  }

  /// Throws `unsupported` for a type that is not written.
  static func check(_ type: TensorType, name: String) throws(EngineError) {
    guard supported.contains(type) else {
      throw EngineError(
        .unsupported, "the engine does not write this tensor type", at: "tensor \(name)",
        expected: supported.map(\.name).joined(separator: ", "), found: type.name)
    }
  }

  static func unstorable(_ value: Float, at index: Int, as type: TensorType, name: String) -> EngineError {
    EngineError(
      .invalidArgument, "a value cannot be stored", at: "tensor \(name), element \(index)",
      expected: "a finite number within the range of \(type.name)", found: "\(value)")
  }

  /// Encodes whole blocks of a supported type into as many bytes as they take.
  /// - Returns: the index of a value that cannot be stored; `nil` when all can.
  static func encode(
    _ values: UnsafeBufferPointer<Float>, as type: TensorType, into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    if let bad = firstUnstorable(values, as: type) { return bad }
    guard let x = values.baseAddress else { return nil }
    precondition(out.count >= values.count / type.blockSize * type.bytesPerBlock)
    for block in 0..<values.count / type.blockSize {
      let x = x + block * type.blockSize
      let y = UnsafeMutableRawBufferPointer(
        rebasing: out[block * type.bytesPerBlock..<(block + 1) * type.bytesPerBlock])
      switch type {
      case .f32: y.storeBytes(of: x[0].bitPattern.littleEndian, as: UInt32.self)
      case .f16: put(x[0], y, 0)
      case .bf16: y.storeBytes(of: brainFloat(x[0]).littleEndian, as: UInt16.self)
      case .q8_0: q8_0(x, y)
      case .q4_0: symmetric(x, y, levels: 16)
      case .q5_0: symmetric(x, y, levels: 32)
      case .q4_1: between(x, y, levels: 16)
      case .q5_1: between(x, y, levels: 32)
      default: preconditionFailure("check(_:name:) refuses other types")
      }
    }
    return nil
  }

  /// The first value that is not a number, or that no scale in half precision reaches.
  static func firstUnstorable(_ values: UnsafeBufferPointer<Float>, as type: TensorType) -> Int? {
    let half: Float = 65_504
    let limit: Float =
      switch type {
      case .f16, .q4_1, .q5_1: half
      case .q4_0: half * 8
      case .q5_0: half * 16
      case .q8_0: half * 127
      default: .greatestFiniteMagnitude
      }
    // A value that is not a number compares as false.
    return values.firstIndex { !(abs($0) <= limit) }
  }

  private static func q8_0(_ x: UnsafePointer<Float>, _ y: UnsafeMutableRawBufferPointer) {
    var largest: Float = 0
    for i in 0..<32 { largest = max(largest, abs(x[i])) }
    let scale = largest / 127
    let inverse = inverse(scale)
    put(scale, y, 0)
    for i in 0..<32 { y[2 + i] = UInt8(bitPattern: byte((x[i] * inverse).rounded(.toNearestOrAwayFromZero))) }
  }

  /// Q4_0 and Q5_0: levels around the middle one, which is zero.
  private static func symmetric(_ x: UnsafePointer<Float>, _ y: UnsafeMutableRawBufferPointer, levels: Int) {
    var (extreme, largest): (Float, Float) = (0, 0)
    for i in 0..<32 where abs(x[i]) > largest { (extreme, largest) = (x[i], abs(x[i])) }
    let scale = extreme / -Float(levels / 2)
    let inverse = inverse(scale)
    let middle = Float(levels / 2) + 0.5
    put(scale, y, 0)
    pack(y, from: 2, levels: levels) { byte(x[$0] * inverse + middle) }
  }

  /// Q4_1 and Q5_1: levels from the least value to the greatest.
  private static func between(_ x: UnsafePointer<Float>, _ y: UnsafeMutableRawBufferPointer, levels: Int) {
    var (least, greatest) = (x[0], x[0])
    for i in 1..<32 {
      if x[i] < least { least = x[i] }
      if x[i] > greatest { greatest = x[i] }
    }
    let scale = (greatest - least) / Float(levels - 1)
    let inverse = inverse(scale)
    put(scale, y, 0)
    put(least, y, 2)
    pack(y, from: 4, levels: levels) { byte((x[$0] - least) * inverse + 0.5) }
  }

  /// Writes 32 levels: of five-bit ones the high bits first, as one word; then nibbles, of which the first sixteen are
  /// the low halves of the bytes.
  private static func pack(
    _ y: UnsafeMutableRawBufferPointer, from start: Int, levels: Int, _ level: (Int) -> Int8
  ) {
    var high: UInt32 = 0
    let nibbles = start + (levels == 32 ? 4 : 0)
    for i in 0..<16 {
      let a = UInt8(truncatingIfNeeded: min(Int8(levels - 1), level(i)))
      let b = UInt8(truncatingIfNeeded: min(Int8(levels - 1), level(16 + i)))
      y[nibbles + i] = a & 15 | b << 4
      high |= UInt32(a >> 4 & 1) << UInt32(i) | UInt32(b >> 4 & 1) << UInt32(16 + i)
    }
    if levels == 32 { y.storeBytes(of: high.littleEndian, toByteOffset: start, as: UInt32.self) }
  }

  private static func inverse(_ scale: Float) -> Float { scale == 0 ? 0 : 1 / scale }

  /// Towards zero. A scale so small that its inverse is infinite gives no numbers: 0, as x86's conversion has it.
  private static func byte(_ value: Float) -> Int8 { abs(value) < 128 ? Int8(value) : value == -128 ? -128 : 0 }

  /// A number in half precision.
  private static func put(_ value: Float, _ y: UnsafeMutableRawBufferPointer, _ offset: Int) {
    y.storeBytes(of: Float16(value).bitPattern.littleEndian, toByteOffset: offset, as: UInt16.self)
  }

  /// Round to nearest, ties to even, on the upper 16 bits.
  private static func brainFloat(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
  }
}
