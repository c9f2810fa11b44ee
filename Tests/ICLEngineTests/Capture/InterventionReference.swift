import Fixtures
import Foundation
import ICLEngine

/// What transformers makes of the same changes by forward hooks; see `intervention_reference.py`.
struct InterventionReference {
  struct Change: Encodable {
    let point: String
    let layer: Int
    var head: Int?
    let positions: [Int]
    let replaces: Bool
    var scale: Float = 1
    let vector: [Float]

    private enum CodingKeys: String, CodingKey { case point, layer, head, positions, replaces, scale, vector }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(point, forKey: .point)
      try container.encode(layer, forKey: .layer)
      // Also when there is none.
      try container.encode(head, forKey: .head)
      try container.encode(positions, forKey: .positions)
      try container.encode(replaces, forKey: .replaces)
      try container.encode(scale, forKey: .scale)
      try container.encode(vector, forKey: .vector)
    }

    /// The same change for the engine.
    var intervention: Intervention {
      let change: Intervention.Change = replaces ? .replace(vector) : .add(vector, scale: scale)
      if point == "attentionLogits" {
        return Intervention(
          attention: .logits, layer: layer, heads: head.map { [$0] }, positions: .some(positions), change)
      }
      return Intervention(
        CapturePoint(rawValue: point) ?? .residual, layer: layer, heads: head.map { [$0] },
        positions: .some(positions), change)
    }
  }

  struct Case: Encodable {
    let name: String
    let config: [String: LlamaReference.Setting]
    let prompt: [Int]
    let changes: [Change]
  }

  private struct Entry: Decodable {
    let point: String
    let layer: Int
    let rows: Int
    let columns: Int
    let offset: Int
  }

  static func vector(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return generator.normals(count)
  }

  private static let shape: [String: LlamaReference.Setting] = [
    "layers": 3, "hidden": 64, "heads": 4, "kvHeads": 2, "feedForward": 96, "vocabulary": 320, "context": 256,
  ]

  /// Each kind of change alone, and all together; every position from 0 to 32 is captured.
  static let cases: [Case] = {
    let prompt = LlamaReference.prompt(33)
    let one: [(String, Change)] = [
      ("nothing", Change(point: "residual", layer: 1, positions: [], replaces: false, vector: vector(64, seed: 1))),
      ("embedding", Change(point: "residual", layer: 0, positions: [3], replaces: true, vector: vector(64, seed: 1))),
      ("residual", Change(point: "residual", layer: 2, positions: [32], replaces: true, vector: vector(64, seed: 2))),
      (
        "attention output",
        Change(
          point: "attentionOutput", layer: 1, positions: [5, 6, 7], replaces: false, scale: 2,
          vector: vector(64, seed: 3))
      ),
      (
        "feed-forward output",
        Change(
          point: "feedForwardOutput", layer: 3, positions: Array(0..<33), replaces: false, vector: vector(64, seed: 4))
      ),
      (
        "one head",
        Change(
          point: "headOutputs", layer: 2, head: 3, positions: [10, 32], replaces: true, vector: vector(16, seed: 5))
      ),
      (
        "final norm",
        Change(point: "finalNorm", layer: 3, positions: [31], replaces: false, scale: -1, vector: vector(64, seed: 6))
      ),
      (
        "attention logits",
        Change(
          point: "attentionLogits", layer: 2, head: 1, positions: [20], replaces: false, scale: 3,
          vector: vector(21, seed: 7))
      ),
    ]
    var cases = one.map { Case(name: $0.0, config: shape, prompt: prompt, changes: [$0.1]) }
    cases.append(Case(name: "all together", config: shape, prompt: prompt, changes: one.map(\.1)))
    cases.append(
      Case(
        name: "window", config: shape.merging(["window": 9]) { $1 }, prompt: prompt,
        changes: [Change(point: "residual", layer: 1, positions: [12], replaces: true, vector: vector(64, seed: 8))]))
    return cases
  }()

  let folder: URL
  static let made = Result { try InterventionReference() }

  private init() throws {
    folder = try Fixtures.temporaryFolder("intervention-reference")
    try JSONEncoder().encode(Self.cases).write(to: folder.appending(path: "cases.json"))
    try Fixtures.runPython("intervention_reference.py", [folder.path])
  }

  func model(_ name: String) throws -> LlamaModel {
    try LlamaModel(contentsOf: folder.appending(path: "\(name).gguf").path)
  }

  /// Point and layer → rows.
  func states(_ name: String) throws -> [String: [[Float]]] {
    let entries = try JSONDecoder().decode(
      [Entry].self, from: Data(contentsOf: folder.appending(path: "\(name).json")))
    let values = try TorchReference.floats(folder.appending(path: "\(name).f32"))
    return Dictionary(
      uniqueKeysWithValues: entries.map { entry in
        (
          "\(entry.point) \(entry.layer)",
          (0..<entry.rows).map { row in
            let start = entry.offset + row * entry.columns
            return Array(values[start..<start + entry.columns])
          }
        )
      })
  }
}
