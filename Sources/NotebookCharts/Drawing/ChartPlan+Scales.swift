/// Which values the axes reach over.
extension ChartPlan {
  mutating func makeScales() {
    x = scale(chart.x, { [$0.x0, $0.x1] }, isX: true)
    y = scale(chart.y, { [$0.y0, $0.y1] }, isX: false)
    xTitle = chart.x.label ?? title { [$0.x, $0.xEnd] }
    yTitle = chart.y.label ?? title { [$0.y, $0.yEnd] }
    noteWhatIsOutside()
  }

  /// The label that the values have, as long as it is one.
  private func title(_ fields: (Mark) -> [Field?]) -> String {
    var found: String?
    for mark in marks where mark.kind != .rule {
      for case let field? in fields(mark) where field.label != found && !field.label.isEmpty {
        if found != nil { return mark.kind == .area || mark.kind == .errorBar ? found ?? "" : "" }
        found = field.label
      }
    }
    if let found { return found }
    for mark in marks { for case let field? in fields(mark) { return field.label } }
    return ""
  }

  private func scale(_ spec: AxisSpec, _ values: (Shape) -> [PlottedValue?], isX: Bool) -> Scale {
    var names = Names()
    var numbers = Extent()
    var positive = Extent()
    var hasCategory = false
    var hasDate = false
    for shape in shapes {
      for case let value? in values(shape) {
        switch value {
        case .category:
          hasCategory = true
          names.add(value)
        case .number(let number):
          numbers.add(number)
          if number > 0 { positive.add(number) }
        case .date(let seconds):
          hasDate = true
          numbers.add(seconds)
        case .missing: break
        }
      }
    }
    let said = spec.domain.values
    let kind =
      spec.type?.kind
      ?? (hasCategory || said.contains(where: \.isCategory)
        ? .category : hasDate || said.contains(where: \.isDate) ? .date : .linear)
    if kind == .category { return categories(spec, names, values) }
    // A logarithm has no place for zero and below.
    let data = kind == .log ? positive.ends : numbers.ends
    var (low, high) = data ?? (kind == .log ? (1, 10) : (0, 1))
    let ends = said.compactMap(\.place)
    var isSaid = false
    if let first = ends.min(), let last = ends.max(), kind != .log || first > 0 {
      (low, high) = (first, last)
      isSaid = true
    }
    if !isSaid, data != nil { include(&low, &high, spec, kind, isX: isX) }
    widen(&low, &high, kind)
    if !isSaid, !isX || chart.x.marks == nil, kind == .linear, !isX || hasLength(alongX: true) {
      let step = Scale.step(low, high, 6)
      if hasBase(alongX: isX) || !isX {
        low = (low / step + 1e-9).rounded(.down) * step
        high = (high / step - 1e-9).rounded(.up) * step
      }
    }
    if !isSaid, kind == .log, !isX {
      let decades = NumberText.exponent(high) - NumberText.exponent(low)
      if decades >= 1 {
        low = NumberText.scaled(1, NumberText.exponent(low))
        let top = NumberText.scaled(1, NumberText.exponent(high))
        high =
          high <= top * 1.0001 ? top : high <= 3 * top ? 3 * top : NumberText.scaled(1, NumberText.exponent(high) + 1)
      }
    }
    var scale = Scale(kind: kind, constant: spec.type?.constant ?? 1, low: low, high: high)
    let isDescending = ends.count > 1 && !spec.domain.isRange && (ends.first ?? 0) > (ends.last ?? 0)
    if spec.domain.isReversed || isDescending { scale.isReversed = true }
    return scale
  }

  private func categories(_ spec: AxisSpec, _ names: Names, _ values: (Shape) -> [PlottedValue?]) -> Scale {
    var all = names.all
    if all.isEmpty || shapes.contains(where: { values($0).contains { $0?.place != nil } }) {
      // Numbers on an axis of categories, in their order.
      var numbers: Set<Double> = []
      for shape in shapes { for case let value? in values(shape) { value.place.map { _ = numbers.insert($0) } } }
      let isDate = shapes.contains { values($0).contains { $0?.isDate == true } }
      all += numbers.sorted().map { isDate ? PlottedValue.date($0).text : PlottedValue.number($0).text }
    }
    if !spec.domain.values.isEmpty { all = spec.domain.values.map(\.text) }
    var known: Set<String> = []
    all = all.filter { known.insert($0).inserted }
    var scale = Scale(categories: all)
    scale.isReversed = spec.domain.isReversed
    return scale
  }

  /// Whether bars or areas grow along this axis from zero.
  private func hasBase(alongX: Bool) -> Bool {
    shapes.contains { shape in
      guard shape.kind == .bar || shape.kind == .area, shape.isHorizontal == alongX else { return false }
      return alongX ? marks[shape.mark].xEnd == nil : marks[shape.mark].yEnd == nil
    }
  }
  private func hasLength(alongX: Bool) -> Bool { hasBase(alongX: alongX) }

  private func include(_ low: inout Double, _ high: inout Double, _ spec: AxisSpec, _ kind: ScaleType.Kind, isX: Bool) {
    // Marks as wide as their neighbours leave room for: half of it stands out at either end.
    let room = roomOfMarks(alongX: isX)
    if room > 0, kind == .linear || kind == .date {
      low -= room / 2
      high += room / 2
    }
    guard kind == .linear || kind == .squareRoot || kind == .symmetricLog else { return }
    let isNear = !isX && low > 0 && low <= 0.35 * high
    if spec.domain.includesZero ?? (hasBase(alongX: isX) || isNear) {
      low = min(low, 0)
      high = max(high, 0)
    }
  }

  /// The smallest distance between the places of bars and rectangles that have no width of their own.
  func roomOfMarks(alongX: Bool) -> Double {
    var places: Set<Double> = []
    for shape in shapes {
      let isWide =
        shape.kind == .bar
        ? shape.isHorizontal != alongX && (alongX ? shape.x1 : shape.y1) == nil
          && !(marks[shape.mark].xEnd != nil && marks[shape.mark].yEnd != nil)
        : shape.kind == .rectangle && (alongX ? shape.x1 : shape.y1) == nil
      guard isWide, let place = (alongX ? shape.x0 : shape.y0)?.place else { continue }
      places.insert(place)
    }
    guard !places.isEmpty else { return 0 }
    let sorted = places.sorted()
    let gaps = zip(sorted, sorted.dropFirst()).map { $1 - $0 }
    return gaps.min() ?? (shapes.contains { (alongX ? $0.x0 : $0.y0)?.isDate == true } ? 86_400 : 1)
  }

  /// A constant gets room at both sides.
  private func widen(_ low: inout Double, _ high: inout Double, _ kind: ScaleType.Kind) {
    if low > high { swap(&low, &high) }
    let size = max(low.magnitude, high.magnitude)
    guard high - low <= size * 1e-12 || high - low < 1e-290 else { return }
    if kind == .log {
      // Below, a third of it is nothing.
      low = max(low, 1e-290) / 3
      high = max(high, 1e-290) * 3
    } else if kind == .date {
      low -= 43_200
      high += 43_200
    } else {
      let room = size < 1e-280 ? 1 : size / 2
      low -= room
      high += room
    }
  }

  private mutating func noteWhatIsOutside() {
    func count(_ spec: AxisSpec, _ scale: Scale, _ values: (Shape) -> [PlottedValue?]) -> Int {
      guard !spec.domain.values.isEmpty || scale.kind == .log else { return 0 }
      return shapes.count { shape in
        guard shape.kind != .rule else { return false }
        let all = values(shape).compactMap { $0 }.filter { $0 != .missing }
        // Bars and areas reach down to the axis: what counts is their other end.
        if shape.kind == .bar || shape.kind == .area, scale.kind == .log {
          return all.allSatisfy { !scale.contains($0) }
        }
        return !all.isEmpty && all.contains { !scale.contains($0) }
      }
    }
    let outside = count(chart.x, x) { [$0.x0, $0.x1] } + count(chart.y, y) { [$0.y0, $0.y1] }
    guard outside > 0 else { return }
    let isLog = x.kind == .log || y.kind == .log
    let isSaid = !chart.x.domain.values.isEmpty || !chart.y.domain.values.isEmpty
    let place = isSaid ? "outside of the axes" : isLog ? "zero or below: not on a logarithmic axis" : "outside"
    notes.append(outside == 1 ? "1 value is \(place)" : "\(outside) values are \(place)")
  }
}
