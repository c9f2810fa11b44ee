import Fixtures
import Foundation
import ICLEngine
import Testing

@Suite struct BlockQuantizerTests {
  /// Values of several magnitudes, with zeros, exact ties, subnormal blocks and blocks whose extreme is negative.
  private static let values: [Float] = {
    var generator = SeededGenerator(seed: 7)
    var values: [Float] = []
    for block in 0..<400 {
      let magnitude = Float([1e-6, 1e-3, 0.02, 1, 37, 6e4][block % 6])
      for _ in 0..<32 { values.append(Float(generator.uniform() * 2 - 1) * magnitude) }
    }
    values += [Float](repeating: 0, count: 32)
    values += (0..<32).map { Float($0 - 16) * 0.5 }
    values += (0..<32).map { $0 == 5 ? -127 : Float($0) + 0.5 }
    values += (0..<32).map { $0 == 9 ? 127 : -Float($0) - 0.5 }
    values += [Float](repeating: -0.25, count: 32)
    return values
  }()

  @Test(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"), arguments: BlockQuantizer.supported)
  func `blocks equal those of the gguf package to the byte`(type: TensorType) throws {
    let folder = try Fixtures.temporaryFolder("quantize")
    defer { try? FileManager.default.removeItem(at: folder) }
    let input = folder.appending(path: "values.f32")
    let output = folder.appending(path: "out.bin")
    try Self.values.withUnsafeBytes { Data($0) }.write(to: input)
    try Fixtures.runPython("quantize_blocks.py", [input.path, "32", type.name, output.path])
    let expected = [UInt8](try Data(contentsOf: output))
    let encoded = try BlockQuantizer.encode(Self.values, as: type)
    #expect(encoded.count == Self.values.count / type.blockSize * type.bytesPerBlock)
    #expect(encoded == expected)
  }

  @Test func `a block worked out by hand`() throws {
    // max 127 gives the scale 1 (0x3c00 in half precision); 0.5 rounds away from zero.
    var block = [Float](repeating: 0, count: 32)
    block[0] = 127
    block[1] = -63.5
    block[2] = 0.5
    let bytes = try BlockQuantizer.encode(block, as: .q8_0)
    #expect(Array(bytes.prefix(5)) == [0x00, 0x3c, 127, UInt8(bitPattern: -64), 1])
    // Extreme −8 gives the scale 1; −8 is level 0, 0 level 8, 7 level 15. Low nibbles are elements 0…15.
    block = [Float](repeating: 0, count: 32)
    block[0] = -8
    block[16] = 7
    let nibbles = try BlockQuantizer.encode(block, as: .q4_0)
    #expect(Array(nibbles.prefix(4)) == [0x00, 0x3c, 0xf0, 0x88])
  }

  @Test func `five bits and offsets worked out by hand`() throws {
    // Extreme −16 gives the scale 1: −16 is level 0, 0 level 16, 15 level 31. The fifth bits are one word.
    var block = [Float](repeating: 0, count: 32)
    block[0] = -16
    block[17] = 15
    let five = try BlockQuantizer.encode(block, as: .q5_0)
    #expect(Array(five.prefix(8)) == [0x00, 0x3c, 0xfe, 0xff, 0xff, 0xff, 0x00, 0xf0])
    // From 1 to 16 the scale of Q4_1 is 1 and its offset 1 (0x3c00).
    block = (0..<32).map { Float($0 % 16) + 1 }
    let four = try BlockQuantizer.encode(block, as: .q4_1)
    #expect(Array(four.prefix(7)) == [0x00, 0x3c, 0x00, 0x3c, 0x00, 0x11, 0x22])
    // From 0 to 31 the scale of Q5_1 is 1 and its offset 0.
    let offset = try BlockQuantizer.encode((0..<32).map { Float($0) }, as: .q5_1)
    #expect(Array(offset.prefix(10)) == [0x00, 0x3c, 0, 0, 0x00, 0x00, 0xff, 0xff, 0x00, 0x11])
  }

  @Test func `a scale whose inverse is infinite gives zeros, and what half precision can't hold is refused`() throws {
    let tiny = try BlockQuantizer.encode([Float](repeating: .leastNonzeroMagnitude, count: 32), as: .q8_0)
    #expect(tiny == [UInt8](repeating: 0, count: 34))
    for type in [TensorType.q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .f16] {
      #expect(throws: EngineError.self) { try BlockQuantizer.encode([Float](repeating: 1e30, count: 32), as: type) }
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func `a value that is not finite is refused with its place`(value: Float) throws {
    var block = [Float](repeating: 1, count: 32)
    block[17] = value
    let error = try #require(throws: EngineError.self) {
      try BlockQuantizer.encode(block, as: .q8_0, name: "blk.0.attn_q.weight")
    }
    #expect(error.code == .invalidArgument)
    #expect(error.location == "tensor blk.0.attn_q.weight, element 17")
  }

  @Test func `part of a block is refused, and so is a type that is not written`() throws {
    #expect(throws: EngineError.self) { try BlockQuantizer.encode([1, 2, 3], as: .q8_0) }
    let error = try #require(throws: EngineError.self) {
      try BlockQuantizer.encode([Float](repeating: 0, count: 256), as: .q6_K)
    }
    #expect(error.code == .unsupported)
  }
}
