/// Names of the modules that cells become. The runtime shows them (`In15.P` in `String(reflecting:)`), so they are as
/// near to the notebook's `In[15]` as the name of a module can be.
enum CellModule {
  static let prelude = "Prelude"

  /// - Parameter run: which module of that number it is, from 1: a cell that is compiled again needs another name.
  static func name(_ count: Int, run: Int) -> String { run == 1 ? "In\(count)" : "In\(count)_\(run)" }

  /// Whether a module is a cell's or the prelude.
  static func isName(_ name: some StringProtocol) -> Bool {
    if name == prelude { return true }
    guard name.hasPrefix("In") else { return false }
    let parts = name.dropFirst(2).split(separator: "_", maxSplits: 1, omittingEmptySubsequences: false)
    return parts.allSatisfy {
      !$0.isEmpty && $0.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
  }
}
