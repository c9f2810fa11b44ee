import Foundation
import ICLEngine
import Testing

@Suite struct `The report of a comparison` {
  /// Two repetitions with round numbers.
  static func result(
    task: String = "weather", repetitions count: Int = 2, path: String = "/models/m.gguf"
  ) -> Comparison {
    let repetitions = (0..<count).map { (index: Int) -> Repetition in
      let shift = Double(index) * 0.1
      var similarity: [ConditionPair: [Double]] = [:]
      var untrained: [ConditionPair: [Double]] = [:]
      for (place, pair) in ConditionPair.all.enumerated() {
        let end = 0.75 - Double(place) * 0.1
        similarity[pair] = [1, 0.9, end + shift, end]
        untrained[pair] = [1, 1, 0.5, 0.5]
      }
      var baselines: [Baseline: [Double]] = [:]
      for kind in Baseline.similarities { baselines[kind] = [1, 0.9, 0.875, 0.5] }
      return Repetition(
        labelWords: ["dax", "zib"], similarity: similarity, updateCosine: [.nan, 0.5, 0.625, 0.5],
        baselines: baselines, untrained: untrained, divergence: [:], cka: [:],
        answers: [
          .anchor: [true, false, false, true], .icl: [true, true, true, true], .it: [true, true, false, true],
          .both: [false, false, false, true],
        ], tuningLoss: [2, 0.5])
    }
    return Comparison(
      task: task, labels: ["fair", "foul"],
      spec: ComparisonSpec(demonstrations: 4, queries: 4, repetitions: count, seed: 7), layerCount: 2,
      repetitions: repetitions,
      projection: StateProjection([.anchor: [[1, 0], [2, 0]], .icl: [[-1, 0.5], [-2, 0]]]),
      layerCKA: [[.nan, .nan, .nan], [.nan, 1, 0.5], [.nan, 0.25, -0.125]], isPartial: false,
      notes: [],
      provenance: ExperimentProvenance(
        model: ModelProvenance(
          name: "m.gguf", path: path, sha256: String(repeating: "ab", count: 32),
          quantization: "Q8_0 ×9", parameterCount: 1000), tokenizer: "t", promptsSHA256: "p", fingerprint: "f0",
        engineVersion: "0.1.0"))
  }

  @Test func `the table of similarities reads so`() {
    #expect(
      Self.result().similarityTable.plainText == """
        Similarity of the query's last token after block 2
        states compared                           cosine  95 % interval     SD  p, differs from noise floor  untrained weights
        ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        ICL – IT                                   0.800  0.750 … 0.850  0.071                        0.500              0.500
        anchor – ICL                               0.700  0.650 … 0.750  0.071                        0.500              0.500
        anchor – IT                                0.600  0.550 … 0.650  0.071                        0.500              0.500
        anchor – IT+ICL                            0.500  0.450 … 0.550  0.071                        0.500              0.500
        ICL – IT+ICL                               0.400  0.350 … 0.450  0.071                        0.500              0.500
        IT – IT+ICL                                0.300  0.250 … 0.350  0.071                        0.500              0.500
        ICL – IT, of the updates from the anchor   0.625  0.625 … 0.625  0.000
        ICL – ICL, other order (noise floor)       0.875  0.875 … 0.875  0.000
        ICL – ICL, other demonstrations            0.875  0.875 … 0.875  0.000
        ICL – ICL of another query                 0.875  0.875 … 0.875  0.000
        two random vectors                         0.875  0.875 … 0.875  0.000
        """)
  }

  @Test func `the table of accuracies reads so`() {
    #expect(
      Self.result().accuracyTable.plainText == """
        Right answers, of 2 labels (chance: 50.0 %)
        condition  accuracy      95 % interval     SD  p, differs from anchor
        ─────────────────────────────────────────────────────────────────────
        anchor       50.0 %    50.0 % … 50.0 %  0.0 %
        ICL         100.0 %  100.0 % … 100.0 %  0.0 %                   0.500
        IT           75.0 %    75.0 % … 75.0 %  0.0 %                   0.500
        IT+ICL       25.0 %    25.0 % … 25.0 %  0.0 %                   0.500
        """)
  }

  @Test func `says in figures what was found`() {
    let finding = Self.result().finding
    // Not wider than a notebook shows without breaking words.
    #expect(finding.split(separator: "\n").allSatisfy { $0.count <= 100 })
    #expect(
      finding.replacing("\n", with: " ")
        == "ICL – IT 0.800 (95 % interval 0.750 … 0.850); beside it anchor – ICL 0.700 (p = 0.500) and anchor – IT 0.600 "
        + "(p = 0.500). The same demonstrations in another order give 0.875, which ICL – IT does not reach. Right "
        + "answers: anchor 50.0 %, ICL 100.0 %, IT 75.0 %, IT+ICL 25.0 %.")
    let single = Self.result(repetitions: 1).finding
    #expect(single.hasPrefix("ICL – IT 0.750; beside it") && !single.contains("interval 0"))
  }

  @Test func `a sweep says where it went from and to`() {
    let comparisons = [Self.result(repetitions: 1), Self.result(repetitions: 2)]
    let sweep = Sweep(
      task: "weather", factor: "demonstrations", values: ["4", "8"], comparisons: comparisons, isPartial: true)
    #expect(
      sweep.finding.replacing("\n", with: " ")
        == "demonstrations 4: ICL – IT 0.750; 8: ICL – IT 0.800 (95 % interval 0.750 … 0.850) (noise floors 0.875 and "
        + "0.875). It is highest at 8, 0.800. Right answers: anchor 50.0 % → 50.0 %, ICL 100.0 % → 100.0 %, IT 75.0 % → "
        + "75.0 %. Interrupted: these are the values that were finished.")
  }

  @Test func `has html, markdown and plain text, and the html is whole`() {
    let bundle = Self.result().mimeBundle
    #expect(Set(bundle.data.keys) == ["text/html", "text/markdown", "text/plain"])
    #expect(isWellFormedXML(bundle[.html] ?? ""))
    #expect((bundle[.html] ?? "").contains("<svg"))
    #expect(bundle[.markdown]?.contains("| ICL – IT | 0.800 |") == true)
    #expect(bundle.plainText.hasPrefix("weather: 4 demonstrations, 4 queries, 2 repetitions,"))
  }

  @Test func `foreign text is shown, never run`() {
    let result = Self.result(task: "<script>alert(1)</script>]]>")
    for text in [result.html, result.page] + Comparison.PlotKind.allCases.map({ result.plot($0).source }) {
      #expect(!text.contains("<script"))
      #expect(text.contains("&lt;script&gt;"))
    }
    #expect(!result.markdown.contains("<script"))
    #expect(!result.reproduce.contains("try engine.compare(.<script>"))
  }

  @Test(arguments: Comparison.PlotKind.allCases)
  func `a picture is one small well-formed document with words for it`(kind: Comparison.PlotKind) {
    for result in [Self.result(), Self.result(repetitions: 1)] {
      let picture = result.plot(kind)
      #expect(isWellFormedXML(picture.source))
      #expect(picture.source.contains("<title>") && picture.source.contains("<desc>"))
      #expect(picture.source.utf8.count < 60_000)
      #expect(!picture.source.contains("nan") && !picture.source.contains("inf"))
      #expect(!picture.plainText.isEmpty)
    }
  }

  @Test func `a grid of forty layers stays below sixty kilobytes`() {
    let values = (0..<40).map { row in (0..<40).map { Double(row * $0) / 1521 - 0.1 } }
    let plot = HeatmapPlot(
      title: "t", subtitle: "s", names: (1...40).map(String.init), values: values, description: "d", rowTitle: "r",
      columnTitle: "c")
    #expect(isWellFormedXML(plot.svg))
    #expect(plot.svg.utf8.count < 60_000)
  }

  @Test func `a long name widens a small grid, and ends in dots where that is not enough`() {
    func grid(_ subtitle: String) -> HeatmapPlot {
      HeatmapPlot(
        title: "t", subtitle: subtitle, names: ["a", "b"], values: [[1, 0.5], [0.5, 1]], description: "d")
    }
    let long = String(repeating: "word ", count: 15)
    #expect(grid("short").svg.contains("width=\"400\""))
    #expect(grid(long).svg.contains(long) && grid(long).svg.contains("width=\"536\""))
    let longer = grid(String(repeating: "word ", count: 60)).svg
    #expect(longer.contains("width=\"640\"") && longer.contains("…</text>"))
  }

  @Test func `labels at the lines' ends keep apart and inside`() {
    let places = LinePlot.spread([100, 101, 102, 300, 345, 346], gap: 16, from: 62, to: 346)
    #expect(zip(places, places.dropFirst()).allSatisfy { $1 - $0 >= 16 })
    #expect(places.allSatisfy { $0 >= 62 && $0 <= 346 })
  }

  @Test func `an undefined value breaks a line`() {
    #expect(LinePlot.runs([1, .nan, 2, 3, .infinity]) == [0..<1, 2..<4])
    #expect(LinePlot.runs([.nan]).isEmpty)
  }

  @Test(arguments: [
    (0.005, 2, "0.01"), (-0.004, 2, "0.00"), (-1.25, 1, "−1.3"), (12, 0, "12"), (.nan, 2, "undefined"),
    (-.infinity, 2, "−∞"),
  ])
  func `numbers are written alike everywhere`(value: Double, decimals: Int, expected: String) {
    #expect(ReportNumber.fixed(value, decimals) == expected)
  }

  @Test func `numbers in pictures have two decimals at most`() {
    #expect(
      [0.126, -0.004, 12, -3.5, 7.05, .nan].map(SVGCanvas.number) == ["0.13", "0", "12", "-3.5", "7.05", "0"])
  }

  @Test func `says how to get the same numbers`() {
    let text = Self.result().reproduce
    #expect(text.contains("Engine(model: \"/models/m.gguf\")"))
    #expect(text.contains(String(repeating: "ab", count: 32)))
    #expect(text.contains("\"seed\":7"))
    #expect(text.contains("fingerprint == \"f0\""))
  }

  @Test func `names the model that ships without its place on this machine`() {
    let path = "/home/someone/.build/release/swift-icl-kernel_ICLEngine.resources/Resources/tour.gguf"
    let text = Self.result(path: path).reproduce
    #expect(text.contains("try Engine()") && !text.contains("someone"))
  }
}
