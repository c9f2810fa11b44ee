import ICLEngine
import Testing

@Suite struct `Task vectors` {
  @Test func `carry the task in the model that ships, and say what they are`() throws {
    let engine = try Engine()
    let result = try engine.taskVectors(
      .sentiment, demonstrations: 8, queries: 12, repetitions: 2, heads: 3, tuning: .init(steps: 20), seed: 3)
    let depth = engine.model.configuration.layerCount
    #expect(result.repetitions.count == 2 && !result.isPartial)
    for row in result.repetitions {
      for list in [row.taskVector, row.tunedVector, row.functionVector, row.control] {
        #expect(list.count == depth + 1 && list.allSatisfy { (0...1).contains($0) })
      }
      #expect(row.heads.count == depth * engine.model.configuration.headCount)
      #expect(row.heads.map(\.effect) == row.heads.map(\.effect).sorted(by: >))
      // The last token is the same everywhere, so is its embedding: replacing it changes nothing.
      #expect(row.taskVector[0] == row.zeroShot && row.control[0] == row.zeroShot)
      // After the last block one state is put in place of all: one answer for all, right for half of balanced queries.
      #expect(row.taskVector[depth] == 0.5)
    }
    #expect(isWellFormedXML(result.plot.source) && isWellFormedXML(result.mimeBundle[.html] ?? ""))
    #expect(result.table.rows.count == depth + 1)
    let again = try engine.taskVectors(
      .sentiment, demonstrations: 8, queries: 12, repetitions: 2, heads: 3, tuning: .init(steps: 20), seed: 3)
    #expect(try again.json() == result.json())
  }

  @Test func `refuse label words of several tokens, and heads that are not there`() throws {
    let engine = try Engine()
    let several = #expect(throws: EngineError.self) {
      try engine.taskVectors(
        .sentiment, demonstrations: 2, queries: 4, repetitions: 1, labelWords: .custom(["xqzw", "vbnm"]),
        tuning: .init(steps: 1))
    }
    #expect(several?.code == .unsupported)
    for heads in [0, 1000] {
      #expect(throws: EngineError.self) { try engine.taskVectors(.sentiment, queries: 4, heads: heads) }
    }
  }
}
