/// The Swift language mode in which a cell is compiled: `swiftc -swift-version`.
package enum LanguageMode: String, Sendable, CaseIterable {
  case five = "5"
  case six = "6"

  /// What `swiftc script.swift` takes when nothing is said, in Swift 6.3 as in all versions since 5: most code that is
  /// around was written for it.
  package static let standard = LanguageMode.five
}
