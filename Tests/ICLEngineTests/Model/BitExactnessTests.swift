import ICLEngine
import Testing

/// The same bits whatever is computed beside a prompt, from whatever cache, on however many threads. Drift here would
/// mean that a notebook's figures depend on how it was run.
struct BitExactnessTests {
  static let everything = CaptureRequest(
    points: Set(CapturePoint.allCases), layers: .all, positions: .all, logits: true)

  static func same(_ a: HiddenStates, _ b: HiddenStates) -> Bool {
    func bits(_ rows: [[Float]]) -> [[UInt32]] { rows.map { $0.map(\.bitPattern) } }
    return a.positions == b.positions && a.rows.mapValues(bits) == b.rows.mapValues(bits)
      && bits(a.logits) == bits(b.logits) && !a.logits.isEmpty && a.logits.allSatisfy { !$0.isEmpty }
  }

  static func prompt(_ length: Int, seed: UInt64, after beginning: [Int] = [1]) -> [Int] {
    beginning + LlamaReference.prompt(length + 1, vocabulary: 300, seed: seed).dropFirst()
  }

  /// Prompts that share beginnings in many ways: whole, nested, repeated, not at all; more rows than one batch.
  static var prompts: [[Int]] {
    let demonstrations = prompt(150, seed: 1)
    let branch = prompt(30, seed: 2, after: demonstrations)
    return [
      prompt(20, seed: 3, after: demonstrations), demonstrations, branch, prompt(7, seed: 4, after: branch), [1],
      prompt(33, seed: 5), branch, prompt(600, seed: 6), prompt(1, seed: 7, after: branch),
      prompt(64, seed: 8, after: demonstrations),
    ]
  }

  @Test func `a prompt in a batch is as it is alone`() throws {
    let model = try RandomModel.make()
    let together = try model.forward(Self.prompts, capture: Self.everything)
    for (prompt, states) in zip(Self.prompts, together) {
      #expect(Self.same(states, try model.forward([prompt], capture: Self.everything)[0]), "\(prompt.count) tokens")
    }
  }

  @Test(arguments: [2, 3, 5]) func `many threads are as one`(_ threads: Int) throws {
    let one = try RandomModel.make(threads: 1).forward(Self.prompts, capture: Self.everything)
    let many = try RandomModel.make(threads: threads).forward(Self.prompts, capture: Self.everything)
    for (a, b) in zip(one, many) { #expect(Self.same(a, b)) }
  }

  @Test func `a cache changes no bit, and is used`() throws {
    let model = try RandomModel.make()
    let cache = PrefixCache()
    let request = CaptureRequest(points: Set(CapturePoint.allCases), layers: .all, positions: .last, logits: true)
    let plain = try model.forward(Self.prompts, capture: request)
    // One after another, so that each finds what the ones before have left; then all again.
    for round in 0..<2 {
      for (prompt, expected) in zip(Self.prompts, plain) {
        let found = try model.forward([prompt], capture: request, adapter: nil, cache: cache)[0]
        #expect(Self.same(found, expected), "round \(round), \(prompt.count) tokens")
      }
    }
    let distinct = 1 + 150 + 30 + 20 + 7 + 33 + 600 + 1 + 64
    let all = Self.prompts.reduce(0) { $0 + $1.count }
    let statistics = cache.statistics
    #expect(statistics.reused + statistics.computed == 2 * all)
    // In the first round what is new and the last position of each that is known, in the second that alone.
    #expect(statistics.computed <= distinct + 2 * Self.prompts.count)
    let together = try model.forward(Self.prompts, capture: request, adapter: nil, cache: cache)
    for (a, b) in zip(together, plain) { #expect(Self.same(a, b)) }
  }

  @Test func `a cache recomputes the positions that are asked for`() throws {
    let model = try RandomModel.make()
    let cache = PrefixCache()
    let prompt = Self.prompts[0]
    _ = try model.forward([prompt], capture: Self.everything, adapter: nil, cache: cache)
    for positions: CaptureRequest.Positions in [.all, .some([0]), .some([-3, 100, 5])] {
      let request = CaptureRequest(layers: .all, positions: positions, logits: true)
      let found = try model.forward([prompt], capture: request, adapter: nil, cache: cache)[0]
      #expect(Self.same(found, try model.forward([prompt], capture: request)[0]))
    }
  }

  @Test func `states that were captured before are not computed again`() throws {
    let model = try RandomModel.make()
    let cache = PrefixCache()
    let prompts = Self.prompts
    let request = CaptureRequest(
      points: [.residual, .finalNorm, .attentionOutput], layers: .all, positions: .some([-1, 0]), logits: true)
    func pass(_ request: CaptureRequest, _ adapter: LoRAAdapter? = nil) throws -> (
      states: [HiddenStates], computed: Int
    ) {
      let before = cache.statistics.computed
      let states = try model.forward(prompts, capture: request, adapter: adapter, cache: cache)
      return (states, cache.statistics.computed - before)
    }
    let plain = try model.forward(prompts, capture: request)
    #expect(try pass(request).computed > 900)
    let again = try pass(request)
    #expect(again.computed == 0)
    for (a, b) in zip(again.states, plain) { #expect(Self.same(a, b)) }
    // Less of it, and from the prompts' other positions.
    var less = request
    less.points = [.residual]
    less.layers = .some([1, 3])
    less.positions = .last
    let few = try pass(less)
    #expect(few.computed == 0)
    for (a, b) in zip(few.states, try model.forward(prompts, capture: less)) { #expect(Self.same(a, b)) }
    // More of it, at the last positions alone: one for each distinct prompt.
    var more = less
    more.points = [.feedForwardOutput]
    let other = try pass(more)
    #expect(other.computed == Set(prompts).count)
    for (a, b) in zip(other.states, try model.forward(prompts, capture: more)) { #expect(Self.same(a, b)) }
    // An adapter's states are its own.
    let adapter = RandomModel.adapter(model.configuration)
    let adapted = try pass(less, adapter)
    #expect(adapted.computed > 900)
    for (a, b) in zip(adapted.states, try model.forward(prompts, capture: less, adapter: adapter)) {
      #expect(Self.same(a, b))
    }
  }

  @Test func `a small cache forgets and stays within its limit`() throws {
    let model = try RandomModel.make()
    let c = model.configuration
    let cache = PrefixCache(byteLimit: 200 * 2 * c.layerCount * c.keyValueWidth * 4)
    let request = CaptureRequest(logits: true)
    for prompt in Self.prompts + Self.prompts {
      let found = try model.forward([prompt], capture: request, adapter: nil, cache: cache)[0]
      #expect(Self.same(found, try model.forward([prompt], capture: request)[0]))
      #expect(cache.statistics.byteCount <= cache.byteLimit)
    }
    cache.removeAll()
    #expect(cache.statistics == PrefixCache.Statistics())
  }

  @Test func `a cache forgets what was used longest ago`() throws {
    let model = try RandomModel.make()
    let c = model.configuration
    let bytes = 2 * c.layerCount * c.keyValueWidth * 4
    // Room for three prompts of 40 tokens, but not for four.
    let cache = PrefixCache(byteLimit: 130 * bytes)
    let prompts = (0..<4).map { [$0 + 2] + Self.prompt(39, seed: UInt64($0 + 20), after: [$0 + 5]) }
    func computed(_ prompt: [Int]) throws -> Int {
      let before = cache.statistics.computed
      _ = try model.forward([prompt], capture: CaptureRequest(), adapter: nil, cache: cache)
      return cache.statistics.computed - before
    }
    for prompt in prompts.prefix(3) { #expect(try computed(prompt) == prompt.count) }
    // What is known costs nothing, its captured state included. The first is used again, so the second goes when the fourth comes.
    #expect(try computed(prompts[0]) == 0)
    #expect(try computed(prompts[3]) == prompts[3].count)
    #expect(try computed(prompts[0]) == 0)
    #expect(try computed(prompts[2]) == 0)
    #expect(try computed(prompts[1]) == prompts[1].count)
    // Branches of one beginning: the leaves go before what they share.
    for length in stride(from: 45, through: 300, by: 15) {
      _ = try computed(prompts[1] + Self.prompt(length - 40, seed: UInt64(length)))
      #expect(cache.statistics.byteCount <= cache.byteLimit)
    }
  }

  @Test func `a cache keeps adapters apart, and serves one model`() throws {
    let model = try RandomModel.make()
    let cache = PrefixCache()
    let request = CaptureRequest(logits: true)
    let prompt = Self.prompts[0]
    let adapters = [nil, RandomModel.adapter(model.configuration), RandomModel.adapter(model.configuration, seed: 6)]
    for adapter in adapters + adapters {
      let found = try model.forward([prompt], capture: request, adapter: adapter, cache: cache)[0]
      #expect(Self.same(found, try model.forward([prompt], capture: request, adapter: adapter)[0]))
    }
    let other = try RandomModel.make(seed: 2)
    let error = #expect(throws: EngineError.self) {
      try other.forward([prompt], capture: request, adapter: nil, cache: cache)
    }
    #expect(error?.code == .invalidArgument)
  }

  @Test func `decoding token by token is as one pass`() throws {
    let model = try RandomModel.make()
    let prompt = Self.prompt(560, seed: 9)
    let all = try model.forward([prompt], capture: Self.everything)[0].logits
    for first in [1, 63, 64, 200, 520] {
      let session = try DecodingSession(model)
      #expect(try session.append(Array(prompt[..<first])) == all[first - 1])
      for index in first..<min(prompt.count, first + 130) {
        #expect(try session.append([prompt[index]]) == all[index])
      }
    }
  }

  @Test func `runs repeat themselves, and seeds matter`() throws {
    let model = try RandomModel.make()
    let sampling = Sampling(temperature: 0.8, topK: 50, topP: 0.95, seed: 7)
    let first = try model.generate([1, 5], count: 50, sampling: sampling, stopsAtEnd: false)
    #expect(try model.generate([1, 5], count: 50, sampling: sampling, stopsAtEnd: false) == first)
    var other = sampling
    other.seed = 8
    #expect(try model.generate([1, 5], count: 50, sampling: other, stopsAtEnd: false) != first)
  }
}
