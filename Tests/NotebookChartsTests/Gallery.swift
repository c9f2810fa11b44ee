import Foundation
import NotebookCharts

/// One picture of the gallery in `docs/CHARTS.md`: its code is what stands there, word for word.
struct Example {
  let name: String
  let chart: Chart
}

/// The rows that examples share.
enum Rows {
  struct Cosine { let layer: Int, cosine: Double, pair: String }
  static let cosines: [Cosine] = ["ICL – tuned", "base – ICL", "base – tuned"].enumerated().flatMap { index, pair in
    (0..<13).map { layer in
      Cosine(layer: layer, cosine: 1 - Double(layer * (index + 1)) / 50 - Double(layer % 3) / 90, pair: pair)
    }
  }
  struct Share { let head: String, share: Double, task: String }
  static let shares = [
    Share(head: "0.1", share: 0.31, task: "sentiment"), Share(head: "0.1", share: 0.22, task: "topic"),
    Share(head: "1.4", share: 0.12, task: "sentiment"), Share(head: "1.4", share: 0.35, task: "topic"),
    Share(head: "2.0", share: 0.41, task: "sentiment"), Share(head: "2.0", share: 0.18, task: "topic"),
  ]
  /// Numbers that look random, the same everywhere.
  static func noise(_ count: Int, seed: UInt64 = 1) -> [Double] {
    var state = seed
    return (0..<count).map { _ in
      // The sum of several even numbers is near to normal.
      (0..<6).reduce(0.0) { sum, _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return sum + Double(state >> 40) / Double(1 << 24) - 0.5
      }
    }
  }
  static func day(_ number: Int) -> Date { Date(timeIntervalSince1970: 1_767_225_600 + Double(number) * 86_400) }
}

enum Gallery {
  static var all: [Example] { lineCharts + barCharts + pointCharts + matrices + distributions + more }

  static var lineCharts: [Example] {
    [
      // gallery: Lines with names at their ends
      Example(
        name: "Lines with names at their ends",
        chart: Chart(Rows.cosines) {
          LineMark(x: .value("layer", $0.layer), y: .value("cosine", $0.cosine))
            .foregroundStyle(by: .value("pair", $0.pair))
        }
        .title("How alike the states are, layer by layer")
        .subtitle("cosine of the residual stream, 24 queries")),
      // gallery: A band around a line
      Example(
        name: "A band around a line",
        chart: Chart(0..<13) { layer in
          let mean = 0.9 - Double(layer) * 0.03
          AreaMark(
            x: .value("layer", layer), yStart: .value("cosine", mean - 0.06), yEnd: .value("cosine", mean + 0.06))
          LineMark(x: .value("layer", layer), y: .value("cosine", mean))
        }
        .title("A mean with its interval")),
      // gallery: A logarithmic axis
      Example(
        name: "A logarithmic axis",
        chart: Chart(1...40, id: \.self) { step in
          LineMark(x: .value("step", step), y: .value("loss", 4000 / Double(step * step * step)))
        }
        .chartYScale(type: .log)
        .title("Loss while tuning")),
      // gallery: Dates
      Example(
        name: "Dates",
        chart: Chart(0..<90) { number in
          LineMark(
            x: .value("day", Rows.day(number)), y: .value("requests", 120 + number * 2 + (number * 37) % 29))
        }
        .title("Requests by day")),
      // gallery: Steps, curves and dashes
      Example(
        name: "Steps, curves and dashes",
        chart: Chart(0..<8) { i in
          let value = Double((i * 5) % 7)
          LineMark(x: .value("step", i), y: .value("value", value))
            .foregroundStyle(by: .value("form", "step"))
            .interpolationMethod(.stepEnd)
          LineMark(x: .value("step", i), y: .value("value", value + 6))
            .foregroundStyle(by: .value("form", "smooth"))
            .interpolationMethod(.monotone)
            .symbol(.circle)
          LineMark(x: .value("step", i), y: .value("value", value + 12))
            .foregroundStyle(by: .value("form", "straight"))
            .lineStyle(StrokeStyle(lineWidth: 3, dash: [4, 3]))
        }),
      // gallery: Gaps
      Example(
        name: "Gaps",
        chart: Chart(0..<20) { i in
          LineMark(x: .value("run", i), y: .value("accuracy", i % 7 == 4 ? nil : 0.4 + Double(i % 5) / 10))
        }
        .title("Runs that failed leave gaps")),
      // gallery: A rule with a text
      Example(
        name: "A rule with a text",
        chart: Chart {
          ForEach(0..<24) { i in
            LineMark(x: .value("epoch", i), y: .value("accuracy", 1 - 0.75 * exp(-Double(i) / 6)))
          }
          RuleMark(y: .value("accuracy", 0.5))
            .lineStyle(StrokeStyle(lineWidth: 1, dash: [4, 4]))
            .annotation(position: .top, alignment: .leading) { Text("chance") }
        }
        .chartYScale(domain: 0...1)),
    ]
  }

  static var barCharts: [Example] {
    [
      // gallery: Bars
      Example(
        name: "Bars",
        chart: Chart {
          BarMark(x: .value("model", "base"), y: .value("accuracy", 0.52))
          BarMark(x: .value("model", "ICL"), y: .value("accuracy", 0.81))
          BarMark(x: .value("model", "tuned"), y: .value("accuracy", 0.84))
        }),
      // gallery: Bars side by side
      Example(
        name: "Bars side by side",
        chart: Chart(Rows.shares, id: \.head) {
          BarMark(x: .value("head", $0.head), y: .value("share", $0.share))
            .foregroundStyle(by: .value("task", $0.task))
            .position(by: .value("task", $0.task))
        }
        .title("Attention to the label")),
      // gallery: Bars on top of one another
      Example(
        name: "Bars on top of one another",
        chart: Chart(Rows.shares, id: \.head) {
          BarMark(x: .value("head", $0.head), y: .value("share", $0.share))
            .foregroundStyle(by: .value("task", $0.task))
        }),
      // gallery: Shares of a whole
      Example(
        name: "Shares of a whole",
        chart: Chart(Rows.shares, id: \.head) {
          BarMark(x: .value("share", $0.share), y: .value("head", $0.head), stacking: .normalized)
            .foregroundStyle(by: .value("task", $0.task))
        }),
      // gallery: Long names
      Example(
        name: "Long names",
        chart: Chart(["residual stream before the block", "attention output", "neurons", "MLP output"], id: \.self) {
          BarMark(x: .value("share", $0.count), y: .value("part", $0))
            .annotation(position: .trailing) { "explained" }
        }),
      // gallery: From one value to another
      Example(
        name: "From one value to another",
        chart: Chart(0..<6) { i in
          BarMark(
            xStart: .value("from", i * 3), xEnd: .value("to", i * 3 + 4), y: .value("stage", "stage \(i + 1)"))
        }
        .title("A plan")
        .chartXAxisLabel("seconds")),
      // gallery: Bars with error bars
      Example(
        name: "Bars with error bars",
        chart: Chart([("0 shots", 0.42, 0.05), ("2 shots", 0.63, 0.06), ("8 shots", 0.78, 0.03)], id: \.0) { row in
          BarMark(x: .value("demonstrations", row.0), y: .value("accuracy", row.1), width: .ratio(0.5))
          ErrorBarMark(x: .value("demonstrations", row.0), y: .value("accuracy", row.1), error: row.2)
        }
        .chartYScale(domain: 0...1)),
      // gallery: Above and below zero
      Example(
        name: "Above and below zero",
        chart: Chart(0..<12) { layer in
          let value = sin(Double(layer)) * Double(layer)
          BarMark(x: .value("layer", layer), y: .value("attribution", value))
            .foregroundStyle(value < 0 ? .red : .blue)
        }),
    ]
  }

  static var pointCharts: [Example] {
    [
      // gallery: Points in groups
      Example(
        name: "Points in groups",
        chart: Chart(Array(Rows.noise(120).enumerated()), id: \.offset) { index, value in
          PointMark(
            x: .value("first component", value + Double(index % 3)),
            y: .value("second component", Rows.noise(120, seed: 7)[index])
          )
          .foregroundStyle(by: .value("label", ["positive", "negative", "neutral"][index % 3]))
        }
        .title("States of the last token")),
      // gallery: Points of different sizes
      Example(
        name: "Points of different sizes",
        chart: Chart(0..<10) { i in
          PointMark(x: .value("layer", i), y: .value("norm", 10 + i * i))
            .symbolSize(by: .value("share", i))
            .opacity(0.6)
        }),
      // gallery: Points with names
      Example(
        name: "Points with names",
        chart: Chart([("Oslo", 4.0, 0.7), ("Cairo", 31.0, 10.2), ("Lima", 22.0, 11.2)], id: \.0) { city in
          PointMark(x: .value("degrees", city.1), y: .value("millions", city.2))
            .annotation(position: .top) { Text(city.0) }
        }),
      // gallery: Very many points
      Example(
        name: "Very many points",
        chart: scatter(Rows.noise(100_000), Rows.noise(100_000, seed: 9))
          .title("100,000 points")),
    ]
  }

  static var matrices: [Example] {
    [
      // gallery: A matrix
      Example(
        name: "A matrix",
        chart: heatmap(
          [[1, 0.62, 0.31], [0.62, 1, -0.44], [0.31, -0.44, 1]], rows: ["base", "ICL", "tuned"],
          columns: ["base", "ICL", "tuned"]
        ).title("How alike the conditions are")),
      // gallery: A large matrix
      Example(
        name: "A large matrix",
        chart: heatmap((0..<24).map { i in (0..<24).map { j in j > i ? nil : 1 / Double(1 + i - j) } })
          .title("Attention").chartXAxisLabel("to position").chartYAxisLabel("from position")),
      // gallery: Rectangles in Swift Charts' words
      Example(
        name: "Rectangles in Swift Charts' words",
        chart: Chart(0..<48) { i in
          RectangleMark(x: .value("layer", "\(i % 8)"), y: .value("head", "\(i / 8)"))
            .foregroundStyle(by: .value("share", Double((i * 7) % 48) / 48))
        }
        .chartForegroundStyleScale(range: Gradient(colors: [.white, .orange, .red]))),
      // gallery: Regions
      Example(
        name: "Regions",
        chart: Chart {
          RectangleMark(xStart: .value("step", 10), xEnd: .value("step", 20)).foregroundStyle(.gray.opacity(0.2))
          ForEach(0..<40) { i in
            LineMark(x: .value("step", i), y: .value("loss", 3 * exp(-Double(i) / 15)))
          }
        }),
    ]
  }

  static var distributions: [Example] {
    [
      // gallery: A histogram
      Example(name: "A histogram", chart: histogram(Rows.noise(2000)).title("Activations of one neuron")),
      // gallery: An empirical distribution
      Example(
        name: "An empirical distribution",
        chart: ecdf(["ICL": Rows.noise(60), "tuned": Rows.noise(60, seed: 3).map { $0 + 0.4 }])),
      // gallery: Boxes
      Example(
        name: "Boxes",
        chart: box([
          "layer 2": Rows.noise(200), "layer 6": Rows.noise(200, seed: 5).map { $0 * 1.6 + 0.5 },
          "layer 10": Rows.noise(200, seed: 8).map { $0 * 0.6 },
        ])),
      // gallery: Violins
      Example(
        name: "Violins",
        chart: violin([
          "layer 2": Rows.noise(200), "layer 6": Rows.noise(200, seed: 5).map { $0 * 1.6 + 0.5 },
          "layer 10": Rows.noise(200, seed: 8).map { $0 * 0.6 },
        ])),
    ]
  }

  static var more: [Example] {
    [
      // gallery: Small charts side by side
      Example(
        name: "Small charts side by side",
        chart: Chart(0..<80) { i in
          LineMark(x: .value("layer", i % 20), y: .value("norm", Double(i % 20) * (1 + Double(i / 20))))
            .facet(by: .value("task", ["sentiment", "topic", "question", "number"][i / 20]))
        }
        .title("One task each")),
      // gallery: Areas on top of one another
      Example(
        name: "Areas on top of one another",
        chart: Chart(0..<36) { i in
          AreaMark(x: .value("layer", i % 12), y: .value("share", 1 + (i * 5) % 4))
            .foregroundStyle(by: .value("part", ["attention", "MLP", "rest"][i / 12]))
        }),
      // gallery: A function
      Example(name: "A function", chart: plot(-6.28...6.28) { sin($0) * exp(-$0 * $0 / 20) }),
      // gallery: An axis of one's own
      Example(
        name: "An axis of one's own",
        chart: Chart(0..<11) { i in
          LineMark(x: .value("share", Double(i) / 10), y: .value("accuracy", Double(i * i) / 100))
        }
        .chartXAxis {
          AxisMarks(values: [0, 0.25, 0.5, 0.75, 1]) { value in
            AxisGridLine()
            AxisValueLabel { Text("\(Int((value.as(Double.self) ?? 0) * 100)) %") }
          }
        }
        .chartYAxis { AxisMarks(values: .stride(by: 0.5)) }),
      // gallery: Two keys, colour and shape
      Example(
        name: "Two keys, colour and shape",
        chart: Chart(0..<24) { i in
          PointMark(x: .value("layer", i / 4), y: .value("score", (i * 7) % 11))
            .foregroundStyle(by: .value("model", i % 2 == 0 ? "small" : "large"))
            .symbol(by: .value("task", i % 4 < 2 ? "sentiment" : "topic"))
        }),
      // gallery: Many turned names
      Example(
        name: "Many turned names",
        chart: bars((0..<16).map { "token number \($0 * 7)" }, (0..<16).map { ($0 * 11) % 17 })
          .title("Tokens and their weight")),
    ]
  }
}
