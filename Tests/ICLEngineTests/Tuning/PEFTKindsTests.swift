import Fixtures
import Foundation
import ICLEngine
import Testing

/// Adapters of every kind that PEFT saves: read and computed alike, or refused with a reason.
@Suite(.enabled(if: Fixtures.python != nil, "\(Fixtures.noPython)")) struct PEFTKindsTests {
  private static let c = SmallModels.configuration()
  /// F32 on both sides, sums of up to 50 terms through two blocks.
  private static let tolerance = 1e-5

  private struct Reference {
    let folder: URL
    static let made = Result { try Reference() }

    /// Ranks and alphas of their own, on some projections.
    static var adapter: LoRAAdapter {
      var adapter = SmallModels.adapter(c, rank: 3, alpha: 7)
      let other = SmallModels.adapter(c, rank: 5, alpha: 7)
      adapter.blocks[1][.q] = other.blocks[1][.q]
      adapter.blocks[1][.q]?.rank = 5
      adapter.blocks[0][.up]?.alpha = 2.5
      adapter.blocks[0][.k] = nil
      return adapter
    }

    init() throws {
      folder = try Fixtures.temporaryFolder("peft-kinds")
      let batch = [SmallModels.batch(c)[1]]
      try TorchReference.send(SmallModels.weights(c, isTied: true), c, adapter: nil, batch: batch, to: folder)
      try Self.adapter.write(to: folder.appending(path: "ours").path, for: c)
      try Fixtures.runPython("peft_kinds.py", [folder.path])
    }

    func logits(_ name: String) throws -> [Float] { try TorchReference.floats(folder.appending(path: "\(name).f32")) }
    func adapter(_ name: String) throws -> LoRAAdapter {
      try LoRAAdapter(contentsOf: folder.appending(path: name).path, for: c)
    }
  }

  private func model() throws -> LlamaModel {
    try LlamaModel(
      configuration: Self.c, weights: SmallModels.weights(Self.c, isTied: true), tokenizer: SmallModels.tokenizer)
  }

  private func logits(_ model: LlamaModel, _ adapter: LoRAAdapter?) throws -> [Float] {
    try model.forward(
      [SmallModels.batch(Self.c)[1].tokens], capture: CaptureRequest(points: [], positions: .all, logits: true),
      adapter: adapter)[0].logits.flatMap(\.self)
  }

  @Test func `PEFT reads our ranks and alphas, and we read them back from it`() throws {
    let reference = try Reference.made.get()
    #expect(relativeDistance(try logits(model(), Reference.adapter), try reference.logits("ours")) < Self.tolerance)
    #expect(try reference.adapter("ours") == Reference.adapter)
    #expect(try reference.adapter("ours-again") == Reference.adapter)
  }

  @Test(arguments: ["patterns", "stabilized", "linear", "layer"])
  func `what PEFT saves is computed as PEFT computes it`(kind: String) throws {
    let reference = try Reference.made.get()
    let adapter = try reference.adapter(kind)
    #expect(relativeDistance(try logits(model(), adapter), try reference.logits(kind)) < Self.tolerance)
    #expect(relativeDistance(try logits(model(), nil), try reference.logits(kind)) > 1e-2)
    let again = reference.folder.appending(path: "\(kind), written by us").path
    try adapter.write(to: again, for: Self.c)
    #expect(try LoRAAdapter(contentsOf: again, for: Self.c) == adapter)
  }

  @Test func `patterns decide rank and alpha of each projection`() throws {
    let adapter = try Reference.made.get().adapter("patterns")
    #expect(adapter.rank == 3 && adapter.alpha == 6)
    for (index, block) in adapter.blocks.enumerated() {
      #expect(Set(block.keys) == [.q, .v, .down])
      #expect(block[.q].map { adapter.rank(of: $0) } == (index == 1 ? 5 : 3))
      #expect(block[.down].map { adapter.rank(of: $0) } == 2)
      #expect(block[.v].map { adapter.scale(of: $0) } == 11.0 / 3)
      #expect(block[.down].map { adapter.scale(of: $0) } == 3)
    }
  }

  @Test func `sums and merges are those of PEFT`() throws {
    let reference = try Reference.made.get()
    var adapters = AdapterSet()
    adapters["patterns"] = try reference.adapter("patterns")
    adapters["stabilized"] = try reference.adapter("stabilized")
    try adapters.switchOn("patterns", weight: 0.5)
    try adapters.switchOn("stabilized", weight: 2)
    #expect(relativeDistance(try logits(model(), adapters.active()), try reference.logits("sum")) < Self.tolerance)
    let merged = try model().merged(with: reference.adapter("patterns"))
    #expect(relativeDistance(try logits(merged, nil), try reference.logits("merged")) < Self.tolerance)
  }

  @Test(arguments: [
    ("dora", "use_dora"), ("saving", "modules_to_save"), ("biased", "lora_bias"), ("pissa", "pissa"),
    ("embedded", "embed_tokens"),
  ]) func `what is more than a low-rank update is refused with its name`(kind: String, word: String) throws {
    let reference = try Reference.made.get()
    let error = #expect(throws: EngineError.self) { try reference.adapter(kind) }
    #expect(error?.code == .unsupported)
    #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
  }
}
