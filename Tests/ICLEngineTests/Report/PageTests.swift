import Fixtures
import Foundation
import ICLEngine
import Testing

@Suite struct `A report as a page` {
  private static let foreign = "<script>alert(1)</script>"

  /// One of each kind, of a task whose name is to be escaped.
  private static func results() throws -> [(kind: String, result: any Reportable)] {
    var task = try ClassificationTask.weather()
    task.name = foreign
    let model = FakeModel(WordTokenizer(task))
    let spec = ComparisonSpec(demonstrations: 4, queries: 6, repetitions: 2, tuning: .init(steps: 4), seed: 1)
    let engine = try Engine()
    var named = ClassificationTask.sentiment
    named.name = foreign
    return [
      ("comparison", try ComparisonRun(model: model, task: task, spec: spec).result()),
      ("sweep", try Sweep.run(model: model, task: task, over: .demonstrations([1, 4]), base: spec)),
      ("steps", try ComparisonRun(model: model, task: task, spec: spec).stepsToICL(every: 2)),
      (
        "vectors",
        try engine.taskVectors(
          named, demonstrations: 4, queries: 4, repetitions: 2, heads: 2, tuning: .init(steps: 2), seed: 1)
      ),
      (
        "lens",
        try engine.model.logitLens(engine.tokenize("The film was \(foreign) good."), positions: .range(-8 ... -1))
      ),
    ]
  }

  @Test func `holds every table and picture, its origin and how to get it again, runs nothing and fetches nothing`()
    throws
  {
    let folder = try Fixtures.temporaryFolder("pages")
    defer { try? FileManager.default.removeItem(at: folder) }
    let results = try Self.results()
    for (kind, result) in results {
      let page = result.page
      #expect(isWellFormedXML(page), "\(kind)")
      #expect(!page.contains("<script"), "\(kind)")
      for outside in ["src=", "url(", "@import", "<link", "onload"] { #expect(!page.contains(outside), "\(kind)") }
      #expect(page.contains("prefers-color-scheme") || page.contains("color-scheme: light dark"), "\(kind)")
      #expect(page.contains("<svg") && page.contains("<table"), "\(kind)")
      #expect(page.contains("SHA-256") && page.contains("let engine = try"), "\(kind)")
      // Each picture has its numbers as text beside it.
      #expect(page.components(separatedBy: "<svg").count == page.components(separatedBy: "<details>").count, "\(kind)")
      let path = folder.appending(path: "\(kind).html").path
      try result.report(to: path)
      #expect(try String(contentsOfFile: path, encoding: .utf8) == page)
      #expect(isWellFormedXML(result.picture.source) && result.picture.source.utf8.count < 60_000, "\(kind)")
      #expect(!result.plainText.isEmpty)
      #expect((try? JSONSerialization.jsonObject(with: Data(result.json().utf8))) != nil, "\(kind)")
      // To be looked at: ICL_PICTURES names a folder.
      if let place = ProcessInfo.processInfo.environment["ICL_PICTURES"] {
        try result.report(to: "\(place)/\(kind).html")
      }
    }
    #expect(throws: EngineError.self) { try results[0].result.report(to: "/nowhere/at/all.html") }
  }

  @Test func `names every choice, those of tuning too`() throws {
    let task = try ClassificationTask.weather()
    let spec = ComparisonSpec(
      demonstrations: 2, queries: 4, repetitions: 1, demonstrationTask: .topic, tuning: .init(steps: 1), seed: 5)
    let page = try ComparisonRun(model: FakeModel(WordTokenizer(task)), task: task, spec: spec).result().page
    for part in [
      ">demonstrationTask<", ">topic<", ">tuning.learningRate<", ">0.005<", ">tuning.projections<", ">q, v<",
    ] {
      #expect(page.contains(part), "\(part)")
    }
  }

  @Test func `of a sweep says how to get each value's numbers`() throws {
    let task = try ClassificationTask.weather()
    let model = FakeModel(WordTokenizer(task))
    let base = ComparisonSpec(queries: 4, repetitions: 1, tuning: .init(steps: 1), seed: 1)
    let sweep = try Sweep.run(model: model, task: task, over: .demonstrations([1, 2]), base: base)
    let text = sweep.reproduce
    for comparison in sweep.comparisons { #expect(text.contains(comparison.provenance.fingerprint)) }
    // The specifications in it are those of the values, one by one.
    let specs = text.components(separatedBy: "\"\"\"").filter { $0.contains("\"demonstrations\":") }
    #expect(specs.count == 2)
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 120 })
    for (json, comparison) in zip(specs, sweep.comparisons) {
      let spec = try ComparisonSpec(json: json)
      #expect(spec == comparison.spec)
      let again = try ComparisonRun(model: model, task: task, spec: spec).result()
      #expect(again.provenance.fingerprint == comparison.provenance.fingerprint)
    }
  }
}
