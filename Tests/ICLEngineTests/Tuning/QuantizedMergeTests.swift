import ICLEngine
import Testing

/// An adapter over a quantized base: apart, merged in F32, and merged and rounded to the base's own type again.
struct QuantizedMergeTests {
  private static let types: [TensorType] = [.f16, .bf16, .q8_0, .q5_1, .q5_0, .q4_1, .q4_0]
  private let prompt = BitExactnessTests.prompt(24, seed: 3)

  private func logits(_ model: LlamaModel, _ adapter: LoRAAdapter? = nil) throws -> [Float] {
    try model.forward([prompt], capture: CaptureRequest(points: [], logits: true), adapter: adapter)[0].logits[0]
  }

  /// An update of q and v of the first two blocks.
  private func adapter(_ model: LlamaModel) -> LoRAAdapter {
    var adapter = RandomModel.adapter(model.configuration, on: [.q, .v], scale: 0.2)
    adapter.blocks[2] = [:]
    return adapter
  }

  @Test(arguments: types) func `merged in F32 it computes what base and adapter compute apart`(_ type: TensorType)
    throws
  {
    let model = try PrecisionTests.model(type, .f32)
    let adapter = adapter(model)
    let merged = try model.merged(with: adapter)
    let apart = try logits(model, adapter)
    // The base is dequantized exactly both times. x·(W + BA) against x·W + (x·A)·B: F32 rounding in other orders, through
    // three blocks.
    #expect(relativeError(try logits(merged), apart) < 1e-5)
    #expect(relativeError(apart, try logits(model)) > 1e-2)
    // What the adapter touches is F32, all else the stored matrix itself.
    for (index, block) in merged.weights.blocks.enumerated() {
      for projection in Projection.allCases {
        let (new, old) = (
          try #require(block.projections[projection]), model.weights.blocks[index].projections[projection]
        )
        let isTouched = index < 2 && (projection == .q || projection == .v)
        #expect(new.type == (isTouched ? .f32 : type))
        #expect((new === old) != isTouched)
      }
    }
  }

  /// Length of `a − b` by the length of `b`.
  private func distance(_ a: WeightMatrix, _ b: WeightMatrix) -> Double {
    relativeError(a.dequantized().values, b.dequantized().values)
  }

  @Test(arguments: types) func `rounded to the base's type it errs as that type does`(_ type: TensorType) throws {
    let plain = try PrecisionTests.model(.f32, .f32)
    let base = try PrecisionTests.model(type, .f32)
    let merged = try base.merged(with: adapter(base))
    for index in 0..<2 {
      for projection in [Projection.q, .v] {
        let original = try #require(plain.weights.blocks[index].projections[projection])
        let before = try #require(base.weights.blocks[index].projections[projection])
        let sum = try #require(merged.weights.blocks[index].projections[projection])
        let rounded = try PrecisionTests.stored(sum, as: type)
        let error = distance(rounded, sum)
        // What rounding the weights cost the first time, and half as much again: a block's step is a share of its greatest
        // weight, and sums of products have greater ones for their size than the uniform weights of this model.
        #expect(error > 0 && error < 1.5 * distance(before, original), "\(error)")
        // The update is a third of the weights' size here, far above a step: it survives.
        #expect(distance(before, rounded) > 3 * error)
      }
    }
  }

  @Test func `an update below half a step of the grid is lost by rounding, and only by rounding`() throws {
    let base = try PrecisionTests.model(.q4_0, .f32)
    let adapter = adapter(base).scaled(by: 0.001)
    let merged = try base.merged(with: adapter)
    let matrix = try #require(merged.weights.blocks[0].projections[.q])
    let rounded = try PrecisionTests.stored(matrix, as: .q4_0)
    let before = try #require(base.weights.blocks[0].projections[.q]).dequantized().values
    // Merged it is there …
    let pair = try #require(adapter.blocks[0][.q])
    #expect(pair.b.contains { $0 != 0 } && zip(matrix.dequantized().values, before).contains { $0 != $1 })
    // … and after rounding nearly every weight is the old one again. (A block's step is an eighth of its greatest, which
    // the update moves too.)
    let moved = zip(rounded.dequantized().values, before).filter { abs($0 - $1) > 0.01 * abs($1) }.count
    #expect(moved < before.count / 50, "\(moved) of \(before.count)")
  }

  @Test func `an adapter of another shape is refused`() throws {
    let base = try PrecisionTests.model(.q4_0, .f32)
    var adapter = adapter(base)
    adapter.blocks[0][.q]?.b.removeLast()
    let error = #expect(throws: EngineError.self) { try base.merged(with: adapter) }
    #expect(error?.code == .invalidArgument)
  }
}
