/// The one error of the kernel's own making: what, where, expected, found, next step.
package struct KernelError: Error, Sendable, CustomStringConvertible {
  package enum Code: String, Sendable {
    case connectionFile, socket, message, toolchain, host, history, notebook, folders
  }
  package let code: Code
  package let what: String
  package let location: String?
  package let expected: String?
  package let found: String?
  package let nextStep: String?

  package init(
    _ code: Code, _ what: String, at location: String? = nil, expected: String? = nil, found: String? = nil,
    nextStep: String? = nil
  ) {
    self.code = code
    self.what = what
    self.location = location
    self.expected = expected
    self.found = found
    self.nextStep = nextStep
  }

  package var description: String {
    var text = what
    if let location { text += "\n  where:    \(location)" }
    if let expected { text += "\n  expected: \(expected)" }
    if let found { text += "\n  found:    \(found)" }
    if let nextStep { text += "\n  next:     \(nextStep)" }
    return text
  }
}
