import Fixtures
import Foundation
import ICLEngine
import Testing

/// Models in several GGUF files, as `llama-gguf-split` leaves them.
struct SplitTests {
  let folder: URL
  init() throws { folder = try Fixtures.temporaryFolder("split") }

  struct Part {
    var number: Int
    var count = 3
    var tensors: Range<Int>
    var total = 8
  }

  static let parts = [
    Part(number: 0, tensors: 0..<3), Part(number: 1, tensors: 3..<4), Part(number: 2, tensors: 4..<12),
  ]

  /// The whole model's tensors, of which a part takes some; the first part has its keys too.
  private func write(_ part: Part, as name: String, whole: RawGGUF = .model) throws {
    var file = part.number == 0 ? whole : RawGGUF()
    file.tensors = []
    file.data = []
    file.put("split.no", RawGGUF.u32(2) + [UInt8(part.number), 0])
    file.put("split.count", RawGGUF.u32(2) + [UInt8(part.count), 0])
    file.put("split.tensors.count", RawGGUF.u32(5) + RawGGUF.u32(UInt32(part.total)))
    for tensor in whole.tensors[part.tensors.clamped(to: 0..<whole.tensors.count)] {
      while file.data.count % 32 != 0 { file.data.append(0) }
      let size = Int(tensor.dimensions.reduce(1, *)) * 4
      var copy = tensor
      copy.offset = UInt64(file.data.count)
      file.tensors.append(copy)
      file.data += whole.data[Int(tensor.offset)..<Int(tensor.offset) + size]
    }
    try Data(file.bytes).write(to: folder.appending(path: name))
  }

  private func writeAll(_ change: (inout Part) -> Void = { _ in }) throws -> String {
    let total = RawGGUF.model.tensors.count
    for var part in Self.parts {
      part.total = total
      change(&part)
      try write(part, as: "model-0000\(part.number + 1)-of-00003.gguf")
    }
    return folder.appending(path: "model-00001-of-00003.gguf").path
  }

  @Test func `the parts together are the model`() throws {
    let model = try LlamaModel(contentsOf: writeAll())
    let path = folder.appending(path: "whole.gguf").path
    try Data(RawGGUF.model.bytes).write(to: URL(filePath: path))
    let whole = try LlamaModel(contentsOf: path)
    let request = CaptureRequest(logits: true)
    #expect(
      try model.forward([[1, 5, 6]], capture: request)[0].logits
        == whole.forward([[1, 5, 6]], capture: request)[0].logits)
    #expect(model.files?.sha256 != whole.files?.sha256)
    // Written again it is one file.
    let again = folder.appending(path: "again.gguf").path
    try model.write(gguf: again, as: .f32)
    #expect(try GGUFFile(path: again).keys.allSatisfy { !$0.hasPrefix("split.") })
    #expect(try LlamaModel(contentsOf: again).tokenizer.encode("ab a") == model.tokenizer.encode("ab a"))
  }

  private func refuse(_ path: String, _ code: EngineError.Code, naming word: String) {
    let error = #expect(throws: EngineError.self) { try LlamaModel(contentsOf: path) }
    #expect(error?.code == code)
    #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
  }

  @Test func `parts that are missing, wrong or given first are named`() throws {
    let first = try writeAll()
    refuse(first.replacing("00001-of", with: "00002-of"), .invalidArgument, naming: "-00001-of-00003.gguf")
    let second = first.replacing("00001-of", with: "00002-of")
    let third = first.replacing("00001-of", with: "00003-of")
    try FileManager.default.removeItem(atPath: second)
    refuse(first, .unreadableFile, naming: "model-00002-of-00003.gguf")
    try FileManager.default.copyItem(atPath: third, toPath: second)
    refuse(first, .malformedFile, naming: "split.no 2")
    _ = try writeAll()
    let other = folder.appending(path: "renamed.gguf").path
    try FileManager.default.copyItem(atPath: first, toPath: other)
    refuse(other, .invalidArgument, naming: "lost its name")
  }

  @Test func `counts that don't agree and tensors in two parts are refused`() throws {
    let total = RawGGUF.model.tensors.count
    refuse(try writeAll { $0.total = total + 1 }, .malformedFile, naming: "\(total + 1) tensors")
    refuse(
      try writeAll { if $0.number == 1 { $0.count = 2 } }, .malformedFile, naming: "split.count 2")
    let twice = try writeAll {
      $0.total = total + 1
      if $0.number == 1 { $0.tensors = 2..<4 }
    }
    refuse(twice, .malformedFile, naming: "same tensor")
    refuse(try writeAll { if $0.number == 0 { $0.count = 200 } }, .invalidArgument, naming: "00200")
  }
}
