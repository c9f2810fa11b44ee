import Foundation

/// A program's answer, for the questions that `install` and `doctor` ask.
enum Subprocess {
  struct Answer {
    var status: Int32
    /// Standard output without the white space around it.
    var output: String
  }

  /// Runs a program of `PATH` (or an absolute path) and waits; what it says on stderr is not shown.
  static func run(_ program: String, _ arguments: [String]) throws -> Answer {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Answer(
      status: process.terminationStatus,
      output: String(decoding: output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
  }
}
