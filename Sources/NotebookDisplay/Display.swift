/// Shows `value` in the running cell's output now, in the richest form it has. `Void` shows nothing.
///
/// With an `id` a later ``updateDisplay(_:id:)`` replaces what is shown, wherever in the notebook it stands.
public func display(_ value: Any, id: String? = nil) {
  guard let bundle = mimeBundle(for: value) else { return }
  NotebookOutput.sink.show(bundle, id: id, update: false)
}

/// Replaces what was displayed under `id`.
public func updateDisplay(_ value: Any, id: String) {
  NotebookOutput.sink.show(mimeBundle(for: value) ?? MIMEBundle(plainText: ""), id: id, update: true)
}

/// Clears the running cell's output: at once, or when the next output arrives (`wait`, which does not flicker).
public func clearOutput(wait: Bool = false) { NotebookOutput.sink.clear(wait: wait) }

/// The forms in which a notebook shows `value` as a result; `nil` for `Void`, which is not shown.
///
/// A ``RichDisplayable`` (also inside an optional) says for itself; a `text/plain` twin is added where it gave none.
/// Anything else becomes readable text: see ``readableText(of:)``.
public func mimeBundle(for value: Any) -> MIMEBundle? {
  if value is Void { return nil }
  if let rich = value as? any RichDisplayable {
    var bundle = rich.mimeBundle
    if bundle[.plainText] == nil { bundle[.plainText] = "(\(type(of: value)))" }
    return bundle
  }
  return MIMEBundle(plainText: readableText(of: value))
}
