import Foundation

/// Days, months and years of UTC in the Gregorian calendar, computed here: the same on every machine.
package struct CivilDate: Equatable {
  package var year: Int
  /// 1…12 and 1…31.
  package var month: Int
  package var day: Int
  /// Seconds since midnight, 0…86,399.
  var second: Int

  /// Seconds since 1970 are held to some 290,000 years at either side.
  package init(_ seconds: Double) {
    let whole = Int(min(max(seconds.isFinite ? seconds : 0, -9e12), 9e12).rounded(.down))
    let day = Int((Double(whole) / 86_400).rounded(.down))
    second = whole - day * 86_400
    // Eras of 400 years that begin in March, so that the leap day is the last of its year.
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    self.day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// Midnight; months beyond 1…12 count into other years.
  package static func seconds(year: Int, month: Int, day: Int = 1) -> Double {
    let months = year * 12 + month - 1
    let year = Int((Double(months) / 12).rounded(.down))
    let month = months - year * 12 + 1
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return Double(era * 146_097 + dayOfEra - 719_468) * 86_400
  }
}

/// A unit of the calendar in which dates are counted.
enum CalendarUnit: Sendable, Equatable {
  case seconds(Double)
  /// Weeks begin on Mondays.
  case week
  case months(Int)

  init?(_ component: Calendar.Component) {
    switch component {
    case .second: self = .seconds(1)
    case .minute: self = .seconds(60)
    case .hour: self = .seconds(3600)
    case .day, .weekday, .dayOfYear: self = .seconds(86_400)
    case .weekOfYear, .weekOfMonth: self = .week
    case .month: self = .months(1)
    case .quarter: self = .months(3)
    case .year: self = .months(12)
    default: return nil
    }
  }

  /// The unit that `seconds` lies in.
  func span(around seconds: Double) -> (start: Double, end: Double)? {
    guard seconds.isFinite else { return nil }
    let start = start(of: seconds)
    return (start, advance(start, by: 1))
  }

  func start(of seconds: Double) -> Double {
    switch self {
    case .seconds(let unit): return (seconds / unit).rounded(.down) * unit
    // The first Monday was the fifth of January 1970.
    case .week: return ((seconds - 345_600) / 604_800).rounded(.down) * 604_800 + 345_600
    case .months(let count):
      let date = CivilDate(seconds)
      let months = date.year * 12 + date.month - 1
      let first = Int((Double(months) / Double(count)).rounded(.down)) * count
      return CivilDate.seconds(year: 0, month: first + 1)
    }
  }

  func advance(_ seconds: Double, by count: Int) -> Double {
    switch self {
    case .seconds(let unit): return seconds + unit * Double(count)
    case .week: return seconds + 604_800 * Double(count)
    case .months(let months):
      let date = CivilDate(seconds)
      return CivilDate.seconds(year: date.year, month: date.month + months * count)
    }
  }

  /// Its starts within a range, `step` units apart; at most 1,000.
  func starts(from low: Double, to high: Double, step: Int) -> [Double] {
    let unit: CalendarUnit =
      switch self {
      case .seconds(let seconds): .seconds(seconds * Double(step))
      case .months(let count): .months(count * step)
      case .week: .week
      }
    var result: [Double] = []
    var time = unit.start(of: low)
    let stride = unit == .week ? step : 1
    while time <= high + 1e-6, result.count < 1000 {
      if time >= low - 1e-6 { result.append(time) }
      let next = unit.advance(time, by: stride)
      guard next > time else { break }
      time = next
    }
    return result
  }
}

/// Dates as charts write them.
package enum DateText {
  static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

  package static func full(_ seconds: Double) -> String {
    guard seconds.isFinite else { return "undefined" }
    let date = CivilDate(seconds)
    let day = "\(date.year)-\(two(date.month))-\(two(date.day))"
    return date.second == 0 ? day : "\(day) \(clock(date.second, withSeconds: date.second % 60 != 0))"
  }

  /// Labels for an axis' values: no more of each than tells it from the others, the year or day where it begins.
  static func ticks(_ values: [Double]) -> [String] {
    let dates = values.map(CivilDate.init)
    if dates.contains(where: { $0.second != 0 }) {
      let withSeconds = dates.contains { $0.second % 60 != 0 }
      return dates.enumerated().map { index, date in
        let isNewDay = index == 0 || dates[index - 1].day != date.day
        let spansDays = Set(dates.map { $0.year * 400 + $0.month * 32 + $0.day }).count > 1
        return isNewDay && spansDays && date.second == 0
          ? "\(date.day) \(months[date.month - 1])" : clock(date.second, withSeconds: withSeconds)
      }
    }
    if dates.allSatisfy({ $0.day == 1 && $0.month == 1 }) { return dates.map { String($0.year) } }
    if dates.allSatisfy({ $0.day == 1 }) {
      return dates.enumerated().map { index, date in
        let isNewYear = index == 0 || dates[index - 1].year != date.year
        return months[date.month - 1] + (isNewYear && (index == 0 || date.month == 1) ? " \(date.year)" : "")
      }
    }
    return dates.enumerated().map { index, date in
      let isNewYear = index > 0 && dates[index - 1].year != date.year
      return "\(date.day) \(months[date.month - 1])" + (isNewYear ? " \(date.year)" : "")
    }
  }

  private static func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
  private static func clock(_ second: Int, withSeconds: Bool) -> String {
    "\(two(second / 3600)):\(two(second / 60 % 60))" + (withSeconds ? ":\(two(second % 60))" : "")
  }
}
