import Foundation

/// Where the compiler keeps what it makes of C modules: in the user's cache folder, from session to session, or in the
/// session's own when that can't be written. A cell never fails for want of a cache.
///
/// Beside it lie stubs of the engine's own C modules. They are imported internally: the compiler asks that they exist
/// and looks no further, so empty ones do. What it makes of them is kept by their path, and would be made anew, and
/// kept for ever, for every session's own.
struct CompilerCaches: Sendable {
  enum Mending: Equatable, Sendable {
    /// Nothing was wrong with them.
    case sound
    /// Something had been deleted and is there again.
    case restored
    /// The user's cache can't be written any more; the session's folder serves from now on.
    case moved(fault: String)
    /// Nor can the session's folder.
    case lost
  }
  private var place: String
  private let session: String
  private let hiddenModules: [String]

  /// - Parameters:
  ///   - shared: the cache folder that sessions share, if there is one.
  ///   - session: a folder for this session alone.
  ///   - hiddenModules: C modules that get stubs.
  init(shared: String?, session: String, hiddenModules: [String]) throws {
    place = shared ?? session
    self.session = session
    self.hiddenModules = hiddenModules
    if case .lost = mend() {
      throw CompileFailure.system("the session folder can't be written: \(Self.fault(of: session) ?? session)")
    }
  }

  var modules: String { place + "/modules" }

  var stubFlags: [String] {
    hiddenModules.flatMap { ["-Xcc", "-fmodule-map-file=\(stub($0))"] }
  }

  private func stub(_ module: String) -> String { "\(modules)/stubs/\(module).modulemap" }

  private static func fault(of place: String) -> String? {
    FolderTrial.fault(of: place + "/modules/stubs", for: .writing)
  }

  /// Whether a tool's words say that the cache is why it failed: it names a file there, or a disk that is full.
  func isBlamed(in output: String) -> Bool {
    output.contains(modules) || output.contains("No space left on device")
  }

  /// Makes what isn't there, and leaves the user's cache for the session's folder where that is needed.
  /// - Parameter isBlamed: the compiler couldn't use it, though nothing else may be wrong with it.
  mutating func mend(isBlamed: Bool = false) -> Mending {
    if let fault = Self.fault(of: place) { return move(fault) }
    var mending = Mending.sound
    for module in hiddenModules {
      let text = Data("module \(module) {}\n".utf8)
      if FileManager.default.contents(atPath: stub(module)) == text { continue }
      guard (try? text.write(to: URL(fileURLWithPath: stub(module)), options: .atomic)) != nil else {
        return move("\(modules) can't be written")
      }
      mending = .restored
    }
    // A file of the usual size fits and one of the compiler's doesn't.
    return mending == .sound && isBlamed ? move("the compiler can't write in \(modules)") : mending
  }

  private mutating func move(_ fault: String) -> Mending {
    guard place != session else { return .lost }
    let shared = place
    place = session
    if mend() != .lost { return .moved(fault: fault) }
    place = shared
    return .lost
  }
}
