import Foundation
import ICLEngine
import Testing

struct ForwardTests {
  @Test func `what is not asked for is not stored`() throws {
    let model = try RandomModel.make()
    let request = CaptureRequest(points: [.residual], layers: .some([0, 2]), positions: .some([-1, 0]))
    let states = try model.forward([[1, 5, 6, 7]], capture: request)[0]
    #expect(states.positions == [3, 0])
    #expect(Set(states.rows.keys) == [.init(.residual, layer: 0), .init(.residual, layer: 2)])
    #expect(states.final == nil && states.residual(1) == nil)
    #expect(states.residual(0)?.map(\.count) == [96, 96])
    #expect(states.logits.isEmpty)
  }

  @Test func `layer 0 is the embedding`() throws {
    let model = try RandomModel.make()
    let states = try model.forward([[1, 7]], capture: CaptureRequest(positions: .all))[0]
    #expect(states.residual(0) == [1, 7].map { model.weights.tokenEmbedding.dequantized().row($0) })
  }

  @Test func `an adapter acts as the weights with its update added`() throws {
    let model = try RandomModel.make()
    let c = model.configuration
    let adapter = RandomModel.adapter(c)
    var merged = model.weights
    for layer in 0..<c.layerCount {
      for (projection, pair) in adapter.blocks[layer] {
        let shape = projection.shape(in: c)
        let weight = try #require(model.weights.blocks[layer].projections[projection])
        var values = weight.dequantized().values
        for row in 0..<shape.output {
          for column in 0..<shape.input {
            var sum: Float = 0
            for r in 0..<adapter.rank { sum += pair.b[row * adapter.rank + r] * pair.a[r * shape.input + column] }
            values[row * shape.input + column] += adapter.scale * sum
          }
        }
        merged.blocks[layer].projections[projection] = WeightMatrix(
          name: weight.name, rows: shape.output, columns: shape.input, values: values)
      }
    }
    let other = try LlamaModel(configuration: c, weights: merged, tokenizer: model.tokenizer)
    let request = CaptureRequest(logits: true)
    let prompt = LlamaReference.prompt(20, vocabulary: 300)
    let found = try model.forward([prompt], capture: request, adapter: adapter)[0].logits[0]
    // Two roundings of F32 in different orders, through three blocks.
    #expect(relativeError(found, try other.forward([prompt], capture: request)[0].logits[0]) < 1e-5)
    #expect(relativeError(found, try model.forward([prompt], capture: request)[0].logits[0]) > 1e-3)
  }

  @Test func `an adapter of zeros changes no bit`() throws {
    let model = try RandomModel.make()
    let zeros = RandomModel.adapter(model.configuration, scale: 0)
    let request = CaptureRequest(logits: true)
    #expect(
      try model.forward([[1, 5]], capture: request, adapter: zeros)[0].logits
        == model.forward([[1, 5]], capture: request)[0].logits)
  }

  @Test func `a prompt that can't be is refused with its place`() throws {
    let model = try RandomModel.make()
    func refuse(_ prompt: [Int], _ code: EngineError.Code, _ word: String) {
      let error = #expect(throws: EngineError.self) { try model.forward([[1], prompt]) }
      #expect(error?.code == code)
      #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
    }
    refuse([], .invalidArgument, "prompt 1")
    refuse([1, 300], .invalidArgument, "position 1")
    refuse([-1], .invalidArgument, "-1")
    refuse([.max], .invalidArgument, "0 to 299")
    refuse(Array(repeating: 1, count: 701), .contextOverflow, "700")
    #expect(try model.forward([]).isEmpty)
  }

  @Test func `layers, positions and adapters that aren't there are refused`() throws {
    let model = try RandomModel.make()
    for layers in [[4], [-1]] {
      #expect(throws: EngineError.self) { try model.forward([[1]], capture: CaptureRequest(layers: .some(layers))) }
    }
    for positions in [[1], [-2]] {
      #expect(throws: EngineError.self) {
        try model.forward([[1]], capture: CaptureRequest(positions: .some(positions)))
      }
    }
    var adapter = RandomModel.adapter(model.configuration)
    adapter.blocks[1][.q]?.a.removeLast()
    let error = #expect(throws: EngineError.self) { try model.forward([[1]], adapter: adapter) }
    #expect(error?.location == "adapter, block 1, q")
    adapter.blocks.removeLast()
    #expect(throws: EngineError.self) { try model.forward([[1]], adapter: adapter) }
  }

  @Test func `a cancelled pass stops, and disturbs no other`() async throws {
    let model = try RandomModel.make()
    let session = try DecodingSession(model)
    let before = try session.append([1, 5, 6])
    let (pass, step) = await Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return (
        Result { () throws(EngineError) in try model.forward([[1, 5]]) },
        Result { () throws(EngineError) in try DecodingSession(model).append([1]) }
      )
    }.value
    for error in [
      #expect(throws: EngineError.self) { try pass.get() }, #expect(throws: EngineError.self) { try step.get() },
    ] {
      #expect(error?.code == .interrupted)
    }
    #expect(session.tokens == [1, 5, 6])
    let again = try DecodingSession(model)
    #expect(try again.append([1, 5, 6]) == before)
    #expect(try again.append([7]) == session.append([7]))
  }

  @Test func `weights that don't fit the configuration are refused`() throws {
    let model = try RandomModel.make()
    var weights = model.weights
    weights.blocks[2].projections[.down] = nil
    let error = #expect(throws: EngineError.self) {
      try LlamaModel(configuration: model.configuration, weights: weights, tokenizer: model.tokenizer)
    }
    #expect(error?.location?.contains("block 2, down") == true)
  }

  @Test func `generation ends at its length, at the context and at EOS`() throws {
    let model = try RandomModel.make()
    #expect(try model.generate([1], count: 5, stopsAtEnd: false).stop == .length)
    #expect(try model.generate([1], count: 0).tokens.isEmpty)
    let full = try model.generate(Array(repeating: 5, count: 695), count: 50, stopsAtEnd: false)
    #expect(full.stop == .context && full.tokens.count == 6)
    #expect(throws: EngineError.self) { try model.generate([1], count: -1) }
  }

  @Test func `greedy takes the first of equals, and passes over what is no number`() {
    var generator = SeededGenerator(seed: 1)
    #expect(Sampling.greedy.choose([1, 3, 3, 2], using: &generator) == 1)
    #expect(Sampling.greedy.choose([.nan, 1, .nan, 2], using: &generator) == 3)
  }

  @Test func `sampling follows the distribution`() {
    var generator = SeededGenerator(seed: 1)
    let logits: [Float] = [Float(log(0.5)), Float(log(0.3)), Float(log(0.2))]
    func shares(_ sampling: Sampling) -> [Double] {
      var counts = [0.0, 0, 0]
      for _ in 0..<20_000 { counts[sampling.choose(logits, using: &generator)] += 1 }
      return counts.map { $0 / 20_000 }
    }
    // Four standard deviations of a share of 20,000 draws: 0.0141.
    for (found, expected) in zip(shares(Sampling()), [0.5, 0.3, 0.2]) { #expect(abs(found - expected) < 0.0142) }
    for (found, expected) in zip(shares(Sampling(topK: 2)), [0.625, 0.375, 0]) {
      #expect(abs(found - expected) < 0.0142)
    }
    #expect(shares(Sampling(topP: 0.4)) == [1, 0, 0])
    #expect(shares(Sampling(topP: 0.6))[2] == 0)
    for wrong in [Sampling(temperature: -1), Sampling(temperature: .nan), Sampling(topK: 0), Sampling(topP: 0)] {
      #expect(throws: EngineError.self) { try wrong.check() }
    }
  }

  @Test func `our exp, log, cosine and sine agree with the C library's`() {
    var generator = SeededGenerator(seed: 2)
    for _ in 0..<20_000 {
      let x = (generator.uniform() - 0.5) * 1400
      // Both sides are within a few units in the last place of 2⁻⁵³.
      #expect(abs(ReproducibleMath.exp(x) - exp(x)) <= 2e-15 * exp(x))
      let y = exp(x / 10)
      #expect(abs(ReproducibleMath.log(y) - log(y)) <= 2e-15 * max(1, abs(log(y))))
      let angle = x * 200
      let (c, s) = ReproducibleMath.cosineAndSine(angle)
      #expect(abs(c - cos(angle)) <= 2e-15 && abs(s - sin(angle)) <= 2e-15)
    }
    #expect(ReproducibleMath.exp(-.infinity) == 0 && ReproducibleMath.exp(1000) == .infinity)
  }
}
