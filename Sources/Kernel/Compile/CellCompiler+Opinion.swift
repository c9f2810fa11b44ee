import Foundation
import Synchronization

/// What the compiler says of a cell's own text, without what the kernel adds to it.
extension CellCompiler {
  /// What the compiler says of the user's text as it stands, found while something else goes on.
  final class Opinion: Sendable {
    private let found = Mutex<[Diagnostic]>([])
    private let done = DispatchGroup()

    init(_ ask: @escaping @Sendable () -> [Diagnostic]) {
      done.enter()
      Thread.detachNewThread {
        let answer = ask()
        self.found.withLock { $0 = answer }
        self.done.leave()
      }
    }

    func wait() -> [Diagnostic] {
      done.wait()
      return found.withLock { $0 }
    }
  }

  /// Errors and warnings of the user's text, as a script of its own. Empty where the compiler fails for a reason that
  /// isn't the cell's: then what it says of the edited text has to do.
  func opinion(
    on source: CellSource, _ label: String, _ module: String, _ header: [String], _ tools: ToolRunner
  ) -> [Diagnostic] {
    let place = "\(folder)/\(module)-text"
    defer { try? FileManager.default.removeItem(atPath: place) }
    do {
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      try write(source.original, header, label, to: place)
      // Some errors and warnings are found only on the way to machine code.
      let arguments = ["-emit-sil", "-primary-file", "\(place)/main.swift", "-module-name", module, "-o", "/dev/null"]
      let result = try tools.run(
        [environment.toolchain.frontend] + arguments + moduleFlags(languageMode) + Self.diagnosticFlags)
      let found = Diagnostic.parse(
        result.output, label: label, source: source, edited: source.unedited, file: place + "/main.swift",
        lead: header.count + 1)
      return Diagnostic.withoutScript(found, source)
    } catch {
      return []
    }
  }
}
