import Foundation
import ICLEngine

/// Where a command will write: looked at before the work, so that hours don't end in a wrong path.
enum OutputPlace {
  /// A file that is there or can be made. A device or a pipe is refused: it would be replaced by a file.
  static func checkFile(_ path: String, option: String) throws(EngineError) {
    try StagedFile.check(path, at: "\(option) \(path)")
  }

  /// A folder that is there and can be written, or can be made.
  static func checkFolder(_ path: String, option: String) throws(EngineError) {
    try StagedFolder.check(path, at: "\(option) \(path)")
  }

  /// - Throws: `invalidArgument` where two options name one file
  static func checkDistinct(_ places: [(option: String, path: String?)]) throws(EngineError) {
    var seen: [String: String] = [:]
    for (option, path) in places {
      guard let path else { continue }
      let whole = URL(filePath: path).standardizedFileURL.path
      if let other = seen[whole] {
        throw EngineError(
          .invalidArgument, "two options write the same file", at: "\(other) and \(option)",
          expected: "two names", found: path, nextStep: "give one of them another name")
      }
      seen[whole] = option
    }
  }
}
