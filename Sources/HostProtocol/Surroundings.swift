/// What a program that a cell starts would inherit at this moment.
package struct Surroundings: Codable, Sendable, Equatable {
  /// The working directory; `nil` when it was deleted.
  package var folder: String?
  /// Where that was, as far as the system still knows.
  package var formerFolder: String
  package var environment: [String: String]

  package init(folder: String?, formerFolder: String, environment: [String: String]) {
    self.folder = folder
    self.formerFolder = formerFolder
    self.environment = environment
  }
}
