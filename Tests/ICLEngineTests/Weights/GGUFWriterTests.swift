import Fixtures
import Foundation
import ICLEngine
import Testing

@Suite struct GGUFWriterTests {
  private static func sample() throws -> GGUFWriter {
    var writer = GGUFWriter()
    writer.set("general.architecture", .string("llama"))
    writer.set("general.name", .string("a first name"))
    writer.set("general.name", .string("grown é"))
    writer.set("test.u8", .uint8(200))
    writer.set("test.i16", .int16(-300))
    writer.set("test.u64", .uint64(1 << 40))
    writer.set("test.f32", .float32(0.25))
    writer.set("test.f64", .float64(1e-9))
    writer.set("test.bool", .bool(true))
    writer.set("test.strings", .strings(["", "▁a", "<0x0A>"]))
    writer.set("test.none", .strings([]))
    try writer.add("odd.weight", dimensions: [3], values: [1, -2, 3], as: .f32)
    let values = (0..<128).map { Float($0) / 7 - 9 }
    try writer.add("q8.weight", dimensions: [64, 2], values: values, as: .q8_0)
    try writer.add("q4.weight", dimensions: [32, 4], values: values, as: .q4_0)
    try writer.add("f16.weight", dimensions: [16, 8], values: values, as: .f16)
    return writer
  }

  @Test(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
  func `the gguf package reads the same keys, shapes and bytes`() throws {
    struct Description: Decodable {
      struct Tensor: Decodable, Equatable {
        var type: String
        var shape: [Int]
      }
      var tensors: [String: Tensor]
    }
    let folder = try Fixtures.temporaryFolder("gguf")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "sample.gguf").path
    try Self.sample().write(to: path)
    let output = try Fixtures.runPython("describe_gguf.py", [path])
    let json = try #require(JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
    let keys = try #require(json["keys"] as? [String: Any])
    #expect(keys["general.name"] as? String == "grown é")
    #expect(keys["test.u8"] as? Int == 200)
    #expect(keys["test.i16"] as? Int == -300)
    #expect(keys["test.u64"] as? Int == 1 << 40)
    #expect(keys["test.f32"] as? Double == 0.25)
    #expect(keys["test.f64"] as? Double == 1e-9)
    #expect(keys["test.bool"] as? Bool == true)
    #expect(keys["test.strings"] as? [String] == ["", "▁a", "<0x0A>"])
    let tensors = try JSONDecoder().decode(Description.self, from: Data(output.utf8)).tensors
    #expect(
      tensors == [
        "odd.weight": .init(type: "F32", shape: [3]), "q8.weight": .init(type: "Q8_0", shape: [2, 64]),
        "q4.weight": .init(type: "Q4_0", shape: [4, 32]), "f16.weight": .init(type: "F16", shape: [8, 16]),
      ])
  }

  @Test func `tensor data begin at multiples of the alignment`() throws {
    let bytes = try Self.sample().fileBytes()
    #expect(bytes.prefix(4) == [0x47, 0x47, 0x55, 0x46])
    #expect(bytes.count % 32 == 0)
    // The last tensor, 256 bytes of F16, ends the file and begins with −9 (0xc880).
    #expect(Array(bytes[(bytes.count - 256)..<(bytes.count - 254)]) == [0x80, 0xc8])
  }

  @Test func `names and shapes that a reader would refuse are refused here`() throws {
    var writer = GGUFWriter()
    try writer.add("a", dimensions: [2], values: [1, 2], as: .f32)
    #expect(throws: EngineError.self) { try writer.add("a", dimensions: [2], values: [1, 2], as: .f32) }
    #expect(throws: EngineError.self) { try writer.add("", dimensions: [2], values: [1, 2], as: .f32) }
    let long = String(repeating: "x", count: 64)
    #expect(throws: EngineError.self) { try writer.add(long, dimensions: [2], values: [1, 2], as: .f32) }
    #expect(throws: EngineError.self) { try writer.add("b", dimensions: [3], values: [1, 2], as: .f32) }
    #expect(throws: EngineError.self) { try writer.add("b", dimensions: [], values: [], as: .f32) }
    #expect(throws: EngineError.self) {
      try writer.add("b", dimensions: [48], values: [Float](repeating: 0, count: 48), as: .q8_0)
    }
  }

  @Test func `a folder that is not there is named in the error`() throws {
    let error = try #require(throws: EngineError.self) { try Self.sample().write(to: "/nowhere/at/all.gguf") }
    #expect(error.location == "/nowhere/at/all.gguf")
  }
}
