import Foundation

/// Bytes of a GGUF file, put together by hand so that anything in them can be wrong.
struct RawGGUF {
  struct Tensor {
    var name: String
    var dimensions: [UInt64]
    var type: UInt32 = 0
    var offset: UInt64
  }

  var magic: [UInt8] = Array("GGUF".utf8)
  var version: UInt32 = 3
  /// Name and the bytes after it: type and value.
  var keys: [(String, [UInt8])] = []
  var tensors: [Tensor] = []
  var data: [UInt8] = []
  var keyCount: UInt64?
  var tensorCount: UInt64?
  var alignment = 32

  static func u32(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
  static func u64(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
  static func string(_ text: String) -> [UInt8] { u64(UInt64(text.utf8.count)) + Array(text.utf8) }

  mutating func set(_ key: String, _ value: UInt32) { put(key, Self.u32(4) + Self.u32(value)) }
  mutating func set(_ key: String, _ value: Float) { put(key, Self.u32(6) + Self.u32(value.bitPattern)) }
  mutating func set(_ key: String, _ value: String) { put(key, Self.u32(8) + Self.string(value)) }
  mutating func set(_ key: String, strings: [String]) {
    put(key, Self.u32(9) + Self.u32(8) + Self.u64(UInt64(strings.count)) + strings.flatMap(Self.string))
  }
  mutating func set(_ key: String, int32s: [UInt32]) {
    put(key, Self.u32(9) + Self.u32(5) + Self.u64(UInt64(int32s.count)) + int32s.flatMap(Self.u32))
  }

  /// Replaces or adds.
  mutating func put(_ key: String, _ bytes: [UInt8]) {
    if let index = keys.firstIndex(where: { $0.0 == key }) { keys[index].1 = bytes } else { keys.append((key, bytes)) }
  }

  /// Adds F32 data and its description.
  mutating func add(_ name: String, _ dimensions: [UInt64], _ values: [Float]) {
    while data.count % alignment != 0 { data.append(0) }
    tensors.append(Tensor(name: name, dimensions: dimensions, offset: UInt64(data.count)))
    data += values.flatMap { Self.u32($0.bitPattern) }
  }

  var bytes: [UInt8] {
    var result = magic + Self.u32(version) + Self.u64(tensorCount ?? UInt64(tensors.count))
    result += Self.u64(keyCount ?? UInt64(keys.count))
    for (key, value) in keys { result += Self.string(key) + value }
    for tensor in tensors {
      result += Self.string(tensor.name) + Self.u32(UInt32(tensor.dimensions.count))
      result += tensor.dimensions.flatMap(Self.u64) + Self.u32(tensor.type) + Self.u64(tensor.offset)
    }
    while result.count % alignment != 0 { result.append(0) }
    return result + data
  }

  /// A complete model: one block, 4 wide, 8 tokens.
  static var model: RawGGUF {
    var file = RawGGUF()
    file.set("general.architecture", "llama")
    for (key, value) in [
      ("context_length", 16), ("embedding_length", 4), ("block_count", 1), ("feed_forward_length", 6),
      ("attention.head_count", 2), ("attention.head_count_kv", 1),
    ] {
      file.set("llama.\(key)", UInt32(value))
    }
    file.set("llama.attention.layer_norm_rms_epsilon", Float(1e-5))
    file.set("tokenizer.ggml.model", "llama")
    file.set("tokenizer.ggml.tokens", strings: ["<unk>", "<s>", "</s>", "<0x41>", "▁", "a", "b", "ab"])
    file.set("tokenizer.ggml.token_type", int32s: [2, 3, 3, 6, 1, 1, 1, 1])
    func values(_ count: Int) -> [Float] { (0..<count).map { Float(($0 * 7) % 5) / 4 - 0.4 } }
    file.add("token_embd.weight", [4, 8], values(32))
    file.add("output_norm.weight", [4], [1, 1, 1, 1])
    file.add("blk.0.attn_norm.weight", [4], [1, 1, 1, 1])
    file.add("blk.0.ffn_norm.weight", [4], [1, 1, 1, 1])
    for (name, rows, columns) in [
      ("attn_q", 4, 4), ("attn_k", 2, 4), ("attn_v", 2, 4), ("attn_output", 4, 4), ("ffn_gate", 6, 4),
      ("ffn_up", 6, 4), ("ffn_down", 4, 6),
    ] {
      file.add("blk.0.\(name).weight", [UInt64(columns), UInt64(rows)], values(rows * columns))
    }
    return file
  }
}
