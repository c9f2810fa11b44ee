import ICLEngine
import Testing

/// What each precision promises: its own bits whatever is computed beside, and figures near those of F32.
struct PrecisionTests {
  /// The grouped model with matrices stored as `type`.
  static func model(_ type: TensorType, _ precision: Precision, threads: Int = 2) throws -> LlamaModel {
    let plain = try RandomModel.make(threads: threads)
    var weights = plain.weights
    weights.tokenEmbedding = try stored(weights.tokenEmbedding, as: type)
    for index in weights.blocks.indices {
      weights.blocks[index].projections = try weights.blocks[index].projections.mapValues { try stored($0, as: type) }
    }
    return try LlamaModel(
      configuration: plain.configuration, weights: weights, tokenizer: plain.tokenizer, files: nil, pool: plain.pool
    ).with(precision)
  }

  /// The same matrix in another type.
  static func stored(_ matrix: WeightMatrix, as type: TensorType) throws -> WeightMatrix {
    let bytes = try BlockQuantizer.encode(matrix.dequantized().values, as: type)
    let owner = OwnedBytes(byteCount: bytes.count)
    bytes.withUnsafeBytes { owner.bytes.copyMemory(from: $0) }
    let start = try #require(owner.bytes.baseAddress)
    return WeightMatrix(
      name: matrix.name, type: type, rows: matrix.rows, columns: matrix.columns, base: UnsafeRawPointer(start),
      owner: owner)
  }

  static let request = CaptureRequest(points: [.residual, .finalNorm], layers: .all, positions: .last, logits: true)

  @Test(arguments: [TensorType.f32, .q8_0, .q4_0], [Precision.bf16, .int8])
  func `batch, threads, cache and decoding change no bit`(_ type: TensorType, _ precision: Precision) throws {
    let model = try Self.model(type, precision)
    let prompts = BitExactnessTests.prompts
    let together = try model.forward(prompts, capture: Self.request)
    let one = try Self.model(type, precision, threads: 1).forward(prompts, capture: Self.request)
    let cache = PrefixCache()
    for (index, prompt) in prompts.enumerated() {
      #expect(BitExactnessTests.same(together[index], one[index]), "one thread, \(prompt.count) tokens")
      let alone = try model.forward([prompt], capture: Self.request, adapter: nil, cache: cache)[0]
      #expect(BitExactnessTests.same(together[index], alone), "alone, \(prompt.count) tokens")
    }
    let session = try DecodingSession(model)
    _ = try session.append(Array(prompts[0].dropLast(3)))
    var logits: [Float] = []
    for token in prompts[0].suffix(3) { logits = try session.append([token]) }
    #expect(logits.map(\.bitPattern) == together[0].logits[0].map(\.bitPattern))
  }

  @Test(arguments: [TensorType.q8_0, .q4_0], [Precision.bf16, .int8])
  func `states are near those of F32, and not the same`(_ type: TensorType, _ precision: Precision) throws {
    let prompts = Array(BitExactnessTests.prompts.prefix(3))
    let exact = try Self.model(type, .f32).forward(prompts, capture: Self.request)
    let found = try Self.model(type, precision).forward(prompts, capture: Self.request)
    for (a, b) in zip(exact, found) {
      for (key, rows) in a.rows where key.layer > 0 {
        let other = try #require(b.rows[key])
        var (difference, size) = (0.0, 0.0)
        for (x, y) in zip(rows.joined(), other.joined()) {
          difference += Double(x - y) * Double(x - y)
          size += Double(x) * Double(x)
        }
        let relative = (difference / size).squareRoot()
        // Each product errs by about 0.3 % (bf16) or 0.8 % (codes of 8 bits) of its size; three blocks of seven
        // products each, whose errors add up as squares and grow through the norms.
        #expect(relative < (precision == .bf16 ? 0.03 : 0.06) && relative > 1e-5, "\(key)")
      }
    }
  }

  /// Of the last block only the rows that someone asks for are computed when they are few.
  @Test(arguments: Precision.allCases, [CaptureRequest.Layers.all, .last])
  func `states at one position have the bits of states at all`(
    _ precision: Precision, _ layers: CaptureRequest.Layers
  ) throws {
    let model = try Self.model(.q4_0, precision)
    let points = Set(CapturePoint.allCases)
    func states(_ positions: CaptureRequest.Positions) throws -> [HiddenStates] {
      try model.forward(
        BitExactnessTests.prompts,
        capture: CaptureRequest(points: points, layers: layers, positions: positions, logits: true))
    }
    for (few, all) in zip(try states(.last), try states(.all)) {
      #expect(few.rows.keys == all.rows.keys)
      for (key, rows) in few.rows {
        #expect(
          rows.map { $0.map(\.bitPattern) } == all.rows[key].map { [$0[$0.count - 1].map(\.bitPattern)] }, "\(key)")
      }
      #expect(few.logits[0].map(\.bitPattern) == all.logits[all.logits.count - 1].map(\.bitPattern))
    }
  }

  @Test func `packed weights are made at first use, once, and counted`() throws {
    let model = try Self.model(.q4_0, .int8)
    #expect(model.packedByteCount == 0)
    _ = try model.forward([[1, 2, 3]])
    let projections = model.weights.blocks[0].projections.values.reduce(0) {
      $0 + ($1.rows + 15) / 16 * 16 * $1.columns
    }
    let expected = model.configuration.layerCount * projections * 18 / 32
    #expect(model.packedByteCount == expected)
    _ = try model.with(.int8).forward([[1, 2, 3]])
    #expect(model.packedByteCount == expected)
  }

  @Test(arguments: [TensorType.f32, .f16, .q8_0, .q5_1, .q4_0], Precision.allCases)
  func `what packing will take is known beforehand`(_ type: TensorType, _ precision: Precision) throws {
    let model = try Self.model(type, precision)
    let memory = ModelMemory(model)
    let packed = memory.packedBytes(in: precision)
    #expect(model.packedByteCount == 0)
    _ = try model.forward([[1, 2, 3]], capture: Self.request)
    #expect(model.packedByteCount == packed)
    #expect(memory.residentBytes - ModelMemory(try model.with(.f32)).residentBytes == packed)
    // The tied output too: nothing that is multiplied is left out.
    let stored = model.weights.matrices.reduce(0) { $0 + $1.rows * $1.bytesPerRow }
    // (Codes of five bits take a byte.)
    if precision == .int8 && type.hasIntegerProducts { #expect(packed >= stored && packed < 2 * stored) }
  }

  @Test func `types without integer products are multiplied as in F32`() throws {
    let prompts = [BitExactnessTests.prompts[0]]
    let exact = try Self.model(.f32, .f32).forward(prompts, capture: Self.request)[0]
    #expect(BitExactnessTests.same(exact, try Self.model(.f32, .int8).forward(prompts, capture: Self.request)[0]))
  }

  @Test func `where a number came from says its precision`() throws {
    let model = try Self.model(.q4_0, .bf16)
    #expect(model.provenance.precision == .bf16)
    #expect(try model.with(.f32).provenance != model.provenance)
  }
}
