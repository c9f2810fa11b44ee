import Foundation
import FoundationXML
import NotebookCharts
import Testing

// Code as it is written for Swift Charts, by us. Nothing but the import is different.

private struct Sale: Identifiable {
  let id = UUID()
  let product: String
  let month: Date
  let amount: Double
  let region: String
}

private let sales: [Sale] = (0..<24).map { (index: Int) -> Sale in
  let product: String = ["Tea", "Coffee", "Cocoa"][index % 3]
  let month = Date(timeIntervalSince1970: Double(index) * 2_629_746)
  let amount = Double((index * 17) % 40 + 5)
  return Sale(product: product, month: month, amount: amount, region: index % 2 == 0 ? "North" : "South")
}

private struct Reading: Identifiable {
  let time: Date
  let celsius: Double
  let low: Double
  let high: Double
  let station: Station
  var id: Date { time }
}

private enum Station: String, CaseIterable, Plottable {
  case harbour, hill
}

private let readings: [Reading] = (0..<30).map { hour in
  let value = 12 + 4 * sin(Double(hour) / 4)
  return Reading(
    time: Date(timeIntervalSince1970: Double(hour) * 3600), celsius: value, low: value - 1, high: value + 2,
    station: hour % 2 == 0 ? .harbour : .hill)
}

private struct Level: Plottable, Hashable {
  let step: Int
  var primitivePlottable: Int { step }
  init?(primitivePlottable: Int) { step = primitivePlottable }
  init(_ step: Int) { self.step = step }
}

private struct Threshold: ChartContent {
  let value: Double
  var body: some ChartContent {
    RuleMark(y: .value("Threshold", value))
      .foregroundStyle(.red)
      .lineStyle(StrokeStyle(lineWidth: 2, dash: [5, 5]))
  }
}

@ChartContentBuilder
private func points(_ rows: [Reading]) -> some ChartContent {
  ForEach(rows) { row in
    PointMark(x: .value("Time", row.time), y: .value("°C", row.celsius))
  }
}

@Suite("Code for Swift Charts")
struct SwiftChartsSnippets {
  private static let all: [(name: String, chart: @Sendable () -> Chart)] = [
    (
      "bars of identifiable rows",
      {
        Chart(sales) { sale in
          BarMark(x: .value("Product", sale.product), y: .value("Amount", sale.amount))
        }
      }
    ),
    (
      "stacked by colour",
      {
        Chart(sales) {
          BarMark(x: .value("Product", $0.product), y: .value("Amount", $0.amount))
            .foregroundStyle(by: .value("Region", $0.region))
        }
        .chartForegroundStyleScale(["North": .blue, "South": .orange])
        .chartLegend(position: .top, alignment: .leading)
      }
    ),
    (
      "grouped by position",
      {
        Chart(sales) {
          BarMark(x: .value("Product", $0.product), y: .value("Amount", $0.amount))
            .position(by: .value("Region", $0.region))
            .foregroundStyle(by: .value("Region", $0.region))
            .cornerRadius(4)
        }
      }
    ),
    (
      "bars by month",
      {
        Chart(sales) {
          BarMark(x: .value("Month", $0.month, unit: .month), y: .value("Amount", $0.amount))
        }
        .chartXAxis {
          AxisMarks(values: .stride(by: .month, count: 3)) { _ in
            AxisGridLine()
            AxisTick()
            AxisValueLabel(format: .dateTime.month(.abbreviated))
          }
        }
      }
    ),
    (
      "one-dimensional bar",
      {
        Chart(sales) {
          BarMark(x: .value("Amount", $0.amount)).foregroundStyle(by: .value("Product", $0.product))
        }
        .chartXAxis(.hidden)
      }
    ),
    (
      "normalized, horizontal",
      {
        Chart(sales) {
          BarMark(x: .value("Amount", $0.amount), y: .value("Product", $0.product), stacking: .normalized)
            .foregroundStyle(by: .value("Region", $0.region))
        }
      }
    ),
    (
      "bars from one value to another",
      {
        Chart(readings) {
          BarMark(
            x: .value("Time", $0.time, unit: .hour), yStart: .value("Low", $0.low), yEnd: .value("High", $0.high),
            width: .fixed(5))
        }
      }
    ),
    (
      "bins",
      {
        Chart(0..<10, id: \.self) { bin in
          BarMark(
            x: .value("Value", ChartBinRange(lowerBound: Double(bin), upperBound: Double(bin + 1))),
            y: .value("Count", bin * bin))
        }
      }
    ),
    (
      "lines of a series",
      {
        Chart(readings) {
          LineMark(x: .value("Time", $0.time), y: .value("°C", $0.celsius), series: .value("Station", $0.station))
            .interpolationMethod(.catmullRom)
        }
        .chartYScale(domain: 0...30)
      }
    ),
    (
      "lines with symbols",
      {
        Chart(readings) {
          LineMark(x: .value("Time", $0.time), y: .value("°C", $0.celsius))
            .foregroundStyle(by: .value("Station", $0.station))
            .symbol(by: .value("Station", $0.station))
            .lineStyle(StrokeStyle(lineWidth: 2, lineCap: .round))
        }
        .chartXScale(type: .date)
        .chartYAxisLabel("degrees")
      }
    ),
    (
      "a band and a line",
      {
        Chart {
          ForEach(readings) { row in
            AreaMark(x: .value("Time", row.time), yStart: .value("Low", row.low), yEnd: .value("High", row.high))
              .opacity(0.3)
            LineMark(x: .value("Time", row.time), y: .value("°C", row.celsius))
          }
        }
      }
    ),
    (
      "stacked areas",
      {
        Chart(sales) {
          AreaMark(x: .value("Month", $0.month), y: .value("Amount", $0.amount), stacking: .center)
            .foregroundStyle(by: .value("Product", $0.product))
        }
      }
    ),
    (
      "points with sizes",
      {
        Chart(readings) {
          PointMark(x: .value("Low", $0.low), y: .value("High", $0.high))
            .symbolSize(by: .value("°C", $0.celsius))
            .foregroundStyle(.green.opacity(0.5))
        }
      }
    ),
    (
      "points with shapes",
      {
        Chart(readings) {
          PointMark(x: .value("Low", $0.low), y: .value("High", $0.high))
            .symbol(.diamond)
            .symbolSize(60)
            .offset(x: 2, y: -2)
        }
        .chartSymbolScale([Station.harbour: .circle, Station.hill: .cross])
      }
    ),
    (
      "a rule with an annotation",
      {
        Chart {
          points(readings)
          RuleMark(y: .value("Average", 12.5))
            .foregroundStyle(.secondary)
            .annotation(position: .top, alignment: .trailing) {
              Text("average").font(.caption).foregroundStyle(.secondary)
            }
        }
      }
    ),
    (
      "rules from one value to another",
      {
        Chart(readings) {
          RuleMark(x: .value("Time", $0.time), yStart: .value("Low", $0.low), yEnd: .value("High", $0.high))
        }
      }
    ),
    (
      "a heatmap",
      {
        Chart(0..<60, id: \.self) { index in
          RectangleMark(
            x: .value("Column", String(index % 10)), y: .value("Row", String(index / 10)), width: .ratio(1),
            height: .ratio(1)
          )
          .foregroundStyle(by: .value("Value", index))
        }
        .chartForegroundStyleScale(range: Gradient(colors: [.blue, .red]))
      }
    ),
    (
      "a region",
      {
        Chart {
          RectangleMark(
            xStart: .value("From", 2), xEnd: .value("To", 4), yStart: .value("Low", 0), yEnd: .value("High", 9)
          )
          .foregroundStyle(.gray.opacity(0.2))
          ForEach(0..<8, id: \.self) { PointMark(x: .value("x", $0), y: .value("y", $0)) }
        }
      }
    ),
    (
      "content of one's own, and conditions",
      {
        let isMarked = sales.count > 3
        return Chart {
          ForEach(sales) { sale in
            if sale.region == "North" {
              PointMark(x: .value("Month", sale.month), y: .value("Amount", sale.amount))
            } else {
              LineMark(x: .value("Month", sale.month), y: .value("Amount", sale.amount))
            }
          }
          if isMarked { Threshold(value: 20) }
          switch sales.count {
          case 0: RuleMark(y: .value("none", 0))
          case 1...10: RuleMark(y: .value("few", 1))
          default: Threshold(value: 30)
          }
        }
      }
    ),
    (
      "scales",
      {
        Chart(1..<50, id: \.self) { PointMark(x: .value("n", $0), y: .value("n²", $0 * $0)) }
          .chartXScale(domain: 1...100, type: .log)
          .chartYScale(domain: .automatic(includesZero: false), type: .symmetricLog)
      }
    ),
    (
      "categories in an order",
      {
        Chart(sales) { BarMark(x: .value("Product", $0.product), y: .value("Amount", $0.amount)) }
          .chartXScale(domain: ["Cocoa", "Tea", "Coffee"])
          .chartLegend(.hidden)
          .frame(height: 200)
      }
    ),
    (
      "axis marks",
      {
        Chart(readings) { LineMark(x: .value("Time", $0.time), y: .value("°C", $0.celsius)) }
          .chartYAxis {
            AxisMarks(position: .leading, values: .automatic(desiredCount: 4)) { value in
              AxisGridLine(stroke: StrokeStyle(lineWidth: 0.5, dash: [2]))
              AxisValueLabel {
                if let number = value.as(Int.self) { Text("\(number)°") }
              }
            }
          }
          .chartXAxis { AxisMarks(preset: .aligned, values: [readings[0].time, readings[9].time]) }
      }
    ),
    (
      "plottable types of one's own",
      {
        Chart(0..<5, id: \.self) { index in
          LineMark(x: .value("Level", Level(index)), y: .value("Value", Double(index)))
        }
        .chartForegroundStyleScale(domain: Station.allCases, range: [Color.blue, Color(red: 1, green: 0.4, blue: 0)])
        .chartXAxisLabel("level", alignment: .center)
      }
    ),
    (
      "number formats",
      {
        Chart(0..<5, id: \.self) { BarMark(x: .value("n", "\($0)"), y: .value("share", Double($0) / 5)) }
          .chartYAxis { AxisMarks(format: FloatingPointFormatStyle<Double>.Percent()) }
      }
    ),
  ]

  @Test("compiles with no change but the import, and draws", arguments: all.indices)
  func snippet(index: Int) throws {
    let chart = Self.all[index].chart()
    let svg = chart.svg
    #expect(XMLParser(data: Data(svg.utf8)).parse())
    #expect(!svg.contains("no data"))
    #expect(chart.data.rows.count > 1)
  }
  @Test("There are at least twenty of them") func count() { #expect(Self.all.count >= 20) }
}
