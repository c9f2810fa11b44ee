import CHostSupport
public import NotebookDisplay
import Synchronization

/// What the cell host offers to the code of cells; installed before the first cell runs.
public protocol CellBridge: Sendable {
  /// Sends the trailing expression's value of the calling run.
  func result(_ bundle: MIMEBundle)
  /// Asks the client for a line; `nil` at the end of input. Doesn't return when the client takes no input.
  func readLine(prompt: String) -> String?
  /// Notes a variable of the calling run's cell.
  func holds(_ index: Int, _ type: any AnyStoredType.Type)
  /// Notes the error that a cell's top level threw.
  func threw(_ error: any Error)
  /// Notes that the cell's top level ended before its last step, well.
  func left()
}

public enum CellSupport {
  private static let current = Mutex<(any CellBridge)?>(nil)
  public static var bridge: (any CellBridge)? {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }
}

/// Shows the value of a cell's trailing expression.
public func __result<Value>(_ value: Value) {
  if let bundle = mimeBundle(for: value) { CellSupport.bridge?.result(bundle) }
}

/// A trailing expression without a value shows nothing.
public func __result(_ value: Void) {}

/// A value that can't be copied is described by its type.
@_disfavoredOverload
public func __result<Value: ~Copyable>(_ value: borrowing Value) {
  CellSupport.bridge?.result(MIMEBundle(plainText: "\(Value.self)"))
}

/// Marks how many of the cell's variables have their value.
public func __reached(_ step: Int) { chs_mark(Int32(step)) }

/// Marks that the value which is awaited next goes into a variable.
public func __keep() { chs_keep_next_value() }

/// Reads a line from whoever runs the notebook: the client shows an input field.
///
/// Takes the place of the standard library's function in cells.
/// - Parameter strippingNewline: whether the line's end is left out.
/// - Returns: the line, or `nil` at the end of input.
public func readLine(strippingNewline: Bool = true) -> String? {
  guard let line = CellSupport.bridge?.readLine(prompt: "") else { return nil }
  return strippingNewline ? line : line + "\n"
}

/// Asks for a line, with a text beside the client's input field.
public func readLine(prompt: String) -> String? {
  CellSupport.bridge?.readLine(prompt: prompt)
}

/// A function of its own, so that nothing is left to release when `chs_leave_entry` jumps.
@inline(never)
private func report(_ error: UnsafeRawPointer) {
  // An `any Error` is one reference; the caller gives it away, which the bit cast takes over.
  let error = unsafeBitCast(error, to: (any Error).self)
  if error is NoValue { CellSupport.bridge?.left() } else { CellSupport.bridge?.threw(error) }
}

/// Cells are linked so that this takes the place of the runtime's `swift_errorInMain`: an error that reaches a
/// cell's top level is reported and the cell ends, where a program would abort.
@_cdecl("__wrap_swift_errorInMain")
public func __wrap_swift_errorInMain(_ error: UnsafeRawPointer) {
  report(error)
  chs_leave_entry()
}
