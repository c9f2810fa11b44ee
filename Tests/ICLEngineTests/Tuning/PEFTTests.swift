import Fixtures
import Foundation
import ICLEngine
import Testing

/// Adapters in PEFT's format, out and in, and safetensors files that someone made to do harm.
@Suite struct PEFTTests {
  private let c = SmallModels.configuration()

  @Test func `an adapter comes back as it went`() throws {
    let folder = try Fixtures.temporaryFolder("adapter")
    defer { try? FileManager.default.removeItem(at: folder) }
    var adapter = SmallModels.adapter(c)
    adapter.blocks[0][.gate] = nil
    adapter.blocks[1] = [:]
    try adapter.write(to: folder.path, for: c, baseModel: "small")
    #expect(try LoRAAdapter(contentsOf: folder.path, for: c) == adapter)
    var other = c
    other.hiddenSize = 48
    #expect(throws: EngineError.self) { try LoRAAdapter(contentsOf: folder.path, for: other) }
    #expect(throws: EngineError.self) { try adapter.write(to: folder.path, for: other) }
  }

  @Test(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)"))
  func `PEFT computes with our adapter what we do, and we read what it saves`() throws {
    let folder = try Fixtures.temporaryFolder("peft")
    defer { try? FileManager.default.removeItem(at: folder) }
    let weights = SmallModels.weights(c, isTied: true)
    let adapter = SmallModels.adapter(c)
    let batch = [SmallModels.batch(c)[1]]
    try TorchReference.send(weights, c, adapter: adapter, batch: batch, to: folder)
    try adapter.write(to: folder.appending(path: "saved").path, for: c)
    try Fixtures.runPython("peft_adapter.py", [folder.path])

    let model = try LlamaModel(configuration: c, weights: weights, tokenizer: SmallModels.tokenizer)
    let ours = try model.forward(
      batch.map(\.tokens), capture: CaptureRequest(positions: .all, logits: true), adapter: adapter)
    let theirs = try TorchReference.floats(folder.appending(path: "logits.f32"))
    // F32 on both sides, sums of up to 50 terms through two blocks.
    #expect(relativeDistance(ours[0].logits.flatMap(\.self), theirs) < 1e-5)
    #expect(try LoRAAdapter(contentsOf: folder.appending(path: "peft").path, for: c) == adapter)
  }

  @Test(.enabled(if: Fixtures.hasSharedData, "\(Fixtures.noSharedData)"))
  func `real safetensors files are read`() throws {
    let folder = Fixtures.sharedData.appending(path: "safetensors")
    let doubles = try SafetensorsFile(path: folder.appending(path: "tensor-2d-float64.safetensors").path)
    for (name, tensor) in doubles.tensors {
      #expect(tensor.type == "F64" && tensor.shape.count == 2)
      #expect(try doubles.floats(name).count == tensor.shape.reduce(1, *))
    }
    let whole = try SafetensorsFile(path: folder.appending(path: "tensor-1d-int32.safetensors").path)
    for name in whole.tensors.keys { #expect(throws: EngineError.self) { try whole.floats(name) } }
  }

  private static func file(_ header: String, data: Int = 0, length: UInt64? = nil) -> Data {
    var bytes = Data()
    withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { bytes.append(contentsOf: $0) }
    return bytes + Data(header.utf8) + Data(count: data)
  }

  @Test(arguments: [
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} x"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"dtype":"F32"}}"#,
    #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#,
    #"{"a\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    #"{"__metadata__":{"x":{"y":"z"}},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    "[]", "", "{", "{}", "null", String(repeating: "{\"a\":", count: 20_000),
  ])
  func `a safetensors header that lies is refused`(header: String) throws {
    let folder = try Fixtures.temporaryFolder("safetensors")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "x.safetensors")
    try Self.file(header, data: 8).write(to: path)
    #expect(throws: EngineError.self) { try SafetensorsFile(path: path.path) }
  }

  @Test func `a safetensors file cut anywhere, or with a wild length, is refused`() throws {
    let folder = try Fixtures.temporaryFolder("safetensors")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "x.safetensors")
    let header = #"{"__metadata__":{"f\"\u00e9":"pt"},"a":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}}  "#
    let good = Self.file(header, data: 8)
    try good.write(to: path)
    let file = try SafetensorsFile(path: path.path)
    #expect(file.metadata == ["f\"é": "pt"])
    #expect(try file.floats("a") == [0, 0, 0, 0])
    #expect(throws: EngineError.self) { try file.floats("b") }
    for count in 0..<good.count {
      try good.prefix(count).write(to: path)
      #expect(throws: EngineError.self, "cut to \(count) bytes") { try SafetensorsFile(path: path.path) }
    }
    for length in [UInt64.max, 1 << 63, 100_000_001, 99_999_999] {
      try Self.file(header, data: 8, length: length).write(to: path)
      #expect(throws: EngineError.self) { try SafetensorsFile(path: path.path) }
    }
  }

  @Test(arguments: [
    #"{"peft_type":"LORA","r":0,"lora_alpha":1,"target_modules":["q_proj"]}"#,
    #"{"peft_type":"LORA","r":3,"lora_alpha":7,"target_modules":["q_proj"],"use_dora":true}"#,
    #"{"peft_type":"IA3","r":3,"lora_alpha":7,"target_modules":["q_proj"]}"#,
    #"{"peft_type":"LORA","r":3,"lora_alpha":7,"target_modules":["q_proj"],"bias":"all"}"#,
    #"{"peft_type":"LORA","r":3,"lora_alpha":7,"target_modules":["q_proj"],"rank_pattern":{"q_proj":4}}"#,
    #"{"peft_type":"LORA","r":3,"lora_alpha":7,"target_modules":["q_proj"],"rank_pattern":{"q_proj":0}}"#,
    #"{"peft_type":"LORA","r":3,"lora_alpha":7,"target_modules":["q_proj"],"rank_pattern":{"(?<=q)_proj":3}}"#,
    #"{"peft_type":"LORA","r":3,"lora_alpha":7,"target_modules":"q","alpha_pattern":{"q_proj":1,"attn.q_proj|q_proj":2}}"#,
    #"{"peft_type":"LORA","r":3,"lora_alpha":7,"target_modules":["q_proj"],"modules_to_save":["lm_head"]}"#,
    #"{"peft_type":"LORA","r":3,"lora_alpha":7,"target_modules":["q_proj"],"init_lora_weights":"pissa_niter_4"}"#,
    #"{"peft_type":"LORA","r":3,"lora_alpha":7,"target_modules":["q_proj"],"layer_replication":[[0,2]]}"#,
    #"{"peft_type":"LORA","r":3,"lora_alpha":7,"target_modules":7}"#,
    #"{"peft_type":"LORA"}"#, "[", "", String(repeating: "[", count: 100_000),
  ])
  func `settings that ask for something else are refused`(settings: String) throws {
    let folder = try Fixtures.temporaryFolder("adapter")
    defer { try? FileManager.default.removeItem(at: folder) }
    try SmallModels.adapter(c).write(to: folder.path, for: c)
    _ = try LoRAAdapter(contentsOf: folder.path, for: c)
    try Data(settings.utf8).write(to: folder.appending(path: "adapter_config.json"))
    #expect(throws: EngineError.self) { try LoRAAdapter(contentsOf: folder.path, for: c) }
  }
}
