import Foundation
import FoundationXML
import NotebookCharts
import NotebookDisplay
import Synchronization
import Testing

private func texts(_ chart: Chart) -> [String] { Reader.texts(chart.svg) }

@Suite("Charts")
struct ChartTests {
  private static var badData: [(chart: Chart, note: String)] {
    [
      (plot([Double]()), "no data"),
      (plot([1.0, .nan, .infinity, 3]), "2 values are not finite: left out"),
      (plot([1, 2, 3], [1, 2]), "3 values of x and 2 of y: the first 2 are drawn"),
      (histogram([Double.nan]), "1 value is not finite: left out"),
      (heatmap([[1, 2], [3]]), "rows have different lengths: cells that are missing are empty"),
      (heatmap([[Double]]()), "no data"),
      (box([String: [Int]]()), "no data"), (violin([Double]()), "no data"), (ecdf([Double]()), "no data"),
      (plot([1e308, -1e308]), "2 values are not finite: left out"),
      (plot([0, -1, 2]).chartYScale(type: .log), "2 values are zero or below: not on a logarithmic axis"),
      (bars(["a"], [Double?.none]), "no data"),
      (scatter([1, 2], [1, 2], color: ["a"]), "1 colours for 2 points: the rest have the first colour"),
    ]
  }

  @Test("Bad data give a chart that says so", arguments: 0..<13)
  func badData(index: Int) {
    #expect(Self.badData.count == 13)
    let (chart, note) = Self.badData[index]
    #expect(texts(chart).contains(note), "\(texts(chart))")
    #expect(XMLParser(data: Data(chart.svg.utf8)).parse())
  }

  @Test(
    "One point, a constant, and values of any size give an axis with round numbers",
    arguments: [
      [5.0], [3, 3, 3], [0, 0], [1e-300, 2e-300], [1e299, -1e299], [1e15, 1e15 + 1], [-1e-9, 1e-9],
      [Double.leastNonzeroMagnitude, 0],
      [1e-12, 1e12], [1e308, -1e308], [.infinity, .nan],
    ])
  func odd(values: [Double]) {
    for chart in [
      plot(values), scatter(values, values), bars(values), histogram(values), ecdf(values), box(values), violin(values),
      heatmap([values]), plot(values).chartYScale(type: .log), plot(values).chartYScale(type: .symmetricLog),
      scatter(values, values).chartXScale(type: .squareRoot),
    ] {
      let svg = chart.svg
      #expect(XMLParser(data: Data(svg.utf8)).parse())
      #expect(!svg.contains("nan") && !svg.contains(">inf"))
      #expect(!chart.plainText.isEmpty)
    }
  }

  @Test("A hundred thousand values are drawn within half a second in less than 300 kB, and the picture says how")
  func large() {
    let noise = Rows.noise(100_000)
    let clock = ContinuousClock()
    for (name, chart) in [
      ("line", plot(noise)), ("points", scatter(noise, Rows.noise(100_000, seed: 3))),
      (
        "marks",
        Chart(Array(noise.enumerated()), id: \.offset) { index, value in
          LineMark(x: .value("step", index), y: .value("value", value))
            .foregroundStyle(by: .value("run", ["a", "b", "c", "d"][index % 4]))
        }
      ),
      ("matrix", heatmap((0..<316).map { row in (0..<316).map { noise[row * 316 + $0] } })),
      ("bars", Chart(Array(noise.enumerated()), id: \.offset) { BarMark(x: .value("x", $0), y: .value("y", $1)) }),
    ] {
      var svg = ""
      let time = clock.measure { svg = chart.svg }
      print("\(name): \(svg.utf8.count) bytes in \(time)")
      #expect(svg.utf8.count < 300_000, "\(name)")
      #expect(texts(chart).contains { $0.contains("drawn are") }, "\(name)")
      // Half a second on a machine of its own; a loaded one takes its time.
      #expect(time < .seconds(3), "\(name)")
    }
  }

  @Test("A thinned line keeps its peaks")
  func peaks() {
    var values = [Double](repeating: 0, count: 100_000)
    values[77_777] = 9
    let plan = Lines.thinned(values.enumerated().map { Point(Double($0.offset), $0.element) }, columns: 100)
    #expect(plan.contains(Point(77_777, 9)))
    #expect(plan.count <= 404)
  }

  @Test("Texts are escaped")
  func escaped() {
    let chart = bars(["<script>alert(1)</script>", "a & b"], [1, 2]).title("\"<&>\"")
    #expect(!chart.svg.contains("<script"))
    #expect(texts(chart).contains("\"<&>\""))
  }

  @Test("Colours, stacks and places follow Swift Charts")
  func stacks() {
    let chart = Chart([("a", 1.0, "x"), ("a", 2, "y"), ("a", -1, "z"), ("b", 3, "x")], id: \.0) { row in
      BarMark(x: .value("k", row.0), y: .value("v", row.1)).foregroundStyle(by: .value("c", row.2))
    }
    // Rounded rectangles, without the legend's and the ground: left, top and height of each bar.
    let bars = chart.svg.matches(of: /<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" rx="2" class/)
      .filter { (Double($0.3) ?? 0) > 20 }
      .map { (left: Double($0.1) ?? 0, top: Double($0.2) ?? 0, height: Double($0.4) ?? 0) }
    #expect(bars.count == 4)
    guard bars.count == 4 else { return }
    let unit = bars[0].height
    func near(_ a: Double, _ b: Double) -> Bool { (a - b).magnitude < 0.05 }
    #expect(near(bars[1].height, 2 * unit) && near(bars[2].height, unit) && near(bars[3].height, 3 * unit))
    // The second stands on the first; the third hangs below zero, where the first begins.
    #expect(near(bars[1].top + bars[1].height, bars[0].top) && near(bars[2].top, bars[0].top + unit))
    #expect(bars[0].left == bars[2].left && bars[3].left > bars[0].left)
    #expect(texts(chart).prefix(3) == ["x", "y", "z"])
  }

  @Test("Values that are missing break a line")
  func gaps() {
    let chart = Chart([1.0, 2, nil, 3, 4].enumerated().map { $0 }, id: \.offset) { index, value in
      LineMark(x: .value("x", index), y: .value("y", value))
    }
    #expect(chart.svg.components(separatedBy: "stroke=\"#0072b2\"").count == 3)
    #expect(chart.data.rows[2] == ["2", ""])
  }

  @Test("The table holds all digits, one row for each mark")
  func data() {
    let chart = Chart([(1, 0.1 + 0.2)], id: \.0) { row in
      PointMark(x: .value("layer", row.0), y: .value("norm", row.1)).foregroundStyle(by: .value("run", "a,b"))
    }
    #expect(chart.data.csv == "layer,norm,run\r\n1,0.30000000000000004,\"a,b\"\r\n")
  }

  @Test(
    "Numbers are written without a locale",
    arguments: [
      ([0.0, 0.1, 0.2, 0.3], ["0.0", "0.1", "0.2", "0.3"]), ([0, 5, 10], ["0", "5", "10"]),
      ([-20_000, 0, 20_000], ["−20,000", "0", "20,000"]), ([0, 2e7], ["0", "2e7"]), ([1e-5, 2e-5], ["1e−5", "2e−5"]),
    ])
  func numbers(values: [Double], labels: [String]) { #expect(NumberText.ticks(values) == labels) }

  @Test(
    "Ticks are round and within", arguments: [(0.0, 1.0), (-3.7, 12.2), (0, 7), (1e-7, 5e-7), (990, 1013), (-1e9, 1e9)])
  func ticks(low: Double, high: Double) {
    for count in 2...10 {
      let ticks = Scale.round(low, high, count)
      #expect(ticks.count <= max(count, 2) && !ticks.isEmpty)
      #expect(ticks.allSatisfy { $0 >= low - 1e-9 * high.magnitude && $0 <= high + 1e-9 * high.magnitude })
    }
  }

  @Test(
    "Days are those of the calendar",
    arguments: [
      (0.0, "1970-01-01"), (951_782_400, "2000-02-29"), (-86_400, "1969-12-31"), (4_107_542_400, "2100-03-01"),
      (-62_135_596_800, "1-01-01"),
    ])
  func days(seconds: Double, text: String) {
    #expect(DateText.full(seconds) == text)
    let date = CivilDate(seconds)
    #expect(CivilDate.seconds(year: date.year, month: date.month, day: date.day) == seconds)
  }

  @Test("A file's ending says the form; what cannot be written is said")
  func files() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let chart = plot([1, 2])
    try chart.write(to: folder.appending(path: "f.svg"))
    #expect(try String(contentsOf: folder.appending(path: "f.svg"), encoding: .utf8) == chart.svg + "\n")
    #expect { try chart.write(to: folder.path + "/f.gif") } throws: { ($0 as? ChartError)?.code == .unknownForm }
    #expect { try chart.write(to: folder.path + "/no/f.svg") } throws: { ($0 as? ChartError)?.code == .writingFailed }
    let hasRenderer = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
      .contains { FileManager.default.isExecutableFile(atPath: "\($0)/rsvg-convert") }
    if hasRenderer {
      try chart.write(to: folder.path + "/f.png")
      #expect(try Data(contentsOf: folder.appending(path: "f.png")).starts(with: [0x89, 0x50]))
    } else {
      #expect { try chart.write(to: folder.path + "/f.png") } throws: { ($0 as? ChartError)?.code == .noRenderer }
    }
  }

  @Test("A live chart is drawn at most ten times a second, in one place, and at last as it ends")
  func live() {
    let sink = Recorder()
    let time = Mutex<UInt64>(0)
    let live = LiveChart(id: "loss", interval: 0.001, sink: sink) { time.withLock { $0 } }
    var made = 0
    func chart() -> Chart {
      made += 1
      return plot([1, made])
    }
    for _ in 0..<100 {
      live.update(chart())
      time.withLock { $0 += 10_000_000 }
    }
    live.finish(chart())
    #expect(made == 11)
    #expect(sink.shown.withLock { $0 }.map(\.update) == [false] + [Bool](repeating: true, count: 10))
    #expect(Set(sink.shown.withLock { $0 }.map(\.id)) == ["loss"])
  }

  @Test("No label of a crowded axis touches another", arguments: [3, 9, 17, 40, 200])
  func crowded(count: Int) {
    for chart in [
      bars((0..<count).map { "name \($0 * $0 * 31)" }, Array(0..<count)),
      Chart(0..<count, id: \.self) { BarMark(x: .value("v", $0), y: .value("n", "a rather long name \($0)")) },
      scatter((0..<count).map { Date(timeIntervalSince1970: Double($0) * 86_400 * 40) }, Array(0..<count)),
      Chart(0..<count, id: \.self) { i in
        LineMark(x: .value("x", 0), y: .value("y", i)).foregroundStyle(by: .value("s", "series \(i)"))
        LineMark(x: .value("x", 1), y: .value("y", 1)).foregroundStyle(by: .value("s", "series \(i)"))
      },
    ] {
      let boxes = ChartRenderer.texts(chart)
      for (index, box) in boxes.enumerated() {
        #expect(!boxes.dropFirst(index + 1).contains(where: box.meets))
        #expect(box.left >= 0 && box.top >= 0)
      }
    }
  }
}

private final class Recorder: DisplaySink {
  let shown = Mutex<[(id: String?, update: Bool)]>([])
  func show(_ bundle: MIMEBundle, id: String?, update: Bool) { shown.withLock { $0.append((id, update)) } }
  func clear(wait: Bool) {}
}
