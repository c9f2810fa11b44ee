import ArgumentParser
import Foundation
import ICLEngine

/// Checks of option values, before anything is read or computed. A failure names the option, what it takes and what it
/// got, and ends with ``ExitStatus/usage``.
enum OptionCheck {
  static func atLeast(_ least: Int, _ values: (option: String, value: Int?)...) throws {
    for (option, value) in values {
      if let value, value < least {
        throw ValidationError("\(option) takes a whole number, \(least) or more, not '\(value)'.")
      }
    }
  }

  static func number(_ option: String, _ value: Double?, _ words: String, where isGood: (Double) -> Bool) throws {
    if let value, !(value.isFinite && isGood(value)) {
      throw ValidationError("\(option) takes \(words), not '\(value)'.")
    }
  }

  /// Refuses empty texts where one is a name or a path.
  static func notEmpty(_ values: (option: String, value: String?)...) throws {
    for (option, value) in values {
      if let value, value.allSatisfy(\.isWhitespace) {
        throw ValidationError("\(option) is empty; give it a value or leave it out.")
      }
    }
  }

  /// Refuses options that would have no effect.
  /// - Parameter condition: what they need, such as `--export runs nothing`
  static func noEffect(_ options: [(option: String, isGiven: Bool)], because condition: String) throws {
    if let useless = options.first(where: \.isGiven) {
      throw ValidationError("\(useless.option) has no effect here: \(condition). Leave it out.")
    }
  }

  static func choice<T: RawRepresentable & CaseIterable>(_ option: String, _ text: String) throws -> T
  where T.RawValue == String {
    if let value = T(rawValue: text) { return value }
    let names = T.allCases.map(\.rawValue)
    throw ValidationError(
      "\(option) takes \(list(names)), not '\(text)'."
        + (Suggestion.nearest(to: text, among: names).map { " Perhaps \($0)?" } ?? ""))
  }

  /// `a, b or c`
  static func list(_ names: [String]) -> String {
    guard names.count > 1, let last = names.last else { return names.first ?? "" }
    return names.dropLast().joined(separator: ", ") + " or " + last
  }

  /// A seed: what chance depends on has no sign.
  @Sendable static func seed(_ text: String) throws -> UInt64 {
    if let seed = UInt64(text) { return seed }
    throw ValidationError("a seed is a whole number from 0 to \(UInt64.max)")
  }
}

extension Int {
  /// `1 repetition`, `2 repetitions`.
  func counted(_ noun: String, _ plural: String? = nil) -> String {
    "\(self) " + (self == 1 ? noun : plural ?? noun + "s")
  }
}
