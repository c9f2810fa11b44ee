import Fixtures
import Foundation
import ICLEngine

/// What transformers, PyTorch and PEFT make of the same model and batch; see `training_reference.py`.
struct TorchReference {
  /// In the order of the trainer's parameters.
  var gradients: [[Float]] = []
  /// All rows of all sequences, `[R, V]`.
  var logits: [Float]
  var loss: Double
  /// Losses of a run of LoRA.
  var losses: [Double]

  private struct Request: Encodable {
    var configuration: ModelConfiguration
    var tensors: [Tensor]
    var batch: [Example]
    var steps: Int
    var rate: Float
    var decay: Float
    var clip: Float
    var rank: Int
    var alpha: Float
    var projections: [Projection]
  }
  private struct Tensor: Encodable {
    var name: String
    var rows: Int
    var columns: Int
  }
  private struct Example: Encodable {
    var tokens: [Int]
    var weights: [Float]
  }
  private struct Answer: Decodable {
    var loss: Double
    var losses: [Double]?
  }

  /// A LoRA run that is followed on both sides.
  struct Run {
    var steps = 0
    var rate: Float = 0
    var decay: Float = 0
    var clip: Float = 1
  }

  /// - Parameter trained: the parameters whose gradients are wanted, in their order
  init(
    _ weights: LlamaWeights, _ c: ModelConfiguration, adapter: LoRAAdapter?, trained: [Parameter],
    batch: [TuningExample], run: Run = Run()
  ) throws {
    let folder = try Fixtures.temporaryFolder("training")
    defer { try? FileManager.default.removeItem(at: folder) }
    try Self.send(weights, c, adapter: adapter, batch: batch, run: run, to: folder)
    try Fixtures.runPython("training_reference.py", [folder.path])
    let answer = try JSONDecoder().decode(
      Answer.self, from: Data(contentsOf: folder.appending(path: "result.json")))
    loss = answer.loss
    losses = answer.losses ?? []
    logits = try Self.floats(folder.appending(path: "logits.f32"))
    let flat = try Self.floats(folder.appending(path: "gradients.f32"))
    var at = 0
    for parameter in trained {
      gradients.append(Array(flat[at..<at + parameter.count]))
      at += parameter.count
    }
    guard at == flat.count else { throw CocoaError(.fileReadCorruptFile) }
  }

  /// Writes what the Python scripts read: the model, the adapter and the batch.
  static func send(
    _ weights: LlamaWeights, _ c: ModelConfiguration, adapter: LoRAAdapter?, batch: [TuningExample],
    run: Run = Run(), to folder: URL
  ) throws {
    var tensors: [Tensor] = []
    var values: [Float] = []
    func add(_ name: String, _ rows: Int, _ columns: Int, _ more: [Float]) {
      tensors.append(Tensor(name: name, rows: rows, columns: columns))
      values += more
    }
    // The base first, in the order of a network that trains all of it.
    for parameter in TrainingNetwork(weights, c, method: .full).trained {
      add(parameter.name, parameter.value.rows, parameter.value.columns, parameter.value.values)
    }
    var projections: Set<Projection> = []
    if let adapter {
      for (index, block) in adapter.blocks.enumerated() {
        for projection in Projection.allCases {
          guard let pair = block[projection] else { continue }
          let shape = projection.shape(in: c)
          projections.insert(projection)
          add("block \(index) \(projection.rawValue) A", adapter.rank, shape.input, pair.a)
          add("block \(index) \(projection.rawValue) B", shape.output, adapter.rank, pair.b)
        }
      }
    }
    let request = Request(
      configuration: c, tensors: tensors, batch: batch.map { Example(tokens: $0.tokens, weights: $0.lossWeights) },
      steps: run.steps, rate: run.rate, decay: run.decay, clip: run.clip, rank: adapter?.rank ?? 0,
      alpha: adapter?.alpha ?? 0, projections: Projection.allCases.filter(projections.contains))
    try JSONEncoder().encode(request).write(to: folder.appending(path: "request.json"))
    try values.withUnsafeBytes { try Data($0).write(to: folder.appending(path: "tensors.f32")) }
  }

  static func floats(_ url: URL) throws -> [Float] {
    try Data(contentsOf: url).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }
}

/// `‖a − b‖ / ‖b‖`; not a number when either side has one.
func relativeDistance(_ a: [Float], _ b: [Float]) -> Double {
  guard a.count == b.count else { return .nan }
  var (distance, size) = (0.0, 0.0)
  for (x, y) in zip(a, b) {
    distance += (Double(x) - Double(y)) * (Double(x) - Double(y))
    size += Double(y) * Double(y)
  }
  return (distance / size).squareRoot()
}
