import Foundation

/// What was measured while a model grew: one row now and then, kept as CSV and drawn as SVG.
package struct GrowthLog: Sendable, Codable, Equatable {
  package struct Row: Sendable, Codable, Equatable {
    package var step: Int
    package var phase: String
    /// Wall time since the growing began, without pauses between interrupted runs.
    package var seconds: Double
    package var tokens: Int
    /// Mean loss since the row before, nats for each weighted token.
    package var loss: Double
    /// Accuracies on held-out questions by name, where they were measured.
    package var accuracies: [String: Double]

    package init(
      step: Int, phase: String, seconds: Double, tokens: Int, loss: Double, accuracies: [String: Double]
    ) {
      self.step = step
      self.phase = phase
      self.seconds = seconds
      self.tokens = tokens
      self.loss = loss
      self.accuracies = accuracies
    }
  }

  package var rows: [Row] = []

  package init() {}

  package var csv: String {
    let names = GrowthEvaluation.brief.map(\.name)
    var text =
      "step,phase,seconds,tokens,loss," + names.map { $0.replacing(" ", with: "_") }.joined(separator: ",") + "\n"
    for row in rows {
      let values = names.map { row.accuracies[$0].map { Self.fixed($0, 4) } ?? "" }
      text += "\(row.step),\(row.phase),\(Self.fixed(row.seconds, 1)),\(row.tokens),\(Self.fixed(row.loss, 4)),"
      text += values.joined(separator: ",") + "\n"
    }
    return text
  }

  /// Decimal digits without exponent; an `F` format without `String(format:)`'s locale.
  static func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
    let scale = Int(pow(10, Double(digits)))
    let scaled = Int((abs(value) * Double(scale)).rounded())
    let fraction = String(scaled % scale)
    let padded = String(repeating: "0", count: max(0, digits - fraction.count)) + fraction
    return (value < 0 && scaled > 0 ? "-" : "") + "\(scaled / scale)" + (digits > 0 ? "." + padded : "")
  }
}

extension GrowthLog {
  /// Loss above, held-out accuracies below, by million tokens; a vertical line where a phase begins.
  package var svg: String {
    let width = 760.0
    let left = 56.0
    let right = 590.0
    let last = Double(max(rows.last?.tokens ?? 1, 1)) / 1e6
    func x(_ row: Row) -> Double { left + (right - left) * Double(row.tokens) / 1e6 / last }
    func number(_ value: Double) -> String { Self.fixed(value, 1) }

    let topLoss = max(1, (rows.map(\.loss).filter(\.isFinite).max() ?? 1).rounded(.up))
    func lossY(_ value: Double) -> Double { 210 - 160 * min(max(value, 0), topLoss) / topLoss }
    func accuracyY(_ value: Double) -> Double { 430 - 170 * value }

    var body = ""
    func text(_ x: Double, _ y: Double, _ content: String, anchor: String = "start", type: String = "note") {
      body +=
        "<text class=\"\(type)\" x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">\(content)</text>\n"
    }
    func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ type: String) {
      body +=
        "<line class=\"\(type)\" x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\"/>\n"
    }
    func curve(_ points: [(Double, Double)], _ index: Int) {
      let list = points.map { "\(number($0.0)),\(number($0.1))" }.joined(separator: " ")
      body += "<polyline class=\"curve c\(index)\" points=\"\(list)\"/>\n"
    }

    text(left, 26, "Training loss (nats per answer token)", type: "title")
    for tick in 0...4 {
      let value = topLoss * Double(tick) / 4
      line(left, lossY(value), right, lossY(value), "grid")
      text(left - 8, lossY(value) + 4, number(value), anchor: "end")
    }
    curve(rows.filter(\.loss.isFinite).map { (x($0), lossY($0.loss)) }, 0)

    text(left, 246, "Accuracy on held-out questions, two classes", type: "title")
    for tick in 0...4 {
      let value = Double(tick) / 4
      line(left, accuracyY(value), right, accuracyY(value), "grid")
      text(left - 8, accuracyY(value) + 4, "\(tick * 25) %", anchor: "end")
    }
    for (index, item) in GrowthEvaluation.brief.enumerated() {
      let points = rows.compactMap { row in row.accuracies[item.name].map { (x(row), accuracyY($0)) } }
      curve(points, index + 1)
      let y = 284 + Double(index) * 24
      line(right + 14, y - 4, right + 36, y - 4, "curve c\(index + 1)")
      text(right + 42, y, item.name)
    }
    text(right + 14, 262, "labels, demonstrations")
    for tick in 0...4 {
      let value = last * Double(tick) / 4
      text(left + (right - left) * Double(tick) / 4, 448, number(value), anchor: "middle")
    }
    text((left + right) / 2, 468, "million tokens", anchor: "middle")

    var phase = ""
    var free = [0.0, 0.0]
    for row in rows where row.phase != phase {
      phase = row.phase
      let place = max(left, x(row))
      line(place, 36, place, 430, "phase")
      // In the second line where the first is taken; seven units hold a letter.
      let height = place < free[0] && free[0] > free[1] ? 1 : 0
      text(place + 4, height == 0 ? 46 : 60, phase)
      free[height] = place + 12 + 7 * Double(phase.count)
    }
    let colours = ["#555555", "#999999", "#56b4e9", "#0072b2", "#009e73", "#d55e00"]
    let dashes = ["none", "2 3", "6 3", "none", "none", "8 3 2 3"]
    var style = """
      text{font:12px system-ui,sans-serif;fill:#333}.title{font-weight:600;font-size:13px}.grid{stroke:#ddd}\
      .phase{stroke:#888;stroke-dasharray:3 3}.curve{fill:none;stroke-width:2}
      """
    for index in colours.indices { style += ".c\(index){stroke:\(colours[index]);stroke-dasharray:\(dashes[index])}" }
    style += "@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.c0{stroke:#bbb}}"
    let summary =
      "Training curve: loss and held-out accuracies over \(number(last)) million tokens in \(rows.last?.step ?? 0) steps."
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(width)) 480" role="img" aria-label="\(summary)">
      <title>\(summary)</title>
      <style>\(style)</style>
      \(body)</svg>

      """
  }
}
