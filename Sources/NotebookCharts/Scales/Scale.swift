import Foundation

/// From values to places along one axis.
package struct Scale {
  var kind: ScaleType.Kind
  var constant = 1.0
  /// Numbers or seconds; of categories, unused.
  var low = 0.0
  var high = 1.0
  private(set) var categories: [String] = []
  private var index: [String: Int] = [:]
  /// Where the low and the high end are in the picture.
  var start = 0.0
  var end = 1.0
  /// Whether the values grow from the end to the start.
  var isReversed = false

  init(kind: ScaleType.Kind, constant: Double = 1, low: Double, high: Double) {
    self.kind = kind
    self.constant = constant
    self.low = low
    self.high = high
  }
  init(categories: [String]) {
    kind = .category
    self.categories = categories
    index = Dictionary(categories.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
  }

  var isCategory: Bool { kind == .category }
  /// The room of one category.
  var band: Double { (end - start).magnitude / Double(max(categories.count, 1)) }

  func position(_ value: PlottedValue) -> Double? {
    if isCategory {
      let name = value.text
      guard let place = index[name], value != .missing else { return nil }
      return start + (end - start) * (Double(place) + 0.5) / Double(max(categories.count, 1))
    }
    return value.place.flatMap(position)
  }

  func position(_ number: Double) -> Double? {
    let (from, to) = (transformed(low), transformed(high))
    let place = transformed(number)
    guard place.isFinite, to > from else { return place.isFinite ? (start + end) / 2 : nil }
    // Far outside of the domain, finite but held, so that no number in the picture is out of all proportion.
    let share = (place - from) / (to - from)
    guard share.isFinite else { return nil }
    return start + (end - start) * min(max(share, -20), 21)
  }

  func contains(_ value: PlottedValue) -> Bool {
    if isCategory { return index[value.text] != nil }
    guard let place = value.place else { return false }
    let slack = (high - low).magnitude * 1e-9
    return place >= min(low, high) - slack && place <= max(low, high) + slack
  }

  func transformed(_ value: Double) -> Double {
    switch kind {
    case .linear, .date, .category: value
    case .log: value > 0 ? Foundation.log(value) : -.infinity
    case .squareRoot: value < 0 ? -(-value).squareRoot() : value.squareRoot()
    case .symmetricLog:
      value < 0 ? -Foundation.log1p(-value * constant) : Foundation.log1p(value * constant)
    }
  }

  /// The place from which bars and areas begin.
  var base: Double { kind == .log ? low : min(max(0, min(low, high)), max(low, high)) }

  // MARK: Ticks

  /// - Parameter count: how many there should be at most.
  func ticks(_ count: Int) -> [PlottedValue] {
    switch kind {
    case .category: categories.map { .category($0) }
    case .date: Self.dateTicks(low, high, count).map { .date($0) }
    case .log: logTicks(count).map { .number($0) }
    case .squareRoot, .linear: Self.round(low, high, count).map { .number($0) }
    case .symmetricLog: symmetricTicks(count).map { .number($0) }
    }
  }

  func labels(_ values: [PlottedValue]) -> [String] {
    switch kind {
    case .category: values.map(\.text)
    case .date: DateText.ticks(values.map { $0.place ?? 0 })
    case .log, .symmetricLog: values.map { $0.place.map { $0 == 0 ? "0" : NumberText.logTick($0) } ?? $0.text }
    case .linear, .squareRoot: NumberText.ticks(values.map { $0.place ?? 0 })
    }
  }

  /// 1, 2 or 5 times a power of ten, with which at most `count` values lie within.
  static func step(_ low: Double, _ high: Double, _ count: Int) -> Double {
    let span = high / 2 - low / 2
    guard span > 0, span.isFinite else { return 1 }
    let raw = span / Double(max(count, 1)) * 2
    let exponent = NumberText.exponent(raw)
    for factor in [1.0, 2, 5, 10, 20] {
      let step = NumberText.scaled(factor, exponent)
      if (high / step).rounded(.down) - (low / step).rounded(.up) + 1 <= Double(max(count, 2)) { return step }
    }
    return NumberText.scaled(50, exponent)
  }

  package static func round(_ low: Double, _ high: Double, _ count: Int) -> [Double] {
    let (low, high) = (min(low, high), max(low, high))
    let step = step(low, high, count)
    return multiples(of: step, low, high)
  }

  static func multiples(of step: Double, _ low: Double, _ high: Double) -> [Double] {
    guard step > 0, step.isFinite, (high - low) / step < 1000 else { return [low, high] }
    let first = (low / step - 1e-9).rounded(.up)
    let last = (high / step + 1e-9).rounded(.down)
    guard first <= last, last - first <= 1000 else { return [] }
    let exponent = NumberText.exponent(step)
    // By division where the step is a fraction: 3 / 10 is 0.3, 3 * 0.1 is not.
    let factor = exponent < 0 ? NumberText.power(10, -exponent) : 1
    let isFraction = exponent < 0 && exponent > -300
    let whole: Double = (step * factor).rounded()
    return Swift.stride(from: first, through: last, by: 1).map { (index: Double) -> Double in
      isFraction ? index * whole / factor : index * step
    }
  }

  private func logTicks(_ count: Int) -> [Double] {
    let (low, high) = (min(low, high), max(low, high))
    guard low > 0 else { return [] }
    let (first, last) = (NumberText.exponent(low), NumberText.exponent(high))
    func all(_ factors: [Double], every: Int = 1) -> [Double] {
      let exponents = (first...max(first, last)).filter { ($0 % every + every) % every == 0 }
      let values: [Double] = exponents.flatMap { exponent in factors.map { NumberText.scaled($0, exponent) } }
      return values.filter { $0 >= low * (1 - 1e-9) && $0 <= high * (1 + 1e-9) }
    }
    for factors in [[1.0, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1, 3], [1]] {
      let ticks = all(factors)
      if ticks.count <= count || factors == [1] && ticks.count <= count {
        return ticks.count >= 2 ? ticks : Self.round(low, high, count).filter { $0 > 0 }
      }
    }
    for every in [2, 3, 5, 10, 20, 50, 100] {
      let ticks = all([1], every: every)
      if ticks.count <= count { return ticks }
    }
    return [low, high]
  }

  private func symmetricTicks(_ count: Int) -> [Double] {
    let greatest = max(low.magnitude, high.magnitude)
    let top = NumberText.exponent(max(greatest, 1e-300))
    let powers = (top - max(count / 2, 1) + 1...top).map { NumberText.scaled(1, $0) }
    let all = powers.reversed().map { -$0 } + [0] + powers
    let ticks = all.filter { $0 >= min(low, high) && $0 <= max(low, high) }
    return ticks.count >= 3 ? ticks : Self.round(low, high, count)
  }

  private static func dateTicks(_ low: Double, _ high: Double, _ count: Int) -> [Double] {
    let seconds: [Double] = [
      1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
    ]
    let (low, high) = (min(low, high), max(low, high))
    if high - low < 2 { return round(low, high, count) }
    for step in seconds where (high - low) / step < Double(count) {
      return CalendarUnit.seconds(step).starts(from: low, to: high, step: 1)
    }
    for weeks in [1, 2] where (high - low) / 604_800 / Double(weeks) < Double(count) {
      return CalendarUnit.week.starts(from: low, to: high, step: weeks)
    }
    for months in [1, 2, 3, 6] where (high - low) / 2_629_746 / Double(months) < Double(count) {
      return CalendarUnit.months(months).starts(from: low, to: high, step: 1)
    }
    let years = (high - low) / 31_556_952
    let step = max(Int(Self.step(0, years, count).rounded()), 1)
    return CalendarUnit.months(12 * step).starts(from: low, to: high, step: 1)
  }
}
