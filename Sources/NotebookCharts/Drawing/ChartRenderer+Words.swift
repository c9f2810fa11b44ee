/// What is read aloud in place of the picture.
extension ChartRenderer {
  var spokenTitle: String {
    let what = plan.yTitle.isEmpty ? kinds : plan.yTitle
    return plan.xTitle.isEmpty ? what : "\(what) by \(plan.xTitle)"
  }

  private var kinds: String {
    var names: [String] = []
    for shape in plan.shapes {
      let name =
        switch shape.kind {
        case .line: "lines"
        case .area: "areas"
        case .point: "points"
        case .bar: "bars"
        case .rectangle: "rectangles"
        case .rule: "rules"
        case .errorBar: "intervals"
        }
      if !names.contains(name) { names.append(name) }
      if names.count == 7 || shape.mark > 200 { break }
    }
    return names.isEmpty ? "an empty chart" : names.joined(separator: " and ")
  }

  var spoken: String {
    guard !plan.isEmpty else { return "A chart without data." }
    func axis(_ name: String, _ title: String, _ scale: Scale) -> String {
      let titled = title.isEmpty ? name : "\(name), \(title),"
      if scale.isCategory {
        let names = scale.categories.prefix(8).joined(separator: ", ")
        return "\(titled) has \(scale.categories.count) places: \(names)"
          + (scale.categories.count > 8 ? " and others" : "")
      }
      let (low, high) =
        scale.kind == .date
        ? (DateText.full(scale.low), DateText.full(scale.high))
        : (NumberText.short(scale.low), NumberText.short(scale.high))
      return "\(titled) goes from \(low) to \(high)" + (scale.kind == .log ? ", logarithmic" : "")
    }
    var parts = ["A chart of \(kinds)."]
    parts.append(axis("The x axis", plan.xTitle, plan.x) + ".")
    parts.append(axis("The y axis", plan.yTitle, plan.y) + ".")
    if !plan.colorNames.isEmpty {
      let names = plan.colorNames.prefix(12).joined(separator: ", ")
      parts.append("Colours: \(names)" + (plan.colorNames.count > 12 ? " and others." : "."))
    }
    if !plan.facets.isEmpty { parts.append("One small chart each for \(plan.facets.joined(separator: ", ")).") }
    parts += notes.map { $0 + "." }
    return parts.joined(separator: " ")
  }
}
