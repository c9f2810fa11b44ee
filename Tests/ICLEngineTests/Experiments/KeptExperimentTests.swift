import Foundation
import ICLEngine
import Testing

@Suite struct `An experiment that keeps its repetitions` {
  let task: ClassificationTask
  let base: ComparisonSpec
  let folder = FileManager.default.temporaryDirectory.appending(path: "kept-\(UUID().uuidString)").path

  init() throws {
    task = try ClassificationTask.weather()
    base = ComparisonSpec(queries: 6, repetitions: 3, tuning: .init(steps: 2), seed: 1)
  }

  private func run(_ model: FakeModel? = nil, _ base: ComparisonSpec? = nil) -> ExperimentRun {
    ExperimentRun(
      model: model ?? FakeModel(WordTokenizer(task)), task: task, base: base ?? self.base,
      over: .demonstrations([1, 2, 4]))
  }

  /// Every byte of every file of a folder, by name.
  private static func files(in folder: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      files[name] = try Data(contentsOf: URL(filePath: folder).appending(path: name))
    }
    return files
  }

  @Test func `gives the same file whole, interrupted twice, and in four shards`() throws {
    defer { for end in ["", "-whole", "-a", "-b"] { try? FileManager.default.removeItem(atPath: folder + end) } }
    let whole = try run().sweep().json()
    #expect(try run().sweep(in: folder + "-whole").json() == whole)
    let files = try Self.files(in: folder + "-whole")
    #expect(files.count == 10)

    // Stopped in the second and again in a later repetition.
    for stop in [10, 25] {
      _ = try? Interruption.$allowance.withValue(.init(checks: stop)) { try run().sweep(in: folder) }
    }
    let opened = try ExperimentFolder(opening: folder)
    let between = opened.plan.units.count { opened.kept($0) != nil }
    #expect((2..<9).contains(between))
    #expect(try run().sweep(in: folder).json() == whole)
    #expect(try Self.files(in: folder) == files)
    // Now all is there: a model that must not be run gives it too.
    var idle = FakeModel(WordTokenizer(task))
    idle.onForward = { Issue.record("the model was run again") }
    #expect(try run(idle).sweep(in: folder).json() == whole)

    // Shards in any order, in two folders.
    for (number, end) in [(3, "-a"), (1, "-b"), (4, "-b"), (2, "-a")] {
      let done = try run().shard(Shard(number, of: 4), in: folder + end)
      #expect(done.ofShard == done.shardTotal)
    }
    let merged = try ExperimentFolder(opening: folder + "-a")
    #expect(throws: EngineError.self) { try merged.whole() }
    try merged.take(from: ExperimentFolder(opening: folder + "-b"))
    #expect(try merged.plan.sweep(of: merged.whole()).json() == whole)
    #expect(try Self.files(in: folder + "-a") == files)
    #expect(try Sweep(json: whole).json() == whole)
  }

  @Test func `computes again what was damaged, and refuses another experiment's folder`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let whole = try run().sweep(in: folder).json()
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("repetition") }
    #expect(names.count == 9)
    let victim = URL(filePath: folder).appending(path: names.sorted()[4])
    let text = try String(contentsOf: victim, encoding: .utf8)
    // A cut file, and one in which a digit was changed.
    for damage in [
      String(text.prefix(200)), text.replacing("\"tuningLoss\" : [\n        1", with: "\"tuningLoss\" : [\n        2"),
    ] {
      #expect(damage != text)
      try Data(damage.utf8).write(to: victim)
      #expect(try run().sweep(in: folder).json() == whole)
      #expect(try String(contentsOf: victim, encoding: .utf8) == text)
    }
    var other = base
    other.seed = 2
    #expect(throws: EngineError.self) { try run(nil, other).sweep(in: folder) }
    #expect(throws: EngineError.self) { try ExperimentFolder(opening: folder + "-none") }
  }

  @Test(arguments: ["0/4", "5/4", "1", "1/0", "a/b", "1/4/2", "-1/4", ""])
  func `refuses a shard that does not exist`(text: String) {
    #expect(throws: EngineError.self) { try Shard(text) }
  }

  @Test func `divides into shards that hold each unit once`() throws {
    let plan = try ExperimentPlan(
      factor: nil, values: [""],
      frames: [ComparisonFrame(model: FakeModel(WordTokenizer(task)), task: task, spec: base, notes: [])], task: task)
    for count in 1...5 {
      let all = try (1...count).flatMap { try Shard($0, of: count).units(of: plan) }
      #expect(all.count == plan.units.count && Set(all) == Set(plan.units))
    }
  }
}

@Suite struct `A sweep's factor in a specification` {
  @Test(
    arguments: [
      (#"{"factor": "demonstrations", "values": [1, 2]}"#, "demonstrations"),
      (#"{"factor": "wrongLabels", "values": [0, 0.5]}"#, "share of wrong labels"),
      (#"{"factor": "tuningSteps", "values": [1]}"#, "steps of tuning"),
      (#"{"factor": "rank", "values": [1]}"#, "rank of the update"),
      (#"{"factor": "learningRate", "values": [0.001]}"#, "learning rate"),
      (#"{"factor": "labelWords", "values": ["swapped", ["a", "b"]]}"#, "label words"),
      (#"{"factor": "instruction", "values": [0, null]}"#, "instruction"),
    ])
  func `is read by its name`(json: String, name: String) throws {
    #expect(try SweepFactor(json: json).name == name)
  }

  @Test(
    arguments: [
      #"{"factor": "moon", "values": [1]}"#, #"{"factor": "rank", "values": []}"#, #"{"factor": "rank"}"#,
      #"{"factor": "rank", "values": ["x"]}"#, #"{"factor": "rank", "values": [1], "step": 2}"#, "[]", "{",
    ])
  func `is refused with a word on what it should be`(json: String) {
    let error = #expect(throws: EngineError.self) { try SweepFactor(json: json) }
    #expect(error?.code == .malformedFile)
  }
}
