import ICLEngine

/// A GGUF file written by hand, so that every integer in it is known to the mutations.
struct SeedGGUF {
  private var keys: [(String, FieldedBytes)] = []
  private var tensors: [(name: String, dimensions: [Int], type: TensorType, bytes: [UInt8])] = []
  private var generator: SeededGenerator
  var version: UInt32 = 3
  var alignment = 32

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  mutating func set(_ key: String, type: UInt32, _ write: (inout FieldedBytes) -> Void) {
    var value = FieldedBytes()
    value.field(type)
    write(&value)
    keys.append((key, value))
  }
  mutating func set(_ key: String, _ value: Int) { set(key, type: 4) { $0.field(UInt32(value)) } }
  mutating func set(_ key: String, _ value: Float) { set(key, type: 6) { $0.field(value.bitPattern) } }
  mutating func set(_ key: String, _ value: Bool) { set(key, type: 7) { $0.field(UInt8(value ? 1 : 0)) } }
  mutating func set(_ key: String, _ value: String) { set(key, type: 8) { $0.string(value) } }
  mutating func set(_ key: String, _ values: [String]) {
    array(key, of: 8, count: values.count) { for value in values { $0.string(value) } }
  }
  mutating func set(_ key: String, _ values: [Int32]) {
    array(key, of: 5, count: values.count) { for value in values { $0.field(value) } }
  }
  mutating func set(_ key: String, _ values: [Float]) {
    array(key, of: 6, count: values.count) { for value in values { $0.field(value.bitPattern) } }
  }
  private mutating func array(_ key: String, of type: UInt32, count: Int, _ write: (inout FieldedBytes) -> Void) {
    set(key, type: 9) {
      $0.field(type)
      $0.field(UInt64(count))
      write(&$0)
    }
  }

  /// A key of every value type, and arrays within arrays: what a reader must walk over.
  mutating func setEveryType() {
    set("seed.u8", type: 0) { $0.field(UInt8(7)) }
    set("seed.i8", type: 1) { $0.field(Int8(-7)) }
    set("seed.u16", type: 2) { $0.field(UInt16(7)) }
    set("seed.i16", type: 3) { $0.field(Int16(-7)) }
    set("seed.i32", type: 5) { $0.field(Int32(-7)) }
    set("seed.u64", type: 10) { $0.field(UInt64(7)) }
    set("seed.i64", type: 11) { $0.field(Int64(-7)) }
    set("seed.f64", type: 12) { $0.field((0.5).bitPattern) }
    set("seed.nested", type: 9) {
      $0.field(UInt32(9))
      $0.field(UInt64(2))
      for _ in 0..<2 {
        $0.field(UInt32(0))
        $0.field(UInt64(3))
        $0.bytes += [1, 2, 3]
      }
    }
  }

  /// Random weights of moderate size: blocks of random bits whose scales are small.
  mutating func add(_ name: String, _ dimensions: [Int], _ type: TensorType = .f32) {
    let count = dimensions.reduce(1, *)
    var bytes: [UInt8] = []
    switch type {
    case .f32:
      for _ in 0..<count {
        let value = Float(generator.uniform() - 0.5)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
      }
    case .f16: for _ in 0..<count { append(Float16(generator.uniform() - 0.5).bitPattern, to: &bytes) }
    case .bf16:
      for _ in 0..<count {
        append(UInt16(truncatingIfNeeded: Float(generator.uniform() - 0.5).bitPattern >> 16), to: &bytes)
      }
    default:
      let scale = Float16(0.01).bitPattern
      for _ in 0..<count / type.blockSize {
        var block = (0..<type.bytesPerBlock).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        for place in Self.scales(type) {
          block[place] = UInt8(truncatingIfNeeded: scale)
          block[place + 1] = UInt8(truncatingIfNeeded: scale >> 8)
        }
        bytes += block
      }
    }
    tensors.append((name, dimensions, type, bytes))
  }

  /// Every second tensor, and what a part of a split file says of itself; the first part has the other keys too.
  func part(_ index: Int, of count: Int) -> SeedGGUF {
    var part = self
    if index > 0 { part.keys = [] }
    part.tensors = tensors.enumerated().filter { $0.offset % count == index }.map(\.element)
    part.set("split.no", type: 2) { $0.field(UInt16(index)) }
    part.set("split.count", type: 2) { $0.field(UInt16(count)) }
    part.set("split.tensors.count", type: 5) { $0.field(Int32(tensors.count)) }
    return part
  }

  private func append(_ bits: UInt16, to bytes: inout [UInt8]) {
    bytes += [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)]
  }

  /// Where the half-precision scales stand in a block.
  private static func scales(_ type: TensorType) -> [Int] {
    switch type {
    case .f32, .f16, .bf16: []
    case .q8_0, .q4_0, .q5_0, .iq4_NL, .iq4_XS: [0]
    case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
    case .q2_K: [80, 82]
    case .q3_K: [108]
    case .q6_K: [208]
    }
  }

  var fielded: FieldedBytes {
    var file = FieldedBytes("GGUF")
    file.field(version)
    file.field(UInt64(tensors.count))
    file.field(UInt64(keys.count))
    for (key, value) in keys {
      file.string(key)
      file.append(value)
    }
    var offset = 0
    for tensor in tensors {
      file.string(tensor.name)
      file.field(UInt32(tensor.dimensions.count))
      for dimension in tensor.dimensions { file.field(UInt64(dimension)) }
      file.field(tensor.type.rawValue)
      file.field(UInt64(offset))
      offset = (offset + tensor.bytes.count + alignment - 1) / alignment * alignment
    }
    for tensor in tensors {
      file.pad(to: alignment)
      file.bytes += tensor.bytes
    }
    return file
  }
}
