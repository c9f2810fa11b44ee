import Synchronization

/// Where displayed values go: the cell host sends them to the notebook; a program without one prints their text.
public protocol DisplaySink: Sendable {
  /// Whether an update replaces what is shown. Where it does not, progress is kept off the stream.
  var replacesInPlace: Bool { get }
  /// Shows `bundle`. With an `id`, a later `update` of the same id replaces what is shown.
  func show(_ bundle: MIMEBundle, id: String?, update: Bool)
  /// Clears the running cell's output, at once or when the next output arrives (`wait`).
  func clear(wait: Bool)
}

extension DisplaySink {
  public var replacesInPlace: Bool { true }
}

/// Prints the plain-text twin; updates and clears have no meaning on a plain stream and are skipped.
public struct PlainTextSink: DisplaySink {
  public init() {}
  public var replacesInPlace: Bool { false }
  public func show(_ bundle: MIMEBundle, id: String?, update: Bool) {
    if !update { print(bundle.plainText) }
  }
  public func clear(wait: Bool) {}
}

/// The process-wide sink. The cell host installs its own before the first cell runs.
public enum NotebookOutput {
  private static let current = Mutex<any DisplaySink>(PlainTextSink())
  public static var sink: any DisplaySink {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }
}
