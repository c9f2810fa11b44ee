import Fixtures
import Foundation
import ICLEngine
import Testing

@Suite(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
struct DequantizingTests {
  static let folder = Result {
    let folder = try Fixtures.temporaryFolder("dequantize")
    try Fixtures.runPython("dequantize_reference.py", [folder.path])
    return folder
  }

  @Test(arguments: TensorType.allCases.filter { $0 != .f32 })
  func `blocks become the floats that the gguf package makes of them, to the bit`(_ type: TensorType) throws {
    let folder = try Self.folder.get()
    let blocks = [UInt8](try Data(contentsOf: folder.appending(path: "\(type.name).blocks")))
    let expected = try Data(contentsOf: folder.appending(path: "\(type.name).f32")).withUnsafeBytes { raw in
      (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) }
    }
    #expect(blocks.count / type.bytesPerBlock * type.blockSize == expected.count)
    for name in Kernels.available {
      let table = try #require(Kernels.table(named: name))
      let dequantize = try #require(Kernels.dequantizer(type, in: table))
      var found = [Float](repeating: 0, count: expected.count)
      dequantize(blocks, &found, found.count)
      let same = zip(found, expected).allSatisfy { float, bits in
        float.bitPattern == bits || (float.isNaN && Float(bitPattern: bits).isNaN)
      }
      #expect(same, "\(type.name) with \(name)")
    }
  }
}
